"""Lessons: what one would expect of a lab, the two curves that were measured, and the sentence that explains them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from explorer.answers.experiment import Experiment
from explorer.answers.labs import LABS, Lab
from explorer.answers.questions.common import leak, random_orders
from explorer.answers.questions.lab_a import really_gone
from explorer.answers.questions.question import RANDOM, Found, way
from explorer.answers.questions.sentences import between, middle_of, verdict
from explorer.engine.pairs import alike, apart_over
from explorer.show.words import percent


@dataclass(frozen=True, eq=False)
class Lesson:
    """A lab's known trap. `curves` are the two that are drawn, by their titles: the one expected to be right first."""

    name: str  # in links
    lab: str
    title: str
    expected: str
    curves: Mapping[str, Experiment]
    explained: Callable[[Found], str]


def _at_half(found: Found) -> str:
    """Both curves at half of the channels."""
    first, second = alike(*found.values())
    one, other = found
    k = middle_of(first)
    shares = [percent(float(each.accuracy[each.index(k)])) for each in (first, second)]
    return f"At K = {k}, {shares[0]} are right “{one}” and {shares[1]} “{other}”."


def _of_bias(found: Found) -> str:
    assigned, scripted = found.values()
    apart = apart_over(scripted, assigned)
    start = (
        f"{_at_half(found)} On average over K, the script's accuracy differs by {between(apart)}. A channel without "
        "weights still puts out its bias. The script ranks again after each step, and where that bias is no longer "
        f"among the lowest means, other channels go. {really_gone(found)}"
    )
    return verdict(
        apart, start, f"{start} The curve falls sooner than the method deserves.", f"{start} Here it hardly shows."
    )


def _of_inputs(found: Found) -> str:
    ranked, scripted = found.values()
    apart = apart_over(ranked, scripted)
    start = (
        f"{_at_half(found)} On average over all K, pruning what was ranked keeps {between(apart)} more, on the same "
        f"{apart.n:,} images. The script zeroes weight[:, c], which reads input channel c, where c was ranked as an "
        "output: the two share nothing but a number, so that it prunes in an order that nobody ranked."
    )
    return verdict(
        apart,
        f"{start} That it costs no more says how little this layer's ranking knows.",
        f"{start} That it is even better says how little this layer's ranking knows.",
        f"{start} That one cannot tell them apart says how little this layer's ranking knows.",
    )


def _of_shortcut(found: Found) -> str:
    left, both = found.values()
    k = left.ks[-1]
    ends = [percent(float(each.accuracy[each.index(k)])) for each in alike(left, both)]
    apart = apart_over(left, both)
    start = (
        f"With all {k} channels pruned, {ends[0]} are right while the shortcut is left, and {ends[1]} once it is "
        f"pruned, too. On average over all K, the shortcut is worth {between(apart)}."
    )
    return verdict(
        apart,
        f"{start} The block adds its shortcut to what the layer puts out: a channel that is zeroed in one of the two "
        "is still there in the other.",
        f"{start} Here the shortcut does not help.",
        f"{start} Here the shortcut can be pruned as well.",
    )


def _of_norm(found: Found) -> str:
    zeroed, removed = found.values()
    apart = apart_over(zeroed, removed)
    start = (
        f"{_at_half(found)} On average over all K, zeroed minus removed is {between(apart)}. Batch norm subtracts the "
        "mean that it saw in training: what comes in as 0 goes out as the constant β − γ·μ/σ, and the next layer sees "
        "that constant in every image."
    )
    return verdict(
        apart,
        f"{start} Here the constant helps, as the next layer was trained to see something there.",
        f"{start} Here it disturbs more than nothing at all would: an accuracy of masked filters is not that of the "
        "smaller network.",
        f"{start} Here one cannot tell the two apart.",
    )


def _lessons(a: Lab, b: Lab, c: Lab, d: Lab, e: Lab) -> tuple[Lesson, ...]:
    block = way(d, criterion="block-mean")
    return (
        Lesson(
            "bias",
            a.name,
            "Surviving bias",
            "Lab A as assigned and as its script does it both prune the K least active channels. At the same K both "
            "networks should be right equally often.",
            {"As assigned": way(a), "As scripted": a.experiment(a.variants[1])},
            _of_bias,
        ),
        Lesson(
            "leak",
            b.name,
            "Ranking leak",
            "All labs rank channels on the very images that accuracy is measured on. Ranked on images of the training "
            "set the curve should be lower: it cannot profit from the images it is judged by.",
            {"Ranked on test images": way(b, every=True), "Ranked on training images": way(b, every=True,
             ranked_on="train")},
            leak,
        ),
        Lesson(
            "inputs",
            c.name,
            "Inputs for outputs",
            "Lab C ranks the layer's output channels. Its script prunes input channels of the same numbers: as they "
            "were ranked by something else, accuracy should fall much sooner.",
            {"Outputs, as ranked": way(c), "Inputs, as scripted": c.experiment(c.variants[1])},
            _of_inputs,
        ),
        Lesson(
            "shortcut",
            d.name,
            "Shortcut",
            "A channel whose filter is zero is gone. To zero the filter of the shortcut, too, should change little.",
            {"Shortcut left": block, "Shortcut pruned, too": d.experiment(d.variants[1])},
            _of_shortcut,
        ),
        Lesson(
            "constant",
            d.name,
            "Batch norm",
            "A filter of zeros puts out nothing. To zero it should be the same as to remove the channel.",
            {"Filters zeroed": d.experiment(d.variants[1]), "Channels removed": way(d, criterion="block-mean",
             mode="channel")},
            _of_norm,
        ),
        Lesson(
            "norms",
            e.name,
            "Small weights",
            "A filter of small weights puts out little, so that little depends on it: pruned in the order of their L1 "
            "norm, channels should be missed less than in a random order.",
            {"L1 norm": way(e, every=True, criterion="l1"), "Random orders": way(e, every=True, criterion=RANDOM)},
            lambda found: random_orders(found, "L1 norm"),
        ),
    )  # fmt: skip


LESSONS: dict[str, Lesson] = {lesson.name: lesson for lesson in _lessons(*LABS.values())}
