"""What the pages share: loaded networks, and long work done once however many tabs ask for it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from explorer import (
    activations,
    charts,
    checkpoints,
    data,
    experiment,
    figures,
    pruning,
    ranking,
    remainder,
    report,
    schedule,
)
from explorer.activations import ChannelStatistics
from explorer.checkpoints import Checkpoint
from explorer.evaluation import has_bfloat16, resolve_device
from explorer.experiment import Experiment, Found, criterion_named, examples_of
from explorer.jobs import Board, Job, reports
from explorer.models import conv_layers
from explorer.oracle import Cost
from explorer.ranking import Criterion, Ranking
from explorer.results import kept_band, kept_look, kept_statistics, kept_sweep
from explorer.scan import Scan, choose_layers, scan_of
from explorer.sweep import Band, Sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEST = "test"  # accuracies are always measured on this split
PREVIEW_AFTER = 2.0  # seconds of ranking, after which a first curve does not wait for its end
TABS = 32  # finished results kept: a few views of a few tabs, each with the curves of a whole comparison
BFLOAT16 = has_bfloat16(resolve_device(None))  # whether it is on offer


@st.cache_resource
def board() -> Board:
    """The job board of this process.

    Streamlit collects garbage after every run of a script or fragment. Looking through all that torch has loaded took
    0.25 s each time, and kept running jobs waiting; what is there by now stays, and is left out from now on.
    """
    gc.freeze()
    return Board(capacity=TABS)


def checkpoint(name: str) -> Checkpoint:
    """The checkpoint called `name`, loaded once, and again when its files change."""
    path = checkpoints.find(name)
    return _checkpoint(path, tuple(part.stat().st_mtime_ns for part in (path, path.with_suffix(".json"))))


@st.cache_resource(max_entries=8, show_spinner=False)
def _checkpoint(path: Path, changed: tuple[int, ...]) -> Checkpoint:
    return checkpoints.load(path)


layer_table = lru_cache(maxsize=8)(report.layer_table)


@lru_cache(maxsize=64)
def fitting_modes(point: Checkpoint, layer: str) -> tuple[str, ...]:
    """The pruning modes that fit the layer."""
    return tuple(pruning.fitting_modes(point.model, layer))


@lru_cache(maxsize=32)
def scanned_layers(point: Checkpoint, which: str) -> tuple[str, ...]:
    """The layers that a scan of `which`, a key of scan.LAYERS, looks at."""
    return choose_layers(point.model, which)


@lru_cache(maxsize=32)
def scan_modes(point: Checkpoint, which: str) -> tuple[str, ...]:
    """The pruning modes that fit at least one of these layers."""
    return tuple(remainder.fitting_modes(point.model, scanned_layers(point, which)))


@lru_cache(maxsize=64)
def fitting_criteria(point: Checkpoint, layer: str) -> tuple[str, ...]:
    """The criteria that fit the layer."""
    return tuple(ranking.fitting_criteria(point.model, layer))


@lru_cache(maxsize=64)
def criteria_for(point: Checkpoint, layer: str) -> tuple[str, ...]:
    """Whatever can order the layer's channels: the criteria that fit it, the same reversed, and the oracles."""
    return tuple(experiment.criteria_for(point, layer))


def splits_to_rank_on(point: Checkpoint) -> tuple[str, ...]:
    """The splits whose images the channels can be ranked on."""
    return _splits_to_rank_on(point, data.version_of(point.card.dataset))


@lru_cache(maxsize=64)
def _splits_to_rank_on(point: Checkpoint, version: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(experiment.splits_to_rank_on(point))


@lru_cache(maxsize=64)
def oracle_cost(point: Checkpoint, asked: Experiment) -> Cost:
    """What an oracle's search takes, on the layer, in the mode and over the images of an experiment."""
    return experiment.oracle_cost(asked, point)


@lru_cache(maxsize=64)
def fitting_schedules(point: Checkpoint, layer: str, criterion: str, mode: str) -> tuple[str, ...]:
    """When channels can be ranked, for the layer in this mode by this criterion."""
    return tuple(schedule.fitting_schedules(point.model, layer, criterion, mode))


@lru_cache(maxsize=64)
def fitting_points(point: Checkpoint, layer: str) -> tuple[str, ...]:
    """The points at which the layer's output can be looked at."""
    return tuple(activations.fitting_points(point.model, layer))


def channel_table(ranked: Ranking, pruned: int) -> pd.DataFrame:
    """The channels in pruning order: channel, value (its importance) and state, "pruned" for the first, else "kept"."""
    states = [charts.PRUNED] * pruned + [charts.KEPT] * (len(ranked.order) - pruned)
    return pd.DataFrame({"channel": ranked.order, "value": ranked.importance[ranked.order], "state": states})


def statistics_table(averages: ChannelStatistics, ranked: Ranking, pruned: int) -> pd.DataFrame:
    """The channels' statistics with their importance and their state, in pruning order; see `channel_table`."""
    table = channel_table(ranked, pruned).rename(columns={"value": "importance"})
    return table.merge(report.statistics_table(averages), on="channel")


def accuracy_table(result: Sweep) -> pd.DataFrame:
    """One row a K, the columns of the CSV file; made once for a whole sweep."""
    return _accuracy_table(result) if result.done == result.total else report.accuracy_table(result)


_accuracy_table = lru_cache(maxsize=TABS)(report.accuracy_table)


def scan_table(result: Scan) -> pd.DataFrame:
    """One row a layer, the columns of the CSV file; made once for a whole scan."""
    return _scan_table(result) if result.done == result.total else report.scan_table(result)


_scan_table = lru_cache(maxsize=TABS)(report.scan_table)


@dataclass(frozen=True)
class Grid:
    """What a grid of maps shows, and how it is laid out and coloured."""

    channels: tuple[int, ...]  # in the order shown
    pruned: frozenset[int]  # channels
    titles: tuple[str, ...] | None
    colour: str
    shared: bool  # one scale for all
    columns: int | None


_DRAWING = threading.Lock()  # Matplotlib's font caches are not made for threads


@lru_cache(maxsize=32)
def grid_file(
    averages: ChannelStatistics, grid: Grid, label: str, kind: str, dpi: int = figures.PRINT_DPI, ink: str | None = None
) -> bytes:
    """The averaged maps as a PNG, SVG or PDF file: for print on white, or on the page's ground in its `ink`."""
    with _DRAWING:
        figure = figures.maps_figure(
            averages.maps[list(grid.channels)],
            grid.titles,
            [place for place, channel in enumerate(grid.channels) if channel in grid.pruned],
            grid.colour,
            grid.shared,
            grid.columns,
            label,
            ink or figures.INK,
        )
        return figures.figure_bytes(figure, kind, dpi, transparent=ink is not None)


def figure_file(draw: Callable[[], Figure], kind: str) -> bytes:
    """The figure that `draw()` makes, as a PNG, SVG or PDF file."""
    with _DRAWING:
        return figures.figure_bytes(draw(), kind)


Examples = tuple[np.ndarray, list[str], np.ndarray]


def examples(point: Checkpoint, layer: str, where: str, count: int) -> Examples:
    """`count` test examples of different classes: images (n, C, H, W), class names, the layer's outputs (n, P, M, N).

    Of a pair, both images stand side by side, and so do their outputs.
    """
    return _examples(point, identity(point), layer, where, count)


@st.cache_resource(max_entries=16, show_spinner=False)
def _examples(_point: Checkpoint, identity: Hashable, layer: str, where: str, count: int) -> Examples:
    found = examples_of(_point, layer, where, count, TEST)
    return charts.side_by_side(found.images), found.labels, charts.side_by_side(found.outputs)


# Work in the background. A job that failed or was cancelled stays so until somebody asks for it `again`.


def identity(point: Checkpoint) -> Hashable:
    """What decides a network's numbers, whatever its name: its weights, how it reads which images, and who they are."""
    card = point.card
    return (point.sha256, card.model, card.mean, card.std, card.dataset, data.version_of(card.dataset))


def statistics(point: Checkpoint, layer: str, split: str, where: str = "raw", again: bool = False) -> Job:
    """The job that averages a layer's output over a split; `where` is a key of activations.POINTS."""
    key = ("statistics", identity(point), layer, split, where)
    return _job(key, lambda: kept_statistics(point, layer, split, where), again)


def look(point: Checkpoint, asked: Experiment, again: bool = False) -> Job:
    """The job that looks at the images an experiment is ranked on: statistics, or an oracle's search."""
    return _job(_look_key(point, asked), lambda: kept_look(asked, point), again)


def _look_key(point: Checkpoint, asked: Experiment) -> tuple[Any, ...]:
    criterion = criterion_named(asked.criterion)
    if isinstance(criterion, Criterion):
        return ("statistics", identity(point), asked.layer, asked.ranked_on, criterion.point)
    return ("search", identity(point), asked.layer, asked.ranked_on, criterion.name, asked.mode)


def sweep(point: Checkpoint, asked: Experiment, again: bool = False) -> Job:
    """The job that ranks the channels and prunes at every K of the experiment.

    Its partial results are statistics (or an oracle's search) while it looks at the images that rank, then curves. A
    part of a curve that is already there in full is not computed anew.
    """
    key = ("sweep", identity(point), asked)
    return _whole(point, asked, "sweep") or _job(key, lambda: _rank_and_sweep(point, asked), again)


def band(point: Checkpoint, asked: Experiment, orders: int, again: bool = False) -> Job:
    """The job that prunes at every K along so many random orders; its results are bands."""
    kind = f"band of {orders}"
    work = partial(kept_band, asked, point, orders, coarse_first=True)
    return _whole(point, asked, kind) or _job((kind, identity(point), asked), work, again)


def is_known(point: Checkpoint, asked: Experiment, orders: int = 1) -> bool:
    """Whether a sweep, or a band of several orders, has been asked for already."""
    kind = "sweep" if orders == 1 else f"band of {orders}"
    return bool(_whole(point, asked, kind) or board().get((kind, identity(point), asked)))


def _whole(point: Checkpoint, asked: Experiment, kind: str) -> Job | None:
    """The finished job over all K, which has those of the experiment, too."""
    whole = board().get((kind, identity(point), replace(asked, ks=None)))
    return whole if whole is not None and whole.result is not None and asked.schedule == "once" else None


def _rank_and_sweep(point: Checkpoint, asked: Experiment) -> Iterator[str | Found | Sweep]:
    """A kept sweep; what its ranking looks at images for is looked for among the jobs first, and becomes one."""
    found = None
    if criterion_named(asked.criterion).needs_data:
        key = _look_key(point, asked)
        found = yield from _look_with_preview(point, asked, _steps_of(key, kept_look(asked, point)))
        board().keep(key, found)
    yield from kept_sweep(asked, point, found, coarse_first=True)


def _steps_of(key: tuple[Any, ...], steps: Iterator[Any]) -> Iterator[Any]:
    """The steps of the job with that key, which a page asked for and which has not ended, or did well; else `steps`."""
    known = board().get(key)
    while known and not known.finished:
        known.advance()
        if known.latest is not None:
            yield known.latest
    if known is None or known.result is None:
        yield from steps
    else:
        yield known.result


def _look_with_preview(
    point: Checkpoint, asked: Experiment, steps: Iterator[str | Found]
) -> Generator[str | Found | Sweep, None, Found]:
    """The steps of a look; where it takes long, a first curve by what it has seen so far stands in for it."""
    began, preview, found = time.monotonic(), None, None
    for step in steps:
        found = found if isinstance(step, str) else step
        is_slow = time.monotonic() - began > PREVIEW_AFTER and asked.schedule == "once"
        if preview is None and is_slow and isinstance(step, ChannelStatistics) and step.done < step.total:
            preview = experiment.preview_of(asked, point, step)
        yield step if preview is None or isinstance(step, str) else replace(preview, progress=step.done / step.total)
    assert found is not None, "a ranking that needs images looks at some"
    return found


def curve(job: Job) -> Sweep | None:
    """The curve so far of a sweep's job; None while it still ranks, and where the ranking was stopped."""
    found = curve_or_band(job)
    return found if isinstance(found, Sweep) else None


def curve_or_band(job: Job) -> Sweep | Band | None:
    """The curve or the band so far; None while it still ranks, and where the ranking was stopped."""
    found = job.latest
    if isinstance(found, Sweep):
        return found if found.preview is None or not job.finished else None
    return found if isinstance(found, Band) else None


def is_ranking(job: Job) -> bool:
    """Whether a sweep's or a band's job still looks at the images that rank."""
    found = curve_or_band(job)
    assert isinstance(job.key, tuple)
    *_, asked = job.key
    if found is None:
        return criterion_named(asked.criterion).needs_data
    return isinstance(found, Sweep) and found.preview is not None


def unpruned(point: Checkpoint, again: bool = False) -> Job:
    """The job that tests the network as it is: a sweep of K = 0 alone, so that the order does not matter."""
    asked = Experiment(point.name, next(iter(conv_layers(point.model))), criterion="l1", ks=(0,))
    return _job(("sweep", identity(point), asked), lambda: kept_sweep(asked, point), again)


def scan(point: Checkpoint, which: str, mode: str, limit: int | None, again: bool = False) -> Job:
    """The job that prunes each layer whole. The blocks of a network whose layers are all there need no new one."""
    key = ("scan", identity(point), point.name, which, mode, limit)
    whole = board().get(("scan", identity(point), point.name, "all", mode, limit))
    if whole is not None and whole.result is not None:
        board().keep(key, whole.result.only(scanned_layers(point, which)))
    return _job(key, lambda: scan_of(point, which, mode, TEST, limit), again)


def download(dataset: str, again: bool = False) -> Job:
    """The job that fetches a data set; it does not wait for sweeps."""
    return _job(
        ("download", dataset), lambda: reports(lambda told: data.download(dataset, progress=told)), again, heavy=False
    )


IMAGES, NETWORK = "images", "network"  # what can be imported


@dataclass(frozen=True)
class Import:
    """What is or was imported: its kind, its name, what does it, and the job that does."""

    kind: str
    name: str
    work: Callable[[data.Progress], Any]
    job: Job


@st.cache_resource
def _last_imports() -> dict[str, Import]:
    """By kind, in this process."""
    return {}


def last_import(kind: str) -> Import | None:
    """The last import of this kind, whichever tab asked for it."""
    return _last_imports().get(kind)


def start_import(kind: str, name: str, work: Callable[[data.Progress], Any]) -> Import:
    """Import in the background what `work(progress)` does; a network, which is tested, waits for sweeps."""
    key = ("import", kind, name, time.monotonic_ns())  # each is new: what was imported may have been deleted since
    job = board().submit(key, lambda: reports(work), heavy=kind == NETWORK)
    _last_imports()[kind] = Import(kind, name, work, job)
    return _last_imports()[kind]


def _job(key: tuple[Any, ...], start: Callable[[], Iterator[Any]], again: bool, heavy: bool = True) -> Job:
    known = board().get(key)
    return known if known is not None and not again else board().submit(key, start, heavy)
