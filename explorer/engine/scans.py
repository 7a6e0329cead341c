"""What a scan gives: predictions with each layer pruned whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from explorer.engine.predictions import Predictions, Run
from explorer.language.saying import say
from explorer.networks.intervals import change_interval, mcnemar, wilson
from explorer.show.notebook import Shown, titled
from explorer.show.words import percent, points

if TYPE_CHECKING:
    import altair as alt

SCAN_COLUMNS = (
    "checkpoint", "checkpoint_sha256", "dataset", "split", "mode", "layer", "position", "channels", "parameters",
    "n", "correct", "accuracy", "low", "high", "change", "change_low", "change_high", "p_value",
)  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A convolution of the network, and its place among all of them in the order they run, from 1."""

    name: str
    position: int
    channels: int  # P
    parameters: int  # weights and biases


@dataclass(frozen=True, eq=False)
class Scan(Predictions, Shown):
    """Predictions with each layer pruned whole, one row a layer, for `done` of `total` images.

    Everything else is derived from these. Arrays must not be written to.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> scan = ex.scan(net.model, ex.batches(net, limit=100))
    >>> scan.change.shape, scan.frame()["layer"].dropna().tolist()
    ((2,), ['conv1', 'conv2'])
    """

    unpruned: np.ndarray  # (N,) predictions of the network as it is
    layers: tuple[Layer, ...]  # in network order
    left_out: Mapping[str, str]  # layers that the mode does not fit, and why
    run: Run
    total: int
    slow: bool = False  # whether pruned copies of the whole network were run, because it cannot be traced
    made: str = ""  # when, with what and on what it was computed, where it ships with the app

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names, in network order."""
        return tuple(layer.name for layer in self.layers)

    @cached_property
    def _right_before(self) -> np.ndarray:
        return self.unpruned == self.labels  # (N,)

    @cached_property
    def correct_before(self) -> int:
        """Number of right predictions of the unpruned network."""
        return int(self._right_before.sum())

    @property
    def guessing(self) -> float:
        """What always naming the largest class would get right, 0…1."""
        return float(np.bincount(self.labels).max() / self.done)

    @property
    def change(self) -> np.ndarray:
        """Accuracy with each layer pruned minus that of the unpruned network, in points, (layers,)."""
        return 100 * (self.correct - self.correct_before) / self.done

    @cached_property
    def flipped(self) -> tuple[np.ndarray, np.ndarray]:
        """How many predictions pruning each layer broke, and how many it repaired: (layers,), (layers,)."""
        return (self._right_before & ~self.right).sum(1), (~self._right_before & self.right).sum(1)

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
                raise ValueError(
                    say(
                        "layer {name!r} is not in this scan; choose from: {names}",
                        name=name,
                        names=", ".join(self.names),
                    )
                )
        rows = [row for row, layer in enumerate(self.layers) if layer.name in names]
        left_out = {name: why for name, why in self.left_out.items() if name in names}
        layers = tuple(self.layers[row] for row in rows)
        return replace(self, predictions=self.predictions[rows], layers=layers, left_out=left_out)

    def frame(self) -> pd.DataFrame:
        """One row a layer in network order, in SCAN_COLUMNS; before them the unpruned network, without a layer's name.

        `position` counts all convolutions of the network from 1 in the order they run, and is 0 for the unpruned
        network. Accuracy 0…1 with its 95 % Wilson interval; `change` of accuracy against the unpruned network in
        points, with the 95 % interval of Agresti and Min and McNemar's p-value.
        """
        correct = np.array([self.correct_before, *self.correct])
        low, high = wilson(correct, self.done)
        change_low, change_high = self.change_intervals
        table = pd.DataFrame({
            "layer": [None, *self.names],
            "position": [0, *(layer.position for layer in self.layers)],
            "channels": [0, *(layer.channels for layer in self.layers)],
            "parameters": [0, *(layer.parameters for layer in self.layers)],
            "n": self.done,
            "correct": correct,
            "accuracy": correct / self.done,
            "low": low,
            "high": high,
            "change": [0.0, *self.change],
            "change_low": [0.0, *change_low],
            "change_high": [0.0, *change_high],
            "p_value": [1.0, *self.p_values],
        })  # fmt: skip
        run = {name: getattr(self.run, name) for name in SCAN_COLUMNS[:5]}
        return table.assign(**run)[list(SCAN_COLUMNS)]

    def summary(self) -> str:
        """The accuracy unpruned, and the layers whose pruning costs least and most."""
        least, most = int(self.change.argmax()), int(self.change.argmin())
        return (
            f"{percent(self.correct_before / self.done)} of {self.done:,} images right unpruned; "
            f"{points(self.change[least])} points without {self.names[least]}, "
            f"{points(self.change[most])} without {self.names[most]}"
        )

    def chart(self) -> "alt.TopLevelMixin":
        """Accuracy lost with each layer pruned whole, as an Altair chart."""
        from explorer.show.charts import layer_bars

        return titled(layer_bars(self.frame()[1:]).altair(), self.run.title, self.summary())
