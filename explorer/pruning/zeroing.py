"""What pruning a channel does: which weights become zero, and what the channel then emits."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from explorer.networks.fitting import fits
from explorer.networks.functional import is_settled
from explorer.networks.graph import NeverCalledError, layer_calls, module_of
from explorer.networks.layers import conv_layer
from explorer.networks.neighbours import input_reads, shortcut_of
from explorer.networks.tracing import trace
from explorer.pruning.modes import MODES, mode_info


@dataclass(frozen=True)
class Zeroing:
    """What a mode sets to zero, and the values in the network that change with it.

    `sites` gives the nodes of a traced network (to which it may add) whose channels pruning replaces, and `emits` the
    constant that each pruned channel of theirs becomes. Both raise ValueError where the mode does not fit the layer.
    """

    zero: Callable[[nn.Module, str, Tensor], None]  # in place, on a copy of the model; layer; channels (K,)
    sites: Callable[[fx.GraphModule, str], list[fx.Node]]
    emits: Callable[[nn.Conv2d], Tensor]  # (P,)


def _zero_weight(model: nn.Module, layer: str, channels: Tensor) -> None:
    conv_layer(model, layer).weight.data[channels] = 0


def _zero_filter(model: nn.Module, layer: str, channels: Tensor) -> None:
    _zero_weight(model, layer, channels)
    bias = conv_layer(model, layer).bias
    if bias is not None:
        bias.data[channels] = 0


def _zero_inputs(model: nn.Module, layer: str, channels: Tensor) -> None:
    conv = conv_layer(model, layer)
    _check_square(conv, layer)
    conv.weight.data[:, channels] = 0


def _zero_with_shortcut(model: nn.Module, layer: str, channels: Tensor) -> None:
    shortcut = shortcut_of(layer_calls(trace(model), layer)[0])
    _zero_filter(model, layer, channels)
    _zero_filter(model, shortcut, channels)


def _inputs(traced: fx.GraphModule, layer: str) -> list[fx.Node]:
    calls = layer_calls(traced, layer)
    _check_square(conv_layer(traced, layer), layer)
    if any(is_settled(module_of(call)) for call in calls):
        raise NeverCalledError(f"layer {layer!r} computes its filters from its weights, which is not written down")
    return input_reads(traced, calls)


def _with_shortcut(traced: fx.GraphModule, layer: str) -> list[fx.Node]:
    calls = layer_calls(traced, layer)
    return [*calls, *layer_calls(traced, shortcut_of(calls[0]))]


def _check_square(conv: nn.Conv2d, layer: str) -> None:
    if conv.groups > 1 or conv.in_channels != conv.out_channels:
        raise ValueError(
            f"mode 'inputs' prunes the input channels that have the numbers of output channels, so it needs as many of "
            f"both in one group; {layer} reads {conv.in_channels}, writes {conv.out_channels}, in {conv.groups}"
        )


def _nothing(conv: nn.Conv2d) -> Tensor:
    return torch.zeros(conv.out_channels)


def _bias(conv: nn.Conv2d) -> Tensor:
    return _nothing(conv) if conv.bias is None else conv.bias.detach().cpu()


ZEROING: dict[str, Zeroing] = {  # by the names of MODES
    "filter": Zeroing(_zero_filter, layer_calls, _nothing),
    "weights": Zeroing(_zero_weight, layer_calls, _bias),
    "inputs": Zeroing(_zero_inputs, _inputs, _nothing),
    "filter+shortcut": Zeroing(_zero_with_shortcut, _with_shortcut, _nothing),
}


def zeroing_of(mode: str) -> Zeroing:
    """What the mode of that name does; ValueError lists the known names."""
    return ZEROING[mode_info(mode).name]


def check_mode(model: nn.Module, layer: str, mode: str) -> None:
    """ValueError where the mode is unknown or does not fit the layer."""
    zeroing_of(mode).zero(copy.deepcopy(model), layer, torch.empty(0, dtype=torch.int64))


def fitting_modes(model: nn.Module, layer: str) -> list[str]:
    """The modes that fit the layer, in the registry's order."""
    return [mode for mode in MODES if fits(check_mode, model, layer, mode)]
