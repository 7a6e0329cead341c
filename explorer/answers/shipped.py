"""The answers that ship: curves, bands, statistics, searches and scans, found at once and without an image.

Each look-up is a stream of notes (of files that are damaged) that returns the answer, or None where none ships.
"""

from collections.abc import Generator
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from explorer.answers import outline, packing
from explorer.answers.archive import SPLIT, Archive, Arrays, Facts, Note, Question, differences, predictions_of
from explorer.answers.experiment import SPLITS, Experiment
from explorer.answers.runs import layers_run, run_of
from explorer.engine.curves import Band, Run, Sweep
from explorer.engine.ks import check_ks
from explorer.engine.oracle import Cost, Search
from explorer.engine.scans import Layer, Scan
from explorer.engine.sensitivities import Sensitivity
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.statistics import ChannelStatistics

STATISTICS = ("mean", "std", "minimum", "maximum", "mean_absolute", "mean_positive", "positive", "maps")

# Curves


def curve_question(asked: Experiment, checkpoint: Checkpoint) -> Question | None:
    """The question that an experiment is, whatever its K; None for one of a kind that never ships."""
    if not _may_ship(replace(asked, ranked_on=SPLIT)) or asked.ranked_on not in SPLITS or asked.seed:
        return None
    fields = {"layer": asked.layer, "criterion": asked.criterion, "mode": asked.mode, "schedule": asked.schedule}
    more = {} if asked.ranked_on == SPLIT else {"ranked_on": asked.ranked_on}
    return Question(checkpoint, "curve", fields | more)


def _may_ship(asked: Experiment) -> bool:
    return (asked.split, asked.ranked_on, asked.dtype, asked.limit) == (SPLIT, SPLIT, "float32", None)


def curve(asked: Experiment, checkpoint: Checkpoint) -> Generator[Note, None, Sweep | None]:
    """The curve of an experiment, where one ships that has all its K."""
    question = curve_question(asked, checkpoint)
    if question is None:
        return None
    found = yield from question.find(partial(_has_ks, asked=asked, checkpoint=checkpoint))
    return None if found is None else _sweep_of(found, found.arrays, asked, checkpoint)


def has_curve(asked: Experiment, checkpoint: Checkpoint) -> bool:
    """Whether the curve of an experiment ships."""
    question = curve_question(asked, checkpoint)
    facts = question and question.facts()
    return bool(facts and _has_ks(facts, asked, checkpoint))


def ship_curve(question: Question, answer: Sweep) -> None:
    """Let a whole curve ship."""
    arrays = {"predictions": differences(answer.predictions), "order": answer.order, "labels": _small(answer.labels)}
    question.write({**arrays, "importance": np.asarray(answer.importance)}, _facts_of(answer))


def _has_ks(facts: Facts, asked: Experiment, checkpoint: Checkpoint) -> bool:
    """Whether all K asked for are there; where channels are ranked again at each, they must be the very same."""
    ks = _ks_of(asked, checkpoint)
    return ks == tuple(facts["ks"]) if facts["gone"] else set(ks) <= set(facts["ks"])


def _ks_of(asked: Experiment, checkpoint: Checkpoint) -> tuple[int, ...]:
    return check_ks(asked.ks, outline.layer_of(checkpoint, asked.layer).channels)


def _facts_of(answer: Sweep) -> Facts:
    return {"ks": list(answer.ks), "gone": answer.gone and list(answer.gone), "slow": answer.slow, "n": answer.done}


def _sweep_of(found: Archive, arrays: Arrays, asked: Experiment, checkpoint: Checkpoint) -> Sweep:
    """The curve in these arrays, at the K asked for."""
    facts, labels = found.facts, arrays["labels"].astype(np.int64)
    whole = Sweep(
        predictions=predictions_of(arrays["predictions"]),
        labels=labels,
        ks=tuple(facts["ks"]),
        order=arrays["order"],
        importance=arrays["importance"],
        classes=checkpoint.card.classes,
        run=run_of(asked, checkpoint),
        total=len(labels),
        slow=facts["slow"],
        gone=facts["gone"] and tuple(facts["gone"]),
        made=found.made,
    )
    return whole.at(_ks_of(asked, checkpoint))


def _small(labels: np.ndarray) -> np.ndarray:
    return labels.astype(np.min_scalar_type(int(labels.max())))


# Bands of random orders


def band_question(asked: Experiment, checkpoint: Checkpoint, orders: int) -> Question | None:
    """The question that a band is, whatever its K; None for one of a kind that never ships."""
    if not _may_ship(asked) or asked.seed:
        return None
    return Question(checkpoint, "band", {"layer": asked.layer, "mode": asked.mode, "orders": orders})


def band(asked: Experiment, checkpoint: Checkpoint, orders: int) -> Generator[Note, None, Band | None]:
    """The band of so many random orders, where one ships that has all its K."""
    question = band_question(asked, checkpoint, orders)
    if question is None:
        return None
    found = yield from question.find(partial(_has_ks, asked=asked, checkpoint=checkpoint))
    if found is None:
        return None
    each = [{name: found.arrays[name][place] for name in OF_EACH} for place in range(orders)]
    seeds = [replace(asked, seed=place) for place in range(orders)]
    labels = {"labels": found.arrays["labels"]}
    return Band(tuple(_sweep_of(found, one | labels, seed, checkpoint) for one, seed in zip(each, seeds, strict=True)))


def has_band(asked: Experiment, checkpoint: Checkpoint, orders: int) -> bool:
    """Whether a band of so many random orders ships."""
    question = band_question(asked, checkpoint, orders)
    facts = question and question.facts()
    return bool(facts and _has_ks(facts, asked, checkpoint))


def band_ks(asked: Experiment, checkpoint: Checkpoint, orders: int) -> tuple[int, ...]:
    """The K of the band of so many random orders that ships, if one does."""
    question = band_question(asked, checkpoint, orders)
    facts = question and question.facts()
    return tuple(facts["ks"]) if facts else ()


def ship_band(question: Question, answer: Band) -> None:
    """Let a band ship."""
    arrays = {
        "predictions": np.stack([differences(each.predictions) for each in answer.sweeps]),
        "order": np.stack([each.order for each in answer.sweeps]),
        "importance": np.stack([np.asarray(each.importance) for each in answer.sweeps]),
    }
    question.write(arrays | {"labels": _small(answer.sweeps[0].labels)}, _facts_of(answer.sweeps[0]))


OF_EACH = ("predictions", "order", "importance")  # what a band has of each order

# What rankings measure


def statistics_question(
    checkpoint: Checkpoint, layer: str, split: str, point: str, limit: int | None = None
) -> Question | None:
    """The question that statistics are; None for those of a kind that never ships."""
    if split != SPLIT or limit is not None:
        return None
    return Question(checkpoint, "statistics", {"layer": layer, "point": point})


def statistics(
    checkpoint: Checkpoint, layer: str, split: str, point: str, limit: int | None = None
) -> Generator[Note, None, ChannelStatistics | None]:
    """Statistics of a layer's output over the test split, where they ship."""
    question = statistics_question(checkpoint, layer, split, point, limit)
    if question is None:
        return None
    found = yield from question.find()
    if found is None:
        return None
    arrays = {name: found.arrays[name].astype(float) for name in STATISTICS}
    return ChannelStatistics(**arrays, done=found.facts["n"], total=found.facts["n"])


def has_statistics(checkpoint: Checkpoint, layer: str, split: str, point: str) -> bool:
    """Whether statistics of a layer's output ship."""
    question = statistics_question(checkpoint, layer, split, point)
    return question is not None and question.facts() is not None


def ship_statistics(question: Question, answer: ChannelStatistics) -> None:
    """Let statistics ship, their maps in single precision."""
    arrays = {name: getattr(answer, name) for name in STATISTICS}
    question.write({**arrays, "maps": answer.maps.astype(np.float32)}, {"n": answer.done})


def search_question(asked: Experiment, checkpoint: Checkpoint) -> Question | None:
    """The question that an oracle's search is; None for one of a kind that never ships."""
    if not _may_ship(asked):
        return None
    return Question(checkpoint, "search", {"layer": asked.layer, "oracle": asked.criterion, "mode": asked.mode})


def search(asked: Experiment, checkpoint: Checkpoint) -> Generator[Note, None, Search | None]:
    """An oracle's search, where it ships."""
    question = search_question(asked, checkpoint)
    if question is None:
        return None
    found = yield from question.find()
    if found is None:
        return None
    order, cost = tuple(found.arrays["order"].tolist()), Cost(**found.facts)
    return Search(order, len(order), cost, cost.networks, cost.networks)


def search_cost(asked: Experiment, checkpoint: Checkpoint) -> Cost | None:
    """What an oracle's search took, where it ships."""
    question = search_question(asked, checkpoint)
    facts = question and question.facts()
    return Cost(**facts) if facts else None


def ship_search(question: Question, answer: Search) -> None:
    """Let an oracle's search ship."""
    question.write({"order": np.array(answer.order, dtype=np.int64)}, asdict(answer.cost))


# Scans


def scan_question(checkpoint: Checkpoint, which: str, mode: str, split: str, limit: int | None) -> Question | None:
    """The question that a scan is; None for one of a kind that never ships."""
    if split != SPLIT or limit is not None:
        return None
    return Question(checkpoint, "scan", {"layers": which, "mode": mode})


def scan(
    checkpoint: Checkpoint, which: str, mode: str, split: str = SPLIT, limit: int | None = None
) -> Generator[Note, None, Scan | None]:
    """The scan of these layers over the test split, where it ships."""
    question = scan_question(checkpoint, which, mode, split, limit)
    if question is None:
        return None
    found = yield from question.find()
    return None if found is None else _scan_of(found, checkpoint, mode)


def has_scan(checkpoint: Checkpoint, which: str, mode: str, limit: int | None = None) -> bool:
    """Whether the scan of these layers ships."""
    question = scan_question(checkpoint, which, mode, SPLIT, limit)
    return question is not None and question.facts() is not None


def ship_scan(question: Question, answer: Scan) -> None:
    """Let a scan ship."""
    arrays = {"predictions": answer.predictions, "unpruned": answer.unpruned, "labels": _small(answer.labels)}
    layers: list[dict[str, Any]] = [asdict(layer) for layer in answer.layers]
    question.write(arrays, {"layers": layers, "left_out": dict(answer.left_out), "slow": answer.slow})


def _scan_of(found: Archive, checkpoint: Checkpoint, mode: str) -> Scan:
    facts, labels = found.facts, found.arrays["labels"].astype(np.int64)
    return Scan(
        predictions=found.arrays["predictions"],
        labels=labels,
        unpruned=found.arrays["unpruned"],
        layers=tuple(Layer(**layer) for layer in facts["layers"]),
        left_out=facts["left_out"],
        run=Run(checkpoint.name, checkpoint.sha256, checkpoint.card.dataset, SPLIT, mode=mode),
        total=len(labels),
        slow=facts["slow"],
        made=found.made,
    )


# Sensitivity


def sensitivity_question(
    checkpoint: Checkpoint, criterion: str, mode: str, split: str, limit: int | None
) -> Question | None:
    """The question that a sensitivity analysis is; None for one of a kind that never ships."""
    if split != SPLIT or limit is not None:
        return None
    return Question(checkpoint, "sensitivity", {"criterion": criterion, "mode": mode})


def sensitivity(
    checkpoint: Checkpoint, criterion: str, mode: str, split: str = SPLIT, limit: int | None = None
) -> Generator[Note, None, Sensitivity | None]:
    """The analysis of all layers over the test split, or the first images of it, where it ships."""
    question = sensitivity_question(checkpoint, criterion, mode, split, limit)
    if question is None:
        return None
    found = yield from question.find()
    if found is None:
        return None
    run = layers_run(checkpoint, criterion, mode, SPLIT)
    return packing.sensitivity_of(found.arrays, found.facts, run, found.made)


def has_sensitivity(checkpoint: Checkpoint, criterion: str, mode: str, limit: int | None = None) -> bool:
    """Whether the analysis of all layers ships."""
    question = sensitivity_question(checkpoint, criterion, mode, SPLIT, limit)
    return question is not None and question.facts() is not None


def ship_sensitivity(question: Question, answer: Sensitivity) -> None:
    """Let an analysis ship."""
    question.write(packing.arrays_of(answer), packing.facts_of(answer))
