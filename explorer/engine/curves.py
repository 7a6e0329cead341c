"""The one result that everything else is read from: predictions at every K, along one order or several."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from explorer.engine.ks import check_ks
from explorer.engine.predictions import Audit, Predictions, Run
from explorer.language.saying import say
from explorer.networks.intervals import change_interval, mcnemar, student_t
from explorer.show.notebook import Shown, titled
from explorer.show.words import percent

if TYPE_CHECKING:
    import altair as alt

ACCURACY_COLUMNS = (
    "checkpoint", "checkpoint_sha256", "dataset", "split", "layer", "criterion", "ranked_on", "mode", "seed",
    "k", "channels", "pruned_channel", "n", "correct", "accuracy", "low", "high",
)  # fmt: skip
CLIFF_POINTS = 1.0  # the cliff: the last K before accuracy is ever this many points under the unpruned network's
STEEP = 0.1  # the share of the channels over which the steepest drop is looked for


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far another type than float32 agrees with it."""

    shares: np.ndarray  # (number of K,) of predictions that are equal
    images: int  # the first so many were compared

    def at(self, rows: list[int]) -> "Agreement":
        """The same for some of the K alone."""
        return Agreement(self.shares[rows], self.images)


@dataclass(frozen=True, eq=False)
class Sweep(Predictions, Shown):
    """Predictions of the pruned networks, one row a K, for `done` of `total` images.

    Everything else (accuracies, intervals, classes, flips) is derived from these. Arrays must not be written to.

    >>> import explorer as ex
    >>> curve = ex.ask(ex.Experiment("simple-cnn_fashion-mnist", "conv2", criterion="l1", limit=100))
    >>> curve.accuracy.shape, curve.frame().shape, curve.change(0)
    ((33,), (33, 17), 0.0)
    """

    ks: tuple[int, ...]  # ascending
    order: np.ndarray  # (P,) int64, first pruned first
    importance: np.ndarray | None  # (P,) float64
    classes: tuple[str, ...]
    run: Run
    total: int
    slow: bool = False  # whether masked copies of the whole network were run, because it cannot be traced
    gone: tuple[int, ...] | None = None  # how many channels of `order` are pruned at each K, where it is more than K
    agreement: Agreement | None = None  # with float32, where it was computed in another type
    audit: Audit | None = None  # where predictions are float32's, but most were computed in another type
    progress: float | None = None  # share of the work that is done, 0…1, where the K come coarse first
    preview: int | None = None  # images that the ranking has looked at so far, where it has not ended yet
    made: str = ""  # when, with what and on what it was computed, where it ships with the app

    @property
    def channels(self) -> int:
        """P, the number of channels of the layer."""
        return len(self.order)

    def index(self, k: int) -> int:
        """Row of K = k; ValueError names the nearest K that was computed."""
        if k in self.ks:
            return self.ks.index(k)
        raise ValueError(
            say(
                "K = {k} was not computed in this sweep; the nearest that was is {nearest}",
                k=k,
                nearest=self.nearest(k),
            )
        )

    def nearest(self, k: int) -> int:
        """The K that was computed and is nearest to k; the smaller of two."""
        return min(self.ks, key=lambda other: abs(other - k))

    def gone_at(self, k: int) -> int:
        """How many channels are pruned at K = k: k, or more where the channels were ranked again (reranking.py)."""
        at = self.index(k)
        return k if self.gone is None else self.gone[at]

    @property
    def share(self) -> float:
        """How much of the work is done, 0…1."""
        return self.done / self.total if self.progress is None else self.progress

    @property
    def nbytes(self) -> int:
        """Memory that it takes: a prediction, and whether it is right, for each image at each K."""
        return self.predictions.nbytes + self.predictions.size

    def change(self, k: int) -> float:
        """Accuracy at K = k minus accuracy at the smallest K, in points."""
        return 100 * float(self.accuracy[self.index(k)] - self.accuracy[0])

    @property
    def changes_nothing(self) -> bool:
        """Whether no image is predicted otherwise at any K than at the smallest, as where a zero follows the layer."""
        return len(self.ks) > 1 and bool((self.predictions == self.predictions[0]).all())

    def cliff(self, points: float = CLIFF_POINTS) -> int:
        """The largest K up to which accuracy never falls more than `points` under that of the smallest K."""
        below = np.flatnonzero(self.correct < self.correct[0] - points / 100 * self.done)
        return self.ks[below[0] - 1] if len(below) else self.ks[-1]

    def steepest(self) -> tuple[int, int] | None:
        """The two K, a tenth of the channels apart or the next that was computed, between which accuracy falls most.

        Of several the first; None where accuracy never falls.
        """
        ks = np.array(self.ks)
        ends = np.searchsorted(ks, ks + max(1, round(self.channels * STEEP)), side="right") - 1
        ends = np.minimum(np.maximum(ends, np.arange(len(ks)) + 1), len(ks) - 1)
        lost = self.correct - self.correct[ends]
        at = int(lost.argmax())
        return (int(ks[at]), int(ks[ends[at]])) if lost[at] > 0 else None

    @property
    def area(self) -> float:
        """Area under accuracy against the share of channels pruned, 0…1, by trapezoids: the accuracy of a random K.

        NaN unless the curve goes from K = 0 to K = P.
        """
        if (self.ks[0], self.ks[-1]) != (0, self.channels):
            return float("nan")
        return float(np.trapezoid(self.accuracy, np.array(self.ks) / self.channels))

    def within(self, points: float = 1.0) -> int | None:
        """The largest K that surely costs at most so many points against K = 0; None where K = 0 was not computed.

        Surely means that the 95 % interval of the change, paired image by image, lies above −points
        (see intervals.change_interval).
        """
        if self.ks[0] != 0:
            return None
        before = self.right[0]
        broken, repaired = (before & ~self.right).sum(1), (~before & self.right).sum(1)
        low, _ = change_interval(broken, repaired, self.done)
        return max((k for k, change in zip(self.ks, low, strict=True) if change >= -points / 100), default=0)

    def at(self, ks: Iterable[int]) -> "Sweep":
        """The same sweep at those of the `ks` that were computed; ValueError where none was."""
        rows = [self.ks.index(k) for k in check_ks(ks, self.channels) if k in self.ks]
        if not rows:
            raise ValueError(
                say(
                    "none of these K was computed in this sweep, which has {first}…{last}",
                    first=self.ks[0],
                    last=self.ks[-1],
                )
            )
        if len(rows) == len(self.ks):
            return self
        return replace(
            self,
            predictions=self.predictions[rows],
            ks=tuple(self.ks[row] for row in rows),
            gone=None if self.gone is None else tuple(self.gone[row] for row in rows),
            agreement=None if self.agreement is None else self.agreement.at(rows),
        )

    @cached_property
    def class_totals(self) -> np.ndarray:
        """Number of images of each class, (classes,)."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def class_correct(self, k: int) -> np.ndarray:
        """Number of right predictions at K = k for each true class, (classes,)."""
        return np.bincount(self.labels[self.right[self.index(k)]], minlength=len(self.classes))

    def confusion(self, k: int) -> np.ndarray:
        """Count of images by true class (rows) and class predicted at K = k (columns), (classes, classes)."""
        return self._crossed(self.labels, k)

    def transitions(self, k: int) -> np.ndarray:
        """Count of images by class predicted at the smallest K (rows) and at K = k (columns), (classes, classes)."""
        return self._crossed(self.predictions[0].astype(np.int64), k)

    def _crossed(self, rows: np.ndarray, k: int) -> np.ndarray:
        size = len(self.classes)
        pairs = rows * size + self.predictions[self.index(k)]
        return np.bincount(pairs, minlength=size * size).reshape(size, size)

    def flipped(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (indices) that pruning K = k channels broke, right before and wrong after; and those it repaired."""
        before, after = self.right[0], self.right[self.index(k)]
        return np.flatnonzero(before & ~after), np.flatnonzero(~before & after)

    def mcnemar(self, k: int) -> float:
        """Two-sided exact p-value that pruning K = k channels breaks as many images as it repairs."""
        broken, repaired = self.flipped(k)
        return mcnemar(len(broken), len(repaired))

    def frame(self) -> pd.DataFrame:
        """One row a K, in ACCURACY_COLUMNS: accuracy 0…1 with its 95 % Wilson interval.

        `pruned_channel` is the channel that this K adds to K − 1, empty at K = 0. Where channels were ranked again
        after each step, two columns more say so: schedule, and gone, how many channels are pruned at this K. As a K may
        then add several channels, `pruned_channel` is empty. Where it was not computed in float32, a column says in
        which dtype.
        """
        added = [None if k == 0 or self.gone else int(self.order[k - 1]) for k in self.ks]
        table = self.points().assign(
            pruned_channel=pd.array(added, dtype="Int64"), n=self.done, correct=self.correct, gone=self.gone
        )
        columns = [*ACCURACY_COLUMNS, *(("schedule", "gone") if self.gone else ())]
        columns += ["dtype"] if self.run.dtype != "float32" else []
        return table.assign(**vars(self.run))[columns]

    def points(self) -> pd.DataFrame:
        """What charts draw, one row a K: k, channels, accuracy, and low and high of its interval."""
        low, high = self.intervals
        columns = {"k": self.ks, "channels": self.channels, "accuracy": self.accuracy, "low": low, "high": high}
        return pd.DataFrame(columns)

    def summary(self) -> str:
        """The accuracy unpruned and at half of the K, and up to which K at most a point is lost."""
        if self.changes_nothing:
            return (
                f"{percent(self.accuracy[0])} of {self.done:,} images right at every K: pruning changes no prediction"
            )
        half, cliff = self.ks[len(self.ks) // 2], self.cliff()
        first, at_half = self.accuracy[0], self.accuracy[self.index(half)]
        return (
            f"{percent(first)} of {self.done:,} images right at K = {self.ks[0]}, {percent(at_half)} at K = {half}; "
            f"within {CLIFF_POINTS:g} point up to K = {cliff}"
        )

    def chart(self) -> "alt.TopLevelMixin":
        """Accuracy against K with its 95 % band, as an Altair chart; the rule stands where a point is lost."""
        from explorer.show.charts import accuracy_curve

        return titled(accuracy_curve(self.points(), self.cliff()).altair(), self.run.title, self.summary())


@dataclass(frozen=True, eq=False)
class Band(Shown):
    """Sweeps along several random orders, at the same K and on the same images.

    >>> import explorer as ex
    >>> asked = [ex.Experiment("simple-cnn_fashion-mnist", "conv2", "random", seed=s, limit=50) for s in range(3)]
    >>> band = ex.Band(tuple(map(ex.ask, asked)))
    >>> band.mean.shape, len(band.frame())
    ((33,), 99)
    """

    sweeps: tuple[Sweep, ...]
    progress: float | None = None  # share of the work that is done, 0…1, while there are orders still to come

    @property
    def done(self) -> int:
        """Number of images so far."""
        return self.sweeps[0].done

    @property
    def total(self) -> int:
        """Number of images in all."""
        return self.sweeps[0].total

    @property
    def ks(self) -> tuple[int, ...]:
        """The K of every sweep, ascending."""
        return self.sweeps[0].ks

    @property
    def channels(self) -> int:
        """P, the number of channels of the layer."""
        return self.sweeps[0].channels

    @property
    def run(self) -> Run:
        """What the first of its orders is; the seed of each further one is one more."""
        return self.sweeps[0].run

    def nearest(self, k: int) -> int:
        """The K that was computed and is nearest to k; the smaller of two."""
        return self.sweeps[0].nearest(k)

    @property
    def nbytes(self) -> int:
        """Memory that its sweeps take."""
        return sum(each.nbytes for each in self.sweeps)

    @cached_property
    def _accuracies(self) -> np.ndarray:
        return np.stack([each.accuracy for each in self.sweeps])  # (orders, number of K)

    @property
    def mean(self) -> np.ndarray:
        """Mean accuracy over the orders at each K, 0…1, (number of K,)."""
        return self._accuracies.mean(0)

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the accuracy of a further random order falls in 95 of 100 cases: low and high at each K.

        The prediction interval mean ± t · s · √(1 + 1/n) of n orders, t with n − 1 degrees of freedom, cut to 0…1. It
        takes accuracies at one K for normal; the 2.5th and 97.5th percentile of 20 orders would cover 86 in 100.
        NaN for a single order.
        """
        orders = len(self.sweeps)
        if orders < 2:
            unknown = np.full(len(self.ks), np.nan)
            return unknown, unknown
        half = student_t(orders - 1) * self._accuracies.std(0, ddof=1) * np.sqrt(1 + 1 / orders)
        return np.clip(self.mean - half, 0, 1), np.clip(self.mean + half, 0, 1)

    def at(self, ks: Iterable[int]) -> "Band":
        """The same band at those of the `ks` that were computed."""
        chosen = list(ks)
        return Band(tuple(each.at(chosen) for each in self.sweeps))

    def frame(self) -> pd.DataFrame:
        """One row a K and seed, in the columns of `Sweep.frame`."""
        return pd.concat([each.frame() for each in self.sweeps], ignore_index=True)

    def points(self) -> pd.DataFrame:
        """What charts draw, one row a K: k, channels, the mean accuracy, and low and high of `interval`."""
        low, high = self.interval
        columns = {"k": self.ks, "channels": self.channels, "accuracy": self.mean, "low": low, "high": high}
        return pd.DataFrame(columns)

    def summary(self) -> str:
        """The mean accuracy unpruned and at half of the K."""
        half = len(self.ks) // 2
        return (
            f"{len(self.sweeps)} random orders on {self.done:,} images: on average {percent(self.mean[0])} right at "
            f"K = {self.ks[0]}, {percent(self.mean[half])} at K = {self.ks[half]}"
        )

    def chart(self) -> "alt.TopLevelMixin":
        """The mean accuracy against K, with where 95 of 100 further orders fall, as an Altair chart."""
        from explorer.show.charts import compare_curves

        chart = compare_curves(self.points().assign(criterion="random")).altair()
        return titled(chart, self.run.title, self.summary())


@dataclass(frozen=True)
class Difference:
    """How two curves on the same images differ, in points of accuracy."""

    mean: float  # of all K, each interval between two K weighed by its share of the channels
    largest: float  # in size, with its sign
    k: int  # where that is


def difference(one: Sweep, other: Sweep) -> Difference:
    """Accuracy along `one` minus that along `other`, at the K that both have; ValueError where there is none."""
    ks = sorted(set(one.ks) & set(other.ks))
    one, other = one.at(ks), other.at(ks)
    points = 100 * (one.accuracy - other.accuracy)
    at = int(np.abs(points).argmax())
    span = ks[-1] - ks[0]
    mean = float(np.trapezoid(points, ks)) / span if span else float(points[0])
    return Difference(mean, float(points[at]), ks[at])
