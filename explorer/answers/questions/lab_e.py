"""Lab E: norms against activations, and masks against removal."""

from dataclasses import replace
from functools import partial

import numpy as np

from explorer.answers.labs import Lab
from explorer.answers.questions.common import leak_question, random_question, versus
from explorer.answers.questions.question import Found, Question, way
from explorer.answers.questions.sentences import between, middle_of
from explorer.engine.pairs import alike, apart_over


def same_channels(found: Found) -> str:
    """How far two norms choose the same channels."""
    one, other = found["L1 norm"], found["L2 norm"]
    k = middle_of(one)
    both = len(set(one.order[:k].tolist()) & set(other.order[:k].tolist()))
    return (
        f"Of the first {k} channels to go, {both} are the same. Accuracy by L1 norm, minus that by L2 norm, is "
        f"{between(apart_over(one, other))} on average over all K."
    )


def removed(found: Found) -> str:
    """Whether a masked network is one whose channels were removed."""
    masked, gone = alike(found["Filters zeroed"], found["Channels removed"])
    ks = [k for k in masked.ks if k in gone.ks]
    one, other = masked.at(ks), gone.at(ks)
    apart = int((one.predictions != other.predictions).sum())
    start = f"{apart:,} of {one.predictions.size:,} predictions differ, over {one.done:,} images at {len(ks)} K."
    if not apart:
        return (
            f"{start} No batch norm follows, so that a zeroed filter leaves nothing behind: masking is removing here."
        )
    return f"{start} The largest difference of accuracy is {np.abs(one.accuracy - other.accuracy).max():.2%}."


def questions(lab: Lab) -> tuple[Question, ...]:
    """The questions of lab E."""
    one, other = way(lab, criterion="l1"), way(lab, criterion="l2")
    return (
        random_question(
            lab, "L1 norm", "l1", "Is a filter of small weights one that matters little: better than a random order?"
        ),
        Question(
            "norms",
            "L1 or L2: does it matter how one measures the size of a filter?",
            {"L1 norm": one, "L2 norm": other},
            same_channels,
        ),
        Question(
            "activation",
            "Weights or activations: which of the two tells better what can go?",
            {"Mean activation": way(lab), "L1 norm": one},
            partial(versus, one="Mean activation", other="L1 norm", what="Mean activation against L1 norm"),
        ),
        Question(
            "removed",
            "The article removes filters, here they are masked. Is that the same network?",
            {"Filters zeroed": one, "Channels removed": replace(one, mode="channel")},
            removed,
        ),
        leak_question(lab),
    )
