"""How answers are kept: what identifies one, and as which arrays it lies in the store.

An answer is found again by everything that decides its numbers: the weights, the images themselves, every field of the
experiment, the order, and the source code that computes it. A hash of that code, unlike a version, needs nobody to
remember to raise it; the price is that even a new comment there has answers computed anew.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from explorer.answers import packing
from explorer.answers.computing import Steps
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.answers.runs import layers_run, run_of
from explorer.answers.store import UNIT, Arrays, Identity, SetAsideError, Store
from explorer.engine.curves import Agreement, Sweep
from explorer.engine.ks import check_ks
from explorer.engine.oracle import Cost, Search
from explorer.engine.predictions import Audit
from explorer.engine.sensitivities import SHARES, Sensitivity
from explorer.images.batches import Batches
from explorer.language.saying import say
from explorer.networks.cards import versions
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import AUDITED, Device, resolve_device
from explorer.networks.layers import conv_layer, conv_layers
from explorer.pruning.statistics import ChannelStatistics

Note = str  # a sentence for the user on the way to an answer
Answer = TypeVar("Answer")

# The source code that decides an answer's numbers: whole rooms, and the modules of this one that `computing` imports.
ROOMS = ("files", "images", "networks", "training", "pruning", "engine", "workers")
MODULES = ("experiment", "choices", "checking", "images", "runs", "computing", "ordering")


@dataclass(frozen=True)
class Entry(Generic[Answer]):
    """One answer as the store has it: `check` raises ValueError for arrays that cannot be what they should."""

    identity: Identity
    check: Callable[[Arrays], None]
    unpack: Callable[[Arrays], Answer]
    pack: Callable[[Answer], Arrays]

    def find(self, store: Store) -> Generator[Note, None, Answer | None]:
        """The answer, if it is in the store; a note where what is there could not be trusted."""
        try:
            arrays = store.find(self.identity, self.check)
        except SetAsideError as error:
            yield str(error)
            return None
        return None if arrays is None else self.unpack(arrays)

    def save(self, store: Store, answer: Answer) -> Iterator[Note]:
        """Keep the answer; a note where the store cannot be written."""
        try:
            store.save(self.identity, self.pack(answer))
        except OSError as error:
            words = "A result could not be saved in {folder} ({why}): it will be computed again when needed."
            yield say(words, folder=store.root, why=say(error.strerror or ""))


def kept_or_computed(store: Store, entry: Entry[Answer], compute: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """The answer from the store, or else what `compute` gives, of which the last is the whole answer and is kept."""
    kept = yield from entry.find(store)
    if kept is not None:
        yield kept
        return
    result = None
    for result in compute():
        yield result
    assert result is not None, "an answer has at least one step"
    yield from entry.save(store, result)


# What is kept


def statistics_entry(
    checkpoint: Checkpoint, batches: Batches, layer: str, point: str, device: Device
) -> Entry[ChannelStatistics]:
    """Statistics of a layer's output over all `batches`."""
    asked = {"layer": layer, "point": point, "device": resolve_device(device).type}
    return Entry(
        identity=_identity("statistics", checkpoint, batches, asked),
        check=partial(_check_statistics, channels=conv_layer(checkpoint.model, layer).out_channels),
        unpack=lambda arrays: ChannelStatistics(**arrays, done=batches.n, total=batches.n),
        pack=arrays_of_statistics,
    )


def search_entry(experiment: Experiment, checkpoint: Checkpoint, batches: Batches, device: Device) -> Entry[Search]:
    """An oracle's search over all `batches`."""
    asked = {"layer": experiment.layer, "mode": experiment.mode, "oracle": experiment.criterion}
    channels = conv_layer(checkpoint.model, experiment.layer).out_channels
    return Entry(
        identity=_identity("search", checkpoint, batches, asked | {"device": resolve_device(device).type}),
        check=partial(_check_search, channels=channels),
        unpack=partial(_search_of, channels=channels),
        pack=arrays_of_search,
    )


def sweep_entry(experiment: Experiment, checkpoint: Checkpoint, steps: Steps, device: Device) -> Entry[Sweep]:
    """The curve of an experiment whose order is known."""
    (ranking, gone), classes = steps, checkpoint.card.classes
    ks = check_ks(experiment.ks, len(ranking.order))
    batches = batches_of(checkpoint, experiment.split, experiment.limit)
    asked = {"experiment": asdict(replace(experiment, ks=ks)), "order": ranking.order.tolist(), "gone": gone}

    def unpack(arrays: Arrays) -> Sweep:
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
            audit=Audit.of(arrays["audit"]) if "audit" in arrays else None,
        )

    return Entry(
        identity=_identity("sweep", checkpoint, batches, asked | {"device": resolve_device(device).type}),
        check=partial(_check_sweep, shape=(len(ks), batches.n), classes=len(classes), dtype=experiment.dtype),
        unpack=unpack,
        pack=_arrays_of_sweep,
    )


def sensitivity_entry(
    checkpoint: Checkpoint, batches: Batches, criterion: str, mode: str, device: Device, dtype: str = "float32"
) -> Entry[Sensitivity]:
    """A sensitivity analysis of all layers, ranked and pruned on all `batches`."""
    asked = {"criterion": criterion, "mode": mode, "shares": SHARES, "device": resolve_device(device).type}
    asked |= {"dtype": dtype}
    run = layers_run(checkpoint, criterion, mode, batches.split.split, dtype)
    channels = {name: conv.out_channels for name, conv in conv_layers(checkpoint.model).items()}

    def unpack(arrays: Arrays) -> Sensitivity:
        return packing.sensitivity_of(arrays, packing.facts_in(arrays), run)

    return Entry(
        identity=_identity("sensitivity", checkpoint, batches, asked),
        check=partial(packing.check_sensitivity, channels=channels, images=batches.n),
        unpack=unpack,
        pack=lambda answer: packing.arrays_of(answer) | packing.with_facts(packing.facts_of(answer)),
    )


def unit_entry(
    checkpoint: Checkpoint, batches: Batches, asked: dict[str, Any], check: Callable[[Arrays], None]
) -> Entry[Arrays]:
    """A part of an answer, as workers give it (see the room `workers`): what is `asked` says over which images."""
    return Entry(_identity(UNIT, checkpoint, batches, asked), check, unpack=_as_it_is, pack=_as_it_is)


def _as_it_is(arrays: Arrays) -> Arrays:
    return arrays


# Identity


def _identity(kind: str, checkpoint: Checkpoint, batches: Batches, asked: dict[str, Any]) -> Identity:
    """What decides the numbers of a result: what is asked for, of which weights, over which images, by which code."""
    card, split = checkpoint.card, batches.split
    return {
        "kind": kind,
        "code": code_version(),
        "versions": versions(),
        "network": card.network,
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
    """A hash of the source code of ROOMS and MODULES."""
    here = Path(__file__).parent
    files = [path for room in ROOMS for path in sorted((here.parent / room).rglob("*.py"))]
    files += [here / f"{module}.py" for module in MODULES]
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


# To arrays and back


def _arrays_of_sweep(result: Sweep) -> Arrays:
    arrays = {"predictions": result.predictions, "slow": np.array([result.slow])}
    if result.agreement is not None:
        arrays |= {"agreement": result.agreement.shares, "compared": np.array([result.agreement.images])}
    if result.audit is not None:
        arrays["audit"] = result.audit.array
    return arrays


def arrays_of_statistics(result: ChannelStatistics) -> Arrays:
    """Statistics as the store keeps them."""
    return {name: getattr(result, name) for name in _STATISTICS}


_STATISTICS = tuple(field.name for field in fields(ChannelStatistics) if field.name not in ("done", "total"))


def arrays_of_search(result: Search) -> Arrays:
    """A search as the store keeps it."""
    cost = result.cost
    return {"order": np.array(result.order), "cost": np.array([cost.networks, cost.images, cost.linear])}


def _search_of(arrays: Arrays, channels: int) -> Search:
    networks, images, linear = arrays["cost"].tolist()
    return Search(tuple(arrays["order"].tolist()), channels, Cost(networks, images, bool(linear)), networks, networks)


# What cannot be


def _check_sweep(arrays: Arrays, shape: tuple[int, int], classes: int, dtype: str) -> None:
    """ValueError unless these can be the predictions of so many K and images among so many classes, made in `dtype`."""
    _require(arrays, "predictions", shape, np.min_scalar_type(classes - 1))
    _require(arrays, "slow", (1,), np.dtype(bool))
    if arrays["predictions"].max() >= classes:
        raise ValueError(say("holds a prediction outside the {classes} classes", classes=classes))
    if ("audit" in arrays) != (dtype == AUDITED):
        raise ValueError(say("does not say what its audit found, or has had none"))
    if "audit" in arrays:
        Audit.check(arrays["audit"])
    if "agreement" in arrays:
        _require(arrays, "agreement", shape[:1], np.dtype(float))
        _require(arrays, "compared", (1,), np.dtype(np.int64))
        _in_order(np.zeros(1), arrays["agreement"], np.ones(1))
        _in_order(np.ones(1), arrays["compared"], np.array(shape[1:]))


def _check_statistics(arrays: Arrays, channels: int) -> None:
    """ValueError unless these can be the statistics of so many channels."""
    maps = arrays.get("maps", np.zeros(0))
    if maps.ndim != 3 or arrays.keys() != set(_STATISTICS):
        raise ValueError(say("does not hold what statistics do"))
    for name in _STATISTICS:
        _require(arrays, name, (channels, *maps.shape[1:]) if name == "maps" else (channels,), np.dtype(float))
        if not np.isfinite(arrays[name]).all():
            raise ValueError(say("holds a number out of its range"))
    slack = 1e-6 * np.abs([arrays["minimum"], arrays["maximum"]]).max(0)  # a mean of float32 sums is rounded
    _in_order(arrays["minimum"] - slack, arrays["mean"], arrays["maximum"] + slack)
    _in_order(np.zeros(1), arrays["positive"], np.ones(1))


def _check_search(arrays: Arrays, channels: int) -> None:
    """ValueError unless these can be the order and the cost of a search among so many channels."""
    _require(arrays, "order", (channels,), np.dtype(np.int64))
    _require(arrays, "cost", (3,), np.dtype(np.int64))
    if sorted(arrays["order"].tolist()) != list(range(channels)):
        raise ValueError(say("does not name each of {channels} channels once", channels=channels))


def _require(arrays: Arrays, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if name not in arrays or arrays[name].shape != shape or arrays[name].dtype != dtype:
        raise ValueError(say("does not hold {name} of shape {shape} in {dtype}", name=name, shape=shape, dtype=dtype))


def _in_order(low: np.ndarray, value: np.ndarray, high: np.ndarray) -> None:
    if not ((low <= value) & (value <= high)).all():  # false for NaN, too
        raise ValueError(say("holds a number out of its range"))
