"""How sensitive each layer is to pruning: the accuracy left with several shares of its channels gone."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from explorer.engine.audit import AuditedLayers, DistrustError
from explorer.engine.ks import check_order
from explorer.engine.layer_plans import LayerPlans
from explorer.engine.predictions import Run
from explorer.engine.scan import describe, predictions_of
from explorer.engine.sensitivities import COARSE, SHARES, Row, Sensitivity, check_shares
from explorer.engine.sweep import BEAT
from explorer.language.saying import listed, say
from explorer.networks.coupling import coupling_of
from explorer.networks.evaluation import (
    AUDITED,
    Batch,
    CountedBatches,
    Device,
    in_parts,
    resolve_device,
    resolve_dtype,
    tell_precision,
    to_device,
)
from explorer.pruning.modes import mode_info

EXACT = ("float32", AUDITED)  # the keys of evaluation.DTYPES whose predictions are float32's
EAGER = 20  # images of a first look, so that it is there in seconds


def sensitivity_stream(
    model: nn.Module,
    batches: Iterable[Batch],
    orders: Mapping[str, Sequence[int] | np.ndarray],
    mode: str = "filter",
    shares: Sequence[int] = SHARES,
    *,
    run: Run | None = None,
    dtype: str = "float32",
    device: Device = None,
) -> Iterator[Sensitivity]:
    """Prune each layer of `orders` by several shares of its channels, one layer at a time, and yield all so far.

    `orders` has for each layer its channels, first pruned first; of layers that lose their channels together, as the
    mode may have it, the first decides for all. `shares` are whole percentages; K is the nearest number of channels
    (see `ks_of`), and what several shares have in common is computed once. First come a few shares over a few images,
    then all shares over more and more of them. Predictions are those of `pruning.prune(model, layer, order[:k], mode)`.
    Layers that the mode does not fit are left out. With `dtype` audited most of them are computed in bfloat16, and yet
    all are float32's (see audit.py). Raises ValueError for an unknown layer or mode, an order that is no permutation, a
    share outside 0…100, a mode that fits none of the layers, another dtype, and no images.
    """
    if dtype not in EXACT:
        raise ValueError(
            say(
                "dtype {dtype!r} is none that sensitivity takes; choose one of: {known}",
                dtype=dtype,
                known=listed(EXACT),
            )
        )
    counted, usual = CountedBatches(batches), Run(mode=mode, dtype=dtype)
    analysis = Analysis.of(model, counted, orders, mode, shares, run or usual, device)
    if dtype == AUDITED:
        try:
            yield from analysis.audited(resolve_dtype(dtype)).through(counted)
            return
        except DistrustError as found:
            analysis = replace(analysis, empty=replace(analysis.empty, audit=found.audit))
    yield from analysis.through(counted)


def sensitivity(
    model: nn.Module,
    batches: Iterable[Batch],
    orders: Mapping[str, Sequence[int] | np.ndarray],
    mode: str = "filter",
    shares: Sequence[int] = SHARES,
    **options,  # noqa: ANN003
) -> Sensitivity:
    """The whole analysis at once. Parameters and errors as for `sensitivity_stream`.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> orders = {layer: ex.rank(net.model, layer, criterion="l1").order for layer in ("conv1", "conv2")}
    >>> found = ex.sensitivity(net.model, ex.batches(net, limit=100), orders)
    >>> found.accuracy.shape, found.ks[0].tolist()
    ((2, 11), [0, 2, 3, 5, 6, 8, 10, 11, 13, 14, 16])
    """
    *_, last = sensitivity_stream(model, batches, orders, mode, shares, **options)
    return last


def rows_of(model: nn.Module, layers: Iterable[str], mode: str) -> tuple[Row, ...]:
    """A row for each layer in network order, or for those that lose their channels together in this mode.

    ValueError for an unknown mode, and a layer that is no convolution of the model.
    """
    described = describe(model, layers)
    rows: list[Row] = []
    for name, layer in described.items():
        if not any(name in row.layers for row in rows):
            together = _together(model, name, mode)
            parameters = sum(each.numel() for one in together for each in model.get_submodule(one).parameters())
            rows.append(Row(together, layer.position, layer.channels, parameters))
    return tuple(rows)


def _together(model: nn.Module, layer: str, mode: str) -> tuple[str, ...]:
    """The layer, and behind it those that lose their channels with it."""
    if mode_info(mode).name != "channel":
        return (layer,)
    try:
        coupling = coupling_of(model, layer)
    except ValueError:  # the mode does not fit the layer, which `check_mode` will say
        return (layer,)
    return (layer, *(other for other in coupling.layers if other != layer))


@dataclass(frozen=True)
class Analysis:
    """An analysis that is about to begin: what is needed for every batch, and its result while nothing is done."""

    plans: LayerPlans | AuditedLayers
    orders: Mapping[str, np.ndarray]
    device: Device
    empty: Sensitivity

    @classmethod
    def of(
        cls,
        model: nn.Module,
        batches: Iterable[Batch],
        orders: Mapping[str, Sequence[int] | np.ndarray],
        mode: str = "filter",
        shares: Sequence[int] = SHARES,
        run: Run | None = None,
        device: Device = None,
    ) -> "Analysis":
        """Parameters and errors as for `sensitivity_stream`."""
        asked = rows_of(model, orders, mode)
        chosen = {row.layer: check_order(orders[row.layer], row.channels) for row in asked}
        counted, wanted, target = CountedBatches(batches), check_shares(shares), resolve_device(device)
        tell_precision(model)
        plans = LayerPlans(model, chosen, mode, to_device(next(iter(counted))[0], target), target)
        rows = tuple(row for row in asked if row.layer in plans.plans)
        empty = Sensitivity(
            broken=np.zeros((len(rows), len(wanted)), np.int64),
            repaired=np.zeros((len(rows), len(wanted)), np.int64),
            correct_before=0,
            rows=rows,
            shares=wanted,
            left_out=plans.left_out,
            run=run or Run(mode=mode),
            done=0,
            total=counted.n,
            slow=plans.slow,
        )
        return cls(plans, chosen, target, empty)

    def at(self, shares: tuple[int, ...]) -> "Analysis":
        """The same at other shares."""
        nothing = np.zeros((len(self.empty.rows), len(shares)), np.int64)
        return replace(self, empty=replace(self.empty, shares=shares, broken=nothing, repaired=nothing))

    def audited(self, dtype: torch.dtype) -> "Analysis":
        """The same, most of it computed in another type; see audit.py."""
        assert isinstance(self.plans, LayerPlans)
        return replace(self, plans=AuditedLayers(self.plans, dtype))

    def through(self, images: CountedBatches) -> Iterator[Sensitivity]:
        """A few shares over a few images, then the analysis over more and more of them."""
        coarse = tuple(sorted({0, *COARSE} & set(self.empty.shares)))
        if coarse != self.empty.shares and images.n > EAGER:
            *_, first = self.at(coarse).over([next(in_parts(images, EAGER))])
            yield replace(first, progress=0.0)
        yield from self.over(images)

    def over(self, batches: Iterable[Batch], at_once: int | None = None) -> Iterator[Sensitivity]:
        """The analysis after each part of the batches, or as before within a part that takes long.

        A part has at most `at_once` images, by default as many as memory holds.
        """
        latest = self.empty
        for inputs, labels in in_parts(batches, at_once or self.plans.at_once):
            beat, found = time.monotonic(), _Part(self.empty, labels.cpu().numpy())
            for layer, (index, logits) in self.plans.logits(to_device(inputs, self.device), self.orders, found.ks):
                found.add(layer, index, logits)
                if latest.done and time.monotonic() - beat > BEAT:
                    beat = time.monotonic()
                    yield replace(latest, progress=(latest.done + found.share * len(labels)) / self.empty.total)
            latest = found.added_to(latest)
            if isinstance(self.plans, AuditedLayers):
                latest = replace(latest, audit=self.plans.audit)
            yield latest


class _Part:
    """The counts of some images, filled as logits come in."""

    def __init__(self, empty: Sensitivity, labels: np.ndarray) -> None:
        self.labels = labels  # (N,)
        self.places = {row.layer: place for place, row in enumerate(empty.rows)}
        self.all_ks = dict(zip(self.places, empty.ks, strict=True))
        self.ks = {layer: sorted(set(ks.tolist()) - {0}) for layer, ks in self.all_ks.items()}
        self.broken, self.repaired = np.zeros_like(empty.broken), np.zeros_like(empty.repaired)
        self.before = np.zeros(0, dtype=bool)  # which images the unpruned network gets right, (N,)
        self._done = 0

    @property
    def share(self) -> float:
        """How much of the work is done, 0…1, if every K takes as long."""
        return self._done / max(1, sum(map(len, self.ks.values())))

    def add(self, layer: str, index: int, logits: Tensor) -> None:
        """Count what a step of LayerPlans.logits predicts, (number of K, N, classes)."""
        if not layer:
            self.before = predictions_of(logits[0]) == self.labels
            return
        place = self.places[layer]
        for k, each in zip(self.ks[layer][index:], logits, strict=False):
            right, at = predictions_of(each) == self.labels, self.all_ks[layer] == k
            self.broken[place, at] = (self.before & ~right).sum()
            self.repaired[place, at] = (~self.before & right).sum()
            self._done += 1

    def added_to(self, before: Sensitivity) -> Sensitivity:
        """The analysis with these images, too."""
        return replace(
            before,
            broken=before.broken + self.broken,
            repaired=before.repaired + self.repaired,
            correct_before=before.correct_before + int(self.before.sum()),
            done=before.done + len(self.labels),
        )
