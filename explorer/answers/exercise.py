"""Predict, then reveal: what somebody expected of a curve before it was seen, against what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.engine.curves import Sweep
from explorer.engine.pairs import Apart, apart_over
from explorer.engine.tables import class_table
from explorer.language.saying import say

PLACED = 5  # K at which an accuracy is expected
SURPRISES = 3  # of them that are looked at
RIVALS = ("mean", "l1")  # criteria, one of which stands against that of the curve


@dataclass(frozen=True)
class Guess:
    """What is expected; what is not said yet is None."""

    accuracies: tuple[tuple[int, float | None], ...]  # K, and the accuracy expected there, 0…1
    cliff: int | None  # the last K within a point of the unpruned network; see Sweep.cliff
    drop: int | None  # a K within the steepest drop; see Sweep.steepest
    rivals: tuple[str, ...] = ()  # two criteria, or none
    winner: str | None = None  # one of the rivals

    @property
    def is_whole(self) -> bool:
        """Whether everything is said."""
        said = [share for _, share in self.accuracies] + [self.cliff, self.drop]
        return None not in said and (not self.rivals or self.winner in self.rivals)


@dataclass(frozen=True)
class Point:
    """One K: what was expected there and what was measured, with its 95 % interval, and which class explains it.

    Where accuracy is lower than expected that is the class that lost most against the unpruned network, else the one
    that lost least. `answer` is the class that is predicted most often.
    """

    k: int
    expected: float
    accuracy: float
    low: float
    high: float
    label: str
    label_before: float
    label_after: float
    answer: str
    answers: int  # examples that are taken for it
    n: int

    @property
    def error(self) -> float:
        """Measured minus expected, in points."""
        return 100 * (self.accuracy - self.expected)


@dataclass(frozen=True)
class Duel:
    """Two criteria: which was expected to win, and how far the first is above the second over all K."""

    one: str
    other: str
    expected: str
    apart: Apart

    @property
    def winner(self) -> str | None:
        """The criterion whose curve is surely higher on average; None where the two cannot be told apart."""
        if not self.apart.is_sure:
            return None
        return self.one if self.apart.points > 0 else self.other


@dataclass(frozen=True)
class Outcome:
    """How a whole guess compares with what was measured."""

    points: tuple[Point, ...]  # by K
    cliff_expected: int
    cliff: int
    drop_expected: int
    drop: tuple[int, int] | None  # the two K of the steepest drop; None where accuracy never falls
    duel: Duel | None = None

    @property
    def mean_error(self) -> float:
        """How far the expected accuracies are off on average, in points."""
        return float(np.mean([abs(point.error) for point in self.points]))

    @property
    def drop_off(self) -> int:
        """How far the steepest drop was expected before its first K (below 0) or behind its last; 0 within it."""
        first, last = self.drop or (self.drop_expected, self.drop_expected)
        return min(self.drop_expected - first, 0) + max(self.drop_expected - last, 0)

    @property
    def surprises(self) -> tuple[Point, ...]:
        """The points that are furthest off, furthest first."""
        return tuple(sorted(self.points, key=lambda point: -abs(point.error))[:SURPRISES])


def ks_to_guess(stops: Sequence[int]) -> tuple[int, ...]:
    """PLACED of the K, evenly spread between the first, which is known, and the last; all but the first of fewer.

    >>> ks_to_guess(range(33))
    (5, 11, 16, 21, 27)
    """
    inner = stops[1:]
    if len(inner) <= PLACED:
        return tuple(inner)
    places = np.linspace(0, len(stops) - 1, PLACED + 2)[1:-1].round().astype(int)
    return tuple(stops[place] for place in places)


def rivals_of(criterion: str) -> tuple[str, str]:
    """A curve's criterion, and the one that stands against it."""
    return criterion, next(name for name in RIVALS if name != criterion)


def compare(guess: Guess, curve: Sweep, rival: Sweep | None = None) -> Outcome:
    """A guess against its curve, and the `rival`'s where two criteria stand against each other.

    ValueError says what a guess lacks that is not whole.
    """
    if not guess.is_whole or guess.cliff is None or guess.drop is None:
        missing = ", ".join(f"K = {k}" for k, share in guess.accuracies if share is None)
        missing = missing or say("the cliff, the drop or the winner")
        raise ValueError(say("the guess is not whole; still to be said: {missing}", missing=missing))
    points = tuple(_point(curve, k, share) for k, share in guess.accuracies if share is not None)
    duel = None
    if rival is not None and guess.rivals and guess.winner is not None:
        one, other = guess.rivals
        duel = Duel(one, other, guess.winner, apart_over(curve, rival))
    return Outcome(points, guess.cliff, curve.cliff(), guess.drop, curve.steepest(), duel)


def _point(curve: Sweep, k: int, expected: float) -> Point:
    row = curve.index(k)
    accuracy, (low, high) = float(curve.accuracy[row]), (float(ends[row]) for ends in curve.intervals)
    table = class_table(curve, k).dropna(subset=["change"])
    change = table["change"]
    label: dict[str, Any] = table.loc[change.idxmin() if accuracy < expected else change.idxmax()].to_dict()
    answers = np.bincount(curve.predictions[row], minlength=len(curve.classes))
    return Point(
        k=k,
        expected=expected,
        accuracy=accuracy,
        low=low,
        high=high,
        label=str(label["class"]),
        label_before=float(label["before"]),
        label_after=float(label["accuracy"]),
        answer=curve.classes[int(answers.argmax())],
        answers=int(answers.max()),
        n=curve.done,
    )
