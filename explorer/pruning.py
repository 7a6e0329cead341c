"""Prune channels by setting weights to zero: the reference that every faster way is tested against."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explorer.models import conv_layer


@dataclass(frozen=True)
class Mode:
    """What pruning an output channel sets to zero, and what the channel emits from then on."""

    name: str
    title: str
    sentence: str
    zero: Callable[[nn.Conv2d, Tensor], None]  # in place, on a copy; channels (K,)
    emits: Callable[[nn.Conv2d], Tensor]  # (P,) the constant each pruned channel emits


def _zero_weight(conv: nn.Conv2d, channels: Tensor) -> None:
    conv.weight.data[channels] = 0


def _zero_filter(conv: nn.Conv2d, channels: Tensor) -> None:
    _zero_weight(conv, channels)
    if conv.bias is not None:
        conv.bias.data[channels] = 0


def _nothing(conv: nn.Conv2d) -> Tensor:
    return torch.zeros(conv.out_channels)


def _bias(conv: nn.Conv2d) -> Tensor:
    return _nothing(conv) if conv.bias is None else conv.bias.detach().cpu()


MODES: dict[str, Mode] = {
    "filter": Mode(
        name="filter",
        title="Filter: weights and bias",
        sentence="Weights and bias of a pruned channel are set to zero, so the convolution emits 0 there.",
        zero=_zero_filter,
        emits=_nothing,
    ),
    "weights": Mode(
        name="weights",
        title="Weights only",
        sentence="Only the weights of a pruned channel are set to zero; its bias survives, so it emits a constant.",
        zero=_zero_weight,
        emits=_bias,
    ),
}


def mode_info(name: str) -> Mode:
    """The registry's entry for `name`; ValueError lists the known names."""
    if name not in MODES:
        raise ValueError(f"unknown mode {name!r}; choose one of: {', '.join(MODES)}")
    return MODES[name]


def check_channels(channels: Iterable[int], size: int) -> Tensor:
    """The channels as an int64 tensor (K,); ValueError names the first that is no channel, or comes twice."""
    listed = [int(channel) for channel in channels]
    for position, channel in enumerate(listed):
        if not 0 <= channel < size:
            raise ValueError(f"channel {channel} is not in 0…{size - 1}")
        if channel in listed[:position]:
            raise ValueError(f"channel {channel} is named twice")
    return torch.tensor(listed, dtype=torch.int64)


def prune(model: nn.Module, layer: str, channels: Iterable[int], mode: str = "filter") -> nn.Module:
    """A copy of the model in which output channels `channels` of the convolution `layer` are pruned.

    The model itself is left as it is. `mode` is a key of MODES. Raises ValueError for an unknown layer or mode, a
    layer that is not a convolution, and a channel outside 0…P−1 or named twice.
    """
    pruned = copy.deepcopy(model)
    conv = conv_layer(pruned, layer)
    mode_info(mode).zero(conv, check_channels(channels, conv.out_channels))
    return pruned
