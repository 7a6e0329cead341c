"""How pruned networks differ: image by image where both saw the same ones, else as two samples; and from a band."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from explorer.engine.curves import Band, Sweep
from explorer.engine.pairs import first_images
from explorer.engine.predictions import Run
from explorer.networks.intervals import change_interval, independent_interval, mcnemar, two_proportions, wilson

PAIRED, APART, ORDERS = "McNemar", "two proportions", "random orders"


@dataclass(frozen=True)
class Contrast:
    """How many points of accuracy one network has more than another, its 95 % interval, and whether it may be chance.

    `test` is PAIRED where both saw the same images: the change is then over those alone (McNemar's exact p-value, the
    interval of Agresti and Min). APART takes the two for independent samples (pooled z test, Newcombe's interval).
    ORDERS has a band for one of the two, or for both: the change is then of the mean of its orders, the interval where
    that of one further random order falls, and there is no p-value, as neither test is about orders. `below` says
    instead how many orders of the band get less right than the network that it is compared with.
    """

    change: float  # points
    change_low: float
    change_high: float
    p_value: float
    test: str
    images: int  # that the change is over; where APART, those of the network that is compared
    below: int | None = None  # orders of the one band


FIGURES = ("orders", "k", "channels", "n", "correct", "accuracy", "low", "high")
CONTRAST_COLUMNS = ("answer", *Run.__annotations__, *FIGURES, "against", *Contrast.__annotations__)


def shared(one: Sweep | Band, other: Sweep | Band) -> int:
    """How many images both curves are over, as a sample is the first of its split; 0 where they are other images."""
    (one, *_), (other, *_), images = _sweeps(one), _sweeps(other), min(one.done, other.done)
    same = (one.run.dataset, one.run.split) == (other.run.dataset, other.run.split)
    return images if same and np.array_equal(one.labels[:images], other.labels[:images]) else 0


def contrast(one: Sweep | Band, k: int, other: Sweep | Band, other_k: int) -> Contrast:
    """What `other` gets right at its K more than `one` at k; ValueError where such a K was not computed."""
    if isinstance(one, Band) or isinstance(other, Band):
        return _among_orders(one, k, other, other_k)
    before, after = one.right[one.index(k)], other.right[other.index(other_k)]  # (N,) bool each
    if images := shared(one, other):
        before, after = before[:images], after[:images]
        lost, won = int((before & ~after).sum()), int((~before & after).sum())
        low, high = (float(end) for end in change_interval(np.array(lost), np.array(won), images))
        p_value, test, change = mcnemar(lost, won), PAIRED, (won - lost) / images
    else:
        counts = (int(before.sum()), len(before), int(after.sum()), len(after))
        low, high = independent_interval(*counts)
        p_value, test, change = two_proportions(*counts), APART, float(after.mean() - before.mean())
        images = len(after)
    return Contrast(100 * change, 100 * low, 100 * high, p_value, test, images)


def _among_orders(one: Sweep | Band, k: int, other: Sweep | Band, other_k: int) -> Contrast:
    """The same where one of the two is a band, or both are; see `Contrast`."""
    images = shared(one, other)
    if images:
        one, other = _over(one, images), _over(other, images)
    before, low, high = _reach(one, k, not images)
    after, other_low, other_high = _reach(other, other_k, not images)
    change = after - before
    ends = change - math.hypot(other_low, high), change + math.hypot(other_high, low)
    below = None
    if isinstance(one, Sweep) or isinstance(other, Sweep):
        band, at, level = (one, k, after) if isinstance(one, Band) else (other, other_k, before)
        below = sum(float(each.accuracy[each.index(at)]) < level for each in _sweeps(band))
    return Contrast(100 * change, 100 * ends[0], 100 * ends[1], math.nan, ORDERS, images or other.done, below)


def _reach(curve: Sweep | Band, k: int, samples: bool) -> tuple[float, float, float]:
    """Accuracy at K = k, and how far below and above it may be.

    Of a band that is where a further order falls; of `samples`, which saw other images, what Wilson's interval has.
    """
    (row,) = curve.at([k]).points().to_dict("records")
    share, ends = float(row["accuracy"]), []
    if isinstance(curve, Band):
        ends.append((row["low"], row["high"]))
    if samples:
        low, high = (float(end) for end in wilson(np.array(share * curve.done), np.array(curve.done)))
        ends.append((low, high))
    down, up = (math.hypot(*(end[side] - share for end in ends)) for side in (0, 1))
    return share, down, up


def _sweeps(curve: Sweep | Band) -> tuple[Sweep, ...]:
    return curve.sweeps if isinstance(curve, Band) else (curve,)


def _over(curve: Sweep | Band, images: int) -> Sweep | Band:
    """The curve over the first so many of its images alone."""
    some = tuple(first_images(each, images) for each in _sweeps(curve))
    return Band(some) if isinstance(curve, Band) else some[0]


def contrast_table(curves: Mapping[str, Sweep | Band], ks: Mapping[str, int]) -> pd.DataFrame:
    """One row a curve, in CONTRAST_COLUMNS: what it is, its accuracy at its K, and what it has more than the first.

    `answer` is the curve's name, `against` that of the first, in whose own row the contrast is empty. Of a band of
    several `orders`, accuracy is their mean, its interval is where a further order falls, and `correct` is empty.
    """
    rows, first = [], next(iter(curves))
    for name, curve in curves.items():
        at, sweeps = ks[name], _sweeps(curve)
        (figures,) = curve.at([at]).points().to_dict("records")
        correct = int(curve.correct[curve.index(at)]) if isinstance(curve, Sweep) else None
        row = {"answer": name, **vars(curve.run), "orders": len(sweeps), **figures, "n": curve.done, "correct": correct}
        if name != first:
            row |= {"against": first, **asdict(contrast(curves[first], ks[first], curve, ks[name]))}
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))
    return table.astype({"correct": "Int64", "below": "Int64"})
