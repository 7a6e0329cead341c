"""Scans and sensitivity analyses by workers, in place of the streams of the engine that compute them alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from explorer.answers.keeping import Note
from explorer.answers.packing import facts_in
from explorer.answers.store import Arrays, Store
from explorer.background.jobs import Progress
from explorer.engine.predictions import Run
from explorer.engine.scan import describe
from explorer.engine.scans import Scan
from explorer.engine.sensitivities import SHARES, Sensitivity
from explorer.engine.sensitivity import Analysis
from explorer.images.batches import Batches
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device, resolve_device
from explorer.workers.requests import Load
from explorer.workers.units import Pool, answers, require, unit_of

ROWS = 5  # layers of a unit, which share one pass of the unpruned network


@dataclass(frozen=True)
class LayersByWorkers:
    """A network whose layers workers prune, one at a time."""

    checkpoint: Checkpoint
    pool: Pool
    store: Store = field(default_factory=Store)

    def scan(
        self, batches: Batches, layers: Sequence[str], mode: str, *, run: Run, device: Device = None
    ) -> Iterator[Note | Progress | Scan]:
        """The scan that `scan.scan_stream` gives at last, from a unit for each slice of the images."""
        load = Load(self.checkpoint, batches)
        asked = {"layers": list(layers), "mode": mode, "device": resolve_device(device).type}
        units = [
            unit_of(load, "scan", asked, [place], partial(_check_scan, images=len(labels)))
            for place, (*_, labels) in enumerate(load.slices)
        ]
        parts = yield from answers(units, self.pool, self.store)
        facts = [facts_in(part) for part in parts]
        known = describe(self.checkpoint.model, layers)
        yield Scan(
            predictions=np.concatenate([part["predictions"] for part in parts], axis=1),
            unpruned=np.concatenate([part["unpruned"] for part in parts]),
            labels=batches.labels.numpy(),
            layers=tuple(known[layer] for layer in facts[0]["layers"]),
            left_out=facts[0]["left_out"],
            run=run,
            total=batches.n,
            slow=any(each["slow"] for each in facts),
        )

    def analyse(
        self, batches: Batches, orders: Mapping[str, np.ndarray], mode: str, *, run: Run, device: Device = None
    ) -> Iterator[Note | Progress | Sensitivity]:
        """The analysis that `sensitivity.sensitivity_stream` gives at last.

        A unit is some of its rows over a slice of the images. Layers whose suffixes are long and short are mixed, so
        that units take about as long as each other.
        """
        whole = Analysis.of(self.checkpoint.model, batches, orders, mode, run=run, device=device)
        load, rows = Load(self.checkpoint, batches), whole.empty.rows
        groups = -(-len(rows) // ROWS)
        places = [list(range(group, len(rows), groups)) for group in range(groups)]
        units = []
        for some in places:
            asked = {
                "orders": {rows[row].layer: whole.orders[rows[row].layer].tolist() for row in some},
                "mode": mode,
                "shares": SHARES,
                "at_once": whole.plans.at_once,
                "device": resolve_device(device).type,
            }
            check = partial(_check_counts, shape=(2, len(some), len(SHARES)))
            units += [unit_of(load, "sensitivity", asked, [place], check) for place in range(len(load.slices))]
        parts = yield from answers(units, self.pool, self.store)
        slices, counts = len(load.slices), np.zeros((2, len(rows), len(SHARES)), np.int64)
        for number, some in enumerate(places):
            counts[:, some] = sum(part["counts"] for part in parts[number * slices : (number + 1) * slices])
        before = sum(int(part["before"][0]) for part in parts[:slices])
        yield replace(whole.empty, broken=counts[0], repaired=counts[1], correct_before=before, done=batches.n)


def _check_scan(arrays: Arrays, images: int) -> None:
    """ValueError unless these can be a scan of so many images."""
    try:
        layers = facts_in(arrays)["layers"]
    except KeyError as error:
        raise ValueError("does not hold what a scan does") from error
    dtype = arrays.get("unpruned", np.zeros(0)).dtype
    require(arrays, predictions=((len(layers), images), dtype), unpruned=((images,), dtype))


def _check_counts(arrays: Arrays, shape: tuple[int, int, int]) -> None:
    """ValueError unless these can be the counts of an analysis."""
    require(arrays, counts=(shape, np.dtype(np.int32)), before=((1,), np.dtype(np.int64)))
