"""Lab B: where the curve breaks, and what a network says of which hardly anything is left."""

from dataclasses import replace

import numpy as np

from explorer.answers.labs import Lab
from explorer.answers.questions.common import leak_question, random_question
from explorer.answers.questions.question import Found, Question, way
from explorer.answers.questions.sentences import between, chance, middle_of, name_of_most
from explorer.engine.pairs import change_at
from explorer.show.words import percent


def cliff(found: Found) -> str:
    """How far pruning is cheap, and where it breaks."""
    curve = found["As assigned"]
    half, near, steep = middle_of(curve), curve.cliff(), curve.steepest()
    start = (
        f"Half of the channels (K = {half}) cost {between(change_at(curve, half))}. Accuracy stays within a point of "
        f"the unpruned network's up to K = {near}"
    )
    return f"{start}, and falls most between K = {steep[0]} and {steep[1]}." if steep else f"{start}, and never falls."


def what_is_said(found: Found) -> str:
    """Which answer a network gives that has hardly anything left."""
    curve = found["As assigned"]
    k = max(k for k in curve.ks if k < curve.channels)
    name, count = name_of_most(curve, k)
    before = name_of_most(curve, curve.ks[0])
    return (
        f"At K = {k} it says “{name}” of {count:,} of {curve.done:,} examples ({percent(count / curve.done)}) and is "
        f"right in {percent(float(curve.accuracy[curve.index(k)]))}; unpruned, its most frequent answer, "
        f"“{before[0]}”, is given {before[1]:,} times."
    )


def ups(found: Found) -> str:
    """Whether every further channel costs accuracy."""
    curve = found["As assigned"]
    gains = np.diff(curve.correct)
    rises, best = int((gains > 0).sum()), int(gains.argmax())
    if not rises:
        return f"Yes: from none of the {len(gains)} steps to the next does accuracy rise."
    step = replace(curve.at(curve.ks[best : best + 2]))
    return (
        f"No: at {rises} of {len(gains)} steps it rises, most from K = {step.ks[0]} to K = {step.ks[1]}, by "
        f"{between(change_at(step, step.ks[1]))}. {chance(step.mcnemar(step.ks[1]))}"
    )


def questions(lab: Lab) -> tuple[Question, ...]:
    """The questions of lab B."""
    assigned = {"As assigned": way(lab)}
    return (
        Question("cliff", "How far is pruning almost free, and where does it break?", assigned, cliff),
        leak_question(lab),
        Question(
            "answer-left", "When one channel is left, which answer does the network still give?", assigned, what_is_said
        ),
        Question("ups", "Does every further channel cost accuracy?", assigned, ups),
        random_question(lab, "Mean activation", "mean", "Is ranking by mean activation better than a random order?"),
    )
