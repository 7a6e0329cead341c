"""Lab D: the shortcut, batch norm's constant and the first few percent."""

from dataclasses import replace
from functools import partial

from explorer.answers.labs import Lab
from explorer.answers.questions.common import leak_question, versus
from explorer.answers.questions.question import Found, Question, way
from explorer.answers.questions.sentences import between, chance, middle_of, verdict
from explorer.engine.pairs import alike, apart_over, change_at
from explorer.language.saying import joined, say
from explorer.show.words import percent


def best_of_few(found: Found) -> str:
    """Whether pruning a few channels makes a network better."""
    curve = found["As scripted"]
    few = curve.at(k for k in curve.ks if k <= curve.channels / 10)
    best = few.ks[1 + int(few.correct[1:].argmax())]
    count, gain = len(few.ks) - 1, between(change_at(few, best))
    start = say("The best of the first {count} K is K = {k}: {gain}.", count=count, k=best, gain=gain)
    end = say("It was picked as the best of {count}, which flatters it.", count=count)
    return joined([start, chance(few.mcnemar(best)), end])


def around(found: Found) -> str:
    """What a shortcut carries of the channels that are pruned."""
    left, both = found["Shortcut left"], found["Shortcut pruned, too"]
    k = left.ks[-1]
    whole, none = (percent(float(each.accuracy[each.index(k)])) for each in alike(left, both))
    return say(
        "With all {k} channels gone, {left} are right where the shortcut is left, and {pruned} where it is pruned, "
        "too. Over all K, the shortcut is worth {worth}.",
        k=k,
        left=whole,
        pruned=none,
        worth=between(apart_over(left, both)),
    )


def constant_of_norm(found: Found) -> str:
    """What batch norm makes of channels that are zeroed before it."""
    zeroed, removed = found["Filters zeroed"], found["Channels removed"]
    apart, k = apart_over(zeroed, removed), middle_of(zeroed)
    masked, gone = (percent(float(each.accuracy[each.index(k)])) for each in alike(zeroed, removed))
    words = "At K = {k} {masked} are right with the filters zeroed, and {gone} with the channels removed."
    end = verdict(
        apart,
        say(
            "Over all K the constants that batch norm leaves are worth {between}: the next layer was trained to see "
            "something there.",
            between=between(apart),
        ),
        say(
            "Over all K the constants that batch norm leaves cost {between}: they disturb more than nothing at all "
            "would.",
            between=between(apart),
        ),
        say(
            "Over all K the difference is {between}, which the interval does not tell from none.",
            between=between(apart),
        ),
    )
    return joined([say(words, k=k, masked=masked, gone=gone), end])


def questions(lab: Lab) -> tuple[Question, ...]:
    """The questions of lab D."""
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
        leak_question(lab),
    )
