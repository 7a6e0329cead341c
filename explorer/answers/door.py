"""The one door for a question: an answer that ships or is kept already, or else one that is computed, and then kept.

Every function here is a stream: notes for the user (text), then what there is so far, and at last the whole answer.
"""

import time
import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial

from explorer.answers import shipped
from explorer.answers.choices import check, criterion_named
from explorer.answers.computing import (
    Measured,
    along_seeds,
    oracle_cost,
    preview_of,
    seeds_of,
    steps_of,
    sweep_of,
)
from explorer.answers.experiment import Experiment, check_split
from explorer.answers.images import batches_of
from explorer.answers.keeping import Note, kept_or_computed, search_entry, statistics_entry, sweep_entry
from explorer.answers.store import Store
from explorer.engine.curves import Band, Run, Sweep
from explorer.engine.oracle import Oracle, greedy_stream
from explorer.engine.scan import choose_layers, scan_stream
from explorer.engine.scans import Scan
from explorer.networks.checkpoints import Checkpoint, load
from explorer.networks.evaluation import Device
from explorer.pruning.activations import collect_stream
from explorer.pruning.statistics import ChannelStatistics

Measure = Callable[[Experiment, Checkpoint], Iterator[Note | Measured]]


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
    """Statistics of a layer's output over a split; `point` is a key of activations.POINTS, `fresh` as for `curve`."""
    known = None if fresh else (yield from shipped.statistics(checkpoint, layer, split, point, limit))
    if known is not None:
        yield known
        return
    batches = batches_of(checkpoint, split, limit)
    entry = statistics_entry(checkpoint, batches, layer, point, device)
    yield from kept_or_computed(
        store or Store(), entry, lambda: collect_stream(checkpoint.model, layer, batches, point, device)
    )


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
    criterion, layer, limit = criterion_named(experiment.criterion), experiment.layer, experiment.limit
    if isinstance(criterion, Oracle):
        known = None if fresh else (yield from shipped.search(experiment, checkpoint))
        if known is not None:
            yield known
            return
        batches = batches_of(checkpoint, experiment.ranked_on, limit)
        entry = search_entry(experiment, checkpoint, batches, device)
        yield from kept_or_computed(
            store or Store(),
            entry,
            lambda: greedy_stream(checkpoint.model, layer, batches, criterion.name, experiment.mode, device),
        )
    elif criterion.needs_data:
        yield from statistics(checkpoint, layer, experiment.ranked_on, criterion.point, limit, store, device, fresh)


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
    computed here. Raises ValueError as `choices.check`.
    """
    check(experiment, checkpoint)
    known = None if fresh else (yield from shipped.curve(experiment, checkpoint))
    if known is not None:
        yield known
        return
    store = store or Store()
    if measured is None and criterion_named(experiment.criterion).needs_data:
        measuring = measuring or partial(measure, store=store, device=device, fresh=fresh)
        seen = measuring(experiment, checkpoint)
        measured = yield from _with_preview(experiment, checkpoint, seen, preview_after)
    steps = steps_of(experiment, checkpoint, measured)
    yield from kept_or_computed(
        store,
        sweep_entry(experiment, checkpoint, steps, device),
        lambda: sweep_of(experiment, checkpoint, measured, device, steps, coarse_first),
    )


def ask(experiment: Experiment, checkpoint: Checkpoint | None = None, device: Device = None) -> Sweep:
    """The whole curve of an experiment: kept already, or else computed, and then kept. Notes become warnings.

    The checkpoint is loaded by its name unless it is given. Raises ValueError for whatever in the experiment does not
    exist, does not fit the layer or is out of range.

    >>> import explorer as ex
    >>> curve = ex.ask(ex.Experiment("simple-cnn_fashion-mnist", "conv2", criterion="l1", ks=(0, 16), limit=200))
    >>> curve.predictions.shape, curve.run.criterion
    ((2, 200), 'l1')
    """
    answer = None
    for step in curve(experiment, checkpoint or load(experiment.checkpoint), device=device):
        if isinstance(step, str):
            warnings.warn(step, stacklevel=2)
        else:
            answer = step
    assert isinstance(answer, Sweep), "a curve is what comes last"
    return answer


def _with_preview(
    experiment: Experiment, checkpoint: Checkpoint, seen: Iterator[Note | Measured], after: float | None
) -> Generator[Note | Measured | Sweep, None, Measured]:
    """What was measured so far, until it is whole; once that takes long, a first curve in its place."""
    began, preview, measured = time.monotonic(), None, None
    for step in seen:
        measured = measured if isinstance(step, str) else step
        is_slow = after is not None and time.monotonic() - began > after and experiment.schedule == "once"
        if preview is None and is_slow and isinstance(step, ChannelStatistics) and step.done < step.total:
            preview = preview_of(experiment, checkpoint, step)
        yield step if preview is None or isinstance(step, str) else replace(preview, progress=step.done / step.total)
    assert measured is not None, "a ranking that needs images measures something"
    return measured


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
    store = store or Store()
    seeds = seeds_of(experiment, checkpoint, orders)
    entries = {each: sweep_entry(each, checkpoint, steps_of(each, checkpoint), device) for each in seeds}
    whole: dict[Experiment, Sweep] = {}
    for each, entry in entries.items():
        one = yield from entry.find(store)
        if one is not None:
            whole[each] = one
    for some in _at_once([each for each in seeds if each not in whole], checkpoint):
        latest: tuple[Sweep, ...] = ()
        for latest in along_seeds(some, checkpoint, device, coarse_first):
            done = len(whole) + len(some) * latest[0].share
            yield Band(tuple(whole.values()) or latest, progress=done / orders)
        for each, one in zip(some, latest, strict=True):
            yield from entries[each].save(store, one)
            whole[each] = one
    yield Band(tuple(whole[each] for each in seeds))


def _at_once(seeds: list[Experiment], checkpoint: Checkpoint) -> list[list[Experiment]]:
    """The seeds in groups: all together where every K comes out of one pass, else one after the other."""
    if not seeds:
        return []
    asked = replace(seeds[0], ranked_on=seeds[0].split)
    return [seeds] if oracle_cost(asked, checkpoint).linear else [[each] for each in seeds]


def scan(
    checkpoint: Checkpoint,
    which: str = "blocks",
    mode: str = "filter",
    split: str = "test",
    limit: int | None = None,
    device: Device = None,
    fresh: bool = False,
) -> Iterator[Note | Scan]:
    """Prune one layer whole after another, over the first `limit` images of a split; what is computed is not kept.

    `which` is a key of scan.LAYERS, `fresh` as for `curve`. Raises ValueError for anything unknown or out of range.
    """
    check_split(split)
    known = None if fresh else (yield from shipped.scan(checkpoint, which, mode, split, limit))
    if known is not None:
        yield known
        return
    layers, batches = choose_layers(checkpoint.model, which), batches_of(checkpoint, split, limit)
    run = Run(checkpoint.name, checkpoint.sha256, checkpoint.card.dataset, split, mode=mode)
    yield from scan_stream(checkpoint.model, batches, layers, mode, run=run, device=device)
