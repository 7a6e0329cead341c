"""How pruned networks differ: image by image where both saw the same ones, else as two samples."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from explorer.engine.curves import Sweep
from explorer.engine.predictions import Run
from explorer.networks.intervals import change_interval, independent_interval, mcnemar, two_proportions

PAIRED, APART = "McNemar", "two proportions"


@dataclass(frozen=True)
class Contrast:
    """How many points of accuracy one network has more than another, its 95 % interval, and whether it may be chance.

    `test` is PAIRED where both saw the same images: the change is then over those alone (McNemar's exact p-value, the
    interval of Agresti and Min). APART takes the two for independent samples (pooled z test, Newcombe's interval).
    """

    change: float  # points
    change_low: float
    change_high: float
    p_value: float
    test: str
    images: int  # that the change is over; where APART, those of the network that is compared


FIGURES = ("k", "channels", "n", "correct", "accuracy", "low", "high")
CONTRAST_COLUMNS = ("answer", *Run.__annotations__, *FIGURES, "against", *Contrast.__annotations__)


def shared(one: Sweep, other: Sweep) -> int:
    """How many images both curves are over, as a sample is the first of its split; 0 where they are other images."""
    images = min(one.done, other.done)
    same = (one.run.dataset, one.run.split) == (other.run.dataset, other.run.split)
    return images if same and np.array_equal(one.labels[:images], other.labels[:images]) else 0


def contrast(one: Sweep, k: int, other: Sweep, other_k: int) -> Contrast:
    """What `other` gets right at its K more than `one` at k; ValueError where such a K was not computed."""
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


def contrast_table(curves: Mapping[str, Sweep], ks: Mapping[str, int]) -> pd.DataFrame:
    """One row a curve, in CONTRAST_COLUMNS: what it is, its accuracy at its K, and what it has more than the first.

    `answer` is the curve's name, `against` that of the first, in whose own row the contrast is empty.
    """
    rows, first = [], next(iter(curves))
    for name, curve in curves.items():
        at = curve.index(ks[name])
        (figures,) = curve.at([ks[name]]).points().to_dict("records")
        row = {"answer": name, **vars(curve.run), **figures, "n": curve.done, "correct": int(curve.correct[at])}
        if name != first:
            row |= {"against": first, **asdict(contrast(curves[first], ks[first], curve, ks[name]))}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))
