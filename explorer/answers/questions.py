"""Questions about what a lab teaches: each says what it takes to answer it, and answers from what was measured.

An answer is whole sentences with the measured numbers in them. Which sentence it is depends on them, too: nothing is
said to be higher, lower or the same unless it was measured so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from explorer.answers.experiment import Experiment
from explorer.answers.labs import LABS, Lab
from explorer.engine.curves import Band, Sweep
from explorer.engine.pairs import Apart, alike, apart_over, change_at
from explorer.engine.scans import Scan
from explorer.engine.tables import class_table
from explorer.show.words import percent, points

RANDOM = "random"  # the criterion of a band of random orders


@dataclass(frozen=True)
class Blocks:
    """What each block of a network is worth: the scan of them over the test split."""

    checkpoint: str


Evidence = Experiment | Blocks  # an experiment of random orders stands for a band of them
Found = Mapping[str, Any]  # by name: a Sweep, a Band or a Scan


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a lab, by a short `name`, and what its answer is made of."""

    name: str
    words: str
    takes: Mapping[str, Evidence]
    answer: Callable[[Found], str]


def way(lab: Lab, every: bool = False, **changes: Any) -> Experiment:
    """The lab's assignment with these changes, over its K or over `every` one."""
    return replace(lab.experiment(lab.variants[0], every=every), **changes)


def is_band(evidence: Evidence) -> bool:
    """Whether an answer takes random orders: a band of them."""
    return isinstance(evidence, Experiment) and evidence.criterion == RANDOM


# Numbers in sentences


def between(apart: Apart) -> str:
    """A difference in points with its interval."""
    return f"{points(apart.points)} points (95 % interval {points(apart.low)} to {points(apart.high)})"


def verdict(apart: Apart, higher: str, lower: str, neither: str) -> str:
    """One of three sentences, by what the interval allows to say."""
    return neither if not apart.is_sure else higher if apart.points > 0 else lower


def middle_of(curve: Sweep | Band) -> int:
    """The K nearest to half of the channels."""
    return min(curve.ks, key=lambda k: abs(2 * k - curve.channels))


def _name_of_most(curve: Sweep, k: int) -> tuple[str, int]:
    """The class that is predicted most often at K = k, and of how many images."""
    counts = np.bincount(curve.predictions[curve.index(k)], minlength=len(curve.classes))
    return curve.classes[int(counts.argmax())], int(counts.max())


# Answers that several labs have


def leak(found: Found) -> str:
    """What ranking on the images that accuracy is measured on is worth."""
    test, train = found["Ranked on test images"], found["Ranked on training images"]
    apart = apart_over(test, train)
    ks = [k for k in test.ks if 0 < k < test.channels]
    others = sum(set(test.order[:k].tolist()) != set(train.order[:k].tolist()) for k in ks)
    start = (
        f"At {others} of {len(ks)} K the two rankings have pruned different channels. Accuracy ranked on test images, "
        f"minus that ranked on training images, is {between(apart)} on average over all K."
    )
    return verdict(
        apart,
        f"{start} That is what a leak would look like. But the interval takes both orders as they are: which of two "
        "almost equal channels goes first may decide it, too.",
        f"{start} There is no sign that the ranking profits from the images that it is judged by.",
        f"{start} The interval holds 0: whatever leaks is too little to be seen on {apart.n:,} examples.",
    )


def random_orders(found: Found, title: str) -> str:
    """Whether an order of the channels is better than random ones."""
    ranked, band = found[title], found["Random orders"]
    k, apart = middle_of(band), apart_over(ranked, band)
    at = ranked.accuracy[ranked.index(k)], band.mean[band.ks.index(k)]
    start = (
        f"At K = {k} it is right in {percent(at[0])}, and {len(band.sweeps)} random orders are in {percent(at[1])} on "
        f"average. Over all K the difference is {between(apart)}."
    )
    return verdict(
        apart,
        f"{start} The ranking knows something.",
        f"{start} The ranking is worse than none: it prunes what is needed.",
        f"{start} The ranking cannot be told from a random order.",
    )


def versus(found: Found, one: str, other: str, what: str) -> str:
    """How much higher the curve of `one` lies than that of `other`; `what` begins the sentence."""
    first, second = found[one], found[other]
    apart, k = apart_over(first, second), middle_of(first)
    first, second = alike(first, second)
    shares = (percent(float(each.accuracy[each.index(k)])) for each in (first, second))
    at = "{} against {}".format(*shares)
    start = f"{what}: at K = {k} {at}, and {between(apart)} on average over all K, on the same {apart.n:,} examples."
    return verdict(apart, start, start, f"{start} The interval holds 0: the two cannot be told apart.")


# Lab A


def really_gone(found: Found) -> str:
    """How many channels are pruned where K says K."""
    curve = found["As scripted"]
    more = [curve.gone_at(k) - k for k in curve.ks]
    most = curve.ks[int(np.argmax(more))]
    if not max(more):
        return f"Exactly K at every K up to {curve.ks[-1]}: here the script prunes what it says."
    whole = next((k for k in curve.ks if curve.gone_at(k) == curve.channels), None)
    end = "" if whole is None else f" From K = {whole} on all {curve.channels} are gone."
    return (
        f"More than K: at K = {most}, {curve.gone_at(most)} of {curve.channels} are gone, {max(more)} more than the "
        f"axis says, the most of all K.{end}"
    )


def bias_or_ranking(found: Found) -> str:
    """What each of the script's two differences costs."""
    assigned, bias, scripted = (found[name] for name in ("As assigned", "Bias left", "As scripted"))
    alone, both = apart_over(bias, assigned), apart_over(scripted, bias)
    start = (
        f"With the bias left, but channels ranked once, accuracy changes by {between(alone)} against the "
        f"assignment's, on average over K. Ranking again after each step changes it by a further {between(both)}."
    )
    larger = abs(both.points) > abs(alone.points)
    return f"{start} {'The ranking anew' if larger else 'The bias by itself'} makes the larger difference."


def counted(found: Found) -> str:
    """Whether the script's network is worse, or only smaller than it says."""
    assigned, scripted = found["As assigned"], found["As scripted"]
    rows = {scripted.gone_at(k): k for k in reversed(scripted.ks)}  # of several K the first
    some = scripted.at(sorted(rows.values()))
    recounted = replace(some, ks=tuple(sorted(rows)), gone=None)
    by_k, by_gone = apart_over(scripted, assigned), apart_over(recounted, assigned)
    start = (
        f"At the same K the script's accuracy differs by {between(by_k)}, on average over K. At the same number of "
        f"channels that are really gone it differs by {between(by_gone)}."
    )
    return (
        f"{start} Counting what is gone explains {1 - abs(by_gone.points) / abs(by_k.points):.0%} of the difference."
        if 0 < abs(by_gone.points) < abs(by_k.points)
        else f"{start} The count explains none of it."
    )


def constant_answer(found: Found) -> str:
    """What a network of nothing but biases says."""
    curve = found["Bias left"]
    k = curve.ks[-1]
    name, count = _name_of_most(curve, k)
    right = percent(float(curve.accuracy[-1]))
    if count == curve.done:
        return (
            f"With the weights of all {k} channels zeroed, the layer puts out its biases whatever it sees: the network "
            f"calls each of the {curve.done:,} images {name}, and is right in {right}."
        )
    return f"With K = {k}, {count:,} of {curve.done:,} images are called {name}, and {right} are right."


# Lab B


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
    name, count = _name_of_most(curve, k)
    before = _name_of_most(curve, curve.ks[0])
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
        f"{between(change_at(step, step.ks[1]))}. {_chance(step.mcnemar(step.ks[1]))}"
    )


def _chance(p_value: float) -> str:
    """What McNemar's p-value says of one change."""
    shown = "below 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"
    if p_value < 0.05:
        return f"By McNemar's test that is hardly chance (p is {shown})."
    return f"By McNemar's test that may well be chance (p is {shown})."


# Lab C


def blocks(found: Found) -> str:
    """Which block a network can do without."""
    scan: Scan = found["Blocks"]
    change, names = scan.change, scan.names
    least, most, last = int(change.argmax()), int(change.argmin()), len(names) - 1
    return (
        f"Of {len(names)} blocks {names[least]} matters least: pruned whole, it changes accuracy by "
        f"{points(change[least])} points, and {names[most]} most, {points(change[most])}. The last block, "
        f"{names[last]}, is worth {points(change[last])}, over {scan.done:,} test images."
    )


def carried(found: Found) -> str:
    """What is left when a layer inside of a residual block is gone."""
    curve = found["As assigned"]
    k, guess = curve.ks[-1], float(curve.class_totals.max() / curve.done)
    low, high = (float(end[-1]) for end in curve.intervals)
    start = (
        f"With K = {k} of {curve.channels} channels pruned {percent(float(curve.accuracy[-1]))} are still right (95 % "
        f"interval {percent(low)} to {percent(high)}); always naming the largest class would give {percent(guess)}."
    )
    return f"{start} What is right beyond that goes around the layer." if low > guess else start


def classes(found: Found) -> str:
    """Which class half of the channels hurt most and least."""
    curve = found["As assigned"]
    k = middle_of(curve)
    table = class_table(curve, k).dropna(subset=["change"])
    worst, best = table.loc[table["change"].idxmin()], table.loc[table["change"].idxmax()]
    name, count = _name_of_most(curve, k)
    return (
        f"No: at K = {k} {worst['class']} changes most, from {percent(worst['before'])} to "
        f"{percent(worst['accuracy'])}, and {best['class']} from {percent(best['before'])} to "
        f"{percent(best['accuracy'])}. Of {curve.done:,} images {count:,} are now called {name}."
        if worst["change"] != best["change"]
        else f"Yes: at K = {k} each class changes by {points(worst['change'])} points."
    )


# Lab D


def best_of_few(found: Found) -> str:
    """Whether pruning a few channels makes a network better."""
    curve = found["As scripted"]
    few = curve.at(k for k in curve.ks if k <= curve.channels / 10)
    best = few.ks[1 + int(few.correct[1:].argmax())]
    return (
        f"The best of the first {len(few.ks) - 1} K is K = {best}: {between(change_at(few, best))}. "
        f"{_chance(few.mcnemar(best))} It was picked as the best of {len(few.ks) - 1}, which flatters it."
    )


def around(found: Found) -> str:
    """What a shortcut carries of the channels that are pruned."""
    left, both = found["Shortcut left"], found["Shortcut pruned, too"]
    k = left.ks[-1]
    ends = (percent(float(each.accuracy[each.index(k)])) for each in alike(left, both))
    start = (
        "With all {} channels gone, {} are right where the shortcut is left, and {} where it is pruned, too.".format(
            k, *ends
        )
    )
    return f"{start} Over all K, the shortcut is worth {between(apart_over(left, both))}."


def constant_of_norm(found: Found) -> str:
    """What batch norm makes of channels that are zeroed before it."""
    zeroed, removed = found["Filters zeroed"], found["Channels removed"]
    apart, k = apart_over(zeroed, removed), middle_of(zeroed)
    ends = (percent(float(each.accuracy[each.index(k)])) for each in alike(zeroed, removed))
    start = "At K = {} {} are right with the filters zeroed, and {} with the channels removed.".format(k, *ends)
    return verdict(
        apart,
        f"{start} Over all K the constants that batch norm leaves are worth {between(apart)}: the next layer was "
        "trained to see something there.",
        f"{start} Over all K the constants that batch norm leaves cost {between(apart)}: they disturb more than "
        "nothing at all would.",
        f"{start} Over all K the difference is {between(apart)}, which the interval does not tell from none.",
    )


# Lab E


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


# The questions of each lab


def _leak(lab: Lab) -> Question:
    takes = {
        "Ranked on test images": way(lab, every=True),
        "Ranked on training images": way(lab, every=True, ranked_on="train"),
    }
    words = "The channels are ranked on the very images that accuracy is measured on. How much does that flatter it?"
    return Question("leak", words, takes, leak)


def _random(lab: Lab, title: str, criterion: str, words: str) -> Question:
    takes = {title: way(lab, every=True, criterion=criterion), "Random orders": way(lab, every=True, criterion=RANDOM)}
    return Question(f"{criterion}-or-random", words, takes, partial(random_orders, title=title))


def _of_a(lab: Lab) -> tuple[Question, ...]:
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
        _leak(lab),
        _random(
            lab, "Mean activation", "mean", "Is the least active channel the least needed: better than a random order?"
        ),
    )


def _of_b(lab: Lab) -> tuple[Question, ...]:
    assigned = {"As assigned": way(lab)}
    return (
        Question("cliff", "How far is pruning almost free, and where does it break?", assigned, cliff),
        _leak(lab),
        Question(
            "answer-left", "When one channel is left, which answer does the network still give?", assigned, what_is_said
        ),
        Question("ups", "Does every further channel cost accuracy?", assigned, ups),
        _random(lab, "Mean activation", "mean", "Is ranking by mean activation better than a random order?"),
    )


def _of_c(lab: Lab) -> tuple[Question, ...]:
    assigned, scripted = way(lab), lab.experiment(lab.variants[1])
    return (
        Question(
            "inputs",
            "The script zeroes the slices that read channel c. Does it matter that others were ranked?",
            {"Outputs, as assigned": assigned, "Inputs, as scripted": scripted},
            partial(
                versus,
                one="Outputs, as assigned",
                other="Inputs, as scripted",
                what="Outputs as they were ranked, against inputs of the same numbers",
            ),
        ),
        Question(
            "shortcut",
            "Almost all channels of the layer are gone. What is left, and who carries it?",
            {"As assigned": assigned},
            carried,
        ),
        Question("blocks", "Which block could this network do without?", {"Blocks": Blocks(lab.checkpoint)}, blocks),
        Question(
            "norm",
            "Does it take images to rank? Compare with the sizes of the weights, which need none.",
            {"Mean activation": assigned, "L1 norm": way(lab, criterion="l1")},
            partial(versus, one="Mean activation", other="L1 norm", what="Mean activation against L1 norm"),
        ),
        Question(
            "classes", "Do all classes pay the same for half of the channels?", {"As assigned": assigned}, classes
        ),
    )


def _of_d(lab: Lab) -> tuple[Question, ...]:
    block = way(lab, criterion="block-mean")
    both, gone = replace(block, mode="filter+shortcut"), replace(block, mode="channel")
    return (
        Question(
            "shortcut",
            "What does the shortcut still carry of the channels that are pruned?",
            {"Shortcut left": block, "Shortcut pruned, too": both},
            around,
        ),
        Question(
            "constant",
            "A zeroed filter leaves batch norm's constant behind. Is that better or worse than nothing?",
            {"Filters zeroed": both, "Channels removed": gone},
            constant_of_norm,
        ),
        Question(
            "ranked-by",
            "Is it better to rank by what the layer puts out, or by what the whole block does?",
            {"By the layer's output": way(lab), "By the block's output": block},
            partial(
                versus,
                one="By the layer's output",
                other="By the block's output",
                what="By the layer's own output against the block's",
            ),
        ),
        Question(
            "first-percent",
            "In the first few percent accuracy seems to rise. Does pruning make this network better?",
            {"As scripted": both},
            best_of_few,
        ),
        _leak(lab),
    )


def _of_e(lab: Lab) -> tuple[Question, ...]:
    one, other = way(lab, criterion="l1"), way(lab, criterion="l2")
    return (
        _random(
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
        _leak(lab),
    )


QUESTIONS: dict[str, tuple[Question, ...]] = {
    name: of(LABS[name]) for name, of in {"A": _of_a, "B": _of_b, "C": _of_c, "D": _of_d, "E": _of_e}.items()
}


def asked_by(lab: Lab) -> list[Experiment]:
    """Every curve that the questions about a lab take, each once; bands and scans are not among them."""
    takes = (evidence for question in QUESTIONS[lab.name] for evidence in question.takes.values())
    return list(dict.fromkeys(each for each in takes if isinstance(each, Experiment) and not is_band(each)))
