"""Networks compressed in the background, once however many tabs ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from explorer.answers import compressing, removing
from explorer.answers.compressing import Compressed, Compression
from explorer.app import work
from explorer.app.cache import identity
from explorer.background.jobs import Job
from explorer.compression.choosing import Tried
from explorer.language.saying import english, say
from explorer.networks.checkpoints import Checkpoint

REMOVING = english("Removing channels and weighing what is left")
SPARING, TRYING = english("Finding out what each layer can spare"), english("Measuring plans")


def compressed(point: Checkpoint, asked: Compression, restart: bool = False) -> Job:
    """The job that carries a plan out, proves it, and weighs what is left; see `so_far`."""
    return _job(("compressed", identity(point), asked), lambda: compressing.compressed(point, asked), restart)


def so_far(job: Job) -> Compressed | None:
    """What there is so far; None while the plan is still being chosen."""
    return job.latest if isinstance(job.latest, Compressed) else None


def stage(job: Job) -> str:
    """What the job does now, in words."""
    if job.latest is None or isinstance(job.latest, Compressed):
        return say(REMOVING)
    return say(TRYING if isinstance(job.latest, Tried) else SPARING)


def in_words(network: str) -> str:
    """What the tables' name of a network is on the page: unpruned, a share of every layer, at once, or in steps."""
    count, _, unit = network.partition(" ")
    if unit == "%":
        return say("{percent} %", percent=count)
    return say("{n} steps", n=count) if unit == "steps" else say(network)


def frontier(point: Checkpoint, criterion: str, minimum: int, limit: int | None, restart: bool = False) -> Job:
    """The job that prunes several shares of every layer; its results are `Merits`."""
    key = ("frontier", identity(point), criterion, minimum, limit)

    def start() -> Iterator[Any]:
        return compressing.frontier_of(point, removing.groups_of(point), criterion, minimum, limit)

    return _job(key, start, restart)


def frontier_at_hand(point: Checkpoint, criterion: str, minimum: int, limit: int | None) -> Job | None:
    """The job of `frontier` where somebody has asked for it; nothing is begun."""
    return work.jobs().get(("frontier", identity(point), criterion, minimum, limit))


def _job(key: tuple[Any, ...], start: Callable[[], Iterator[Any]], restart: bool) -> Job:
    known = work.jobs().get(key)
    return known if known is not None and not restart else work.jobs().submit(key, start, owner=work.session())
