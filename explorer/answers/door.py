"""The one door for a question: an answer that ships or is kept already, or else one that is computed, and then kept.

Every function here is a stream: notes for the user (text), then what there is so far, and at last the whole answer.
What ships needs no torch; for all else `here` is asked, which imports it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from explorer.answers import shipped
from explorer.answers.archive import Note
from explorer.answers.choices import Measured, criterion_named
from explorer.answers.experiment import Experiment, check_split
from explorer.answers.store import Store
from explorer.background.jobs import Progress
from explorer.engine.curves import Band, Sweep
from explorer.engine.oracle import Oracle
from explorer.engine.scans import Scan
from explorer.engine.sensitivities import Sensitivity
from explorer.networks.checkpoints import Checkpoint, look_up
from explorer.pruning.statistics import ChannelStatistics

if TYPE_CHECKING:
    from explorer.answers.here import Measure
    from explorer.networks.evaluation import Device


def _here() -> Any:
    """Where answers are made on this machine: imported, with torch, when the first is asked for."""
    from explorer.answers import here

    return here


def statistics(
    checkpoint: Checkpoint,
    layer: str,
    split: str,
    point: str = "raw",
    limit: int | None = None,
    store: Store | None = None,
    device: Device = None,
    fresh: bool = False,
) -> Iterator[Note | ChannelStatistics]:
    """Statistics of a layer's output over a split; `point` is a key of points.POINTS, `fresh` as for `curve`."""
    known = None if fresh else (yield from shipped.statistics(checkpoint, layer, split, point, limit))
    if known is not None:
        yield known
        return
    yield from _here().statistics(checkpoint, layer, split, point, limit, store or Store(), device)


def measure(
    experiment: Experiment,
    checkpoint: Checkpoint,
    store: Store | None = None,
    device: Device = None,
    fresh: bool = False,
) -> Iterator[Note | Measured]:
    """What the ranking measures on images: statistics, or an oracle's search. Nothing where it needs no images.

    `fresh` as for `curve`.
    """
    criterion = criterion_named(experiment.criterion)
    if isinstance(criterion, Oracle):
        known = None if fresh else (yield from shipped.search(experiment, checkpoint))
        if known is not None:
            yield known
            return
        yield from _here().search(experiment, checkpoint, store or Store(), device)
    elif criterion.needs_data:
        asked = (experiment.layer, experiment.ranked_on, criterion.point, experiment.limit)
        yield from statistics(checkpoint, *asked, store, device, fresh)


def curve(
    experiment: Experiment,
    checkpoint: Checkpoint,
    measured: Measured | None = None,
    device: Device = None,
    store: Store | None = None,
    *,
    coarse_first: bool = False,
    measuring: Measure | None = None,
    preview_after: float | None = None,
    fresh: bool = False,
) -> Iterator[Note | Measured | Sweep]:
    """Rank, then prune at every K of the experiment.

    What the ranking needs of the images is `measured` already, or else what `measuring` gives, by default `measure`.
    Where measuring takes longer than `preview_after` seconds, a first curve by the images so far stands in for it.
    `coarse_first` as for `sweep.sweep_stream`. A `fresh` one is no answer that ships with the app, but one that was
    computed here. Raises ValueError as `checking.check`.
    """
    known = None if fresh else (yield from shipped.curve(experiment, checkpoint))
    if known is not None:
        yield known
        return
    store = store or Store()
    measuring = measuring or partial(measure, store=store, device=device, fresh=fresh)
    more = (measured, device, store, measuring, coarse_first, preview_after)
    yield from _here().curve(experiment, checkpoint, *more)


def ask(experiment: Experiment, checkpoint: Checkpoint | None = None, device: Device = None) -> Sweep:
    """The whole curve of an experiment: kept already, or else computed, and then kept. Notes become warnings.

    The checkpoint is found by its name unless it is given. Raises ValueError for whatever in the experiment does not
    exist, does not fit the layer or is out of range.

    >>> import explorer as ex
    >>> curve = ex.ask(ex.Experiment("simple-cnn_fashion-mnist", "conv2", criterion="l1", ks=(0, 16), limit=200))
    >>> curve.predictions.shape, curve.run.criterion
    ((2, 200), 'l1')
    """
    answer = None
    for step in curve(experiment, checkpoint or look_up(experiment.checkpoint), device=device):
        if isinstance(step, str):
            warnings.warn(step, stacklevel=2)
        else:
            answer = step
    assert isinstance(answer, Sweep), "a curve is what comes last"
    return answer


def band(
    experiment: Experiment,
    checkpoint: Checkpoint,
    orders: int,
    device: Device = None,
    store: Store | None = None,
    coarse_first: bool = False,
    fresh: bool = False,
) -> Iterator[Note | Band]:
    """Prune along so many random orders, of the seeds from the experiment's on; `fresh` as for `curve`.

    Each order is kept as a curve of its own as soon as it is whole, and found again by itself: what is missing of a
    band that was cut off, or damaged, is all that is computed.
    """
    known = None if fresh else (yield from shipped.band(experiment, checkpoint, orders))
    if known is not None:
        yield known
        return
    yield from _here().band(experiment, checkpoint, orders, device, store or Store(), coarse_first)


def scan(
    checkpoint: Checkpoint,
    which: str = "blocks",
    mode: str = "filter",
    split: str = "test",
    limit: int | None = None,
    device: Device = None,
    fresh: bool = False,
    scanning: Callable[..., Iterator[Any]] | None = None,
) -> Iterator[Note | Progress | Scan]:
    """Prune one layer whole after another, over the first `limit` images of a split; what is computed is not kept.

    `which` is a key of scan.LAYERS, `fresh` as for `curve`. `scanning` stands in for `scan.scan_stream` of this
    network, as workers do (see the room `workers`). Raises ValueError for anything unknown or out of range.
    """
    check_split(split)
    known = None if fresh else (yield from shipped.scan(checkpoint, which, mode, split, limit))
    if known is not None:
        yield known
        return
    yield from _here().scan(checkpoint, which, mode, split, limit, device, scanning)


def sensitivity(
    checkpoint: Checkpoint,
    criterion: str = "mean",
    mode: str = "filter",
    split: str = "test",
    limit: int | None = None,
    device: Device = None,
    fresh: bool = False,
    store: Store | None = None,
    analyse: Callable[..., Iterator[Any]] | None = None,
    dtype: str = "float32",
) -> Iterator[Note | Progress | Sensitivity]:
    """Prune each layer by several shares of its channels, one after another, over the first `limit` images of a split.

    Each layer's channels are ranked once, by the criterion, on the same images. While they are, it is told how far that
    is. `fresh` as for `curve`. `analyse` stands in for `sensitivity.sensitivity_stream` of this network, as workers do
    (see the room `workers`), in float32 alone. `dtype` as for that stream: what ships is in float32. Raises ValueError
    for anything unknown or out of range.
    """
    check_split(split)
    ships = not fresh and dtype == "float32"
    known = (yield from shipped.sensitivity(checkpoint, criterion, mode, split, limit)) if ships else None
    if known is not None:
        yield known
        return
    asked = (checkpoint, criterion, mode, split, limit)
    yield from _here().sensitivity(*asked, store or Store(), device, analyse, dtype)
