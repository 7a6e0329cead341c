"""Curves by workers: many at a time, of any networks, layers, criteria and seeds."""

from collections.abc import Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from explorer.answers import shipped
from explorer.answers.checking import check
from explorer.answers.choices import Measured, criterion_named
from explorer.answers.computing import Steps, seeds_of, steps_of
from explorer.answers.experiment import Experiment
from explorer.answers.here import at_once
from explorer.answers.images import batches_of
from explorer.answers.keeping import Entry, Note, search_entry, statistics_entry, sweep_entry
from explorer.answers.store import Arrays, Store
from explorer.background.jobs import Progress
from explorer.engine.curves import Band, Sweep
from explorer.engine.ks import check_ks
from explorer.engine.oracle import Oracle
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device, resolve_device
from explorer.workers.requests import Load
from explorer.workers.units import Pool, Unit, answers, require, unit_of


def curves(
    experiments: Sequence[Experiment],
    checkpoints: Mapping[str, Checkpoint],
    pool: Pool,
    device: Device = None,
    fresh: bool = False,
    store: Store | None = None,
) -> Iterator[Note | Progress | list[Sweep]]:
    """Rank, then prune at every K, as `door.curve` does for each of the experiments; at last the curves in their order.

    `checkpoints` has the network of each by its name. First all that rankings measure on images is a unit each, an
    oracle's search among them; then every slice of the images for each curve, or for all random orders that share one
    look at it. A slice in another type than float32 would agree with that on images of its own, so such a curve is one
    unit. Raises ValueError as `checking.check`.
    """
    yield from _Curves(checkpoints, pool, device, fresh, store or Store()).of(experiments)


def band(
    experiment: Experiment,
    checkpoint: Checkpoint,
    orders: int,
    pool: Pool,
    device: Device = None,
    fresh: bool = False,
    store: Store | None = None,
) -> Iterator[Note | Progress | Band]:
    """Prune along so many random orders, as `door.band` does."""
    known = None if fresh else (yield from shipped.band(experiment, checkpoint, orders))
    if known is not None:
        yield known
        return
    seeds = seeds_of(experiment, checkpoint, orders)
    for step in curves(seeds, {checkpoint.name: checkpoint}, pool, device, fresh, store):
        yield Band(tuple(step)) if isinstance(step, list) else step


@dataclass
class _Curves:
    checkpoints: Mapping[str, Checkpoint]
    pool: Pool
    device: Device
    fresh: bool
    store: Store
    loads: dict[tuple[str, str, int | None], Load] = field(default_factory=dict)

    def of(self, experiments: Sequence[Experiment]) -> Iterator[Note | Progress | list[Sweep]]:
        whole: dict[Experiment, Sweep] = {}
        for each in experiments:
            check(each, self.checkpoints[each.checkpoint])
            known = None if self.fresh else (yield from shipped.curve(each, self.checkpoints[each.checkpoint]))
            whole |= {} if known is None else {each: known}
        steps = yield from self._steps([each for each in experiments if each not in whole])
        entries = {
            each: sweep_entry(each, self.checkpoints[each.checkpoint], found, self.device)
            for each, found in steps.items()
        }
        for each, entry in entries.items():
            kept = yield from entry.find(self.store)
            whole |= {} if kept is None else {each: kept}
        groups = self._groups([each for each in entries if each not in whole])
        units = [self._units(group, steps) for group in groups]
        parts = iter((yield from answers([unit for some in units for unit in some], self.pool, self.store)))
        for group, some in zip(groups, units, strict=True):
            merged = _merged([next(parts) for _ in some])
            for place, each in enumerate(group):
                whole[each] = _curve(entries[each], merged, place)
                yield from entries[each].save(self.store, whole[each])
        yield [whole[each] for each in experiments]

    def _load(self, experiment: Experiment, split: str) -> Load:
        """A network and the images of a split: the same object each time, so that they travel once."""
        key = (experiment.checkpoint, split, experiment.limit)
        if key not in self.loads:
            checkpoint = self.checkpoints[experiment.checkpoint]
            self.loads[key] = Load(checkpoint, batches_of(checkpoint, split, experiment.limit))
        return self.loads[key]

    # Rankings

    def _steps(self, experiments: Sequence[Experiment]) -> Generator[Note | Progress, None, dict[Experiment, Steps]]:
        """The channels of each experiment in the order in which they go."""
        measured: dict[Hashable, Measured] = {}
        units: dict[Hashable, Unit] = {}
        for each in experiments:
            if criterion_named(each.criterion).needs_data and _measure_of(each) not in (*measured, *units):
                known = None if self.fresh else (yield from self._shipped(each))
                if known is None:
                    units[_measure_of(each)] = self._measuring(each)
                else:
                    measured[_measure_of(each)] = known
        if units:
            found = yield from answers(list(units.values()), self.pool, self.store)
            measured |= dict(zip(units, found, strict=True))
        return {
            each: steps_of(each, self.checkpoints[each.checkpoint], measured.get(_measure_of(each)))
            for each in experiments
        }

    def _shipped(self, experiment: Experiment) -> Generator[Note, None, Measured | None]:
        checkpoint, criterion = self.checkpoints[experiment.checkpoint], criterion_named(experiment.criterion)
        if isinstance(criterion, Oracle):
            return (yield from shipped.search(experiment, checkpoint))
        asked = (experiment.layer, experiment.ranked_on, criterion.point, experiment.limit)
        return (yield from shipped.statistics(checkpoint, *asked))

    def _measuring(self, experiment: Experiment) -> Unit:
        """What the ranking needs of the images, all of them: one unit."""
        load, criterion = self._load(experiment, experiment.ranked_on), criterion_named(experiment.criterion)
        asked = {"layer": experiment.layer, "device": resolve_device(self.device).type}
        entry: Entry[Any]
        if isinstance(criterion, Oracle):
            kind, asked = "search", asked | {"oracle": criterion.name, "mode": experiment.mode}
            entry = search_entry(experiment, load.checkpoint, load.batches, self.device)
        else:
            kind, asked = "statistics", asked | {"point": criterion.point}
            asking = (load.checkpoint, load.batches, experiment.layer, criterion.point)
            entry = statistics_entry(*asking, self.device)
        return Unit(load.call(kind, asked, range(len(load.slices))), entry)

    # Curves

    def _groups(self, experiments: Sequence[Experiment]) -> list[list[Experiment]]:
        """Experiments that share one look at the images: random orders, where every K comes out of one pass."""
        alike: dict[Experiment, list[Experiment]] = {}
        for each in experiments:
            alike.setdefault(replace(each, seed=0), []).append(each)
        groups: list[list[Experiment]] = []
        for some in alike.values():
            groups += at_once(some, self.checkpoints[some[0].checkpoint]) if len(some) > 1 else [some]
        return groups

    def _units(self, group: Sequence[Experiment], steps: Mapping[Experiment, Steps]) -> list[Unit]:
        first = group[0]
        load = self._load(first, first.split)
        ks = check_ks(first.ks, len(steps[first][0].order))
        classes = load.checkpoint.card.classes
        asked = {
            "layer": first.layer,
            "courses": [{"order": steps[each][0].order.tolist(), "gone": steps[each][1]} for each in group],
            "ks": ks,
            "mode": first.mode,
            "dtype": first.dtype,
            "device": resolve_device(self.device).type,
            "classes": classes,
        }
        places = range(len(load.slices))
        each_alone = first.dtype == "float32"
        units = []
        for slices in [[place] for place in places] if each_alone else [list(places)]:
            images = sum(len(load.slices[place][-1]) for place in slices)
            checking = partial(_check, shape=(len(group), len(ks), images), classes=len(classes))
            units.append(unit_of(load, "sweeps", asked, slices, checking))
        return units


def _measure_of(experiment: Experiment) -> Hashable:
    """What the ranking of an experiment looks at: the same for all that share it."""
    criterion = criterion_named(experiment.criterion)
    how = (criterion.name, experiment.mode) if isinstance(criterion, Oracle) else criterion.point
    return (experiment.checkpoint, experiment.layer, experiment.ranked_on, experiment.limit, how)


def _check(arrays: Arrays, shape: tuple[int, int, int], classes: int) -> None:
    """ValueError unless these can be the predictions of so many curves, K and images."""
    require(arrays, predictions=(shape, np.min_scalar_type(classes - 1)), slow=((1,), np.dtype(bool)))
    if arrays["predictions"].max() >= classes:
        raise ValueError(f"holds a prediction outside the {classes} classes")


def _merged(parts: Sequence[Arrays]) -> Arrays:
    """What a group gives for all images, from what it gives for each slice of them."""
    predictions = np.concatenate([part["predictions"] for part in parts], axis=2)
    return parts[0] | {"predictions": predictions, "slow": np.array([any(part["slow"][0] for part in parts)])}


def _curve(entry: Entry[Sweep], merged: Arrays, place: int) -> Sweep:
    """One curve of a group."""
    shared = {"slow", "compared", "audit"}
    arrays = {name: array if name in shared else array[place] for name, array in merged.items()}
    entry.check(arrays)
    return entry.unpack(arrays)
