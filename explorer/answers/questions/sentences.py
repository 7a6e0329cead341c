"""Measured numbers in the sentences of answers."""

import numpy as np

from explorer.engine.curves import Band, Sweep
from explorer.engine.pairs import Apart
from explorer.show.words import points


def between(apart: Apart) -> str:
    """A difference in points with its interval."""
    return f"{points(apart.points)} points (95 % interval {points(apart.low)} to {points(apart.high)})"


def verdict(apart: Apart, higher: str, lower: str, neither: str) -> str:
    """One of three sentences, by what the interval allows to say."""
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
    shown = "below 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"
    if p_value < 0.05:
        return f"By McNemar's test that is hardly chance (p is {shown})."
    return f"By McNemar's test that may well be chance (p is {shown})."
