"""Measured numbers in the sentences of answers."""

import numpy as np

from explorer.engine.curves import Band, Sweep
from explorer.engine.pairs import Apart
from explorer.language.saying import say
from explorer.show.words import points


def between(apart: Apart) -> str:
    """A difference in points with its interval."""
    ends = {"low": points(apart.low), "high": points(apart.high)}
    return say("{change} points (95 % interval {low} to {high})", change=points(apart.points), **ends)


def verdict(apart: Apart, higher: str, lower: str, neither: str) -> str:
    """One of three sentences, by what the interval allows to say; each may be empty."""
    return neither if not apart.is_sure else higher if apart.points > 0 else lower


def middle_of(curve: Sweep | Band) -> int:
    """The K nearest to half of the channels."""
    return min(curve.ks, key=lambda k: abs(2 * k - curve.channels))


def name_of_most(curve: Sweep, k: int) -> tuple[str, int]:
    """The class that is predicted most often at K = k, and of how many images."""
    counts = np.bincount(curve.predictions[curve.index(k)], minlength=len(curve.classes))
    return curve.classes[int(counts.argmax())], int(counts.max())


def chance(p_value: float) -> str:
    """What McNemar's p-value says of one change."""
    shown = say("below 0.0001") if p_value < 0.0001 else f"{p_value:.4f}"
    if p_value < 0.05:
        return say("By McNemar's test that is hardly chance (p is {p}).", p=shown)
    return say("By McNemar's test that may well be chance (p is {p}).", p=shown)
