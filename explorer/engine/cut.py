"""A traced network, cut where channels are pruned.

Pruning changes the value of a few *sources* (the outputs of the pruned layer). `cut` sorts every operation of the
network by how it depends on them:

- *fixed*: not at all. Computed once per batch.
- *zone*: channel by channel. Its value for any set of pruned channels is a per-channel choice between two tensors,
  computed once with everything kept and once with everything pruned.
- *suffix*: in any other way. Computed anew for every set of pruned channels.

What is not known to act channel by channel ends the zone: that costs speed, never correctness.
"""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from explorer.networks.graph import Env, Program, ancestors, exclusive, module_of, output_of, placeholders
from explorer.networks.operations import (
    BINARY_FUNCTIONS,
    CONCATENATIONS,
    ELEMENTWISE_FUNCTIONS,
    ELEMENTWISE_MODULES,
    MEAN_FUNCTIONS,
    POOLING_FUNCTIONS,
    POOLING_MODULES,
    RESHAPING_FUNCTIONS,
    SHAPE_FUNCTIONS,
)


@dataclass(frozen=True)
class Cut:
    """A traced network, cut at the sources whose channels are pruned.

    `owners[node]` says for a zone node which source channel each position along dimension 1 belongs to, -1 for none.
    """

    traced: fx.GraphModule
    sources: tuple[fx.Node, ...]
    shapes: dict[fx.Node, torch.Size]  # shape of each tensor, for a batch like the example
    owners: dict[fx.Node, Tensor]  # zone node -> (size of dimension 1,)
    boundary: tuple[fx.Node, ...]  # zone nodes that the suffix reads
    head: Program  # fixed and zone operations: everything kept
    zone: Program  # zone operations alone: everything pruned
    suffix: Program
    output: fx.Node

    @property
    def zone_is_closed(self) -> bool:
        """Whether the zone reads nothing but the sources, so that with all pruned it is the same for every image."""
        return all(arg in self.owners for node in self.zone.nodes for arg in node.all_input_nodes)


def cut(traced: fx.GraphModule, sources: Collection[fx.Node], example: Tensor | tuple[Tensor, ...]) -> Cut:
    """Cut a traced network at `sources`, nodes of equal channel count whose channels are pruned together.

    `example` is a batch of two or more inputs; it is run once to learn the shapes.
    """
    everything = Program(traced, tuple(traced.graph.nodes), frozenset(traced.graph.nodes))
    with exclusive, torch.inference_mode():
        values = everything.run(placeholders(traced, example))
    owners: dict[fx.Node, Tensor] = {}
    suffix: set[fx.Node] = set()
    for node in traced.graph.nodes:
        depends = [arg for arg in node.all_input_nodes if arg in owners or arg in suffix]
        if node in sources and not depends:
            owners[node] = torch.arange(values[node].shape[1])
        elif not depends or (is_shape(node) and not suffix.intersection(depends)):
            continue
        elif suffix.intersection(depends) or node in sources or node.op == "output":
            suffix.add(node)
        else:
            owner = _owner(node, owners, values)
            if owner is None:
                suffix.add(node)
            else:
                owners[node] = owner
    shapes = {node: value.shape for node, value in values.items() if isinstance(value, Tensor)}
    return _programs(traced, tuple(sources), shapes, owners, suffix)


def _programs(
    traced: fx.GraphModule,
    sources: tuple[fx.Node, ...],
    shapes: dict[fx.Node, torch.Size],
    owners: dict[fx.Node, Tensor],
    suffix: set[fx.Node],
) -> Cut:
    output = output_of(traced)
    suffix.add(output)
    needed = ancestors([output])
    ordered = [node for node in traced.graph.nodes if node in needed and node.op != "placeholder"]
    after = tuple(node for node in ordered if node in suffix)
    read = {arg for node in after for arg in node.all_input_nodes if arg not in suffix}
    boundary = tuple(node for node in ordered if node in owners and node in read)
    zone = tuple(node for node in ordered if node in owners and node not in sources)
    zone_reads = {arg for node in zone for arg in node.all_input_nodes if arg not in owners}
    roots = {node for node in sources if node in owners}
    return Cut(
        traced=traced,
        sources=sources,
        shapes=shapes,
        owners=owners,
        boundary=boundary,
        head=Program(traced, tuple(n for n in ordered if n not in suffix), frozenset(read | zone_reads | roots)),
        zone=Program(traced, zone, frozenset(read)),
        suffix=Program(traced, after, frozenset({output})),
        output=output,
    )


def is_shape(node: fx.Node) -> bool:
    """Whether the node reads a tensor's shape, which no pruning changes."""
    if node.op == "call_function" and node.target is getattr:
        return node.args[1] in ("shape", "ndim")
    return node.op == "call_method" and node.target in SHAPE_FUNCTIONS


def _owner(node: fx.Node, owners: dict[fx.Node, Tensor], values: Env) -> Tensor | None:
    """Owner of each position along dimension 1 of the node's value, or None where it is not known to be channelwise."""
    value = values[node]
    if not isinstance(value, Tensor) or value.ndim < 2:
        return None
    owner = _rule(node, owners, values)
    return owner if owner is not None and len(owner) == value.shape[1] else None


def _rule(node: fx.Node, owners: dict[fx.Node, Tensor], values: Env) -> Tensor | None:
    if node.target in BINARY_FUNCTIONS:
        return _merge(node, owners, values)
    if node.target in CONCATENATIONS:
        return _concatenate(node, owners, values)
    source = node.all_input_nodes[0]
    if source not in owners or len([n for n in node.all_input_nodes if n in owners]) > 1:
        return None
    before, value = values[source], values[node]
    owner, module = owners[source], module_of(node)
    if isinstance(module, ELEMENTWISE_MODULES) or node.target in ELEMENTWISE_FUNCTIONS:
        return owner
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        return owner if module.track_running_stats or module.running_mean is not None else None
    if isinstance(module, POOLING_MODULES) or node.target in POOLING_FUNCTIONS:
        return owner if before.ndim == 4 else None
    if isinstance(module, nn.Flatten) or node.target in RESHAPING_FUNCTIONS:
        flat = value.ndim == 2 and value.shape[0] == before.shape[0]
        return owner.repeat_interleave(before[0, 0].numel()) if flat else None
    if node.target in MEAN_FUNCTIONS:
        return owner if _means_over_space(node, before.ndim) else None
    if isinstance(module, nn.Conv2d):
        return _grouped(module, owner)
    return None


def _means_over_space(node: fx.Node, ndim: int) -> bool:
    dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    if isinstance(dims, int):
        dims = (dims,)
    if not isinstance(dims, (list, tuple)):
        return False
    return all(isinstance(dim, int) and dim % ndim >= 2 for dim in dims)


def _grouped(conv: nn.Conv2d, owner: Tensor) -> Tensor | None:
    """A grouped convolution keeps channels apart if each group reads one owner only (a depthwise one always does)."""
    groups = owner.view(conv.groups, -1)  # (groups, input channels per group)
    if not bool((groups == groups[:, :1]).all()):
        return None
    return groups[:, 0].repeat_interleave(conv.out_channels // conv.groups)


def _merge(node: fx.Node, owners: dict[fx.Node, Tensor], values: Env) -> Tensor | None:
    """Element-wise combination of two values: their owners must not contradict each other."""
    value = values[node]
    merged = torch.full((value.shape[1],), -1)
    for arg in node.all_input_nodes:
        if arg not in owners:
            continue
        owner = owners[arg]
        if values[arg].ndim != value.ndim or len(owner) != len(merged):
            return None
        if bool(((merged >= 0) & (owner >= 0) & (merged != owner)).any()):
            return None
        merged = torch.where(owner >= 0, owner, merged)
    return merged


def _concatenate(node: fx.Node, owners: dict[fx.Node, Tensor], values: Env) -> Tensor | None:
    """Concatenation along channels: each part keeps its owners, at its offset."""
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    parts = node.args[0] if node.args else node.kwargs.get("tensors")
    if not isinstance(dim, int) or dim % values[node].ndim != 1 or not isinstance(parts, (list, tuple)):
        return None
    return torch.cat([
        owners[part] if part in owners else torch.full((values[part].shape[1],), -1)
        for part in parts
        if isinstance(part, fx.Node)
    ])  # fmt: skip
