"""What pruning a channel does: which weights become zero, and what the channel then emits."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from explorer.language.saying import say
from explorer.networks.coupling import coupling_in, coupling_of
from explorer.networks.fitting import fits
from explorer.networks.functional import is_settled
from explorer.networks.graph import NeverCalledError, layer_calls, module_of
from explorer.networks.layers import conv_layer
from explorer.networks.neighbours import input_reads, shortcut_of
from explorer.networks.tracing import trace
from explorer.pruning.modes import MODES, mode_info


@dataclass(frozen=True)
class Slices:
    """The slices of a layer's tensor that belong to channels: along `dim`, channel c's are those where `owner` is c."""

    layer: str
    tensor: str  # "weight" or "bias"
    dim: int
    owner: Tensor  # (size of dim,), -1 for no channel's; of what reads in sections, those of one after the other

    def zero(self, model: nn.Module, channels: Tensor) -> None:
        """Set those of the channels (K,) to zero, in place."""
        values = getattr(model.get_submodule(self.layer), self.tensor).data
        sections = len(self.owner) // values.shape[self.dim]  # of a grouped convolution, whose filters read one each
        for part, owner in zip(values.chunk(sections), self.owner.chunk(sections), strict=True):
            part.index_fill_(self.dim, _where(owner, channels).to(values.device), 0)


@dataclass(frozen=True)
class Zeroing:
    """What a mode sets to zero, and the values in the network that change with it.

    `slices` gives what is zeroed; `sites` the nodes of a traced network (to which it may add) whose channels pruning
    replaces, each with the owners of its places along dimension 1 (-1 for none); and `emits` the constant that each
    pruned channel of theirs becomes. The first two raise ValueError where the mode does not fit the layer.
    """

    slices: Callable[[nn.Module, str], list[Slices]]
    sites: Callable[[fx.GraphModule, str], dict[fx.Node, Tensor]]
    emits: Callable[[nn.Conv2d], Tensor]  # (P,)

    def zero(self, model: nn.Module, layer: str, channels: Tensor) -> None:
        """Prune the channels (K,) of a layer, in place; ValueError where the mode does not fit it."""
        for slices in self.slices(model, layer):
            slices.zero(model, channels)


def emitting(value: Tensor, owner: Tensor, channels: Tensor, emits: Tensor) -> Tensor:
    """A site's value (N, size, …) in which channels (K,) emit their constants of `emits` (P,)."""
    value, places = value.clone(), _where(owner, channels).to(value.device)
    constants = emits.to(value)[owner.to(value.device)[places]]
    value[:, places] = constants.view(1, -1, *[1] * (value.ndim - 2))
    return value


def _where(owner: Tensor, channels: Tensor) -> Tensor:
    return torch.isin(owner, channels).nonzero()[:, 0]


def _each(conv: nn.Conv2d) -> Tensor:
    return torch.arange(conv.out_channels)


# What is set to zero


def _weights(model: nn.Module, layer: str) -> list[Slices]:
    return [Slices(layer, "weight", 0, _each(conv_layer(model, layer)))]


def _filters(model: nn.Module, layer: str) -> list[Slices]:
    conv = conv_layer(model, layer)
    bias = [] if conv.bias is None else [Slices(layer, "bias", 0, _each(conv))]
    return [*_weights(model, layer), *bias]


def _inputs(model: nn.Module, layer: str) -> list[Slices]:
    conv = conv_layer(model, layer)
    _check_square(conv, layer)
    return [Slices(layer, "weight", 1, _each(conv))]


def _filters_and_shortcut(model: nn.Module, layer: str) -> list[Slices]:
    shortcut = shortcut_of(layer_calls(trace(model), layer)[0])
    return [*_filters(model, layer), *_filters(model, shortcut)]


def _reads(model: nn.Module, layer: str) -> list[Slices]:
    """What every reader of the layer's group has to read its channels with: without it they might as well be gone."""
    return [
        Slices(reader.layer, "weight", 1, torch.tensor(reader.owner)) for reader in coupling_of(model, layer).readers
    ]


# Where it shows


def _calls(traced: fx.GraphModule, layer: str) -> dict[fx.Node, Tensor]:
    return dict.fromkeys(layer_calls(traced, layer), _each(conv_layer(traced, layer)))


def _calls_and_shortcut(traced: fx.GraphModule, layer: str) -> dict[fx.Node, Tensor]:
    calls = _calls(traced, layer)
    return calls | _calls(traced, shortcut_of(next(iter(calls))))


def _own_reads(traced: fx.GraphModule, layer: str) -> dict[fx.Node, Tensor]:
    calls, conv = layer_calls(traced, layer), conv_layer(traced, layer)
    _check_square(conv, layer)
    if any(is_settled(module_of(call)) for call in calls):
        raise NeverCalledError(
            say(
                "layer {layer!r} computes its filters from its weights, which is not written down",
                layer=layer,
            )
        )
    return dict.fromkeys(input_reads(traced, calls), _each(conv))


def _group_reads(traced: fx.GraphModule, layer: str) -> dict[fx.Node, Tensor]:
    owners = {reader.layer: torch.tensor(reader.owner) for reader in coupling_in(traced, layer).readers}
    reads = {name: input_reads(traced, layer_calls(traced, name)) for name in owners}
    return {read: owners[name] for name in owners for read in reads[name]}


def _check_square(conv: nn.Conv2d, layer: str) -> None:
    if conv.groups > 1 or conv.in_channels != conv.out_channels:
        raise ValueError(
            say(
                "mode 'inputs' prunes the input channels that have the numbers of output channels, so it needs as "
                "many of both in one group; {layer} reads {in_channels}, writes {out_channels}, in {groups}",
                layer=layer,
                in_channels=conv.in_channels,
                out_channels=conv.out_channels,
                groups=conv.groups,
            )
        )


def _nothing(conv: nn.Conv2d) -> Tensor:
    return torch.zeros(conv.out_channels)


def _bias(conv: nn.Conv2d) -> Tensor:
    return _nothing(conv) if conv.bias is None else conv.bias.detach().cpu()


ZEROING: dict[str, Zeroing] = {  # by the names of MODES
    "filter": Zeroing(_filters, _calls, _nothing),
    "weights": Zeroing(_weights, _calls, _bias),
    "inputs": Zeroing(_inputs, _own_reads, _nothing),
    "filter+shortcut": Zeroing(_filters_and_shortcut, _calls_and_shortcut, _nothing),
    "channel": Zeroing(_reads, _group_reads, _nothing),
}


def zeroing_of(mode: str) -> Zeroing:
    """What the mode of that name does; ValueError lists the known names."""
    return ZEROING[mode_info(mode).name]


def check_mode(model: nn.Module, layer: str, mode: str) -> None:
    """ValueError where the mode is unknown or does not fit the layer."""
    zeroing_of(mode).slices(model, layer)


def fitting_modes(model: nn.Module, layer: str) -> list[str]:
    """The modes that fit the layer, in the registry's order."""
    return [mode for mode in MODES if fits(check_mode, model, layer, mode)]
