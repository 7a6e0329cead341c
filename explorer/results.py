"""Results that are kept: looked up in the store before they are computed, and saved when they are done.

A result is found again by everything that decides its numbers: the weights, the images themselves, every field of the
experiment, the order, and the source code of the modules that compute it. A hash of that code, unlike a version, needs
nobody to remember to raise it; the price is that even a new comment there has results computed anew.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, fields, replace
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from explorer.activations import ChannelStatistics, collect_stream
from explorer.checkpoints import Checkpoint, versions
from explorer.data import Batches
from explorer.evaluation import Device, resolve_device
from explorer.experiment import (
    Experiment,
    Found,
    Steps,
    band_of,
    batches_of,
    check,
    criterion_named,
    look_stream,
    run_of,
    seeds_of,
    steps_of,
    sweep_of,
)
from explorer.models import conv_layer
from explorer.oracle import Cost, Oracle, Search
from explorer.store import Arrays, Identity, SetAsideError, Store
from explorer.sweep import Agreement, Band, Sweep, check_ks

Note = str  # a sentence for the user on the way to a result

# The modules that decide a result's numbers: what `experiment` imports, and itself.
ENGINE = (
    "data", "augmentation", "models", "graph", "evaluation", "checkpoints", "recipes", "training", "activations",
    "ranking", "pruning", "schedule", "plan", "oracle", "sweep", "experiment",
)  # fmt: skip


def kept_statistics(
    checkpoint: Checkpoint,
    layer: str,
    split: str,
    point: str = "raw",
    limit: int | None = None,
    store: Store | None = None,
    device: Device = None,
) -> Iterator[Note | ChannelStatistics]:
    """Statistics of a layer's output over a split, from the store or, batch by batch, from the images."""
    store = store or Store()
    batches = batches_of(checkpoint, split, limit)
    channels = conv_layer(checkpoint.model, layer).out_channels
    identity = _identity(
        "statistics", checkpoint, batches, {"layer": layer, "point": point, "device": resolve_device(device).type}
    )
    arrays = yield from _find(store, identity, partial(_check_statistics, channels=channels))
    if arrays is not None:
        yield ChannelStatistics(**arrays, done=batches.n, total=batches.n)
        return
    result = None
    for result in collect_stream(checkpoint.model, layer, batches, point, device):
        yield result
    assert result is not None
    yield from _save(store, identity, _arrays_of_statistics(result))


def kept_look(
    experiment: Experiment, checkpoint: Checkpoint, store: Store | None = None, device: Device = None
) -> Iterator[Note | Found]:
    """What the ranking looks at images for, see `experiment.look_stream`, from the store or from the images."""
    criterion, layer, limit = criterion_named(experiment.criterion), experiment.layer, experiment.limit
    store = store or Store()
    if isinstance(criterion, Oracle):
        yield from _kept_search(experiment, checkpoint, store, device)
    elif criterion.needs_data:
        yield from kept_statistics(checkpoint, layer, experiment.ranked_on, criterion.point, limit, store, device)


def kept_sweep(
    experiment: Experiment,
    checkpoint: Checkpoint,
    found: Found | None = None,
    device: Device = None,
    store: Store | None = None,
    coarse_first: bool = False,
) -> Iterator[Note | Found | Sweep]:
    """Rank, then sweep: what the ranking looks at images for, unless it is given as `found`, then curves.

    Each comes from the store where it is there, and is saved once it is whole. `coarse_first` as for
    `sweep.sweep_stream`. Raises ValueError as `check`.
    """
    check(experiment, checkpoint)
    store = store or Store()
    if found is None:
        for step in kept_look(experiment, checkpoint, store, device):
            yield step
            found = found if isinstance(step, str) else step
    steps = steps_of(experiment, checkpoint, found)
    kept = yield from _kept_one(experiment, checkpoint, steps, device, store)
    if kept is not None:
        yield kept
        return
    result = None
    for result in sweep_of(experiment, checkpoint, found, device, steps, coarse_first):
        yield result
    assert result is not None
    yield from _save(store, _sweep_identity(experiment, checkpoint, steps, device), _arrays_of_sweep(result))


def kept_band(
    experiment: Experiment,
    checkpoint: Checkpoint,
    orders: int,
    device: Device = None,
    store: Store | None = None,
    coarse_first: bool = False,
) -> Iterator[Note | Band]:
    """A band of so many random orders, see `experiment.band_of`: each of its sweeps is kept as one of its own."""
    store = store or Store()
    seeds = [(each, steps_of(each, checkpoint)) for each in seeds_of(experiment, checkpoint, orders)]
    kept: list[Sweep] = []
    for each, steps in seeds:
        one = yield from _kept_one(each, checkpoint, steps, device, store)
        if one is None:
            break
        kept.append(one)
    if len(kept) == orders:
        yield Band(tuple(kept))
        return
    band = None
    for band in band_of(experiment, checkpoint, orders, device, coarse_first):
        yield band
    assert band is not None
    for (each, steps), result in zip(seeds, band.sweeps, strict=True):
        yield from _save(store, _sweep_identity(each, checkpoint, steps, device), _arrays_of_sweep(result))


def _kept_one(
    experiment: Experiment, checkpoint: Checkpoint, steps: Steps, device: Device, store: Store
) -> Generator[Note, None, Sweep | None]:
    """The sweep of an experiment whose order is known, if it is in the store."""
    (ranking, gone), classes = steps, checkpoint.card.classes
    ks = check_ks(experiment.ks, len(ranking.order))
    batches = batches_of(checkpoint, experiment.split, experiment.limit)
    identity = _sweep_identity(experiment, checkpoint, steps, device)
    arrays = yield from _find(store, identity, partial(_check_sweep, shape=(len(ks), batches.n), classes=len(classes)))
    if arrays is None:
        return None
    return Sweep(
        predictions=arrays["predictions"],
        labels=batches.labels.numpy(),
        ks=ks,
        order=ranking.order,
        importance=ranking.importance,
        classes=classes,
        run=run_of(experiment, checkpoint),
        total=batches.n,
        slow=bool(arrays["slow"][0]),
        gone=gone,
        agreement=Agreement(arrays["agreement"], int(arrays["compared"][0])) if "agreement" in arrays else None,
    )


def _sweep_identity(experiment: Experiment, checkpoint: Checkpoint, steps: Steps, device: Device) -> Identity:
    ranking, gone = steps
    ks = check_ks(experiment.ks, len(ranking.order))
    batches = batches_of(checkpoint, experiment.split, experiment.limit)
    asked = {"experiment": asdict(replace(experiment, ks=ks)), "order": ranking.order.tolist(), "gone": gone}
    return _identity("sweep", checkpoint, batches, asked | {"device": resolve_device(device).type})


def _kept_search(
    experiment: Experiment, checkpoint: Checkpoint, store: Store, device: Device
) -> Iterator[Note | Found]:
    """An oracle's search, from the store or from the images."""
    batches = batches_of(checkpoint, experiment.ranked_on, experiment.limit)
    channels = conv_layer(checkpoint.model, experiment.layer).out_channels
    asked = {"layer": experiment.layer, "mode": experiment.mode, "oracle": experiment.criterion}
    asked["device"] = resolve_device(device).type
    identity = _identity("search", checkpoint, batches, asked)
    arrays = yield from _find(store, identity, partial(_check_search, channels=channels))
    if arrays is not None:
        networks, images, linear = arrays["cost"].tolist()
        cost = Cost(networks, images, bool(linear))
        yield Search(tuple(arrays["order"].tolist()), channels, cost, networks, networks)
        return
    result = None
    for result in look_stream(experiment, checkpoint, device):
        yield result
    assert isinstance(result, Search)
    cost = result.cost
    yield from _save(
        store,
        identity,
        {"order": np.array(result.order), "cost": np.array([cost.networks, cost.images, cost.linear])},
    )


# Identity


def _identity(kind: str, checkpoint: Checkpoint, batches: Batches, asked: dict[str, Any]) -> Identity:
    """What decides the numbers of a result: what is asked for, of which weights, over which images, by which code."""
    card, split = checkpoint.card, batches.split
    return {
        "kind": kind,
        "code": code_version(),
        "versions": versions(),
        "network": card.model,
        "weights": checkpoint.sha256,
        "classes": card.classes,
        "mean": batches.mean,
        "std": batches.std,
        "batch_size": batches.batch_size,
        "dataset": split.name,
        "origin": split.origin,
        "part": split.split,
        "images": batches.n,
        "content": split.sha256,
        "asked": asked,
    }


@lru_cache(maxsize=1)
def code_version() -> str:
    """A hash of the source code of ENGINE."""
    folder = Path(__file__).parent
    return sha256(b"".join((folder / f"{module}.py").read_bytes() for module in ENGINE)).hexdigest()


# To arrays and back


def _arrays_of_sweep(result: Sweep) -> Arrays:
    arrays = {"predictions": result.predictions, "slow": np.array([result.slow])}
    if result.agreement is not None:
        arrays |= {"agreement": result.agreement.shares, "compared": np.array([result.agreement.images])}
    return arrays


def _check_sweep(arrays: Arrays, shape: tuple[int, int], classes: int) -> None:
    """ValueError unless these can be the predictions of so many K and images among so many classes."""
    _require(arrays, "predictions", shape, np.min_scalar_type(classes - 1))
    _require(arrays, "slow", (1,), np.dtype(bool))
    if arrays["predictions"].max() >= classes:
        raise ValueError(f"holds a prediction outside the {classes} classes")
    if "agreement" in arrays:
        _require(arrays, "agreement", shape[:1], np.dtype(float))
        _require(arrays, "compared", (1,), np.dtype(np.int64))
        _in_order(np.zeros(1), arrays["agreement"], np.ones(1))
        _in_order(np.ones(1), arrays["compared"], np.array(shape[1:]))


def _arrays_of_statistics(result: ChannelStatistics) -> Arrays:
    return {name: getattr(result, name) for name in _STATISTICS}


_STATISTICS = tuple(field.name for field in fields(ChannelStatistics) if field.name not in ("done", "total"))


def _check_statistics(arrays: Arrays, channels: int) -> None:
    """ValueError unless these can be the statistics of so many channels."""
    maps = arrays.get("maps", np.zeros(0))
    if maps.ndim != 3 or arrays.keys() != set(_STATISTICS):
        raise ValueError("does not hold what statistics do")
    for name in _STATISTICS:
        _require(arrays, name, (channels, *maps.shape[1:]) if name == "maps" else (channels,), np.dtype(float))
        if not np.isfinite(arrays[name]).all():
            raise ValueError("holds a number out of its range")
    slack = 1e-6 * np.abs([arrays["minimum"], arrays["maximum"]]).max(0)  # a mean of float32 sums is rounded
    _in_order(arrays["minimum"] - slack, arrays["mean"], arrays["maximum"] + slack)
    _in_order(np.zeros(1), arrays["positive"], np.ones(1))


def _check_search(arrays: Arrays, channels: int) -> None:
    """ValueError unless these can be the order and the cost of a search among so many channels."""
    _require(arrays, "order", (channels,), np.dtype(np.int64))
    _require(arrays, "cost", (3,), np.dtype(np.int64))
    if sorted(arrays["order"].tolist()) != list(range(channels)):
        raise ValueError(f"does not name each of {channels} channels once")


def _require(arrays: Arrays, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if name not in arrays or arrays[name].shape != shape or arrays[name].dtype != dtype:
        raise ValueError(f"does not hold {name} of shape {shape} in {dtype}")


def _in_order(low: np.ndarray, value: np.ndarray, high: np.ndarray) -> None:
    if not ((low <= value) & (value <= high)).all():  # false for NaN, too
        raise ValueError("holds a number out of its range")


# The store


def _find(store: Store, identity: Identity, check: Callable[[Arrays], None]) -> Generator[Note, None, Arrays | None]:
    try:
        return store.find(identity, check)
    except SetAsideError as error:
        yield str(error)
        return None


def _save(store: Store, identity: Identity, arrays: Arrays) -> Iterator[Note]:
    try:
        store.save(identity, arrays)
    except OSError as error:
        yield f"A result could not be saved in {store.root} ({error.strerror}): it will be computed again when needed."
