"""Accuracy at every K: the sweep, and the one result that everything else is read from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import nn

from explorer.data import Inputs
from explorer.evaluation import (
    Batch,
    count_images,
    mcnemar,
    predict,
    resolve_device,
    resolve_dtype,
    to_device,
    wilson,
)
from explorer.models import conv_layer
from explorer.plan import Plan, make_plan

COARSE = 9  # K of a first curve, where each K is a run of its own
EAGER = 50  # images of that first curve, so that it is there in seconds
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


def check_ks(ks: Iterable[int] | None, channels: int) -> tuple[int, ...]:
    """The K to compute, ascending; None means 0…P. ValueError names the first outside 0…P."""
    if ks is None:
        return tuple(range(channels + 1))
    chosen = set()
    for k in ks:  # one after the other, for a range may be far longer than the layer
        if not 0 <= int(k) <= channels:
            raise ValueError(f"K = {k} is outside 0…{channels}, the number of channels of the layer")
        chosen.add(int(k))
    if not chosen:
        raise ValueError(f"there is no K to compute; choose at least one in 0…{channels}")
    return tuple(sorted(chosen))


def check_order(order: Sequence[int] | np.ndarray, channels: int) -> np.ndarray:
    """The order as int64 (P,); ValueError unless it names each of the P channels once."""
    array = np.asarray(order, dtype=np.int64)
    if sorted(array.tolist()) != list(range(channels)):
        raise ValueError(f"the order must name each of the channels 0…{channels - 1} once, not {array.tolist()}")
    return array


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


def sweep_stream(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch],
    order: Sequence[int] | np.ndarray,
    ks: Iterable[int] | None = None,
    mode: str = "filter",
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
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
    channels = conv_layer(model, layer).out_channels
    chosen, order = check_ks(ks, channels), check_order(order, channels)
    counts = check_gone(gone, chosen, channels)
    batches = list(batches) if isinstance(batches, Iterator) else batches  # which may be gone over more than once
    total, remaining = count_images(batches)
    target, kind = resolve_device(device), resolve_dtype(dtype)
    first = next(remaining)
    example = to_device(first[0], target)
    plan = make_plan(model, layer, mode, example, target, kind)
    exact = plan if kind == torch.float32 else make_plan(model, layer, mode, example, target)
    empty = Sweep(
        predictions=np.zeros((len(chosen), 0), np.uint8),
        labels=np.zeros(0, np.int64),
        ks=chosen,
        order=order,
        importance=importance,
        classes=tuple(classes or ()),
        run=run or Run(layer=layer, mode=mode, dtype=str(kind).removeprefix("torch.")),
        total=total,
        slow=plan.exact_copy,
        gone=None if gone is None else counts,
    )
    work = _Work(plan, exact, batches, target)
    in_rounds = coarse_first and plan.one_by_one and len(chosen) > 2 * COARSE
    yield from work.in_rounds(empty) if in_rounds else work.once(empty, batches)


@dataclass(frozen=True)
class _Work:
    """What a sweep does: predictions of every image at every K of an empty sweep."""

    plan: Plan
    exact: Plan  # in float32
    batches: Iterable[Batch]
    device: torch.device

    def once(self, empty: Sweep, batches: Iterable[Batch]) -> Iterator[Sweep]:
        """Once over the images: the sweep, filled a batch further each time."""
        counts = empty.ks if empty.gone is None else empty.gone
        classes, agreement = empty.classes, None
        predictions: list[np.ndarray] = []
        labels: list[np.ndarray] = []
        for inputs, batch_labels in batches:
            moved = to_device(inputs, self.device)
            rows, width = _predict(self.plan, moved, empty.order, counts)
            classes = classes or tuple(str(i) for i in range(max(2, width)))
            if agreement is None and self.exact is not self.plan:
                agreement = Agreement(
                    (rows == _predict(self.exact, moved, empty.order, counts)[0]).mean(1), len(rows[0])
                )
            predictions.append(rows.astype(np.min_scalar_type(len(classes) - 1)))
            labels.append(batch_labels.cpu().numpy())
            yield replace(
                empty,
                predictions=np.concatenate(predictions, axis=1),
                labels=np.concatenate(labels),
                classes=classes,
                agreement=agreement,
            )

    def in_rounds(self, empty: Sweep) -> Iterator[Sweep]:
        """Once over the images for each of a few rounds of K: the sweep at the K that are whole, and the progress."""
        whole: Sweep | None = None
        for ks in coarse_to_fine(empty.ks):
            before = len(whole.ks) if whole else 0
            eager = whole is None and self.exact is self.plan  # agreement is measured on a full batch
            for part in self.once(_at(empty, ks), _eagerly(self.batches) if eager else self.batches):
                shown = part if whole is None else _merge(whole, part) if part.done == part.total else whole
                yield replace(shown, progress=(before + len(ks) * part.done / part.total) / len(empty.ks))
            whole = replace(shown, progress=None)


def _eagerly(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches, the first of them in parts of EAGER images."""
    for index, (inputs, labels) in enumerate(batches):
        size = EAGER if index == 0 else len(labels)
        for start in range(0, len(labels), size):
            part = slice(start, start + size)
            yield tuple(x[part] for x in inputs) if isinstance(inputs, tuple) else inputs[part], labels[part]


def _at(sweep: Sweep, ks: tuple[int, ...]) -> Sweep:
    """The sweep at some of its K alone."""
    rows = [sweep.index(k) for k in ks]
    gone = None if sweep.gone is None else tuple(sweep.gone[row] for row in rows)
    return replace(sweep, ks=ks, predictions=sweep.predictions[rows], gone=gone)


def _merge(one: Sweep, other: Sweep) -> Sweep:
    """Two sweeps of the same images at different K, as one."""
    ks = one.ks + other.ks
    rows = np.argsort(ks)
    gone = None if one.gone is None or other.gone is None else tuple((one.gone + other.gone)[row] for row in rows)
    agreement = one.agreement
    if one.agreement is not None and other.agreement is not None:
        shares = np.concatenate([one.agreement.shares, other.agreement.shares])[rows]
        agreement = replace(one.agreement, shares=shares)
    predictions = np.concatenate([one.predictions, other.predictions])[rows]
    return replace(one, ks=tuple(ks[row] for row in rows), predictions=predictions, gone=gone, agreement=agreement)


def _predict(plan: Plan, inputs: Inputs, order: np.ndarray, counts: Sequence[int]) -> tuple[np.ndarray, int]:
    """Predictions (number of K, N) of one batch, and the number of logits."""
    steps = [logits for _, logits in plan.logits(inputs, order, counts)]
    return torch.cat([predict(logits) for logits in steps]).cpu().numpy(), steps[0].shape[-1]


def sweep(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch],
    order: Sequence[int] | np.ndarray,
    ks: Iterable[int] | None = None,
    mode: str = "filter",
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    **options,  # noqa: ANN003
) -> Sweep:
    """The whole sweep at once; parameters as `sweep_stream`."""
    last = None
    for last in sweep_stream(model, layer, batches, order, ks, mode, dtype, device, **options):  # noqa: B007
        pass
    assert last is not None
    return last
