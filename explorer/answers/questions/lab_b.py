"""Lab B: where the curve breaks, and what a network says of which hardly anything is left."""

from dataclasses import replace

import numpy as np

from explorer.answers.labs import Lab
from explorer.answers.questions.common import leak_question, random_question
from explorer.answers.questions.question import Found, Question, way
from explorer.answers.questions.sentences import between, chance, middle_of, name_of_most
from explorer.engine.pairs import change_at
from explorer.language.saying import joined, say
from explorer.show.words import percent


def cliff(found: Found) -> str:
    """How far pruning is cheap, and where it breaks."""
    curve = found["As assigned"]
    half, near, steep = middle_of(curve), curve.cliff(), curve.steepest()
    cost = between(change_at(curve, half))
    if steep is None:
        return say(
            "Half of the channels (K = {half}) cost {cost}. Accuracy stays within a point of the unpruned network's up "
            "to K = {near}, and never falls.",
            half=half,
            cost=cost,
            near=near,
        )
    return say(
        "Half of the channels (K = {half}) cost {cost}. Accuracy stays within a point of the unpruned network's up to "
        "K = {near}, and falls most between K = {first} and {last}.",
        half=half,
        cost=cost,
        near=near,
        first=steep[0],
        last=steep[1],
    )


def what_is_said(found: Found) -> str:
    """Which answer a network gives that has hardly anything left."""
    curve = found["As assigned"]
    k = max(k for k in curve.ks if k < curve.channels)
    name, count = name_of_most(curve, k)
    before = name_of_most(curve, curve.ks[0])
    return say(
        "At K = {k} it says “{name}” of {count:,} of {n:,} examples ({share}) and is right in {right}; unpruned, its "
        "most frequent answer, “{usual}”, is given {times:,} times.",
        k=k,
        name=name,
        count=count,
        n=curve.done,
        share=percent(count / curve.done),
        right=percent(float(curve.accuracy[curve.index(k)])),
        usual=before[0],
        times=before[1],
    )


def ups(found: Found) -> str:
    """Whether every further channel costs accuracy."""
    curve = found["As assigned"]
    gains = np.diff(curve.correct)
    rises, best = int((gains > 0).sum()), int(gains.argmax())
    if not rises:
        return say("Yes: from none of the {count} steps to the next does accuracy rise.", count=len(gains))
    step = replace(curve.at(curve.ks[best : best + 2]))
    start = say(
        "No: at {rises} of {count} steps it rises, most from K = {first} to K = {last}, by {gain}.",
        rises=rises,
        count=len(gains),
        first=step.ks[0],
        last=step.ks[1],
        gain=between(change_at(step, step.ks[1])),
    )
    return joined([start, chance(step.mcnemar(step.ks[1]))])


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
