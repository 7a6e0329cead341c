"""The sweep: predictions at every K, in about one look at the images."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from explorer.engine import cards
from explorer.engine.audit import Audited, DistrustError
from explorer.engine.curves import Agreement, Run, Sweep
from explorer.engine.cut_network import CutNetwork, Prepared
from explorer.engine.ks import COARSE, check_gone, check_ks, check_order, coarse_to_fine
from explorer.engine.plan import Plan, make_plan
from explorer.engine.steps import IMAGES_OF_EXAMPLE, two_images
from explorer.images.batches import Inputs
from explorer.language.saying import say
from explorer.networks.evaluation import (
    AUDITED,
    Batch,
    CountedBatches,
    Device,
    in_parts,
    joined,
    predict,
    resolve_device,
    resolve_dtype,
    tell_precision,
    to_device,
)
from explorer.networks.layers import conv_layer

EAGER = 50  # images of that first curve, so that it is there in seconds
KEPT_BYTES = 2**25  # of what is kept of the images under way, also while a sweep waits for its turn
NEAR_BYTES = 2**25  # of the values that are there at once while images go through, which stay in the processor's cache
CARD_SHARE = 0.5  # of a graphics card's free memory, that the values of images under way may take
WHOLE = 2**31  # images of which nothing is kept
BEAT = 0.5  # seconds after which a batch under way lets others have their turn


@dataclass(frozen=True, eq=False)
class Course:
    """One way to prune a layer, channel after channel."""

    order: Sequence[int] | np.ndarray  # (P,), first pruned first
    importance: np.ndarray | None = None  # (P,)
    gone: Sequence[int] | None = None  # how many channels are pruned at each K, where it is not K (see reranking.py)
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
    pruned instead of K (see reranking.py). `dtype` is a key of evaluation.DTYPES: float32 is the default and exact; how
    far bfloat16 agrees with it is measured on the first batch; audited gives float32's predictions, most of them from
    bfloat16 (see audit.py), which pays where that is fast and each K is a run of its own. `device` None is the best
    there is. With `coarse_first`, many K that are dear each come in rounds over all images, a few K and then the ones
    between; what is yielded holds those that are there. Raises ValueError for an unknown layer or mode, an order that
    is no permutation of 0…P−1, a K outside 0…P, and no images.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> batches = ex.batches(net, limit=500)
    >>> [part.done for part in ex.sweep_stream(net.model, "conv2", batches, range(32), ks=[0, 16])]
    [250, 500]
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
    tell_precision(model)
    example = to_device(next(iter(counted))[0], target)
    plan = make_plan(model, layer, mode, example, target, kind)
    exact = plan if kind == torch.float32 else make_plan(model, layer, mode, example, target)
    usual = Run(layer=layer, mode=mode, dtype=AUDITED if dtype == AUDITED else str(kind).removeprefix("torch."))
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
    run_as = Audited(plan, exact) if dtype == AUDITED else plan
    work = _Work(run_as, exact, counted, target, images_at_once(plan, example, target))
    in_rounds = coarse_first and plan.one_by_one and len(chosen) > 2 * COARSE
    try:
        yield from work.run(empty, in_rounds)
    except DistrustError as found:
        known = tuple(replace(each, audit=found.audit) for each in empty)
        yield from replace(work, plan=exact).run(known, in_rounds)


Sweeps = tuple[Sweep, ...]


@dataclass(frozen=True)
class _Work:
    """What sweeps do: predictions of every image at every K of empty sweeps, which differ in their orders alone."""

    plan: Plan
    exact: Plan  # in float32
    batches: Iterable[Batch]
    device: torch.device
    at_once: int  # images

    @property
    def is_exact(self) -> bool:
        """Whether predictions are float32's."""
        return self.plan is self.exact or isinstance(self.plan, Audited)

    def run(self, empty: Sweeps, in_rounds: bool) -> Iterator[Sweeps]:
        """The sweeps, filled further and further."""
        yield from self.in_rounds(empty) if in_rounds else self.once(empty, self.batches_of(eager=False))

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
                words = "{n} classes are named, but the network has {width} logits; name them all"
                raise ValueError(say(words, n=len(classes), width=width))
            if int(batch_labels.max()) >= len(classes):
                raise ValueError(
                    say(
                        "label {label} is not in 0…{last}, the network's classes",
                        label=int(batch_labels.max()),
                        last=len(classes) - 1,
                    )
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
                    audit=self.plan.auditor.audit if isinstance(self.plan, Audited) else each.audit,
                )
                for each, parts, agreement in zip(empty, predictions, agreements, strict=True)
            )
            yield latest

    def _agreements(self, rows: list[np.ndarray], inputs: Inputs, empty: Sweeps) -> list[Agreement | None]:
        """How far the rows (number of K, N) of each sweep agree with float32, where they are of another type."""
        if self.is_exact:
            return [None] * len(empty)
        exact, _ = _predict(self.exact, inputs, empty)
        return [Agreement((one == other).mean(1), len(one[0])) for one, other in zip(rows, exact, strict=True)]

    def in_rounds(self, empty: Sweeps) -> Iterator[Sweeps]:
        """Once over the images for each of a few rounds of K: the sweeps at the K that are whole, and the progress."""
        whole: Sweeps = ()
        for ks in coarse_to_fine(empty[0].ks):
            before = len(whole[0].ks) if whole else 0
            eager = not whole and self.is_exact  # agreement is measured on a full batch
            for parts in self.once(tuple(each.at(ks) for each in empty), self.batches_of(eager)):
                shown = _merged(whole, parts) if parts[0].done == parts[0].total else whole or parts
                done = (before + len(ks) * parts[0].done / parts[0].total) / len(empty[0].ks)
                yield tuple(replace(each, progress=done) for each in shown)
            whole = tuple(replace(each, progress=None) for each in shown)

    def batches_of(self, eager: bool) -> Iterable[Batch]:
        """The batches in parts that memory holds; whole where agreement is measured, on the first of them.

        A graphics card gets several as one where memory holds them.
        """
        if not self.is_exact:
            return self.batches
        if eager:
            return _eagerly(in_parts(self.batches, self.at_once))
        batches = joined(self.batches, self.at_once) if cards.is_card(self.device) else self.batches
        return in_parts(batches, self.at_once)


def images_at_once(plan: Plan, example: Inputs, device: torch.device) -> int:
    """How many images are best under way together: what is kept of them is bounded, and what is run most stays near.

    On a graphics card, which is idle where there are few, it is as many as a part of its free memory holds.
    """
    prepared = plan.prepare(two_images(example))
    if not isinstance(plan, CutNetwork) or not isinstance(prepared, Prepared):
        return WHOLE
    free = cards.free_memory(device)
    if free is not None:
        return max(1, int(IMAGES_OF_EXAMPLE * CARD_SHARE * free / (plan.nbytes + 2 * prepared.nbytes)))
    fitting = min(KEPT_BYTES // max(1, prepared.nbytes), NEAR_BYTES // max(1, plan.bytes_at_once))
    return max(1, IMAGES_OF_EXAMPLE * fitting)


def _eagerly(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches, the first of them in parts of EAGER images."""
    for index, batch in enumerate(batches):
        yield from in_parts([batch], EAGER) if index == 0 else [batch]


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
    chosen = tuple(ks[row] for row in rows)
    return replace(one, ks=chosen, predictions=predictions, gone=gone, agreement=agreement, audit=other.audit)


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
    """The whole sweep at once: predictions (number of K, N). Parameters and errors as for `sweep_stream`.

    A plain DataLoader will do for `batches`, as long as it does not shuffle.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> order = ex.rank(net.model, "conv2", criterion="l1").order
    >>> result = ex.sweep(net.model, "conv2", ex.batches(net, limit=200), order, ks=[0, 16, 32])
    >>> result.predictions.shape, result.frame()["k"].tolist(), result.confusion(16).shape
    ((3, 200), [0, 16, 32], (10, 10))
    """
    last = None
    for last in sweep_stream(model, layer, batches, order, ks, mode, dtype, device, **options):  # noqa: B007
        pass
    assert last is not None
    return last
