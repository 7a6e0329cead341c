"""Two curves over the same images, compared image by image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from explorer.engine.curves import Band, Sweep
from explorer.language.saying import say
from explorer.networks.intervals import Z95, change_interval, mcnemar


@dataclass(frozen=True)
class Apart:
    """How many points of accuracy one curve lies above another, with the 95 % interval, over n images."""

    points: float
    low: float
    high: float
    n: int

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves no doubt which of the two is higher."""
        return self.low > 0 or self.high < 0


def alike(one: Sweep, other: Sweep) -> tuple[Sweep, Sweep]:
    """Both curves over the images that both have looked at: the first ones."""
    images = min(one.done, other.done)
    return first_images(one, images), first_images(other, images)


def first_images(curve: Sweep, images: int) -> Sweep:
    """The curve over the first so many of its images alone."""
    if images == curve.done:
        return curve
    return replace(
        curve, predictions=curve.predictions[:, :images], labels=curve.labels[:images], total=images, progress=None
    )


def common_ks(one: Sweep | Band, other: Sweep | Band) -> tuple[int, ...]:
    """The K that both have, ascending; ValueError where there are none."""
    ks = tuple(k for k in one.ks if k in other.ks)
    if not ks:
        raise ValueError(
            say(
                "the curves have no K in common: {one_first}…{one_last} and {other_first}…{other_last}, each in steps",
                one_first=one.ks[0],
                one_last=one.ks[-1],
                other_first=other.ks[0],
                other_last=other.ks[-1],
            )
        )
    return ks


def apart_at(one: Sweep, other: Sweep, k: int) -> Apart:
    """Accuracy along `one` minus that along `other` at K = k, paired by image; see intervals.change_interval."""
    one, other = alike(one, other)
    ahead, behind = _discordant(one, other, k)
    low, high = change_interval(np.array(behind), np.array(ahead), one.done)
    return Apart(100 * (ahead - behind) / one.done, 100 * float(low), 100 * float(high), one.done)


def change_at(curve: Sweep, k: int) -> Apart:
    """Accuracy at K = k minus that at the smallest K, paired by image; see intervals.change_interval."""
    broken, repaired = map(len, curve.flipped(k))
    low, high = change_interval(np.array(broken), np.array(repaired), curve.done)
    return Apart(curve.change(k), 100 * float(low), 100 * float(high), curve.done)


def apart_over(one: Sweep | Band, other: Sweep | Band) -> Apart:
    """Mean accuracy along `one` over all K that both have minus that along `other`, paired by image.

    Each interval between two K weighs as much as the share of the channels that it is (trapezoids), and of a band its
    orders are averaged first. Every image has one number then, the difference in how often it is right; the interval is
    that of their mean, which takes the two orders of the channels as given.
    """
    ks = common_ks(one, other)
    images = min(one.done, other.done)
    each = 100 * (_shares(one, ks, images) - _shares(other, ks, images))  # (images,)
    half = Z95 * float(each.std(ddof=1)) / np.sqrt(images) if images > 1 else float("nan")
    mean = float(each.mean())
    return Apart(mean, mean - half, mean + half, images)


def pair_table(one: Sweep, other: Sweep) -> pd.DataFrame:
    """One row a K that both have: k, n, accuracy along one and other, what is gone along each, and the difference.

    The difference, in points, has its paired 95 % interval (low, high) and the p-value of McNemar's exact test.
    """
    one, other = alike(one, other)
    rows: list[dict[str, Any]] = []
    for k in common_ks(one, other):
        apart = apart_at(one, other, k)
        rows.append({
            "k": k,
            "n": apart.n,
            "one": float(one.accuracy[one.index(k)]),
            "other": float(other.accuracy[other.index(k)]),
            "one_gone": one.gone_at(k),
            "other_gone": other.gone_at(k),
            "difference": apart.points,
            "low": apart.low,
            "high": apart.high,
            "p_value": mcnemar(*_discordant(one, other, k)),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _discordant(one: Sweep, other: Sweep, k: int) -> tuple[int, int]:
    """How many images are right along `one` alone at K = k, and how many along `other` alone."""
    first, second = one.right[one.index(k)], other.right[other.index(k)]
    return int((first & ~second).sum()), int((~first & second).sum())


def _shares(curve: Sweep | Band, ks: Sequence[int], images: int) -> np.ndarray:
    """How often each of the first images is right over these K, and over a band's orders: (images,), 0…1."""
    if isinstance(curve, Band):
        return np.mean([_shares(each, ks, images) for each in curve.sweeps], axis=0)
    right = curve.right[[curve.index(k) for k in ks], :images].astype(float)
    if len(ks) == 1:
        return right[0]
    return np.trapezoid(right, ks, axis=0) / (ks[-1] - ks[0])
