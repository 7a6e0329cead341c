"""The facts of a report, gathered: what ships or is at hand already, and what has to be computed first.

A stream like those of the door: notes for the user, what there is so far of what is computed, and at last the facts.
Nothing that ships takes torch or an image.
"""

import csv
import io
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from explorer.answers import door, layout, shipped
from explorer.answers.archive import Note
from explorer.answers.choices import ORDERS
from explorer.answers.experiment import Experiment
from explorer.engine.curves import Band, Sweep
from explorer.engine.oracle import ORACLES
from explorer.images import datasets, pictures
from explorer.networks.cards import versions
from explorer.networks.checkpoints import Checkpoint, look_up
from explorer.reports.asked import Asked, ways_of
from explorer.reports.brought import Brought, Removal
from explorer.reports.facts import RANDOM, Facts, Missing, some_flips
from explorer.show.pictures import side_by_side

COMPARED = ("mean", "l1", "l2", *ORACLES)  # the criteria beside that of the report, where their curves ship
HISTORY = ("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")

Steps = Generator[Any, None, Any]


def gather(asked: Asked, checkpoint: Checkpoint, brought: Brought | None = None, fresh: bool = False) -> Iterator[Any]:
    """The facts of a report about a checkpoint.

    What is `brought` is taken as it is. With `fresh`, what ships is computed here all the same. Raises
    ValueError as `door.curve`, and for a K not in the curve.
    """
    brought = brought or Brought()
    known, card = brought.curves, checkpoint.card
    curve = yield from _curve(asked.experiment, checkpoint, known, fresh)
    curve = curve if asked.experiment.ks is None else curve.at(asked.experiment.ks)
    missing = [Missing("whole", "")] if curve.done < curve.total or curve.progress not in (None, 1) else []
    k = curve.nearest(curve.channels // 2) if asked.k is None else curve.ks[curve.index(asked.k)]
    ways = yield from _ways(asked, checkpoint, curve, known, fresh, missing)
    compared = yield from _compared(asked.experiment, checkpoint, curve, fresh, missing)
    statistics = yield from _statistics(asked.experiment, checkpoint, fresh, missing)
    scan = yield from _scan(checkpoint, fresh, missing)
    made_of = layout.layout_of(checkpoint)
    history = _history(checkpoint, missing)
    yield Facts(
        checkpoint=checkpoint.name,
        card=replace(card, sha256=checkpoint.sha256),
        dataset=datasets.dataset_info(card.dataset),
        lab=asked.lab,
        experiment=asked.experiment,
        k=k,
        curve=curve,
        ways=ways,
        compared=compared,
        statistics=statistics,
        layers=made_of.layers,
        sketch=made_of.sketch,
        history=history,
        scan=scan,
        removal=brought.removal or _removal(checkpoint, missing),
        pictures=_pictures(curve, k, missing),
        missing=tuple(missing),
        versions=versions(),
        exercise=asked.exercise,
    )


def _last(steps: Iterator[Any]) -> Steps:
    """Pass a stream on; its last answer is returned."""
    answer = None
    for step in steps:
        yield step
        answer = answer if isinstance(step, Note) else step
    return answer


def _curve(asked: Experiment, checkpoint: Checkpoint, known: Mapping[Experiment, Sweep], fresh: bool) -> Steps:
    if asked in known:
        return known[asked]
    return (yield from _last(door.curve(asked, checkpoint, fresh=fresh)))


def _images_are_here(checkpoint: Checkpoint) -> bool:
    name = checkpoint.card.dataset
    return datasets.availability(name) != "missing" and shipped.SPLIT in datasets.splits_of(name)


def _ways(
    asked: Asked,
    checkpoint: Checkpoint,
    curve: Sweep,
    known: Mapping[Experiment, Sweep],
    fresh: bool,
    missing: list[Missing],
) -> Steps:
    """The lab's ways by title, each over the K of the report's curve."""
    found: dict[str, Sweep] = {}
    for title, way in ways_of(asked.lab, asked.experiment).items():
        own = checkpoint if way.checkpoint == checkpoint.name else look_up(way.checkpoint)
        if way == asked.experiment:
            found[title] = curve
        elif way in known or _images_are_here(checkpoint) or (shipped.has_curve(way, own) and not fresh):
            found[title] = yield from _curve(way, own, known, fresh)
        else:
            missing.append(Missing("way", title))
    return found


def _compared(asked: Experiment, checkpoint: Checkpoint, curve: Sweep, fresh: bool, missing: list[Missing]) -> Steps:
    """The report's criterion, others, the oracles and the band of random orders, where they ship."""
    plain = Experiment(asked.checkpoint, asked.layer, ks=asked.ks)
    found: dict[str, Sweep | Band] = {asked.criterion: curve}
    for name in COMPARED:
        other = replace(plain, criterion=name)
        if name != asked.criterion and shipped.has_curve(other, checkpoint):
            found[name] = yield from _last(door.curve(other, checkpoint, fresh=fresh))
    random, orders = replace(plain, criterion=RANDOM), ORDERS[0]
    there = shipped.band_ks(replace(random, ks=None), checkpoint, orders)
    ks = tuple(k for k in curve.ks if k in there)
    if ks:
        found[RANDOM] = yield from _last(door.band(replace(random, ks=ks), checkpoint, orders, fresh=fresh))
    if len(found) == 1:
        missing.append(Missing("criteria"))
    return found


def _statistics(asked: Experiment, checkpoint: Checkpoint, fresh: bool, missing: list[Missing]) -> Steps:
    ships = shipped.has_statistics(checkpoint, asked.layer, shipped.SPLIT, "raw") and not fresh
    if not ships and not _images_are_here(checkpoint):
        missing.append(Missing("statistics"))
        return None
    return (yield from _last(door.statistics(checkpoint, asked.layer, shipped.SPLIT, fresh=fresh)))


def _scan(checkpoint: Checkpoint, fresh: bool, missing: list[Missing]) -> Steps:
    if not shipped.has_scan(checkpoint, "blocks", "filter"):
        missing.append(Missing("scan"))
        return None
    return (yield from _last(door.scan(checkpoint, fresh=fresh)))


def _history(checkpoint: Checkpoint, missing: list[Missing]) -> pd.DataFrame | None:
    """The records of the training's epochs, where they lie beside the weights and can be read."""
    path = checkpoint.path.with_suffix(".csv")
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        table = pd.DataFrame([{name: float(row[name]) for name in HISTORY} for row in rows], columns=HISTORY)
        table["epoch"] = table["epoch"].astype(int)
    except (OSError, ValueError, KeyError, TypeError):
        table = pd.DataFrame()
    if table.empty or not np.isfinite(table.to_numpy()).all():
        missing.append(Missing("history"))
        return None
    return table


def _removal(checkpoint: Checkpoint, missing: list[Missing]) -> Removal | None:
    """Of a network that was compressed, what that gained; None of others, and where it cannot be weighed here."""
    parent = checkpoint.card.parent
    if parent is None:
        return None
    from explorer.reports.removing import of_lineage  # which takes torch

    found = of_lineage(checkpoint) if _images_are_here(checkpoint) else None
    if found is None and parent.plan:
        missing.append(Missing("removal", parent.name))
    return found


def _pictures(curve: Sweep, k: int, missing: list[Missing]) -> np.ndarray | None:
    """The images whose prediction changes, where the data set is here and whole."""
    which = some_flips(curve, k)["image"].tolist()
    if not which:
        return None
    try:
        return side_by_side(pictures.pictures(curve.run.dataset, curve.run.split, which))
    except (ValueError, OSError):
        missing.append(Missing("pictures", curve.run.dataset))
        return None
