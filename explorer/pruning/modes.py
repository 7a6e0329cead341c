"""What pruning a channel means: which weights become zero, and what the channel then emits."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from explorer.networks.fitting import fits
from explorer.networks.graph import layer_calls
from explorer.networks.layers import conv_layer
from explorer.networks.neighbours import input_reads, shortcut_of
from explorer.networks.tracing import trace


@dataclass(frozen=True)
class Mode:
    """What pruning a channel sets to zero, and the values in the network that change with it.

    `sites` gives the nodes of a traced network (to which it may add) whose channels pruning replaces, and `emits` the
    constant that each pruned channel of theirs becomes. Both raise ValueError where the mode does not fit the layer.
    """

    name: str
    title: str
    sentence: str
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


MODES: dict[str, Mode] = {
    "filter": Mode(
        name="filter",
        title="Zero the filter",
        sentence="Weights and bias of a pruned channel are set to zero, so the convolution emits 0 there.",
        zero=_zero_filter,
        sites=layer_calls,
        emits=_nothing,
    ),
    "weights": Mode(
        name="weights",
        title="Zero its weights only",
        sentence="Only the weights of a pruned channel are set to zero; its bias survives, so it emits a constant.",
        zero=_zero_weight,
        sites=layer_calls,
        emits=_bias,
    ),
    "inputs": Mode(
        name="inputs",
        title="Zero the input slice",
        sentence="What is set to zero is the weight that reads input channel c, not the filter that writes channel c.",
        zero=_zero_inputs,
        sites=_inputs,
        emits=_nothing,
    ),
    "filter+shortcut": Mode(
        name="filter+shortcut",
        title="Zero filter and shortcut",
        sentence="Weights and bias of a pruned channel are set to zero in the layer and in the shortcut convolution "
        "that is added to it.",
        zero=_zero_with_shortcut,
        sites=_with_shortcut,
        emits=_nothing,
    ),
}


def mode_info(name: str) -> Mode:
    """The registry's entry for `name`; ValueError lists the known names."""
    if name not in MODES:
        raise ValueError(f"unknown mode {name!r}; choose one of: {', '.join(MODES)}")
    return MODES[name]


def check_mode(model: nn.Module, layer: str, mode: str) -> None:
    """ValueError where the mode is unknown or does not fit the layer."""
    mode_info(mode).zero(copy.deepcopy(model), layer, torch.empty(0, dtype=torch.int64))


def fitting_modes(model: nn.Module, layer: str) -> list[str]:
    """The modes that fit the layer, in the registry's order."""
    return [mode for mode in MODES if fits(check_mode, model, layer, mode)]
