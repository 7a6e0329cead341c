"""Prune channels by setting weights to zero: the reference that every faster way is tested against."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from explorer.language.saying import say
from explorer.networks.layers import conv_layer
from explorer.pruning.zeroing import zeroing_of


def check_channels(channels: Iterable[int], size: int) -> Tensor:
    """The channels as an int64 tensor (K,); ValueError names the first that is no channel, or comes twice."""
    listed = [int(channel) for channel in channels]
    for position, channel in enumerate(listed):
        if not 0 <= channel < size:
            raise ValueError(say("channel {channel} is not in 0…{size}", channel=channel, size=size - 1))
        if channel in listed[:position]:
            raise ValueError(say("channel {channel} is named twice", channel=channel))
    return torch.tensor(listed, dtype=torch.int64)


def prune(model: nn.Module, layer: str, channels: Iterable[int], mode: str = "filter") -> nn.Module:
    """A copy of the model in which channels `channels` of the convolution `layer` are pruned.

    The model itself is left as it is. `mode` is a key of MODES; in mode "channel" the same channels go from all layers
    that are coupled to it (see networks.coupling), so that one ranking, the layer's own, decides for all. Raises
    ValueError for an unknown layer or mode, a layer that is not a convolution or does not fit the mode, and a channel
    outside 0…P−1 or named twice.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> pruned = ex.prune(net.model, "conv2", [3, 7])
    >>> float(pruned.conv2.weight[3].abs().sum()), bool(net.model.conv2.weight[3].abs().sum() > 0)
    (0.0, True)
    """
    listed = check_channels(channels, conv_layer(model, layer).out_channels)
    pruned = copy.deepcopy(model)
    zeroing_of(mode).zero(pruned, layer, listed)
    return pruned
