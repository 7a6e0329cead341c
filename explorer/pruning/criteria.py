"""The criteria: how important each channel of a layer is, by its weights or its activations.

To know of them needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from explorer.language.saying import say
from explorer.pruning.points import TAYLOR
from explorer.pruning.statistics import ChannelStatistics

if TYPE_CHECKING:
    import torch
    from torch import nn

MAX_SEED = 2**31 - 1
REVERSED = "-reversed"  # NAME-reversed is the criterion NAME with the most important channels first


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a criterion may look at: the layer, a seed, and where it asks for them statistics and the batch norm."""

    conv: nn.Conv2d
    statistics: ChannelStatistics | None
    seed: int
    norm: nn.BatchNorm2d | None = None

    @property
    def activations(self) -> ChannelStatistics:
        """The statistics, for a criterion that needs them."""
        if self.statistics is None:
            raise ValueError("this criterion looks at activations; give it statistics, or batches to collect them from")
        return self.statistics


@dataclass(frozen=True)
class Criterion:
    """A way to score channels."""

    name: str
    title: str
    sentence: str
    needs_data: bool
    importance: Callable[[Evidence], np.ndarray]
    point: str = "raw"  # where it looks at activations, a key of points.POINTS or TAYLOR
    looks_at_norm: bool = False  # whether it needs the batch norm right behind the layer


def mean_activation(evidence: Evidence) -> np.ndarray:
    """Mean of the channel's output over images and positions: the raw one, as the lab assigns, or the block's.

    Molchanov et al. (2017), *Pruning convolutional neural networks for resource efficient inference*, section 2.2.
    """
    return evidence.activations.mean


def l1_norm(evidence: Evidence) -> np.ndarray:
    """Sum of |w| over the channel's filter. Li et al. (2017), *Pruning filters for efficient ConvNets*."""
    return _filters(evidence).abs().sum(1).cpu().numpy()


def mean_absolute(evidence: Evidence) -> np.ndarray:
    """Mean of |output|: a channel that is strongly negative counts as active, too.

    The mean activation of Molchanov et al. (2017), section 2.2, for what no ReLU has cut off yet.
    """
    return evidence.activations.mean_absolute


def mean_after_relu(evidence: Evidence) -> np.ndarray:
    """Mean of max(output, 0) behind batch norm and activation: what a ReLU there passes on.

    The mean activation of Molchanov et al. (2017), section 2.2, who look at it behind the ReLU.
    """
    return evidence.activations.mean_positive


def share_positive(evidence: Evidence) -> np.ndarray:
    """1 − APoZ, the share of outputs above zero behind batch norm and ReLU. Hu et al. (2016), *Network trimming*."""
    return evidence.activations.positive


def variance(evidence: Evidence) -> np.ndarray:
    """Variance of the output over images and positions: a channel that never changes tells nothing.

    Polyak and Wolf (2015), *Channel-level acceleration of deep face representations*.
    """
    return evidence.activations.std**2


def l2_norm(evidence: Evidence) -> np.ndarray:
    """Square root of the sum of w² over the channel's filter. He et al. (2018), *Soft filter pruning*."""
    return _filters(evidence).norm(dim=1).cpu().numpy()


def geometric_median(evidence: Evidence) -> np.ndarray:
    """Sum of the distances to all other filters: one near the middle can be replaced by the others.

    He et al. (2019), *Filter pruning via geometric median*, equation 7.
    """
    import torch

    filters = _filters(evidence)
    return torch.cdist(filters, filters).sum(1).cpu().numpy()


def norm_scale(evidence: Evidence) -> np.ndarray:
    """|γ| of the channel in the batch norm right behind the layer. Liu et al. (2017), *Network slimming*."""
    assert evidence.norm is not None, "rank_by hands it to criteria that look at it"
    return evidence.norm.weight.detach().double().abs().cpu().numpy()


def taylor(evidence: Evidence) -> np.ndarray:
    """|mean over positions of output × the loss's gradient there|, averaged over images: see activations._Effects.

    Molchanov et al. (2017), *Pruning convolutional neural networks for resource efficient inference*.
    """
    return evidence.activations.mean


def _filters(evidence: Evidence) -> torch.Tensor:
    """The layer's filters, float64 (P, weights of one)."""
    return evidence.conv.weight.detach().double().flatten(1)


def random_order(evidence: Evidence) -> np.ndarray:
    """A uniform random number for each channel, from the seed: the baseline every criterion must beat.

    Mittal et al. (2018), *Recovering from random pruning*.
    """
    import torch

    generator = torch.Generator().manual_seed(evidence.seed)
    return torch.rand(evidence.conv.out_channels, generator=generator, dtype=torch.float64).numpy()


CRITERIA: dict[str, Criterion] = {
    criterion.name: criterion
    for criterion in (
        Criterion(
            name="mean",
            title="Mean activation",
            sentence="The channel's raw output, averaged over images and positions; the least active goes first.",
            needs_data=True,
            importance=mean_activation,
        ),
        Criterion(
            name="l1",
            title="L1 norm",
            sentence="The sum of the absolute weights of the channel's filter; needs no images.",
            needs_data=False,
            importance=l1_norm,
        ),
        Criterion(
            name="random",
            title="Random",
            sentence="A random order, fixed by the seed: what no criterion at all would do.",
            needs_data=False,
            importance=random_order,
        ),
        Criterion(
            name="l2",
            title="L2 norm",
            sentence="The length of the channel's filter as a vector; needs no images.",
            needs_data=False,
            importance=l2_norm,
        ),
        Criterion(
            name="block-mean",
            title="Mean of the block's output",
            sentence="The output of the residual block that the layer ends, after the addition, averaged.",
            needs_data=True,
            importance=mean_activation,
            point="block",
        ),
        Criterion(
            name="mean-abs",
            title="Mean |activation|",
            sentence="The absolute raw output, averaged: a strongly negative channel counts as active, too.",
            needs_data=True,
            importance=mean_absolute,
        ),
        Criterion(
            name="relu",
            title="Mean after ReLU",
            sentence="The output behind batch norm, negative values set to zero, averaged: what a ReLU passes on.",
            needs_data=True,
            importance=mean_after_relu,
            point="activation",
        ),
        Criterion(
            name="apoz",
            title="Share of zeros (APoZ)",
            sentence="The share of outputs above zero behind batch norm and ReLU; the one with most zeros goes first.",
            needs_data=True,
            importance=share_positive,
            point="activation",
        ),
        Criterion(
            name="variance",
            title="Activation variance",
            sentence="How much the raw output varies over images and positions; the steadiest channel goes first.",
            needs_data=True,
            importance=variance,
        ),
        Criterion(
            name="fpgm",
            title="Geometric median",
            sentence="The distance of the channel's filter to all others; the most replaceable goes first.",
            needs_data=False,
            importance=geometric_median,
        ),
        Criterion(
            name="bn-scale",
            title="Batch norm scale",
            sentence="The size of the factor by which the batch norm behind the layer scales the channel.",
            needs_data=False,
            importance=norm_scale,
            looks_at_norm=True,
        ),
        Criterion(
            name="taylor",
            title="First-order Taylor",
            sentence="How much the loss would change without the channel, estimated from its gradient on each image.",
            needs_data=True,
            importance=taylor,
            point=TAYLOR,
        ),
    )
}


def criterion_info(name: str) -> Criterion:
    """The criterion called `name`, or with -reversed behind it the other way round; ValueError lists the names."""
    base = name.removesuffix(REVERSED)
    if base not in CRITERIA:
        known = ", ".join(CRITERIA)
        raise ValueError(f"unknown criterion {name!r}; choose one of: {known}; or one of them followed by {REVERSED}")
    return CRITERIA[base] if name == base else reverse(CRITERIA[base])


def reverse(criterion: Criterion) -> Criterion:
    """The criterion with the most important channels first: importance negated, ties still by the lowest index."""
    title = say(criterion.title)
    return replace(
        criterion,
        name=f"{criterion.name}{REVERSED}",
        title=say("{criterion}, reversed", criterion=title),
        sentence=say("{criterion}, the other way round: the most important channels go first.", criterion=title),
        importance=lambda evidence: -criterion.importance(evidence),
    )
