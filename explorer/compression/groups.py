"""Which layers go together: a channel that several layers write, or read one by one, goes from all of them or none.

What depends on what is Torch-Pruning's to find out: Fang et al. (2023), *DepGraph: towards any structural pruning*.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from explorer.background.memory import without
from explorer.compression.plans import Group
from explorer.images.batches import Inputs
from explorer.language.saying import say
from explorer.networks.graph import exclusive
from explorer.networks.layers import conv_layers

with without("timm"):  # which it looks for without need, and which takes 95 MB
    import torch_pruning as tp
    from torch_pruning.ops import OPTYPE
    from torch_pruning.pruner.function import ConvPruner


class _EvenConv(ConvPruner):
    """Torch-Pruning's narrowing of a convolution, which for grouped ones takes channels of the first section alone."""

    def prune_in_channels(self, layer: nn.Conv2d, idxs: Sequence[int]) -> nn.Conv2d:
        if layer.groups == 1:
            return super().prune_in_channels(layer, idxs)
        kept = _kept(layer.in_channels, idxs, layer.groups)  # (groups, inputs of a section)
        filters = layer.weight.detach().unflatten(0, (layer.groups, -1))
        narrowed = [part[:, each] for part, each in zip(filters, kept, strict=True)]
        layer.weight = nn.Parameter(torch.cat(narrowed))
        layer.in_channels = kept.numel()
        return layer

    def prune_out_channels(self, layer: nn.Conv2d, idxs: Sequence[int]) -> nn.Conv2d:
        _kept(layer.out_channels, idxs, layer.groups)
        return super().prune_out_channels(layer, idxs)


def _kept(channels: int, gone: Sequence[int], sections: int) -> torch.Tensor:
    """The channels (sections, kept of each), counted within each section, that stay when those `gone` go."""
    stays = torch.ones(channels, dtype=torch.bool)
    stays[list(gone)] = False
    parts = stays.view(sections, -1)
    counts = parts.sum(1)
    if (counts != counts[0]).any() or not counts[0]:
        raise ValueError(
            say(
                "a convolution in {sections} groups must lose as many channels of each, and keep some",
                sections=sections,
            )
        )
    return parts.nonzero()[:, 1].view(sections, -1)


class Dependencies:
    """What must be narrowed with each layer of a network, which the narrowing changes in place.

    ValueError where the network cannot be followed.
    """

    def __init__(self, model: nn.Module, example: Inputs) -> None:
        self.model, self.names = model, {module: name for name, module in model.named_modules()}
        self._graph = tp.DependencyGraph()
        self._graph.REGISTERED_PRUNERS[OPTYPE.CONV] = conv = _EvenConv()
        self._graph._out_channel_pruning_fn.add(conv.prune_out_channels)
        self._graph._in_channel_pruning_fn.add(conv.prune_in_channels)
        for parameter in model.parameters():
            parameter.requires_grad_()  # the graph follows gradients
        inputs = example if isinstance(example, tuple) else (example,)
        with exclusive, torch.enable_grad():
            try:
                self._graph.build_dependency(model, inputs, lambda net, given: net(*given), verbose=False)
            except Exception as error:  # whatever the forward pass or the library raises
                raise ValueError(
                    say("{kind} cannot be narrowed: {error}", kind=type(model).__name__, error=error)
                ) from error

    def of(self, layer: str) -> Group:
        """The group of a layer."""
        conv = conv_layers(self.model)[layer]
        if conv not in self._graph.module2node:
            return Group((layer,), conv.out_channels, fixed=say("it does not run in the forward pass"))
        layers, sections, fixed = {layer}, 1, ""
        for module, gone, writes in self._touched(layer, range(conv.out_channels)):
            if isinstance(module, nn.Conv2d):
                depthwise = module.groups == module.out_channels > 1
                sections = math.lcm(sections, 1 if depthwise else module.groups)
                if writes and len(gone) == module.out_channels:
                    layers.add(self.names[module])
            if isinstance(module, tp.ops._OutputOp) or (writes and isinstance(module, nn.Linear)):
                fixed = say("it gives the network's answer")
        ordered = tuple(name for name in conv_layers(self.model) if name in layers)
        if conv.out_channels % sections or sections == conv.out_channels > 1:
            fixed = fixed or say(
                "it is tied to a convolution in {sections} groups, which cannot be narrowed evenly", sections=sections
            )
        return Group(ordered, conv.out_channels, sections, fixed)

    def all(self) -> Iterator[Group]:
        """Every group of convolutions, in the order of their first layers."""
        seen: set[str] = set()
        for layer in conv_layers(self.model):
            if layer not in seen:
                group = self.of(layer)
                seen.update(group.layers)
                yield group

    def remove(self, layer: str, channels: Sequence[int]) -> None:
        """Remove channels of a layer, with all that they are tied to, in place."""
        self._group(layer, channels).prune()

    def _group(self, layer: str, channels: Sequence[int]) -> tp.Group:
        conv = conv_layers(self.model)[layer]
        writing = self._graph.get_pruner_of_module(conv).prune_out_channels
        return self._graph.get_pruning_group(conv, writing, list(channels))

    def _touched(self, layer: str, channels: Sequence[int]) -> Iterator[tuple[nn.Module, list[int], bool]]:
        """What is narrowed with a layer's channels: the module, which of its channels, and whether it writes them."""
        for dependency, gone in self._group(layer, channels):
            writes = self._graph.is_out_channel_pruning_fn(dependency.handler)
            yield dependency.target.module, gone, writes
