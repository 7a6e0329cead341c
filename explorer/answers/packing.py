"""A sensitivity analysis as arrays and facts, as it lies in the store and in what ships with the app."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from explorer.engine.predictions import Audit, Run
from explorer.engine.sensitivities import SHARES, Row, Sensitivity
from explorer.language.saying import say

Arrays = dict[str, np.ndarray]
Facts = dict[str, Any]
COUNTS = ("broken", "repaired")
FACTS = "facts"  # the name of an array that holds them as JSON


def arrays_of(answer: Sensitivity) -> Arrays:
    """What it counts, (rows, shares) each."""
    return {name: getattr(answer, name).astype(np.int32) for name in COUNTS}


def facts_of(answer: Sensitivity) -> Facts:
    """All else, but what was asked."""
    audit = {} if answer.audit is None else {"audit": answer.audit.array.tolist()}
    return audit | {
        "rows": [asdict(row) for row in answer.rows],
        "left_out": dict(answer.left_out),
        "shares": list(answer.shares),
        "correct_before": answer.correct_before,
        "n": answer.done,
        "slow": answer.slow,
    }


def sensitivity_of(arrays: Mapping[str, np.ndarray], facts: Facts, run: Run, made: str = "") -> Sensitivity:
    """The analysis that these arrays and facts are of."""
    rows = tuple(Row(**{**row, "layers": tuple(row["layers"])}) for row in facts["rows"])
    return Sensitivity(
        broken=arrays["broken"].astype(np.int64),
        repaired=arrays["repaired"].astype(np.int64),
        correct_before=facts["correct_before"],
        rows=rows,
        shares=tuple(facts["shares"]),
        left_out=facts["left_out"],
        run=run,
        done=facts["n"],
        total=facts["n"],
        slow=facts["slow"],
        audit=Audit.of(np.array(facts["audit"])) if "audit" in facts else None,
        made=made,
    )


def with_facts(facts: Facts) -> Arrays:
    """Facts as an array of the bytes of JSON, for the store, which keeps arrays alone."""
    return {FACTS: np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)}


def facts_in(arrays: Mapping[str, np.ndarray]) -> Facts:
    """The facts that `with_facts` made an array of; ValueError where they are none."""
    facts = json.loads(arrays[FACTS].tobytes())
    if not isinstance(facts, dict):
        raise ValueError(say("does not hold the facts of an analysis"))
    return facts


def check_sensitivity(arrays: Arrays, channels: Mapping[str, int], images: int) -> None:
    """ValueError unless these can be an analysis of layers that have so many channels, over so many images."""
    try:
        answer = sensitivity_of(arrays, facts_in(arrays), Run())
        rows = {row.layer: row.channels for row in answer.rows}
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(say("does not hold what an analysis of layers does")) from error
    shape = (len(answer.rows), len(answer.shares))
    if answer.shares != SHARES or answer.done != images or not rows.items() <= dict(channels).items():
        raise ValueError(say("is an analysis of other layers, shares or images"))
    if answer.broken.shape != shape or answer.repaired.shape != shape:
        raise ValueError(say("does not hold counts of shape {shape}", shape=shape))
    least, most = min(answer.broken.min(), answer.repaired.min()), images - answer.correct_before
    if least < 0 or answer.broken.max() > answer.correct_before or answer.repaired.max() > most:
        raise ValueError(say("holds a number out of its range"))
