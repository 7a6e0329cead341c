"""What every result is made of: predictions of pruned networks, one row a network, and the images' labels."""

from dataclasses import astuple, dataclass
from functools import cached_property

import numpy as np

from explorer.language.saying import say
from explorer.networks.intervals import wilson


@dataclass(frozen=True)
class Run:
    """What a result was made from: together with K, or with a layer, this identifies every number."""

    checkpoint: str = ""
    checkpoint_sha256: str = ""
    dataset: str = ""
    split: str = ""
    layer: str = ""
    criterion: str = ""
    ranked_on: str = ""
    mode: str = "filter"
    seed: int = 0
    schedule: str = "once"
    dtype: str = "float32"

    @property
    def title(self) -> str:
        """What was pruned, in words."""
        of = f" of {self.checkpoint}" if self.checkpoint else ""
        return f"Pruning {self.layer or 'one layer at a time'}{of}"


@dataclass(frozen=True)
class Audit:
    """Why predictions that were computed in a faster type are float32's; see audit.py.

    No prediction that was trusted and compared may differ: where the audit finds a difference that large, everything is
    run in float32, and nothing else.
    """

    sampled: int  # images from which the largest difference was learned first
    difference: float  # the largest between two logits, in how far they are apart, of all that were run in both types
    settled: int  # predictions in all
    again: int  # of these were run again in float32
    compared: int  # of these again had been trusted, and were run to see whether rightly

    @property
    def array(self) -> np.ndarray:
        """Its numbers, (5,) float64, as they are kept."""
        return np.array(astuple(self), dtype=np.float64)

    @classmethod
    def of(cls, array: np.ndarray) -> "Audit":
        """The audit whose numbers these are."""
        sampled, difference, *counts = array.tolist()
        return cls(int(sampled), difference, *map(int, counts))

    @staticmethod
    def check(array: np.ndarray) -> None:
        """ValueError unless these can be the numbers of an audit."""
        if array.shape != (5,) or array.dtype != np.float64 or not (array >= 0).all() or not array[3] <= array[2]:
            raise ValueError(say("does not hold what an audit found"))

    def and_of(self, other: "Audit") -> "Audit":
        """The audit of both."""
        return Audit(
            max(self.sampled, other.sampled),
            max(self.difference, other.difference),
            self.settled + other.settled,
            self.again + other.again,
            self.compared + other.compared,
        )

    def __str__(self) -> str:
        if self.again == self.settled:
            return say("audited: float32 itself, as the faster type differed by too much")
        return say(
            "audited: {share:.1%} of the predictions were run again in float32; the logits of two classes differed by "
            "at most {difference:.2g} in how far they are apart, and {compared:,} trusted predictions that were "
            "compared with float32 had 0 disagreements",
            share=self.again / self.settled,
            difference=self.difference,
            compared=self.compared,
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of several pruned networks, of which accuracies are derived. Arrays must not be written to."""

    predictions: np.ndarray  # (rows, N) small integers
    labels: np.ndarray  # (N,) int64

    @property
    def done(self) -> int:
        """Number of images so far."""
        return len(self.labels)

    @cached_property
    def right(self) -> np.ndarray:
        """Which predictions are right, (rows, N) bool."""
        return self.predictions == self.labels

    @cached_property
    def correct(self) -> np.ndarray:
        """Number of right predictions of each row, (rows,)."""
        return self.right.sum(1)

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right predictions of each row, 0…1, (rows,)."""
        return self.correct / self.done

    @property
    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % Wilson interval of each accuracy: low (rows,), high (rows,)."""
        return wilson(self.correct, self.done)
