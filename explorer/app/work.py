"""Long work in the background, done once however many tabs ask for it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st

from explorer.answers import door, outline, shipped
from explorer.answers.archive import Note
from explorer.answers.choices import Measured, criterion_named, default_layer
from explorer.answers.experiment import Experiment
from explorer.app.cache import TABS, TEST, identity, scanned_layers
from explorer.background import memory
from explorer.background.board import Jobs
from explorer.background.jobs import Job, reports
from explorer.engine.curves import Band, Sweep
from explorer.engine.sensitivities import Sensitivity
from explorer.images import downloads
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import Criterion
from explorer.pruning.statistics import ChannelStatistics
from explorer.reports.asked import Asked
from explorer.reports.brought import Brought

SHORT = 1.0  # seconds that reading what comes with the app takes at most
PREVIEW_AFTER = 2.0  # seconds of ranking, after which a first curve does not wait for its end


@st.cache_resource
def jobs() -> Jobs:
    """The job board of this process; what is loaded by the time of the first page stays in memory."""
    memory.settle()
    return Jobs(capacity=TABS)


def statistics(point: Checkpoint, layer: str, split: str, where: str = "raw", restart: bool = False) -> Job:
    """The job that averages a layer's output over a split; `where` is a key of points.POINTS."""
    key = ("statistics", identity(point), layer, split, where)
    there = shipped.has_statistics(point, layer, split, where)
    return _job(key, lambda: door.statistics(point, layer, split, where), restart, heavy=not there)


def statistics_at_hand(point: Checkpoint, layer: str, split: str, where: str = "raw") -> ChannelStatistics | None:
    """The averages of a layer's output, where they come with the app or somebody asked for them; nothing is begun."""
    job = jobs().get(("statistics", identity(point), layer, split, where))
    if job is None and shipped.has_statistics(point, layer, split, where):
        job = statistics(point, layer, split, where)
        job.wait(SHORT)
    return job.result if job else None


def measure(point: Checkpoint, asked: Experiment, restart: bool = False) -> Job:
    """The job that measures what an experiment is ranked by: statistics, or an oracle's search."""
    there = ranking_ships(point, asked)
    return _job(_measure_key(point, asked), lambda: door.measure(asked, point), restart, heavy=not there)


def _measure_key(point: Checkpoint, asked: Experiment) -> tuple[Any, ...]:
    criterion = criterion_named(asked.criterion)
    if isinstance(criterion, Criterion):
        return ("statistics", identity(point), asked.layer, asked.ranked_on, criterion.point)
    return ("search", identity(point), asked.layer, asked.ranked_on, criterion.name, asked.mode)


def sweep(point: Checkpoint, asked: Experiment, restart: bool = False) -> Job:
    """The job that ranks the channels and prunes at every K of the experiment.

    Its partial results are statistics (or an oracle's search) while it measures for the ranking, then curves. A
    part of a curve that is already there in full is not computed anew.
    """
    key, fresh = ("sweep", identity(point), asked), is_afresh(point, asked)
    measuring = None if fresh else _shared_measure
    way: dict[str, Any] = {"measuring": measuring, "preview_after": PREVIEW_AFTER, "fresh": fresh}
    work = partial(door.curve, asked, point, coarse_first=True, **way)
    whole = None if fresh else _whole(point, asked, "sweep")
    return whole or _job(key, work, restart, heavy=not ships(point, asked))


def band(point: Checkpoint, asked: Experiment, orders: int, restart: bool = False) -> Job:
    """The job that prunes at every K along so many random orders; its results are bands."""
    kind = f"band of {orders}"
    work = partial(door.band, asked, point, orders, coarse_first=True, fresh=is_afresh(point, asked))
    there = ships(point, asked, orders)
    return _whole(point, asked, kind) or _job((kind, identity(point), asked), work, restart, heavy=not there)


def ships(point: Checkpoint, asked: Experiment, orders: int = 1) -> bool:
    """Whether a sweep, or a band of several orders, comes with the app, so that it needs no images."""
    if is_afresh(point, asked):
        return False
    return shipped.has_curve(asked, point) if orders == 1 else shipped.has_band(asked, point, orders)


def ranking_ships(point: Checkpoint, asked: Experiment) -> bool:
    """Whether ranking the channels needs no images that are not here: none at all, or what it needs of them ships."""
    criterion = criterion_named(asked.criterion)
    if not isinstance(criterion, Criterion):
        return shipped.search_cost(asked, point) is not None
    where = (point, asked.layer, asked.ranked_on, criterion.point)
    return not criterion.needs_data or shipped.has_statistics(*where)


@st.cache_resource
def _afresh() -> set[Any]:
    """What was asked for again in this process although it ships: no more than what ships."""
    return set()


def is_afresh(point: Checkpoint, asked: Experiment) -> bool:
    """Whether somebody wants this computed here, although it comes with the app."""
    return (identity(point), asked) in _afresh()


def compute_again(point: Checkpoint, asked: Experiment) -> None:
    """From now on, let an answer that comes with the app be computed here instead; for callbacks."""
    _afresh().add((identity(point), asked))
    jobs().drop(("sweep", identity(point), asked))


def is_known(point: Checkpoint, asked: Experiment, orders: int = 1) -> bool:
    """Whether a sweep, or a band of several orders, has been asked for already, or comes with the app."""
    if ships(point, asked, orders):
        return True
    kind = "sweep" if orders == 1 else f"band of {orders}"
    return bool(_whole(point, asked, kind) or jobs().get((kind, identity(point), asked)))


def _whole(point: Checkpoint, asked: Experiment, kind: str) -> Job | None:
    """The finished job over all K, which has those of the experiment, too."""
    whole = jobs().get((kind, identity(point), replace(asked, ks=None)))
    return whole if whole is not None and whole.result is not None and asked.schedule == "once" else None


def _shared_measure(asked: Experiment, point: Checkpoint) -> Iterator[Note | Measured]:
    """What the experiment's ranking measures: looked for among the jobs first; what had to be measured becomes one."""
    key, measured = _measure_key(point, asked), None
    for step in _steps_of(key, door.measure(asked, point)):
        measured = measured if isinstance(step, str) else step
        yield step
    jobs().keep(key, measured)


def _steps_of(key: tuple[Any, ...], steps: Iterator[Any]) -> Iterator[Any]:
    """The steps of the job with that key, which a page asked for and which has not ended, or did well; else `steps`."""
    known = jobs().get(key)
    while known and not known.finished:
        known.advance()
        if known.latest is not None:
            yield known.latest
    if known is None or known.result is None:
        yield from steps
    else:
        yield known.result


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
    """Whether a sweep's or a band's job still measures for the ranking."""
    found = curve_or_band(job)
    assert isinstance(job.key, tuple)
    *_, asked = job.key
    if found is None:
        return criterion_named(asked.criterion).needs_data
    return isinstance(found, Sweep) and found.preview is not None


def unpruned(point: Checkpoint, restart: bool = False) -> Job:
    """The job that tests the network as it is: a sweep of K = 0 alone, so that the order does not matter."""
    asked, there = _unpruned(point), unpruned_ships(point)
    if not there:
        asked = replace(asked, layer=next(iter(outline.channels_of(point))), criterion="l1")
    return _job(("sweep", identity(point), asked), lambda: door.curve(asked, point), restart, heavy=not there)


def unpruned_ships(point: Checkpoint) -> bool:
    """Whether the test of the network as it is comes with the app."""
    return shipped.has_curve(_unpruned(point), point)


def _unpruned(point: Checkpoint) -> Experiment:
    return Experiment(point.name, default_layer(point), ks=(0,))


def scan(point: Checkpoint, which: str, mode: str, limit: int | None, restart: bool = False) -> Job:
    """The job that prunes each layer whole. The blocks of a network whose layers are all there need no new one."""
    key = ("scan", identity(point), point.name, which, mode, limit)
    whole = jobs().get(("scan", identity(point), point.name, "all", mode, limit))
    if whole is not None and whole.result is not None:
        jobs().keep(key, whole.result.only(scanned_layers(point, which)))
    there = shipped.has_scan(point, which, mode, limit)
    return _job(key, lambda: door.scan(point, which, mode, TEST, limit), restart, heavy=not there)


def sensitivity(point: Checkpoint, criterion: str, mode: str, limit: int | None, restart: bool = False) -> Job:
    """The job that prunes several shares of each layer; see `sensitivity_so_far`."""
    key = ("sensitivity", identity(point), point.name, criterion, mode, limit)
    there = shipped.has_sensitivity(point, criterion, mode, limit)
    return _job(key, lambda: door.sensitivity(point, criterion, mode, TEST, limit), restart, heavy=not there)


def sensitivity_so_far(job: Job) -> Sensitivity | None:
    """What there is so far; None while the channels are still being ranked."""
    return job.latest if isinstance(job.latest, Sensitivity) else None


def report(point: Checkpoint, asked: Asked, brought: Brought, language: str, restart: bool = False) -> Job:
    """The job that makes a lab report of what the page brought, and of what ships; else it computes first."""
    key = ("report", identity(point), point.name, asked.key, language, brought.key)
    computes = asked.experiment not in brought.curves and not ships(point, asked.experiment)
    return _job(key, partial(_report, point, asked, brought, language), restart, heavy=computes)


def _report(point: Checkpoint, asked: Asked, brought: Brought, language: str) -> Iterator[Any]:
    from explorer.reports.binding import languages_of  # with what draws and writes files, which no page waits for
    from explorer.reports.making import make

    yield from make(asked, point, languages_of(language), brought)


def download(dataset: str, restart: bool = False) -> Job:
    """The job that fetches a data set; it does not wait for sweeps, and goes on when the tab is closed."""
    work = partial(reports, lambda told: downloads.download(dataset, progress=told))
    return _job(("download", dataset), work, restart, heavy=False, unattended=True)


IMAGES, NETWORK = "images", "network"  # what can be imported


@dataclass(frozen=True)
class Import:
    """What is or was imported: its kind, its name, what does it, and the job that does."""

    kind: str
    name: str
    work: Callable[[downloads.Progress], Any]
    job: Job


@st.cache_resource
def _last_imports() -> dict[str, Import]:
    """By kind, in this process."""
    return {}


def last_import(kind: str) -> Import | None:
    """The last import of this kind, whichever tab asked for it."""
    return _last_imports().get(kind)


def start_import(kind: str, name: str, work: Callable[[downloads.Progress], Any]) -> Import:
    """Import in the background what `work(progress)` does; a network, which is tested, waits for sweeps."""
    key = ("import", kind, name, time.monotonic_ns())  # each is new: what was imported may have been deleted since
    job = jobs().submit(key, lambda: reports(work), heavy=kind == NETWORK, unattended=True, owner=session())
    _last_imports()[kind] = Import(kind, name, work, job)
    return _last_imports()[kind]


def session() -> str:
    """A name for this tab, which its work goes by."""
    return st.session_state.setdefault("session", uuid.uuid4().hex)


def _job(key: tuple[Any, ...], start: Callable[[], Iterator[Any]], restart: bool, **how: bool) -> Job:
    """The job of that key, a new one where there is none; what comes with the app is not `heavy`: it waits for none."""
    known = jobs().get(key)
    return known if known is not None and not restart else jobs().submit(key, start, owner=session(), **how)
