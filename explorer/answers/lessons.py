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
from explorer.language.saying import joined, say
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
    left, right = (percent(float(each.accuracy[each.index(k)])) for each in (first, second))
    words = "At K = {k}, {left} are right “{one}” and {right} “{other}”."
    return say(words, k=k, left=left, right=right, one=say(one), other=say(other))


def _of_bias(found: Found) -> str:
    assigned, scripted = found.values()
    apart = apart_over(scripted, assigned)
    start = say(
        "On average over K, the script's accuracy differs by {between}. A channel without weights still puts out its "
        "bias. The script ranks again after each step, and where that bias is no longer among the lowest means, other "
        "channels go.",
        between=between(apart),
    )
    lower, neither = say("The curve falls sooner than the method deserves."), say("Here it hardly shows.")
    return joined([_at_half(found), start, really_gone(found), verdict(apart, "", lower, neither)])


def _of_inputs(found: Found) -> str:
    ranked, scripted = found.values()
    apart = apart_over(ranked, scripted)
    start = say(
        "On average over all K, pruning what was ranked keeps {between} more, on the same {n:,} images. The script "
        "zeroes weight[:, c], which reads input channel c, where c was ranked as an output: the two share nothing but "
        "a number, so that it prunes in an order that nobody ranked.",
        between=between(apart),
        n=apart.n,
    )
    end = verdict(
        apart,
        say("That it costs no more says how little this layer's ranking knows."),
        say("That it is even better says how little this layer's ranking knows."),
        say("That one cannot tell them apart says how little this layer's ranking knows."),
    )
    return joined([_at_half(found), start, end])


def _of_shortcut(found: Found) -> str:
    left, both = found.values()
    k = left.ks[-1]
    whole, none = (percent(float(each.accuracy[each.index(k)])) for each in alike(left, both))
    apart = apart_over(left, both)
    start = say(
        "With all {k} channels pruned, {left} are right while the shortcut is left, and {pruned} once it is pruned, "
        "too. On average over all K, the shortcut is worth {worth}.",
        k=k,
        left=whole,
        pruned=none,
        worth=between(apart),
    )
    end = verdict(
        apart,
        say(
            "The block adds its shortcut to what the layer puts out: a channel that is zeroed in one of the two is "
            "still there in the other."
        ),
        say("Here the shortcut does not help."),
        say("Here the shortcut can be pruned as well."),
    )
    return joined([start, end])


def _of_norm(found: Found) -> str:
    zeroed, removed = found.values()
    apart = apart_over(zeroed, removed)
    start = say(
        "On average over all K, zeroed minus removed is {between}. Batch norm subtracts the mean that it saw in "
        "training: what comes in as 0 goes out as the constant β − γ·μ/σ, and the next layer sees that constant in "
        "every image.",
        between=between(apart),
    )
    end = verdict(
        apart,
        say("Here the constant helps, as the next layer was trained to see something there."),
        say(
            "Here it disturbs more than nothing at all would: an accuracy of masked filters is not that of the smaller "
            "network."
        ),
        say("Here one cannot tell the two apart."),
    )
    return joined([_at_half(found), start, end])


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
