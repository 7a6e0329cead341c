"""Lab D: the shortcut, batch norm's constant and the first few percent."""

from dataclasses import replace
from functools import partial

from explorer.answers.labs import Lab
from explorer.answers.questions.common import leak_question, versus
from explorer.answers.questions.question import Found, Question, way
from explorer.answers.questions.sentences import between, chance, middle_of, verdict
from explorer.engine.pairs import alike, apart_over, change_at
from explorer.show.words import percent


def best_of_few(found: Found) -> str:
    """Whether pruning a few channels makes a network better."""
    curve = found["As scripted"]
    few = curve.at(k for k in curve.ks if k <= curve.channels / 10)
    best = few.ks[1 + int(few.correct[1:].argmax())]
    return (
        f"The best of the first {len(few.ks) - 1} K is K = {best}: {between(change_at(few, best))}. "
        f"{chance(few.mcnemar(best))} It was picked as the best of {len(few.ks) - 1}, which flatters it."
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
