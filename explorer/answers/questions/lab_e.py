"""Lab E: norms against activations, and masks against removal."""

from dataclasses import replace
from functools import partial

import numpy as np

from explorer.answers.labs import Lab
from explorer.answers.questions.common import leak_question, random_question, versus
from explorer.answers.questions.question import Found, Question, way
from explorer.answers.questions.sentences import between, middle_of
from explorer.engine.pairs import alike, apart_over
from explorer.language.saying import joined, say


def same_channels(found: Found) -> str:
    """How far two norms choose the same channels."""
    one, other = found["L1 norm"], found["L2 norm"]
    k = middle_of(one)
    both = len(set(one.order[:k].tolist()) & set(other.order[:k].tolist()))
    return say(
        "Of the first {k} channels to go, {both} are the same. Accuracy by L1 norm, minus that by L2 norm, is "
        "{between} on average over all K.",
        k=k,
        both=both,
        between=between(apart_over(one, other)),
    )


def removed(found: Found) -> str:
    """Whether a masked network is one whose channels were removed."""
    masked, gone = alike(found["Filters zeroed"], found["Channels removed"])
    ks = [k for k in masked.ks if k in gone.ks]
    one, other = masked.at(ks), gone.at(ks)
    apart = int((one.predictions != other.predictions).sum())
    words = "{apart:,} of {count:,} predictions differ, over {n:,} images at {ks} K."
    start = say(words, apart=apart, count=one.predictions.size, n=one.done, ks=len(ks))
    if not apart:
        end = say("No batch norm follows, so that a zeroed filter leaves nothing behind: masking is removing here.")
    else:
        largest = np.abs(one.accuracy - other.accuracy).max()
        end = say("The largest difference of accuracy is {largest:.2%}.", largest=largest)
    return joined([start, end])


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
