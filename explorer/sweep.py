"""Accuracy at every K: the sweep, and the one result that everything else is read from."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from explorer.data import Inputs
from explorer.evaluation import (
    Batch,
    CountedBatches,
    Device,
    change_interval,
    mcnemar,
    predict,
    resolve_device,
    resolve_dtype,
    student_t,
    to_device,
    wilson,
)
from explorer.models import conv_layer
from explorer.plan import Plan, make_plan

COARSE = 9  # K of a first curve, where each K is a run of its own
EAGER = 50  # images of that first curve, so that it is there in seconds
BEAT = 0.5  # seconds after which a batch under way lets others have their turn
CLIFF_POINTS = 1.0  # the cliff: the last K before accuracy is ever this many points under the unpruned network's


@dataclass(frozen=True)
class Run:
    """What a sweep was made from: together with K, this identifies every number."""

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


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far another type than float32 agrees with it."""

    shares: np.ndarray  # (number of K,) of predictions that are equal
    images: int  # the first so many were compared

    def at(self, rows: list[int]) -> "Agreement":
        """The same for some of the K alone."""
        return Agreement(self.shares[rows], self.images)


@dataclass(frozen=True, eq=False)
class Sweep:
    """Predictions of the pruned networks, one row a K, for `done` of `total` images.

    Everything else (accuracies, intervals, classes, flips) is derived from these. Arrays must not be written to.
    """

    predictions: np.ndarray  # (number of K, N) small integers
    labels: np.ndarray  # (N,) int64
    ks: tuple[int, ...]  # ascending
    order: np.ndarray  # (P,) int64, first pruned first
    importance: np.ndarray | None  # (P,) float64
    classes: tuple[str, ...]
    run: Run
    total: int
    slow: bool = False  # whether masked copies of the whole network were run, because it cannot be traced
    gone: tuple[int, ...] | None = None  # how many channels of `order` are pruned at each K, where it is more than K
    agreement: Agreement | None = None  # with float32, where it was computed in another type
    progress: float | None = None  # share of the work that is done, 0…1, where the K come coarse first
    preview: int | None = None  # images that the ranking has looked at so far, where it has not ended yet

    @property
    def done(self) -> int:
        """Number of images so far."""
        return len(self.labels)

    @property
    def channels(self) -> int:
        """P, the number of channels of the layer."""
        return len(self.order)

    def index(self, k: int) -> int:
        """Row of K = k; ValueError names the nearest K that was computed."""
        if k in self.ks:
            return self.ks.index(k)
        raise ValueError(f"K = {k} was not computed in this sweep; the nearest that was is {self.nearest(k)}")

    def nearest(self, k: int) -> int:
        """The K that was computed and is nearest to k; the smaller of two."""
        return min(self.ks, key=lambda other: abs(other - k))

    def gone_at(self, k: int) -> int:
        """How many channels are pruned at K = k: k, or more where the channels were ranked again (schedule.py)."""
        at = self.index(k)
        return k if self.gone is None else self.gone[at]

    @property
    def nbytes(self) -> int:
        """Memory that it takes: a prediction, and whether it is right, for each image at each K."""
        return self.predictions.nbytes + self.predictions.size

    @cached_property
    def _right(self) -> np.ndarray:
        return self.predictions == self.labels  # (number of K, N)

    @cached_property
    def correct(self) -> np.ndarray:
        """Number of right predictions at each K, (number of K,)."""
        return self._right.sum(1)

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right predictions at each K, 0…1, (number of K,)."""
        return self.correct / self.done

    @property
    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % Wilson interval of each accuracy: low (number of K,), high (number of K,)."""
        return wilson(self.correct, self.done)

    def change(self, k: int) -> float:
        """Accuracy at K = k minus accuracy at the smallest K, in points."""
        return 100 * float(self.accuracy[self.index(k)] - self.accuracy[0])

    def cliff(self, points: float = CLIFF_POINTS) -> int:
        """The largest K up to which accuracy never falls more than `points` under that of the smallest K."""
        below = np.flatnonzero(self.correct < self.correct[0] - points / 100 * self.done)
        return self.ks[below[0] - 1] if len(below) else self.ks[-1]

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
        (see evaluation.change_interval).
        """
        if self.ks[0] != 0:
            return None
        before = self._right[0]
        broken, repaired = (before & ~self._right).sum(1), (~before & self._right).sum(1)
        low, _ = change_interval(broken, repaired, self.done)
        return max((k for k, change in zip(self.ks, low, strict=True) if change >= -points / 100), default=0)

    def at(self, ks: Iterable[int]) -> "Sweep":
        """The same sweep at those of the `ks` that were computed; ValueError where none was."""
        rows = [self.ks.index(k) for k in check_ks(ks, self.channels) if k in self.ks]
        if not rows:
            raise ValueError(f"none of these K was computed in this sweep, which has {self.ks[0]}…{self.ks[-1]}")
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
        return np.bincount(self.labels[self._right[self.index(k)]], minlength=len(self.classes))

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
        before, after = self._right[0], self._right[self.index(k)]
        return np.flatnonzero(before & ~after), np.flatnonzero(~before & after)

    def mcnemar(self, k: int) -> float:
        """Two-sided exact p-value that pruning K = k channels breaks as many images as it repairs."""
        broken, repaired = self.flipped(k)
        return mcnemar(len(broken), len(repaired))


@dataclass(frozen=True, eq=False)
class Band:
    """Sweeps along several random orders, at the same K and on the same images."""

    sweeps: tuple[Sweep, ...]

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


def check_ks(ks: Iterable[int] | None, channels: int) -> tuple[int, ...]:
    """The K to compute, ascending; None means 0…P. ValueError names the first outside 0…P."""
    if ks is None:
        return tuple(range(channels + 1))
    chosen = set()
    for k in ks:  # one after the other, for a range may be far longer than the layer
        if not 0 <= k <= channels:
            raise ValueError(f"K = {k} is outside 0…{channels}, the number of channels of the layer")
        if k != int(k):
            raise ValueError(f"K = {k} is not a whole number")
        chosen.add(int(k))
    if not chosen:
        raise ValueError(f"there is no K to compute; choose at least one in 0…{channels}")
    return tuple(sorted(chosen))


def check_order(order: Sequence[int] | np.ndarray, channels: int) -> np.ndarray:
    """The order as int64 (P,); ValueError unless it names each of the P channels once."""
    array = np.asarray(order)
    if sorted(array.tolist()) != list(range(channels)):
        raise ValueError(f"the order must name each of the channels 0…{channels - 1} once, not {array.tolist()}")
    return array.astype(np.int64)


def check_gone(gone: Sequence[int] | None, ks: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """How many channels are pruned at each K; None means K. ValueError unless they grow, one for each K, up to P."""
    if gone is None:
        return ks
    counts = tuple(int(count) for count in gone)
    if len(counts) != len(ks) or list(counts) != sorted(counts) or not 0 <= counts[0] <= counts[-1] <= channels:
        raise ValueError(
            f"the channels gone must be {len(ks)} numbers in 0…{channels}, none smaller than the last, not {counts}"
        )
    return counts


def coarse_to_fine(ks: Sequence[int], first: int = COARSE) -> list[tuple[int, ...]]:
    """The K (ascending) in rounds: `first` of them, evenly spread and with both ends, then twice as fine each round."""
    rounds: list[tuple[int, ...]] = []
    left, count = set(ks), first
    while left:
        count = min(count, len(ks))
        grid = {ks[round(i * (len(ks) - 1) / max(count - 1, 1))] for i in range(count)}
        rounds.append(tuple(sorted(left & grid)))
        left -= grid
        count = 2 * count - 1
    return rounds


@dataclass(frozen=True, eq=False)
class Course:
    """One way to prune a layer, channel after channel."""

    order: Sequence[int] | np.ndarray  # (P,), first pruned first
    importance: np.ndarray | None = None  # (P,)
    gone: Sequence[int] | None = None  # how many channels are pruned at each K, where it is not K (see schedule.py)
    run: Run | None = None


def sweep_stream(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch],
    order: Sequence[int] | np.ndarray,
    ks: Iterable[int] | None = None,
    mode: str = "filter",
    dtype: str | torch.dtype | None = None,
    device: Device = None,
    *,
    gone: Sequence[int] | None = None,
    importance: np.ndarray | None = None,
    classes: Sequence[str] | None = None,
    run: Run | None = None,
    coarse_first: bool = False,
) -> Iterator[Sweep]:
    """Prune the first K channels of `order` for every K in `ks`, and yield the whole curve after each batch.

    `batches` are (inputs, labels), inputs a tensor (N, …) or a tuple of them. Predictions are those of
    `pruning.prune(model, layer, order[:k], mode)`; where `gone` is given, at each K that many channels of `order` are
    pruned instead of K (see schedule.py). `dtype` is a key of evaluation.DTYPES: float32 is the default and exact; how
    far another agrees with it is measured on the first batch. `device` None is the best there is. With `coarse_first`,
    many K that are dear each come in rounds over all images, a few K and then the ones between; what is yielded holds
    those that are there. Raises ValueError for an unknown layer or mode, an order that is no permutation of 0…P−1, a K
    outside 0…P, and no images.
    """
    courses = [Course(order, importance, gone, run)]
    for (result,) in sweep_orders_stream(
        model, layer, batches, courses, ks, mode, dtype, device, classes=classes, coarse_first=coarse_first
    ):
        yield result


def sweep_orders_stream(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch],
    courses: Sequence[Course],
    ks: Iterable[int] | None = None,
    mode: str = "filter",
    dtype: str | torch.dtype | None = None,
    device: Device = None,
    *,
    classes: Sequence[str] | None = None,
    coarse_first: bool = False,
) -> Iterator[tuple[Sweep, ...]]:
    """`sweep_stream` for several orders at once, which share one look at each batch; a Sweep for each, in their order.

    Raises ValueError as `sweep_stream`, and where there is no order.
    """
    channels = conv_layer(model, layer).out_channels
    chosen = check_ks(ks, channels)
    for course in courses:
        check_order(course.order, channels)
        check_gone(course.gone, chosen, channels)
    if not courses:
        raise ValueError("there is no order to prune in; give at least one")
    counted = CountedBatches(batches)
    target, kind = resolve_device(device), resolve_dtype(dtype)
    example = to_device(next(iter(counted))[0], target)
    plan = make_plan(model, layer, mode, example, target, kind)
    exact = plan if kind == torch.float32 else make_plan(model, layer, mode, example, target)
    usual = Run(layer=layer, mode=mode, dtype=str(kind).removeprefix("torch."))
    empty = tuple(
        Sweep(
            predictions=np.zeros((len(chosen), 0), np.uint8),
            labels=np.zeros(0, np.int64),
            ks=chosen,
            order=check_order(course.order, channels),
            importance=course.importance,
            classes=tuple(classes or ()),
            run=course.run or usual,
            total=counted.n,
            slow=plan.exact_copy,
            gone=None if course.gone is None else check_gone(course.gone, chosen, channels),
        )
        for course in courses
    )
    work = _Work(plan, exact, counted, target)
    in_rounds = coarse_first and plan.one_by_one and len(chosen) > 2 * COARSE
    yield from work.in_rounds(empty) if in_rounds else work.once(empty, counted)


Sweeps = tuple[Sweep, ...]


@dataclass(frozen=True)
class _Work:
    """What sweeps do: predictions of every image at every K of empty sweeps, which differ in their orders alone."""

    plan: Plan
    exact: Plan  # in float32
    batches: Iterable[Batch]
    device: torch.device

    def once(self, empty: Sweeps, batches: Iterable[Batch]) -> Iterator[Sweeps]:
        """Once over the images: the sweeps, filled a batch further each time, or as before within a long batch."""
        agreements: list[Agreement | None] = []
        predictions: list[list[np.ndarray]] = [[] for _ in empty]
        labels: list[np.ndarray] = []
        latest: Sweeps = ()
        for inputs, batch_labels in batches:
            moved = to_device(inputs, self.device)
            beat = time.monotonic()
            for rows, width in _predict_stream(self.plan, moved, empty):  # noqa: B007 - the last ones are whole
                if latest and time.monotonic() - beat > BEAT:
                    beat = time.monotonic()
                    yield latest
            classes = empty[0].classes or tuple(str(i) for i in range(max(2, width)))
            if len(classes) < width:
                raise ValueError(f"{len(classes)} classes are named, but the network has {width} logits; name them all")
            if int(batch_labels.max()) >= len(classes):
                raise ValueError(
                    f"label {int(batch_labels.max())} is not in 0…{len(classes) - 1}, the network's classes"
                )
            agreements = agreements or self._agreements(rows, moved, empty)
            for parts, each in zip(predictions, rows, strict=True):
                parts.append(each.astype(np.min_scalar_type(len(classes) - 1)))
            labels.append(batch_labels.cpu().numpy())
            latest = tuple(
                replace(
                    each,
                    predictions=np.concatenate(parts, axis=1),
                    labels=np.concatenate(labels),
                    classes=classes,
                    agreement=agreement,
                )
                for each, parts, agreement in zip(empty, predictions, agreements, strict=True)
            )
            yield latest

    def _agreements(self, rows: list[np.ndarray], inputs: Inputs, empty: Sweeps) -> list[Agreement | None]:
        """How far the rows (number of K, N) of each sweep agree with float32, where they are of another type."""
        if self.exact is self.plan:
            return [None] * len(empty)
        exact, _ = _predict(self.exact, inputs, empty)
        return [Agreement((one == other).mean(1), len(one[0])) for one, other in zip(rows, exact, strict=True)]

    def in_rounds(self, empty: Sweeps) -> Iterator[Sweeps]:
        """Once over the images for each of a few rounds of K: the sweeps at the K that are whole, and the progress."""
        whole: Sweeps = ()
        for ks in coarse_to_fine(empty[0].ks):
            before = len(whole[0].ks) if whole else 0
            eager = not whole and self.exact is self.plan  # agreement is measured on a full batch
            for parts in self.once(tuple(each.at(ks) for each in empty), self._batches(eager)):
                shown = _merged(whole, parts) if parts[0].done == parts[0].total else whole or parts
                done = (before + len(ks) * parts[0].done / parts[0].total) / len(empty[0].ks)
                yield tuple(replace(each, progress=done) for each in shown)
            whole = tuple(replace(each, progress=None) for each in shown)

    def _batches(self, eager: bool) -> Iterable[Batch]:
        return _eagerly(self.batches) if eager else self.batches


def _eagerly(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches, the first of them in parts of EAGER images."""
    for index, (inputs, labels) in enumerate(batches):
        size = EAGER if index == 0 else len(labels)
        for start in range(0, len(labels), size):
            part = slice(start, start + size)
            yield inputs[part] if isinstance(inputs, Tensor) else tuple(x[part] for x in inputs), labels[part]


def _merged(whole: Sweeps, parts: Sweeps) -> Sweeps:
    return tuple(_merge(one, other) for one, other in zip(whole, parts, strict=True)) if whole else parts


def _merge(one: Sweep, other: Sweep) -> Sweep:
    """Two sweeps of the same images at different K, as one; ValueError where their images are not in one order."""
    if not np.array_equal(one.labels, other.labels):
        raise ValueError("the images came in another order the second time; hand over batches that are not shuffled")
    ks = one.ks + other.ks
    rows = np.argsort(ks)
    gone = None if one.gone is None or other.gone is None else tuple((one.gone + other.gone)[row] for row in rows)
    agreement = one.agreement
    if one.agreement is not None and other.agreement is not None:
        shares = np.concatenate([one.agreement.shares, other.agreement.shares])[rows]
        agreement = replace(one.agreement, shares=shares)
    predictions = np.concatenate([one.predictions, other.predictions])[rows]
    return replace(one, ks=tuple(ks[row] for row in rows), predictions=predictions, gone=gone, agreement=agreement)


def _predict(plan: Plan, inputs: Inputs, sweeps: Sweeps) -> tuple[list[np.ndarray], int]:
    """Predictions (number of K, N) of one batch for each of the sweeps, and the number of logits."""
    *_, last = _predict_stream(plan, inputs, sweeps)
    return last


def _predict_stream(plan: Plan, inputs: Inputs, sweeps: Sweeps) -> Iterator[tuple[list[np.ndarray], int]]:
    """As `_predict`, after every few K: whole only at the end."""
    prepared, width = plan.prepare(inputs), 0
    rows: list[np.ndarray] = []
    for each in sweeps:
        found = {}
        for index, logits in plan.steps(prepared, each.order, each.gone or each.ks):
            found[index] = predict(logits)
            width = logits.shape[-1]
            yield rows, width
        rows.append(torch.cat([found[index] for index in sorted(found)]).cpu().numpy())
    yield rows, width


def sweep(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch],
    order: Sequence[int] | np.ndarray,
    ks: Iterable[int] | None = None,
    mode: str = "filter",
    dtype: str | torch.dtype | None = None,
    device: Device = None,
    **options,  # noqa: ANN003
) -> Sweep:
    """The whole sweep at once; parameters as `sweep_stream`."""
    last = None
    for last in sweep_stream(model, layer, batches, order, ks, mode, dtype, device, **options):  # noqa: B007
        pass
    assert last is not None
    return last
