"""What every result is made of: predictions of pruned networks, one row a network, and the images' labels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

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
