"""Answers made on this machine: kept already, or else computed, and then kept. The door asks here for what ships not.

Every function is a stream, as those of the door are.
"""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

from explorer.answers.checking import check
from explorer.answers.choices import Measured, criterion_named
from explorer.answers.computing import (
    along_seeds,
    oracle_cost,
    preview_of,
    seeds_of,
    steps_of,
    sweep_of,
)
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.answers.keeping import (
    Answer,
    Note,
    kept_or_computed,
    search_entry,
    sensitivity_entry,
    statistics_entry,
    sweep_entry,
)
from explorer.answers.ordering import orders_of
from explorer.answers.runs import layers_run
from explorer.answers.store import Store
from explorer.background.jobs import Progress
from explorer.engine.curves import Band, Run, Sweep
from explorer.engine.greedy import greedy_stream
from explorer.engine.scan import choose_layers, convolutions, scan_stream
from explorer.engine.scans import Scan
from explorer.engine.sensitivities import Sensitivity
from explorer.engine.sensitivity import rows_of, sensitivity_stream
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device
from explorer.pruning.activations import collect_stream
from explorer.pruning.statistics import ChannelStatistics

Measure = Callable[[Experiment, Checkpoint], Iterator[Note | Measured]]


def statistics(
    checkpoint: Checkpoint, layer: str, split: str, point: str, limit: int | None, store: Store, device: Device
) -> Iterator[Note | ChannelStatistics]:
    """See door.statistics."""
    batches = batches_of(checkpoint, split, limit)
    entry = statistics_entry(checkpoint, batches, layer, point, device)
    yield from kept_or_computed(store, entry, lambda: collect_stream(checkpoint.model, layer, batches, point, device))


def search(experiment: Experiment, checkpoint: Checkpoint, store: Store, device: Device) -> Iterator[Note | Measured]:
    """An oracle's search; see door.measure."""
    layer, oracle, mode = experiment.layer, experiment.criterion, experiment.mode
    batches = batches_of(checkpoint, experiment.ranked_on, experiment.limit)
    entry = search_entry(experiment, checkpoint, batches, device)
    yield from kept_or_computed(
        store, entry, lambda: greedy_stream(checkpoint.model, layer, batches, oracle, mode, device)
    )


def curve(
    experiment: Experiment,
    checkpoint: Checkpoint,
    measured: Measured | None,
    device: Device,
    store: Store,
    measuring: Measure,
    coarse_first: bool,
    preview_after: float | None,
) -> Iterator[Note | Measured | Sweep]:
    """See door.curve."""
    check(experiment, checkpoint)
    if measured is None and criterion_named(experiment.criterion).needs_data:
        seen = measuring(experiment, checkpoint)
        measured = yield from _with_preview(experiment, checkpoint, seen, preview_after)
    steps = steps_of(experiment, checkpoint, measured)
    yield from kept_or_computed(
        store,
        sweep_entry(experiment, checkpoint, steps, device),
        lambda: sweep_of(experiment, checkpoint, measured, device, steps, coarse_first),
    )


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
    experiment: Experiment, checkpoint: Checkpoint, orders: int, device: Device, store: Store, coarse_first: bool
) -> Iterator[Note | Band]:
    """See door.band."""
    seeds = seeds_of(experiment, checkpoint, orders)
    entries = {each: sweep_entry(each, checkpoint, steps_of(each, checkpoint), device) for each in seeds}
    whole: dict[Experiment, Sweep] = {}
    for each, entry in entries.items():
        one = yield from entry.find(store)
        if one is not None:
            whole[each] = one
    for some in at_once([each for each in seeds if each not in whole], checkpoint):
        latest: tuple[Sweep, ...] = ()
        for latest in along_seeds(some, checkpoint, device, coarse_first):
            done = len(whole) + len(some) * latest[0].share
            yield Band(tuple(whole.values()) or latest, progress=done / orders)
        for each, one in zip(some, latest, strict=True):
            yield from entries[each].save(store, one)
            whole[each] = one
    yield Band(tuple(whole[each] for each in seeds))


def at_once(seeds: list[Experiment], checkpoint: Checkpoint) -> list[list[Experiment]]:
    """The seeds in groups: all together where every K comes out of one pass, else one after the other."""
    if not seeds:
        return []
    asked = replace(seeds[0], ranked_on=seeds[0].split)
    return [seeds] if oracle_cost(asked, checkpoint).linear else [[each] for each in seeds]


def sensitivity(
    checkpoint: Checkpoint,
    criterion: str,
    mode: str,
    split: str,
    limit: int | None,
    store: Store,
    device: Device,
    analyse: Callable[..., Iterator[Any]] | None,
    dtype: str,
) -> Iterator[Note | Progress | Sensitivity]:
    """See door.sensitivity."""
    batches = batches_of(checkpoint, split, limit)
    rows = rows_of(checkpoint.model, convolutions(checkpoint.model), mode)
    entry = sensitivity_entry(checkpoint, batches, criterion, mode, device, dtype)

    def compute() -> Iterator[Progress | Sensitivity]:
        ranking = orders_of(checkpoint, [row.layer for row in rows], criterion, batches, device)
        orders, left_out = yield from _telling(ranking, batches.n)
        run = layers_run(checkpoint, criterion, mode, split, dtype)
        by = analyse or (lambda *asked, **how: sensitivity_stream(checkpoint.model, *asked, dtype=dtype, **how))
        for found in by(batches, orders, mode, run=run, device=device):
            whole = isinstance(found, Sensitivity)
            yield replace(found, left_out=left_out | dict(found.left_out)) if whole else found

    yield from kept_or_computed(store, entry, compute)


def _telling(steps: Generator[int, None, Answer], total: int) -> Generator[Progress, None, Answer]:
    """What the steps give in the end; meanwhile, how many of so many images they have looked at."""
    while True:
        try:
            yield Progress(next(steps), total)
        except StopIteration as end:
            return end.value


def scan(
    checkpoint: Checkpoint,
    which: str,
    mode: str,
    split: str,
    limit: int | None,
    device: Device,
    scanning: Callable[..., Iterator[Any]] | None,
) -> Iterator[Note | Progress | Scan]:
    """See door.scan."""
    layers, batches = choose_layers(checkpoint.model, which), batches_of(checkpoint, split, limit)
    run = Run(checkpoint.name, checkpoint.sha256, checkpoint.card.dataset, split, mode=mode)
    by = scanning or (lambda *asked, **how: scan_stream(checkpoint.model, *asked, **how))
    yield from by(batches, layers, mode, run=run, device=device)
