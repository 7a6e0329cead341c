"""Lab A: the bias that survives, ranking anew, and what is really gone."""

from dataclasses import replace

import numpy as np

from explorer.answers.labs import Lab
from explorer.answers.questions.common import leak_question, random_question
from explorer.answers.questions.question import Found, Question, way
from explorer.answers.questions.sentences import between, name_of_most
from explorer.engine.pairs import apart_over
from explorer.language.saying import joined, say
from explorer.show.words import percent


def really_gone(found: Found) -> str:
    """How many channels are pruned where K says K."""
    curve = found["As scripted"]
    more = [curve.gone_at(k) - k for k in curve.ks]
    most = curve.ks[int(np.argmax(more))]
    if not max(more):
        return say("Exactly K at every K up to {k}: here the script prunes what it says.", k=curve.ks[-1])
    whole = next((k for k in curve.ks if curve.gone_at(k) == curve.channels), None)
    start = say(
        "More than K: at K = {k}, {gone} of {channels} are gone, {more} more than the axis says, the most of all K.",
        k=most,
        gone=curve.gone_at(most),
        channels=curve.channels,
        more=max(more),
    )
    if whole is None:
        return start
    return joined([start, say("From K = {k} on all {channels} are gone.", k=whole, channels=curve.channels)])


def bias_or_ranking(found: Found) -> str:
    """What each of the script's two differences costs."""
    assigned, bias, scripted = (found[name] for name in ("As assigned", "Bias left", "As scripted"))
    alone, both = apart_over(bias, assigned), apart_over(scripted, bias)
    start = say(
        "With the bias left, but channels ranked once, accuracy changes by {alone} against the assignment's, on "
        "average over K. Ranking again after each step changes it by a further {both}.",
        alone=between(alone),
        both=between(both),
    )
    larger = abs(both.points) > abs(alone.points)
    words = (
        "The ranking anew makes the larger difference." if larger else "The bias by itself makes the larger difference."
    )
    return joined([start, say(words)])


def counted(found: Found) -> str:
    """Whether the script's network is worse, or only smaller than it says."""
    assigned, scripted = found["As assigned"], found["As scripted"]
    rows = {scripted.gone_at(k): k for k in reversed(scripted.ks)}  # of several K the first
    some = scripted.at(sorted(rows.values()))
    recounted = replace(some, ks=tuple(sorted(rows)), gone=None)
    by_k, by_gone = apart_over(scripted, assigned), apart_over(recounted, assigned)
    start = say(
        "At the same K the script's accuracy differs by {by_k}, on average over K. At the same number of channels that "
        "are really gone it differs by {by_gone}.",
        by_k=between(by_k),
        by_gone=between(by_gone),
    )
    end = say("The count explains none of it.")
    if 0 < abs(by_gone.points) < abs(by_k.points):
        share = 1 - abs(by_gone.points) / abs(by_k.points)
        end = say("Counting what is gone explains {share:.0%} of the difference.", share=share)
    return joined([start, end])


def constant_answer(found: Found) -> str:
    """What a network of nothing but biases says."""
    curve = found["Bias left"]
    k = curve.ks[-1]
    name, count = name_of_most(curve, k)
    right = percent(float(curve.accuracy[-1]))
    if count == curve.done:
        return say(
            "With the weights of all {k} channels zeroed, the layer puts out its biases whatever it sees: the network "
            "calls each of the {n:,} images {name}, and is right in {right}.",
            k=k,
            n=curve.done,
            name=name,
            right=right,
        )
    words = "With K = {k}, {count:,} of {n:,} images are called {name}, and {right} are right."
    return say(words, k=k, count=count, n=curve.done, name=name, right=right)


def questions(lab: Lab) -> tuple[Question, ...]:
    """The questions of lab A."""
    assigned, scripted = way(lab, every=True), lab.experiment(lab.variants[1])
    bias = way(lab, every=True, mode="weights")
    ways = {"As assigned": assigned, "As scripted": scripted}
    return (
        Question("gone", "At each K, how many channels has the script really pruned?", ways, really_gone),
        Question(
            "bias-or-ranking",
            "Is it the bias that survives, or the ranking again after each step, that changes the curve more?",
            {"As assigned": assigned, "Bias left": bias, "As scripted": scripted},
            bias_or_ranking,
        ),
        Question(
            "counted", "If one counts the channels that are really gone, are both curves the same?", ways, counted
        ),
        Question(
            "biases-alone",
            "What does the network answer when every channel has lost its weights and kept its bias?",
            {"Bias left": bias},
            constant_answer,
        ),
        leak_question(lab),
        random_question(
            lab, "Mean activation", "mean", "Is the least active channel the least needed: better than a random order?"
        ),
    )
