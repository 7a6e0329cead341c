"""Trace a network with torch.fx and cut it where channels are pruned.

Pruning changes the value of a few *sources* (the outputs of the pruned layer). `cut` sorts every operation of the
network by how it depends on them:

- *fixed*: not at all. Computed once per batch.
- *zone*: channel by channel. Its value for any set of pruned channels is a per-channel choice between two tensors,
  computed once with everything kept and once with everything pruned.
- *suffix*: in any other way. Computed anew for every set of pruned channels.

What this module does not know ends the zone: that costs speed, never correctness.
"""

import copy
import inspect
import operator
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

Env = dict[fx.Node, Any]

# While torch.fx traces one model it patches nn.Module.__call__ for the whole process, so that a forward pass running
# in another thread would be corrupted. Whoever traces or runs a network holds this lock, for one batch at a time.
exclusive = threading.RLock()


def in_type(value: Any, dtype: torch.dtype) -> Any:
    """The value itself, a floating-point tensor in `dtype`: stands in a graph where the type changes."""
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


ACTIVATION_MODULES: tuple[type[nn.Module], ...] = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.LogSigmoid,
    nn.Softshrink,
)  # fmt: skip
ELEMENTWISE_MODULES = (*ACTIVATION_MODULES, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
POOLING_MODULES = (
    nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.ZeroPad2d, nn.Upsample,
)  # fmt: skip
ACTIVATION_FUNCTIONS: frozenset[Any] = frozenset({
    F.relu, torch.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.hardtanh,
    F.sigmoid, torch.sigmoid, F.tanh, torch.tanh, F.softplus, "relu", "sigmoid", "tanh",
})  # fmt: skip
ELEMENTWISE_FUNCTIONS = ACTIVATION_FUNCTIONS | {
    in_type,
    torch.abs, abs, operator.abs, operator.neg, torch.neg, torch.square, torch.clamp, torch.clone, "abs", "neg",
    "square", "clamp", "clone", "contiguous", "detach",
}  # fmt: skip
BINARY_FUNCTIONS: frozenset[Any] = frozenset({
    operator.add, operator.sub, operator.mul, operator.truediv, torch.add, torch.sub, torch.mul, torch.div,
    torch.maximum, torch.minimum, "add", "sub", "mul", "div",
})  # fmt: skip
POOLING_FUNCTIONS: frozenset[Any] = frozenset({
    F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d,
})  # fmt: skip
RESHAPING_FUNCTIONS: frozenset[Any] = frozenset({torch.flatten, torch.reshape, "flatten", "view", "reshape"})
MEAN_FUNCTIONS: frozenset[Any] = frozenset({torch.mean, "mean"})
CONCATENATIONS: frozenset[Any] = frozenset({torch.cat, torch.concat, torch.concatenate})
ADDITIONS: frozenset[Any] = frozenset({operator.add, torch.add, "add"})
SHAPE_FUNCTIONS: frozenset[Any] = frozenset({"size", "dim"})

# In-place operations would overwrite values that several K share, and a view does not exist of every memory order, so
# the traced copy uses their plain twins.
PLAIN_TWINS: dict[Any, Any] = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
    operator.itruediv: operator.truediv, torch.relu_: torch.relu, F.relu_: F.relu, "view": "reshape", "add_": "add",
    "sub_": "sub", "mul_": "mul", "div_": "div", "relu_": "relu", "sigmoid_": "sigmoid", "tanh_": "tanh",
    "clamp_": "clamp",
}  # fmt: skip


STOCHASTIC_DEPTH = "stochastic_depth"  # torchvision's function that drops branches in training, and else does nothing

# What may return the very tensor it was given, or a view of it, and what never does.
PASSING_MODULES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.Flatten, nn.Unflatten)
COMPUTING_FUNCTIONS = (
    (ELEMENTWISE_FUNCTIONS - {in_type, "contiguous", "detach"})
    | BINARY_FUNCTIONS
    | POOLING_FUNCTIONS
    | MEAN_FUNCTIONS
    | CONCATENATIONS
)


class UntraceableError(ValueError):
    """The network's forward pass cannot be written down as a torch.fx graph."""


class NeverCalledError(UntraceableError):
    """The graph has no call of the layer: it never runs, or runs in a way that is not written down."""


def trace(model: nn.Module) -> fx.GraphModule:
    """The network as a graph of operations: a copy in eval mode, without in-place operations, in channels-last order.

    Channels-last makes convolutions and pooling on a CPU two to four times faster and changes logits by rounding alone.
    The given model is left as it is. Raises UntraceableError where its forward pass depends on the data it is given,
    changes tensors in place in a way that has no plain twin, or reads a convolution's weights outside of it, and where
    forward hooks may change what modules take or return.
    """
    _check_no_hooks(model)
    twin = copy.deepcopy(model).eval().to(memory_format=torch.channels_last)
    in_place = {name for name, module in twin.named_modules() if getattr(module, "inplace", False)}
    for name in in_place:
        setattr(twin.get_submodule(name), "inplace", False)  # noqa: B010 - which type checkers cannot know of
    with exclusive:
        try:
            traced = fx.symbolic_trace(twin)
        except Exception as error:  # whatever the forward pass raises when it is handed a proxy
            raise UntraceableError(f"{type(model).__name__} cannot be traced: {error}") from error
    _check_weights_are_alone(traced)
    for node in list(traced.graph.nodes):
        if getattr(node.target, "__name__", None) == STOCHASTIC_DEPTH:
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    position = {node: index for index, node in enumerate(traced.graph.nodes)}
    for node in position:
        if _make_plain(node) or (node.op == "call_module" and node.target in in_place):
            _hand_on(node, position)
    traced.recompile()
    return traced


def _check_no_hooks(model: nn.Module) -> None:
    """UntraceableError where a module has forward hooks, so that it may not do what its type says."""
    for name, module in model.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:
            raise UntraceableError(f"{name or type(module).__name__!r} has forward hooks, which may do anything")


def _check_weights_are_alone(traced: fx.GraphModule) -> None:
    """UntraceableError where more than a convolution itself reads its weights: pruning it changes them there, too."""
    readers: dict[nn.Parameter, set[str]] = {}
    for name, module in traced.named_modules():
        for parameter in module.parameters(recurse=False):
            readers.setdefault(parameter, set()).add(name)
    for node in traced.graph.nodes:
        if node.op == "get_attr":
            value = operator.attrgetter(str(node.target))(traced)
            readers.get(value, set()).add(node.name)
    for name, module in traced.named_modules():
        if isinstance(module, nn.Conv2d):
            others = set().union(*(readers[each] for each in module.parameters(recurse=False))) - {name}
            if others:
                raise UntraceableError(f"the weights of {name!r} are read by {', '.join(sorted(others))}, too")


def _make_plain(node: fx.Node) -> bool:
    """Replace an in-place operation by its plain twin; whether it was one."""
    twin = PLAIN_TWINS.get(node.target, node.target)
    in_place = twin != node.target and node.target != "view"
    node.target = twin
    if node.op == "call_function" and _asks_for_in_place(node):
        in_place = True
    if _changes_in_place(node) or "out" in node.kwargs:
        raise UntraceableError(f"the operation {node.name!r} changes a tensor in place")
    return in_place


def _changes_in_place(node: fx.Node) -> bool:
    """Whether an operation overwrites a tensor, as PyTorch names what does: `sigmoid_`, but not `__and__`."""
    if node.op not in ("call_method", "call_function"):
        return False
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    if getattr(operator, name, None) is node.target:  # which has `not_`, too
        return node.target is operator.setitem
    return name.endswith("_") and not name.endswith("__")


def _asks_for_in_place(node: fx.Node) -> bool:
    """Whether a function is called with `inplace` true, which becomes false."""
    try:
        bound = inspect.signature(cast(Any, node.target)).bind(*node.args, **node.kwargs)
    except (TypeError, ValueError):  # built-in functions have no signature; they have no such argument either
        return False
    if not bound.arguments.get("inplace"):
        return False
    bound.arguments["inplace"] = False
    node.args, node.kwargs = bound.args, bound.kwargs
    return True


def _hand_on(node: fx.Node, position: dict[fx.Node, int]) -> None:
    """Whoever reads, after an operation that was in place, the tensor it overwrote, reads its result from now on."""
    overwritten = node.all_input_nodes[0]
    _read_later(overwritten, node, position, lambda user: user.replace_input_with(overwritten, node))
    while not _makes_a_tensor(overwritten):
        overwritten = overwritten.all_input_nodes[0]
        _read_later(overwritten, node, position, _refuse)


def _read_later(value: fx.Node, node: fx.Node, position: dict[fx.Node, int], act: Callable[[fx.Node], object]) -> None:
    for user in list(value.users):
        if position[user] > position[node]:
            act(user)


def _refuse(user: fx.Node) -> None:
    raise UntraceableError(f"the operation {user.name!r} may read a tensor that was changed in place")


def _makes_a_tensor(node: fx.Node) -> bool:
    """Whether a node's value is known to be a tensor of its own, not another one's or a view of it."""
    if node.op in ("placeholder", "get_attr"):
        return True
    module = module_of(node)
    if module is not None:
        return not isinstance(module, PASSING_MODULES)
    return node.target in COMPUTING_FUNCTIONS


def lower(traced: fx.GraphModule, dtype: torch.dtype) -> None:
    """Let a traced network run its convolutions, and all that leads to them, in `dtype`; what follows stays float32.

    So the logits are float32 in any case: a sum over hundreds of channels does not pile up its rounding, and two
    classes do not tie. Batch norm keeps its statistics in float32, too.
    """
    early = _up_to_the_convolutions(traced)
    for node in early:
        module = module_of(node)
        if module is not None and not isinstance(module, nn.BatchNorm2d):
            module.to(dtype)
    for node in list(traced.graph.nodes):
        if node.op in ("placeholder", "get_attr"):
            _change_type(node, dtype, [user for user in node.users if user in early])
        elif node in early:
            _change_type(node, torch.float32, [user for user in node.users if user not in early])
    traced.recompile()


def _change_type(node: fx.Node, dtype: torch.dtype, readers: list[fx.Node]) -> None:
    """Let the readers of a node's value read it in `dtype`."""
    if readers:
        graph = node.graph
        with graph.inserting_before(next(other for other in graph.nodes if other in readers)):
            changed = graph.call_function(in_type, (node, dtype))
        for reader in readers:
            reader.replace_input_with(node, changed)


def _up_to_the_convolutions(traced: fx.GraphModule) -> set[fx.Node]:
    """The convolutions and all they are computed from; a layer with weights that runs among those is never outside."""
    early: set[fx.Node] = set()
    more = [node for node in traced.graph.nodes if isinstance(module_of(node), nn.Conv2d)]
    while more:
        early |= ancestors(more)
        used = {module for node in early if (module := module_of(node)) is not None and list(module.parameters())}
        more = [node for node in traced.graph.nodes if node not in early and module_of(node) in used]
    return early


def layer_calls(traced: fx.GraphModule, layer: str) -> list[fx.Node]:
    """The calls of the module `layer`, in the order they run (a Siamese encoder runs twice)."""
    calls = [node for node in traced.graph.nodes if node.op == "call_module" and node.target == layer]
    if not calls:
        raise NeverCalledError(f"layer {layer!r} is never called in the forward pass, so pruning it changes nothing")
    return calls


def output_of(traced: fx.GraphModule) -> fx.Node:
    """The node that stands for what the network returns."""
    return next(node for node in traced.graph.nodes if node.op == "output")


def module_of(node: fx.Node) -> nn.Module | None:
    """The module that a `call_module` node calls, else None."""
    if node.op != "call_module":
        return None
    owner = cast(nn.Module, node.graph.owning_module)
    return owner.get_submodule(str(node.target))


def placeholders(traced: fx.GraphModule, inputs: Tensor | tuple[Tensor, ...]) -> Env:
    """The network's inputs, as the start of an environment. `inputs` is a tensor or a tuple of them."""
    values = tuple(map(_channels_last, inputs if isinstance(inputs, tuple) else (inputs,)))
    nodes = [node for node in traced.graph.nodes if node.op == "placeholder"]
    env: Env = dict(zip(nodes, values, strict=False))
    for node in nodes[len(values) :]:
        if not node.args:
            raise ValueError(f"the network takes {len(nodes)} inputs, but the batch has {len(values)}")
        env[node] = node.args[0]
    return env


def _channels_last(value: Tensor) -> Tensor:
    return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value


@dataclass(frozen=True)
class Program:
    """A list of operations to run in order, forgetting each value after its last use unless it is in `keep`."""

    traced: fx.GraphModule
    nodes: tuple[fx.Node, ...]
    keep: frozenset[fx.Node]
    _last_uses: dict[fx.Node, list[fx.Node]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        last: dict[fx.Node, fx.Node] = {}
        for node in self.nodes:
            last[node] = node
            last.update(dict.fromkeys(node.all_input_nodes, node))
        uses: dict[fx.Node, list[fx.Node]] = {}
        for value, user in last.items():
            if value not in self.keep:
                uses.setdefault(user, []).append(value)
        object.__setattr__(self, "_last_uses", uses)

    def run(self, env: Env, override: "Override | None" = None) -> Env:
        """Run every operation on the values in `env`, which it fills and returns.

        `override(node, value)` may replace the value of a node. Hold `exclusive` around the call.
        """
        interpreter = fx.Interpreter(self.traced, garbage_collect_values=False)
        interpreter.env = env
        for node in self.nodes:
            if node not in env:
                env[node] = interpreter.run_node(node)
            if override is not None and node in override:
                env[node] = override[node](env[node])
            for dead in self._last_uses.get(node, ()):
                env.pop(dead, None)
        return env


Override = dict[fx.Node, Any]


def ancestors(targets: Iterable[fx.Node], stop: Collection[fx.Node] = ()) -> set[fx.Node]:
    """The targets and everything they are computed from, going no further back than the nodes in `stop`."""
    return _reached(targets, lambda node: () if node in stop else node.all_input_nodes)


def descendants(sources: Iterable[fx.Node]) -> set[fx.Node]:
    """The sources and everything that depends on them."""
    return _reached(sources, lambda node: node.users)


def _reached(start: Iterable[fx.Node], step: Callable[[fx.Node], Iterable[fx.Node]]) -> set[fx.Node]:
    found: set[fx.Node] = set()
    waiting = list(start)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(step(node))
    return found


def program_for(traced: fx.GraphModule, targets: Collection[fx.Node]) -> Program:
    """The operations needed for the targets' values, and no others."""
    needed = ancestors(targets)
    nodes = tuple(node for node in traced.graph.nodes if node in needed and node.op != "placeholder")
    return Program(traced, nodes, frozenset(targets))


def activation_node(call: fx.Node) -> fx.Node:
    """Where the output of a layer's call has passed its batch norm and activation.

    Follows the call through batch norm and element-wise operations while each feeds only the next, and stops at the
    first activation. Where there is none (a conv that ends in a residual addition), it is the last node reached.
    """
    for node in _followers(call):
        if _is_activation(node):
            return node
        call = node
    return call


def addition_node(call: fx.Node) -> fx.Node | None:
    """The residual addition that a layer's call ends in, past batch norm and the like; None where there is none."""
    last = [call, *_followers(call)][-1]
    after = list(last.users)
    return after[0] if len(after) == 1 and after[0].target in ADDITIONS else None


def block_node(call: fx.Node) -> fx.Node:
    """The output of the residual block that a layer's call ends: after the addition and its activation."""
    addition = addition_node(call)
    if addition is None:
        raise ValueError(f"layer {call.target!r} does not end in a residual addition, so it has no block output")
    return activation_node(addition)


def norm_behind(call: fx.Node) -> nn.BatchNorm2d:
    """The batch norm that alone reads the output of a layer's call; ValueError where there is none, or no γ in it."""
    module = module_of(next(iter(call.users))) if len(call.users) == 1 else None
    if not isinstance(module, nn.BatchNorm2d) or module.weight is None:
        raise ValueError(f"layer {call.target!r} has no batch norm with a scale right behind it")
    return module


def shortcut_of(call: fx.Node) -> str:
    """Name of the convolution whose output is added to that of a layer's call, each past batch norm and the like."""
    addition = addition_node(call)
    others = [] if addition is None else [arg for arg in addition.all_input_nodes if call not in ancestors([arg])]
    for other in others:
        while isinstance(module_of(other), (nn.BatchNorm2d, *ELEMENTWISE_MODULES)):
            other = other.all_input_nodes[0]
        if isinstance(module_of(other), nn.Conv2d) and other not in ancestors([call]):
            return str(other.target)
    raise ValueError(f"layer {call.target!r} has no shortcut convolution added to its output")


def _followers(node: fx.Node) -> list[fx.Node]:
    """Batch norm, activation and the like behind a node, as long as each feeds only the next."""
    found: list[fx.Node] = []
    while len(node.users) == 1:
        node = next(iter(node.users))
        if not (isinstance(module_of(node), (nn.BatchNorm2d, nn.Identity)) or _is_activation(node)):
            break
        found.append(node)
    return found


def _is_activation(node: fx.Node) -> bool:
    return isinstance(module_of(node), ACTIVATION_MODULES) or node.target in ACTIVATION_FUNCTIONS


def passing_on(value: Tensor) -> Tensor:
    """The value itself: stands in a graph where a layer reads its input."""
    return value


def input_reads(traced: fx.GraphModule, calls: Iterable[fx.Node]) -> list[fx.Node]:
    """Give each call's input a node of its own, which passes it on: pruning there touches no other reader."""
    reads = []
    for call in calls:
        with traced.graph.inserting_before(call):
            read = traced.graph.call_function(passing_on, (call.args[0],))
        call.update_arg(0, read)
        reads.append(read)
    return reads


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
