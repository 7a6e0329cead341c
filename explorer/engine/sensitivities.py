"""What a sensitivity analysis gives: accuracy with each layer pruned by several shares of its channels.

Li et al. (2017), *Pruning filters for efficient ConvNets*, section 3.2: layers are pruned one at a time, and those that
lose accuracy soon are left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from explorer.engine.predictions import Audit, Run
from explorer.language.saying import say
from explorer.networks.intervals import change_interval, mcnemar, wilson
from explorer.show.notebook import Shown, titled
from explorer.show.words import percent

if TYPE_CHECKING:
    import altair as alt

SENSITIVITY_COLUMNS = (
    "checkpoint", "checkpoint_sha256", "dataset", "split", "criterion", "ranked_on", "mode", "layer", "layers",
    "position", "channels", "parameters", "share", "k", "n", "correct", "accuracy", "low", "high", "change",
    "change_low", "change_high", "p_value",
)  # fmt: skip
SHARES = tuple(range(0, 101, 10))  # percent of a layer's channels
COARSE = (0, 50, 100)  # of a first look


def ks_of(channels: int, shares: Sequence[int] = SHARES) -> tuple[int, ...]:
    """K for each share, in percent, of so many channels: the nearest whole number, and of two the larger.

    >>> ks_of(5, (0, 10, 30, 50, 100))
    (0, 1, 2, 3, 5)
    """
    return tuple((share * channels + 50) // 100 for share in shares)


def check_shares(shares: Sequence[int]) -> tuple[int, ...]:
    """The shares, ascending, with 0 among them; ValueError names one that is no whole percentage."""
    for share in shares:
        if not 0 <= share <= 100 or share != int(share):
            raise ValueError(say("share {share} is not a whole number of percent, 0…100", share=share))
    return tuple(sorted({0, *map(int, shares)}))


def check_points(points: float) -> None:
    """ValueError unless it is a loss of so many points of accuracy, or none."""
    if not 0 <= points <= 100:
        raise ValueError(say("{points:g} points are no loss of accuracy; give a number from 0 to 100", points=points))


@dataclass(frozen=True)
class Row:
    """A convolution of the network, or several that lose their channels together, of which the first is ranked."""

    layers: tuple[str, ...]  # in network order
    position: int  # of the first among all convolutions in the order they run, from 1
    channels: int  # P
    parameters: int  # weights and biases of all of them

    @property
    def layer(self) -> str:
        """The layer whose ranking decides for all, and that a plan names."""
        return self.layers[0]

    @property
    def name(self) -> str:
        """The layer, and how many go with it."""
        more = len(self.layers) - 1
        return f"{self.layer} + {more} more" if more else self.layer


@dataclass(frozen=True, eq=False)
class Sensitivity(Shown):
    """How many images' predictions become wrong or right as a share of each layer's channels goes, one layer at a time.

    With how many were right before, that is all that accuracies, changes, their intervals and McNemar's test need.
    Arrays must not be written to.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> found = ex.sensitivity(net.model, ex.batches(net, limit=100), {"conv2": range(32)})
    >>> found.names, found.accuracy.shape, found.spare(100)
    (('conv2',), (1, 11), (100,))
    """

    broken: np.ndarray  # (rows, shares) int64: right unpruned, and wrong at this share
    repaired: np.ndarray  # (rows, shares) int64: wrong unpruned, and right at this share
    correct_before: int  # right predictions of the unpruned network
    rows: tuple[Row, ...]  # in network order
    shares: tuple[int, ...]  # percent of the channels, ascending from 0
    left_out: Mapping[str, str]  # layers that the mode or the criterion does not fit, and why
    run: Run
    done: int  # images so far
    total: int
    slow: bool = False  # whether masked copies of the whole network were run for a layer, because it cannot be traced
    audit: Audit | None = None  # where predictions are float32's, but most were computed in another type
    progress: float | None = None  # share of the work that is done, 0…1
    made: str = ""  # when, with what and on what it was computed, where it ships with the app

    @property
    def names(self) -> tuple[str, ...]:
        """The rows' names, in network order."""
        return tuple(row.name for row in self.rows)

    @property
    def ks(self) -> np.ndarray:
        """How many channels go at each share, (rows, shares)."""
        return np.array([ks_of(row.channels, self.shares) for row in self.rows])

    @property
    def correct(self) -> np.ndarray:
        """Number of right predictions, (rows, shares)."""
        return self.correct_before - self.broken + self.repaired

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right predictions, 0…1, (rows, shares)."""
        return self.correct / self.done

    @property
    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % Wilson interval of each accuracy: low and high, (rows, shares)."""
        return wilson(self.correct, self.done)

    @property
    def change(self) -> np.ndarray:
        """Accuracy minus that of the unpruned network, in points, (rows, shares)."""
        return 100 * (self.repaired - self.broken) / self.done

    @cached_property
    def change_intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % interval of each change, paired image by image, in points: low and high, (rows, shares).

        Of Agresti and Min, see intervals.change_interval; where nothing is pruned, nothing changes.
        """
        low, high = change_interval(self.broken, self.repaired, self.done)
        pruned = self.ks > 0
        return 100 * np.where(pruned, low, 0.0), 100 * np.where(pruned, high, 0.0)

    @cached_property
    def p_values(self) -> np.ndarray:
        """McNemar's p-value that pruning breaks as many images as it repairs, (rows, shares)."""
        pairs = zip(self.broken.ravel().tolist(), self.repaired.ravel().tolist(), strict=True)
        return np.array([mcnemar(*pair) for pair in pairs]).reshape(self.broken.shape)

    def spare(self, points: float = 1.0) -> tuple[int, ...]:
        """The largest share of each row, in percent, that surely costs at most so many points of accuracy.

        Surely means that the 95 % interval of the change lies above −points, at this share and at all smaller ones.
        ValueError where `points` is not in 0…100.
        """
        check_points(points)
        holds = np.logical_and.accumulate(self.change_intervals[0] >= -points, axis=1)
        return tuple(self.shares[last - 1] for last in holds.sum(1).tolist())

    def spared(self, points: float = 1.0) -> dict[str, int]:
        """What `spare` gives, by the layer that is ranked."""
        return dict(zip((row.layer for row in self.rows), self.spare(points), strict=True))

    def frame(self) -> pd.DataFrame:
        """One row a layer and share, in SENSITIVITY_COLUMNS.

        `layer` is the one that is ranked, `layers` all that lose the same channels, separated by spaces. `share` 0…1 of
        the `channels`, of which the nearest whole number `k` is pruned. Accuracy 0…1 with its 95 % Wilson interval;
        `change` of accuracy against the unpruned network in points, with the 95 % interval of Agresti and Min and
        McNemar's p-value. Where most was not computed in float32, a column says in which dtype.
        """
        times, (low, high), (change_low, change_high) = len(self.shares), self.intervals, self.change_intervals
        of_rows: dict[str, list[str] | list[int]] = {
            "layer": [row.layer for row in self.rows],
            "layers": [" ".join(row.layers) for row in self.rows],
            "position": [row.position for row in self.rows],
            "channels": [row.channels for row in self.rows],
            "parameters": [row.parameters for row in self.rows],
        }
        of_cells = {
            "k": self.ks,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "low": low,
            "high": high,
            "change": self.change,
            "change_low": change_low,
            "change_high": change_high,
            "p_value": self.p_values,
        }
        table = pd.DataFrame({name: np.repeat(values, times) for name, values in of_rows.items()})
        table = table.assign(share=np.tile(np.array(self.shares) / 100, len(self.rows)), n=self.done)
        table = table.assign(**{name: values.ravel() for name, values in of_cells.items()})
        columns = [*SENSITIVITY_COLUMNS, *(["dtype"] if self.run.dtype != "float32" else [])]
        run = {name: getattr(self.run, name) for name in (*SENSITIVITY_COLUMNS[:7], "dtype")}
        return table.assign(**run)[columns]

    def summary(self) -> str:
        """The accuracy unpruned, and the layers that can spare most and least."""
        spared = self.spare()
        most, least = int(np.argmax(spared)), int(np.argmin(spared))
        return (
            f"{percent(self.correct_before / self.done)} of {self.done:,} images right unpruned; at a cost of surely "
            f"at most a point {self.names[most]} can spare {spared[most]} % of its channels, "
            f"{self.names[least]} {spared[least]} %"
        )

    def chart(self) -> "alt.TopLevelMixin":
        """The accuracy lost by layer and share, as an Altair heat map."""
        from explorer.show.charts import sensitivity_map

        return titled(sensitivity_map(self.frame(), self.spared()).altair(), self.run.title, self.summary())
