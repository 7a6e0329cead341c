"""What compressing gained as a plain value: of a plan, or of a network and those that it came from."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from explorer.answers.compressing import BLOCK, TUNED, Compressed, scales_of
from explorer.compression.scales import Scales
from explorer.networks.checkpoints import Checkpoint, look_up
from explorer.networks.intervals import wilson
from explorer.reports.brought import Removal

COLUMNS = ["stage", "named", "n", "correct", "accuracy", "low", "high", "change"]


def of_plan(network: str, found: Compressed) -> Removal:
    """Of a plan that was carried out and weighed to the end."""
    assert found.merits is not None and found.scales is not None and found.proof is not None, "it is done"
    table = found.merits.frame()
    asked = found.asked
    stages = [_stage(name) for name in table["network"]]
    named = [network, *(str(asked.steps) if stage == "steps" else "" for stage in stages[1:])]
    table = table.assign(stage=["before", *stages[1:]], named=named)
    return _removal(
        network,
        found.plan.text,
        found.plan.criterion,
        table[COLUMNS],
        found.scales,
        steps=asked.steps,
        differ=found.proof.differ,
        target=asked.target,
        minimum=asked.minimum,
        rounded=asked.rounded,
        limit=asked.limit,
    )


def _stage(network: str) -> str:
    if network.endswith(TUNED):
        return "tuned"
    return "removed" if network == BLOCK else "steps"


def of_lineage(checkpoint: Checkpoint) -> Removal | None:
    """Of a network that was compressed, by its card and those that it came from; None where one of them is not here.

    Both ends are weighed, for which their images have to be here.
    """
    line = [checkpoint, *ancestors(checkpoint)][::-1]
    removed = [point.card.parent for point in line[1:] if point.card.parent and point.card.parent.plan]
    if not removed:
        return None
    rows = []
    for point in line:
        score, parent = point.card.accuracy["test"], point.card.parent
        low, high = (float(end) for end in wilson(np.array(score.correct), np.array(score.n)))
        stage = "before" if point is line[0] or not parent else _became(bool(parent.plan), bool(parent.epochs))
        rows.append([stage, point.name, score.n, score.correct, score.accuracy, low, high, 0.0])
    stages = pd.DataFrame(rows, columns=COLUMNS)
    stages["change"] = 100 * (stages["accuracy"] - stages["accuracy"].iloc[0])
    plan = ",".join(parent.plan for parent in removed)
    *_, scales = scales_of(line[0], checkpoint.model)
    return _removal(line[0].name, plan, removed[0].criterion, stages, scales)


def ancestors(checkpoint: Checkpoint) -> Iterator[Checkpoint]:
    """The networks that a checkpoint was made from, the last first, as far as they are here with the same weights."""
    while parent := checkpoint.card.parent:
        try:
            checkpoint = look_up(parent.name)
        except (ValueError, OSError):
            return
        if checkpoint.sha256 != parent.sha256:
            return
        yield checkpoint


def _became(removed: bool, tuned: bool) -> str:
    return "removed_tuned" if removed and tuned else "removed_from" if removed else "tuned_from"


def _removal(
    network: str,
    plan: str,
    criterion: str,
    stages: pd.DataFrame,
    scales: Scales,
    **more: Any,
) -> Removal:
    timing = scales.timings[0]
    return Removal(network, plan, criterion, stages, scales.totals(), timing.device, timing.threads, **more)
