"""Units of an answer: each is kept as it finishes, so that none is computed twice."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from explorer.answers.keeping import Entry, Note, unit_entry
from explorer.answers.store import Arrays, Store
from explorer.background.jobs import Progress
from explorer.workers.requests import Call, Load
from explorer.workers.work import Done, Told


class Pool(Protocol):
    """Workers, wherever they are."""

    log: list[Told]  # of all units that they computed

    def run(self, calls: Sequence[Call]) -> Generator[tuple[int, Done], None, None]:
        """Have `work.work` compute each call; yields its place among them and what it gave, as they finish.

        What a worker was at when it died is computed again. Closing the generator cancels what is left. ValueError
        where there are no workers, or one of them cannot compute what it is asked.
        """
        ...


@dataclass(frozen=True, eq=False)
class Unit:
    """What is asked of a worker, and how the store has what it gives."""

    call: Call
    entry: Entry[Any]


def unit_of(
    load: Load, kind: str, asked: dict[str, Any], slices: Sequence[int], check: Callable[[Arrays], None]
) -> Unit:
    """What is asked over some slices of the images; `check` raises ValueError for what cannot be its answer."""
    identity = {"of": kind, "size": load.size, "slices": list(slices)} | asked
    return Unit(load.call(kind, asked, slices), unit_entry(load.checkpoint, load.batches, identity, check))


def answers(units: Sequence[Unit], pool: Pool, store: Store) -> Generator[Note | Progress, None, list[Any]]:
    """What each unit gives: kept already, or computed by a worker, and then kept."""
    found: dict[int, Any] = {}
    for place, unit in enumerate(units):
        kept = yield from unit.entry.find(store)
        if kept is not None:
            found[place] = kept
    left = [place for place in range(len(units)) if place not in found]
    before = len(found)
    yield Progress(before, len(units), before)
    noted: set[str] = set()
    with closing(pool.run([units[place].call for place in left])) as finished:
        for index, (told, arrays) in finished:
            entry = units[left[index]].entry
            entry.check(arrays)
            found[left[index]] = entry.unpack(arrays)
            yield from entry.save(store, found[left[index]])
            pool.log.append(told)
            yield from _other_processor(told, noted)
            yield Progress(len(found), len(units), before)
    return [found[place] for place in range(len(units))]


def _other_processor(told: Told, noted: set[str]) -> Iterator[Note]:
    """A note on the first worker whose sums may be rounded otherwise than here."""
    here = torch.backends.cpu.get_cpu_capability()
    if told.computes not in (here, *noted):
        noted.add(told.computes)
        yield (
            f"The worker {told.worker} computes with {told.computes}, and this machine with {here}: "
            "an image that two classes fit equally well may be told otherwise there."
        )


def require(arrays: Arrays, **wanted: tuple[tuple[int, ...], Any]) -> None:
    """ValueError unless the arrays have these shapes and types."""
    for name, (shape, dtype) in wanted.items():
        if name not in arrays or arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise ValueError(f"does not hold {name} of shape {shape} in {dtype}")
