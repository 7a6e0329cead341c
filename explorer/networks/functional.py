"""Functional forms in a traced network, as the modules they stand for: F.conv2d with a layer's weights is that layer.

So whoever looks for a convolution, the batch norm behind it or a linear head finds it however its author wrote it.
"""

import inspect
import operator
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from explorer.networks.graph import Env, Program, ancestors, function_of
from explorer.networks.operations import DROPOUTS


class AnyBatchNorm(nn.BatchNorm2d):
    """Batch norm as F.batch_norm has it: channels lie along dimension 1, however many dimensions follow."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


def _convolution(
    input: object,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> nn.Module:
    channels, inputs, *kernel = weight.shape
    size = cast(tuple[int, int], tuple(kernel))
    has_bias = bias is not None
    return nn.Conv2d(inputs * groups, channels, size, stride, padding, dilation, groups, has_bias, device="meta")


def _linear(input: object, weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    return nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")


def _batch_norm(
    input: object,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> nn.Module | None:
    if training or running_mean is None or (weight is None) != (bias is None):
        return None
    return AnyBatchNorm(len(running_mean), eps, momentum, weight is not None)


# Each takes what the function takes, and gives a module of that kind without weights, or None where there is none.
MAKERS: dict[Any, Callable[..., nn.Module | None]] = {
    F.conv2d: _convolution,
    F.linear: _linear,
    F.batch_norm: _batch_norm,
}
KINDS = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)


def make_modules(traced: fx.GraphModule, twin: nn.Module) -> None:
    """Let modules stand for functions that read weights of the network, and drop dropout, which does nothing.

    `twin` is the network that was traced. A function with all the weights of one of its layers becomes a call of that
    layer, also where it computes filters from the layer's own, each from its own, as weight standardisation does. Where
    the layer runs with other settings, too, and where weights are computed in any other way, it stays a function.
    """
    for node in list(traced.graph.nodes):
        if function_of(node) in DROPOUTS and not _is_dropping(node):
            node.replace_all_uses_with(node.all_input_nodes[0])
            traced.graph.erase_node(node)
        elif function_of(node) in MAKERS and not _settle(traced, twin, node):
            _make_module(traced, twin, node)
    for node in reversed(list(traced.graph.nodes)):
        if node.op == "get_attr" and not node.users:
            traced.graph.erase_node(node)


def _is_dropping(node: fx.Node) -> bool:
    bound = inspect.signature(cast(Any, node.target)).bind(*node.args, **node.kwargs)
    bound.apply_defaults()
    return bound.arguments["training"] is not False


def _make_module(traced: fx.GraphModule, twin: nn.Module, node: fx.Node) -> None:
    given, value = _arguments(node)
    read = [arg for arg in node.all_input_nodes if arg is not value]
    if not read or any(arg.op != "get_attr" for arg in read):
        return
    module = _made(traced, node, given)
    if module is None:
        return
    layer = _owner_of(read[0])
    if layer and _has_the_weights_of(module, twin.get_submodule(layer)):
        _call(node, value, _install(traced, layer, module))
    elif not any(isinstance(twin.get_submodule(_owner_of(arg)), nn.Conv2d) for arg in read):  # none of which is pruned
        module.made_up = True  # type: ignore[assignment]
        _call(node, value, _install(traced, f"{node.name}_module", module))


def _arguments(node: fx.Node) -> tuple[dict[str, Any], fx.Node]:
    """What a function is called with, by names, and what it is applied to."""
    given = inspect.signature(MAKERS[node.target]).bind(*node.args, **node.kwargs).arguments
    return given, given["input"]


def _made(traced: fx.GraphModule, node: fx.Node, given: dict[str, Any]) -> nn.Module | None:
    read = {name: _held(traced, arg) for name, arg in given.items() if isinstance(arg, fx.Node) and name != "input"}
    held = given | read
    module = MAKERS[node.target](**held)
    if module is None:
        return None
    for name in ("weight", "bias", "running_mean", "running_var"):
        if isinstance(held.get(name), Tensor):
            _give(module, name, held[name])
    return module


def _call(node: fx.Node, value: fx.Node, name: str | None) -> None:
    """Let the node call the module of that name, if there is one."""
    if name is not None:
        node.op, node.target, node.args, node.kwargs = "call_module", name, (value,), {}


def _owner_of(node: fx.Node) -> str:
    """The name of the module whose tensor a `get_attr` node reads."""
    return str(node.target).rpartition(".")[0]


def _held(traced: fx.GraphModule, node: fx.Node) -> Any:
    return operator.attrgetter(str(node.target))(traced)


def _give(module: nn.Module, name: str, tensor: Tensor) -> None:
    if name in module._parameters:
        tensor = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor, requires_grad=False)
    setattr(module, name, tensor)


def _install(traced: fx.GraphModule, name: str, module: nn.Module) -> str | None:
    """Put a module where its name says, with what lies within; None where one with other settings is there."""
    try:
        there = traced.get_submodule(name)
    except AttributeError:
        there = nn.Module()
    if isinstance(there, KINDS):
        same = there.extra_repr() == module.extra_repr() and is_settled(there) == is_settled(module)
        return name if same else None
    for inner, child in there.named_children():
        module.add_module(inner, child)
    traced.add_submodule(name, module.eval())
    return name


def _has_the_weights_of(module: nn.Module, layer: nn.Module) -> bool:
    """Whether both are of one kind and read the same tensors."""
    same_kind = any(isinstance(module, kind) and isinstance(layer, kind) for kind in KINDS)
    names = {*module._parameters, *module._buffers} - {"num_batches_tracked"}
    return same_kind and all(getattr(module, name, None) is getattr(layer, name, None) for name in names)


def is_made_up(module: nn.Module) -> bool:
    """Whether a module stands for a function whose weights are no layer's."""
    return getattr(module, "made_up", False)


def is_settled(module: nn.Module | None) -> bool:
    """Whether a convolution's filters were computed from the layer's, which alone are what pruning sets to zero."""
    return getattr(module, "settled", False)


def _settle(traced: fx.GraphModule, twin: nn.Module, node: fx.Node) -> bool:
    """Let a convolution have the filters that the network computes from the layer's own; whether it is such a one."""
    if node.target is not F.conv2d:
        return False
    given, value = _arguments(node)
    weight, bias = given["weight"], given.get("bias")
    if not isinstance(weight, fx.Node) or weight.op == "get_attr":
        return False
    behind = ancestors([weight])
    reads = [each for each in behind if each.op == "get_attr"]
    owners = {_owner_of(each) for each in reads}
    name = min(owners, default="")
    layer = twin.get_submodule(name)
    if len(owners) != 1 or not isinstance(layer, nn.Conv2d) or any(_reads(each, f"{name}.bias") for each in behind):
        return False
    if any(not {*behind, node}.issuperset(each.users) for each in reads):
        return False  # what is read elsewhere is pruned there, too
    if bias is not None if layer.bias is None else not _reads(bias, f"{name}.bias"):
        return False
    filters = _filter_by_filter(traced, weight, f"{name}.weight")
    if filters is None:
        return False
    module = _made(traced, node, given | {"weight": filters})
    assert module is not None
    module.settled = True  # type: ignore[assignment]
    _call(node, value, _install(traced, name, module))
    for each in reversed(list(traced.graph.nodes)):
        if each in behind and not each.users:
            traced.graph.erase_node(each)
    return True


def _reads(node: object, name: str) -> bool:
    return isinstance(node, fx.Node) and node.op == "get_attr" and node.target == name


@torch.no_grad()
def _filter_by_filter(traced: fx.GraphModule, weight: fx.Node, name: str) -> Tensor | None:
    """The filters that a node computes, if those of zeros are zero and leave all others as they are; else None."""
    behind = ancestors([weight])
    if any(each.op == "placeholder" for each in behind):
        return None
    nodes = tuple(each for each in traced.graph.nodes if each in behind)
    reads = [each for each in nodes if each.op == "get_attr"]

    def with_zeros(gone: slice) -> Tensor:
        env: Env = {each: _held(traced, each).clone() for each in reads}
        for each in reads:
            if each.target == name:
                env[each][gone] = 0
        return Program(traced, nodes, frozenset({weight})).run(env)[weight]

    whole, none = with_zeros(slice(0)), with_zeros(slice(None))
    for gone in (slice(0, None, 2), slice(1, None, 2)):
        kept = torch.ones(len(whole), dtype=torch.bool)
        kept[gone] = False
        some = with_zeros(gone)
        if some[~kept].any() or not torch.allclose(some[kept], whole[kept], rtol=1e-5, atol=0):
            return None
    return None if none.any() else whole.contiguous(memory_format=torch.channels_last)
