"""What a scan gives: predictions with each layer pruned whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from explorer.engine.curves import Run
from explorer.networks.intervals import change_interval, mcnemar, wilson


@dataclass(frozen=True)
class Layer:
    """A convolution of the network, and its place among all of them in the order they run, from 1."""

    name: str
    position: int
    channels: int  # P
    parameters: int  # weights and biases


@dataclass(frozen=True, eq=False)
class Scan:
    """Predictions with each layer pruned whole, one row a layer, for `done` of `total` images.

    Everything else is derived from these. Arrays must not be written to.
    """

    predictions: np.ndarray  # (layers, N) small integers
    unpruned: np.ndarray  # (N,) predictions of the network as it is
    labels: np.ndarray  # (N,) int64
    layers: tuple[Layer, ...]  # in network order
    left_out: Mapping[str, str]  # layers that the mode does not fit, and why
    run: Run
    total: int
    slow: bool = False  # whether pruned copies of the whole network were run, because it cannot be traced

    @property
    def done(self) -> int:
        """Number of images so far."""
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names, in network order."""
        return tuple(layer.name for layer in self.layers)

    @cached_property
    def _right(self) -> np.ndarray:
        return self.predictions == self.labels  # (layers, N)

    @cached_property
    def _right_before(self) -> np.ndarray:
        return self.unpruned == self.labels  # (N,)

    @cached_property
    def correct(self) -> np.ndarray:
        """Number of right predictions with each layer pruned, (layers,)."""
        return self._right.sum(1)

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right predictions with each layer pruned, 0…1, (layers,)."""
        return self.correct / self.done

    @property
    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % Wilson interval of each accuracy: low (layers,), high (layers,)."""
        return wilson(self.correct, self.done)

    @cached_property
    def correct_before(self) -> int:
        """Number of right predictions of the unpruned network."""
        return int(self._right_before.sum())

    @property
    def change(self) -> np.ndarray:
        """Accuracy with each layer pruned minus that of the unpruned network, in points, (layers,)."""
        return 100 * (self.correct - self.correct_before) / self.done

    @cached_property
    def flipped(self) -> tuple[np.ndarray, np.ndarray]:
        """How many predictions pruning each layer broke, and how many it repaired: (layers,), (layers,)."""
        return (self._right_before & ~self._right).sum(1), (~self._right_before & self._right).sum(1)

    @property
    def change_intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % interval of each change, in points: low (layers,), high (layers,)."""
        low, high = change_interval(*self.flipped, self.done)
        return 100 * low, 100 * high

    @cached_property
    def p_values(self) -> np.ndarray:
        """McNemar's p-value that pruning each layer breaks as many images as it repairs, (layers,)."""
        return np.array([mcnemar(int(broken), int(repaired)) for broken, repaired in zip(*self.flipped, strict=True)])

    def only(self, names: Sequence[str]) -> "Scan":
        """The same scan of fewer layers; ValueError for one that is not in it."""
        for name in names:
            if name not in (*self.names, *self.left_out):
                raise ValueError(f"layer {name!r} is not in this scan; choose from: {', '.join(self.names)}")
        rows = [row for row, layer in enumerate(self.layers) if layer.name in names]
        left_out = {name: why for name, why in self.left_out.items() if name in names}
        layers = tuple(self.layers[row] for row in rows)
        return replace(self, predictions=self.predictions[rows], layers=layers, left_out=left_out)
