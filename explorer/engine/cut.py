"""A traced network, cut where channels are pruned.

Pruning changes the value of a few *sources* (the outputs of the pruned layer). `cut` sorts every operation of the
network by how it depends on them:

- *fixed*: not at all. Computed once per batch.
- *zone*: channel by channel. Its value for any set of pruned channels is a per-channel choice between two tensors,
  computed once with everything kept and once with everything pruned.
- *suffix*: in any other way. Computed anew for every set of pruned channels.

What is not known to act channel by channel ends the zone: that costs speed, never correctness.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from explorer.networks.graph import (
    Env,
    Program,
    ancestors,
    exclusive,
    function_of,
    is_shape,
    module_of,
    output_of,
    placeholders,
    spatial_dims,
)
from explorer.networks.operations import (
    BINARY_FUNCTIONS,
    ELEMENTWISE_FUNCTIONS,
    ELEMENTWISE_MODULES,
    MOVING_FUNCTIONS,
    MOVING_MODULES,
    POOLING_FUNCTIONS,
    POOLING_MODULES,
    REDUCING_FUNCTIONS,
)

IMAGE = float(2**32)  # an element's mark is its owner, and so much for each image before its own (see `_moved`)
Owner = Any  # which source channel each element belongs to, -1 for none: (C,), (1, C, …), or a tuple of such


@dataclass(frozen=True)
class Cut:
    """A traced network, cut at the sources whose channels are pruned.

    `owners[node]` says for a zone node which source channel each position along dimension 1 belongs to, -1 for none;
    of one that the zone alone reads, also for each element (a shuffle's) or each of several tensors (a chunk's).
    """

    traced: fx.GraphModule
    sources: dict[fx.Node, Tensor]  # the owners of each, (size of dimension 1,)
    shapes: dict[fx.Node, torch.Size]  # shape of each tensor, for a batch like the example
    owners: dict[fx.Node, Owner]  # zone node -> (size of dimension 1,)
    boundary: tuple[fx.Node, ...]  # zone nodes that the suffix reads
    head: Program  # fixed and zone operations: everything kept
    zone: Program  # zone operations alone: everything pruned
    suffix: Program
    output: fx.Node

    @property
    def zone_is_closed(self) -> bool:
        """Whether the zone reads nothing but channels that are pruned: with all gone it is the same for every image."""
        whole = all(bool((owner >= 0).all()) for owner in self.sources.values())
        return whole and all(arg in self.owners for node in self.zone.nodes for arg in node.all_input_nodes)


def cut(traced: fx.GraphModule, sources: Mapping[fx.Node, Tensor], example: Tensor | tuple[Tensor, ...]) -> Cut:
    """Cut a traced network at `sources`, nodes whose channels are pruned together.

    Each comes with its owners: which of those channels lies in each place along dimension 1, -1 for none. `example` is
    a batch of two or more inputs; it is run once to learn the shapes.
    """
    everything = Program(traced, tuple(traced.graph.nodes), frozenset(traced.graph.nodes))
    with exclusive, torch.inference_mode():
        values = everything.run(placeholders(traced, example))
    barred: set[fx.Node] = set()
    owners, suffix = _sort(traced, sources, values, barred)
    while inner := {node for node in owners if not _is_a_line(owners[node]) and not suffix.isdisjoint(node.users)}:
        barred |= inner
        owners, suffix = _sort(traced, sources, values, barred)
    shapes = {node: value.shape for node, value in values.items() if isinstance(value, Tensor)}
    return _programs(traced, dict(sources), shapes, owners, suffix)


def _sort(
    traced: fx.GraphModule, sources: Mapping[fx.Node, Tensor], values: Env, barred: Collection[fx.Node]
) -> tuple[dict[fx.Node, Owner], set[fx.Node]]:
    """Owners of the zone's nodes, and the suffix; what is `barred` from the zone is not in it."""
    owners: dict[fx.Node, Owner] = {}
    suffix: set[fx.Node] = set()
    for node in traced.graph.nodes:
        depends = [arg for arg in node.all_input_nodes if arg in owners or arg in suffix]
        if node in sources and not depends:
            owners[node] = sources[node]
        elif not depends or (is_shape(node) and not suffix.intersection(depends)):
            continue
        elif suffix.intersection(depends) or node in sources or node in barred or node.op == "output":
            suffix.add(node)
        else:
            owner = _owner(node, owners, values)
            if owner is None:
                suffix.add(node)
            elif not _is_nobodys(owner):
                owners[node] = owner
    return owners, suffix


def _is_a_line(owner: Owner) -> bool:
    """Whether owners lie along dimension 1 alone, so that whole channels of the value can be chosen."""
    return isinstance(owner, Tensor) and owner.ndim == 1


def _is_nobodys(owner: Owner) -> bool:
    """Whether no source channel is behind the value, such as the other half of a chunk: pruning does not change it."""
    return bool((owner < 0).all()) if isinstance(owner, Tensor) else all(map(_is_nobodys, owner))


def _programs(
    traced: fx.GraphModule,
    sources: dict[fx.Node, Tensor],
    shapes: dict[fx.Node, torch.Size],
    owners: dict[fx.Node, Owner],
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


def _owner(node: fx.Node, owners: Mapping[fx.Node, Owner], values: Env) -> Owner | None:
    """The owners of a node's value, or None where they are not known, so that it may not be channelwise."""
    if function_of(node) in MOVING_FUNCTIONS or isinstance(module_of(node), MOVING_MODULES):
        return _moved(node, owners, values)
    value = values[node]
    if not isinstance(value, Tensor) or value.ndim < 2:
        return None
    owner = _rule(node, owners, values)
    return owner if owner is not None and len(owner) == value.shape[1] else None


def _rule(node: fx.Node, owners: Mapping[fx.Node, Owner], values: Env) -> Tensor | None:
    """Owners along dimension 1, of what does not move values about."""
    if not all(_is_a_line(owners[arg]) for arg in node.all_input_nodes if arg in owners):
        return None
    function = function_of(node)
    if function in BINARY_FUNCTIONS:
        return _merge(node, owners, values)
    source = node.all_input_nodes[0]
    if source not in owners or len([n for n in node.all_input_nodes if n in owners]) > 1:
        return None
    before = values[source]
    owner, module = owners[source], module_of(node)
    if isinstance(module, ELEMENTWISE_MODULES) or function in ELEMENTWISE_FUNCTIONS:
        return owner
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        return owner if module.track_running_stats or module.running_mean is not None else None
    if isinstance(module, POOLING_MODULES) or function in POOLING_FUNCTIONS:
        return owner if before.ndim == 4 else None
    if function in REDUCING_FUNCTIONS:
        return owner if spatial_dims(node, before.ndim) else None
    if function is F.pad:
        return _padded(node, owner, before.ndim)
    if isinstance(module, nn.Conv2d):
        return _grouped(module, owner)
    return None


def _padded(node: fx.Node, owner: Tensor, ndim: int) -> Tensor | None:
    """Padding of maps leaves channels as they are; constant channels around them are nobody's."""
    given = dict(zip(("input", "pad", "mode", "value"), node.args, strict=False)) | node.kwargs
    pad = given["pad"]
    if not isinstance(pad, (list, tuple)) or len(pad) > 2 * (ndim - 1):
        return None
    around = pad[2 * (ndim - 2) :]
    if not around:
        return owner
    constant = given.get("mode", "constant") == "constant" and all(isinstance(size, int) for size in around)
    return F.pad(owner, list(around), value=-1) if constant else None


def _grouped(conv: nn.Conv2d, owner: Tensor) -> Tensor | None:
    """A grouped convolution keeps channels apart if each group reads one owner only (a depthwise one always does)."""
    groups = owner.view(conv.groups, -1)  # (groups, input channels per group)
    if not bool((groups == groups[:, :1]).all()):
        return None
    return groups[:, 0].repeat_interleave(conv.out_channels // conv.groups)


def _merge(node: fx.Node, owners: Mapping[fx.Node, Owner], values: Env) -> Tensor | None:
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


def _moved(node: fx.Node, owners: Mapping[fx.Node, Owner], values: Env) -> Owner | None:
    """Owners after an operation that only moves values about, such as a chunk or a shuffle: it moves marks as well.

    A mark says to which image and owner an element belongs, so that whatever mixes up images shows.
    """
    marks = {arg: _marked(values[arg], owners.get(arg)) for arg in node.all_input_nodes}
    program = Program(cast(fx.GraphModule, node.graph.owning_module), (node,), frozenset({node}))
    with exclusive:
        return _read(program.run(marks)[node])


def _marked(value: Any, owner: Owner | None) -> Any:
    """Marks in the place of a value; what has no owner and is no floating-point tensor says where values go."""
    if isinstance(value, (tuple, list)):
        parts = owner if isinstance(owner, tuple) else [None] * len(value)
        return tuple(_marked(part, each) for part, each in zip(value, parts, strict=True))
    if not isinstance(value, Tensor) or not value.ndim or not value.is_floating_point():
        return value.cpu() if isinstance(value, Tensor) else value
    images = torch.arange(len(value), dtype=torch.float64).view(-1, *[1] * (value.ndim - 1))
    if owner is None:
        owner = torch.tensor(-1)
    elif owner.ndim == 1:
        owner = owner.view(1, -1, *[1] * (value.ndim - 2))
    return (images * IMAGE + owner + 1).expand(value.shape)


def _read(marks: Any) -> Owner | None:
    """The owners that marks tell of, where they are the same in each image."""
    if isinstance(marks, (tuple, list)):
        parts = tuple(map(_read, marks))
        return None if any(part is None for part in parts) else parts
    if not isinstance(marks, Tensor) or marks.ndim < 2:
        return None
    images = torch.arange(len(marks), dtype=marks.dtype).view(-1, *[1] * (marks.ndim - 1))
    owner = marks - images * IMAGE - 1
    if not bool((owner == owner[:1]).all()) or not bool((owner[:1] < IMAGE - 1).all()):
        return None
    owner = owner[:1].long()
    lines = owner.reshape(owner.shape[1], -1)
    return lines[:, 0] if bool((lines == lines[:, :1]).all()) else owner
