"""A network traced with torch.fx: written down as a graph of operations, without any that work in place."""

import copy
import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from explorer.images.batches import Inputs
from explorer.language.saying import listed, say
from explorer.networks.functional import make_modules
from explorer.networks.graph import UntraceableError, ancestors, exclusive, function_of, module_of
from explorer.networks.operations import COMPUTING_FUNCTIONS, PASSING_MODULES, PLAIN_TWINS, STOCHASTIC_DEPTH, in_type
from explorer.networks.tracers import RunningTracer, Tracer

CASTS = ("half", "double", "bfloat16")
FLOATS = (torch.float16, torch.float64, torch.bfloat16)
SIZES = "sizes"  # where a traced network keeps those of `sizes_of`
TAKES = "_takes_sizes"  # where a network keeps those of `taking`


def trace(model: nn.Module, example: Inputs | None = None) -> fx.GraphModule:
    """The network as a graph of operations: a float32 copy in eval mode, nothing in place, in channels-last order.

    Channels-last makes convolutions and pooling on a CPU two to four times faster and changes logits by rounding alone.
    The given model is left as it is. A network whose forward pass asks for sizes (`if x.shape[2] > 4`) can be traced as
    it runs on an `example` batch, or on images of the size that it is known to take (see `taking`), and then stands for
    images of that size alone (see `sizes_of`).

    Raises UntraceableError where its forward pass depends on the data it is given, changes tensors in place in a way
    that has no plain twin, or reads a convolution's weights outside of it, and where forward hooks may change what
    modules take or return.
    """
    _check_no_hooks(model)
    twin = copy.deepcopy(model).eval().float().to(memory_format=torch.channels_last)
    in_place = {name for name, module in twin.named_modules() if getattr(module, "inplace", False)}
    for name in in_place:
        setattr(twin.get_submodule(name), "inplace", False)  # noqa: B010 - which type checkers cannot know of
    traced = _trace_as_it_is(twin, _known_example(model) if example is None else example)
    make_modules(traced, twin)
    _check_weights_are_alone(traced)
    for node in list(traced.graph.nodes):
        if getattr(node.target, "__name__", None) == STOCHASTIC_DEPTH:
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
        _keep_float32(node)
    position = {node: index for index, node in enumerate(traced.graph.nodes)}
    for node in position:
        if _make_plain(node) or (node.op == "call_module" and node.target in in_place):
            _hand_on(node, position)
    traced.recompile()
    return traced


def taking(model: nn.Module, sizes: Sequence[Sequence[int]]) -> nn.Module:
    """The same network, weights and all, known to take inputs of these sizes, each without that of the batch.

    Whoever traces it, or a copy of it, needs no example.
    """
    known = copy.copy(model)
    setattr(known, TAKES, tuple(map(tuple, sizes)))
    return known


def sizes_in(inputs: Inputs) -> tuple[torch.Size, ...]:
    """The sizes of a batch's inputs, without that of the batch."""
    return tuple(part.shape[1:] for part in (inputs if isinstance(inputs, (tuple, list)) else (inputs,)))


def sizes_of(traced: fx.GraphModule) -> tuple[torch.Size, ...] | None:
    """The sizes, without that of the batch, of the only inputs that the graph is right for; None where any will do."""
    return traced.meta.get(SIZES)


def fits_sizes(traced: fx.GraphModule, inputs: Inputs) -> bool:
    """Whether the graph is right for these inputs."""
    return sizes_of(traced) in (None, sizes_in(inputs))


def _known_example(model: nn.Module) -> tuple[Tensor, ...] | None:
    sizes = getattr(model, TAKES, None)
    return None if sizes is None else tuple(torch.zeros(1, *each) for each in sizes)


def _trace_as_it_is(twin: nn.Module, example: Inputs | None) -> fx.GraphModule:
    with exclusive:
        try:
            return fx.GraphModule(twin, Tracer().trace(twin), type(twin).__name__)
        except Exception as error:  # whatever the forward pass raises when it is handed a proxy
            if example is None:
                raise _untraceable(twin, error) from error
        try:
            return _trace_on(twin, example if isinstance(example, tuple) else (example,))
        except Exception as error:
            raise _untraceable(twin, error) from error


def _untraceable(twin: nn.Module, error: Exception) -> UntraceableError:
    kind = type(twin).__name__
    return UntraceableError(say("{network} cannot be traced: {reason}", network=kind, reason=str(error)))


def _trace_on(twin: nn.Module, example: tuple[Tensor, ...]) -> fx.GraphModule:
    """The graph for inputs of the example's size, however many: it is the same for two images and for three."""
    again = copy.deepcopy(twin)
    graph, other = (RunningTracer(example, images).trace(each) for images, each in ((2, twin), (3, again)))
    if str(graph) != str(other):
        raise UntraceableError(say("its forward pass depends on the number of images"))
    traced = fx.GraphModule(twin, graph, type(twin).__name__)
    traced.meta[SIZES] = sizes_in(example)
    return traced


def _check_no_hooks(model: nn.Module) -> None:
    """UntraceableError where a module has forward hooks, so that it may not do what its type says."""
    for name, module in model.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:
            named = repr(name or type(module).__name__)
            raise UntraceableError(say("{layer} has forward hooks, which may do anything", layer=named))


def _check_weights_are_alone(traced: fx.GraphModule) -> None:
    """UntraceableError where more than a convolution itself reads its weights: pruning it changes them there, too."""
    readers: dict[nn.Parameter, set[str]] = {}
    for node in traced.graph.nodes:
        called = module_of(node)
        for name, module in called.named_modules(prefix=str(node.target)) if called is not None else ():
            for parameter in module.parameters(recurse=False):
                readers.setdefault(parameter, set()).add(name)
    for node in traced.graph.nodes:
        if node.op == "get_attr":
            value = operator.attrgetter(str(node.target))(traced)
            readers.get(value, set()).add(node.name)
    for name, module in traced.named_modules():
        if isinstance(module, nn.Conv2d):
            others = set().union(*(readers.get(each, ()) for each in module.parameters(recurse=False))) - {name}
            if others:
                raise UntraceableError(
                    say("the weights of {layer!r} are read by {others}, too", layer=name, others=listed(sorted(others)))
                )


def _keep_float32(node: fx.Node) -> None:
    """Let a change to another floating-point type be one to float32, as all weights are of here."""
    if node.op == "call_method" and node.target in CASTS:
        node.target = "float"
    elif node.op == "call_method" and node.target in ("to", "type"):
        node.args, node.kwargs = fx.node.map_aggregate((node.args, node.kwargs), _float32_for)


def _float32_for(arg: Any) -> Any:
    return torch.float32 if arg in FLOATS else arg


def _make_plain(node: fx.Node) -> bool:
    """Replace an in-place operation by its plain twin; whether it was one."""
    twin = PLAIN_TWINS.get(function_of(node), node.target)
    in_place = twin != node.target and node.target != "view"
    node.target = twin
    if node.op == "call_function" and _asks_for_in_place(node):
        in_place = True
    if _changes_in_place(node) or "out" in node.kwargs:
        raise UntraceableError(say("the operation {name!r} changes a tensor in place", name=node.name))
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
    raise UntraceableError(say("the operation {name!r} may read a tensor that was changed in place", name=user.name))


def _makes_a_tensor(node: fx.Node) -> bool:
    """Whether a node's value is known to be a tensor of its own, not another one's or a view of it."""
    if node.op in ("placeholder", "get_attr"):
        return True
    module = module_of(node)
    if module is not None:
        return not isinstance(module, PASSING_MODULES)
    return function_of(node) in COMPUTING_FUNCTIONS


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
    """Let the readers of a node's value read it in `dtype`, from a node whose name says which value it has."""
    if readers:
        graph, name = node.graph, f"{node.name}_in_{str(dtype).removeprefix('torch.')}"
        with graph.inserting_before(next(other for other in graph.nodes if other in readers)):
            changed = graph.create_node("call_function", in_type, (node, dtype), name=name)
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
