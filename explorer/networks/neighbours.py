"""What stands around a layer in a traced network: its batch norm and activation, residual addition and shortcut."""

from collections.abc import Iterable

from torch import Tensor, fx, nn

from explorer.language.saying import say
from explorer.networks.graph import ancestors, function_of, module_of
from explorer.networks.operations import ACTIVATION_FUNCTIONS, ACTIVATION_MODULES, ADDITIONS, ELEMENTWISE_MODULES


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
    return after[0] if len(after) == 1 and function_of(after[0]) in ADDITIONS else None


def block_node(call: fx.Node) -> fx.Node:
    """The output of the residual block that a layer's call ends: after the addition and its activation."""
    addition = addition_node(call)
    if addition is None:
        raise ValueError(
            say("layer {layer!r} does not end in a residual addition, so it has no block output", layer=call.target)
        )
    return activation_node(addition)


def norm_behind(call: fx.Node) -> nn.BatchNorm2d:
    """The batch norm that alone reads the output of a layer's call; ValueError where there is none, or no γ in it."""
    module = module_of(next(iter(call.users))) if len(call.users) == 1 else None
    if not isinstance(module, nn.BatchNorm2d) or module.weight is None:
        raise ValueError(say("layer {layer!r} has no batch norm with a scale right behind it", layer=call.target))
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
    raise ValueError(say("layer {layer!r} has no shortcut convolution added to its output", layer=call.target))


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
    return isinstance(module_of(node), ACTIVATION_MODULES) or function_of(node) in ACTIVATION_FUNCTIONS


def passing_on(value: Tensor) -> Tensor:
    """The value itself: stands in a graph where a layer reads its input."""
    return value


def input_reads(traced: fx.GraphModule, calls: Iterable[fx.Node]) -> list[fx.Node]:
    """Give each call's input a node of its own, which passes it on: pruning there touches no other reader."""
    return [_read_of(traced, call) for call in calls]


def _read_of(traced: fx.GraphModule, call: fx.Node) -> fx.Node:
    (source, *_) = call.all_input_nodes
    if function_of(source) is passing_on:
        return source
    with traced.graph.inserting_before(call):
        read = traced.graph.call_function(passing_on, (source,))
    call.replace_input_with(source, read)
    return read
