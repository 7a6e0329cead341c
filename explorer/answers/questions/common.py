"""Questions that several labs have, and answers that several questions have."""

from functools import partial

from explorer.answers.labs import Lab
from explorer.answers.questions.question import RANDOM, Found, Question, way
from explorer.answers.questions.sentences import between, middle_of, verdict
from explorer.engine.pairs import alike, apart_over
from explorer.language.saying import joined, say
from explorer.show.words import percent


def leak(found: Found) -> str:
    """What ranking on the images that accuracy is measured on is worth."""
    test, train = found["Ranked on test images"], found["Ranked on training images"]
    apart = apart_over(test, train)
    ks = [k for k in test.ks if 0 < k < test.channels]
    others = sum(set(test.order[:k].tolist()) != set(train.order[:k].tolist()) for k in ks)
    start = say(
        "At {others} of {count} K the two rankings have pruned different channels. Accuracy ranked on test images, "
        "minus that ranked on training images, is {between} on average over all K.",
        others=others,
        count=len(ks),
        between=between(apart),
    )
    end = verdict(
        apart,
        say(
            "That is what a leak would look like. But the interval takes both orders as they are: which of two almost "
            "equal channels goes first may decide it, too."
        ),
        say("There is no sign that the ranking profits from the images that it is judged by."),
        say("The interval holds 0: whatever leaks is too little to be seen on {n:,} examples.", n=apart.n),
    )
    return joined([start, end])


def random_orders(found: Found, title: str) -> str:
    """Whether an order of the channels is better than random ones."""
    ranked, band = found[title], found["Random orders"]
    k, apart = middle_of(band), apart_over(ranked, band)
    at = ranked.accuracy[ranked.index(k)], band.mean[band.ks.index(k)]
    start = say(
        "At K = {k} it is right in {share}, and {orders} random orders are in {mean} on average. Over all K the "
        "difference is {between}.",
        k=k,
        share=percent(at[0]),
        orders=len(band.sweeps),
        mean=percent(at[1]),
        between=between(apart),
    )
    end = verdict(
        apart,
        say("The ranking knows something."),
        say("The ranking is worse than none: it prunes what is needed."),
        say("The ranking cannot be told from a random order."),
    )
    return joined([start, end])


def versus(found: Found, one: str, other: str, what: str) -> str:
    """How much higher the curve of `one` lies than that of `other`; `what` begins the sentence."""
    first, second = found[one], found[other]
    apart, k = apart_over(first, second), middle_of(first)
    first, second = alike(first, second)
    left, right = (percent(float(each.accuracy[each.index(k)])) for each in (first, second))
    start = say(
        "{what}: at K = {k} {left} against {right}, and {between} on average over all K, on the same {n:,} examples.",
        what=say(what),
        k=k,
        left=left,
        right=right,
        between=between(apart),
        n=apart.n,
    )
    return joined([start, verdict(apart, "", "", say("The interval holds 0: the two cannot be told apart."))])


def leak_question(lab: Lab) -> Question:
    """What ranking on the test images is worth, at every K."""
    takes = {
        "Ranked on test images": way(lab, every=True),
        "Ranked on training images": way(lab, every=True, ranked_on="train"),
    }
    words = "The channels are ranked on the very images that accuracy is measured on. How much does that flatter it?"
    return Question("leak", words, takes, leak)


def random_question(lab: Lab, title: str, criterion: str, words: str) -> Question:
    """Whether the lab's order by this criterion, which answers call `title`, is better than random ones."""
    takes = {title: way(lab, every=True, criterion=criterion), "Random orders": way(lab, every=True, criterion=RANDOM)}
    return Question(f"{criterion}-or-random", words, takes, partial(random_orders, title=title))
