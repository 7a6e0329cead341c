"""A traced network as a graph of operations: to find one's way in it, and to run parts of it."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from explorer.language.saying import say
from explorer.networks.operations import SHAPE_FUNCTIONS, in_type

Env = dict[fx.Node, Any]


# While torch.fx traces one model it patches nn.Module.__call__ for the whole process, so that a forward pass running
# in another thread would be corrupted. Whoever traces or runs a network holds this lock, for one batch at a time.
exclusive = threading.RLock()


class UntraceableError(ValueError):
    """The network's forward pass cannot be written down as a torch.fx graph."""


class NeverCalledError(UntraceableError):
    """The graph has no call of the layer: it never runs, or its weights are read in a way of the network's own."""


def layer_calls(traced: fx.GraphModule, layer: str) -> list[fx.Node]:
    """The calls of the module `layer`, in the order they run (a Siamese encoder runs twice)."""
    calls = [node for node in traced.graph.nodes if node.op == "call_module" and node.target == layer]
    if not calls:
        raise NeverCalledError(say("layer {layer!r} is never called as a module in the forward pass", layer=layer))
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


def function_of(node: fx.Node) -> Any:
    """The function that a node calls, or the name of the method; else None, whatever modules and inputs are called."""
    return node.target if node.op in ("call_function", "call_method") else None


def is_shape(node: fx.Node) -> bool:
    """Whether the node reads a tensor's shape, which no pruning changes."""
    if node.op == "call_function" and node.target is getattr:
        return node.args[1] in ("shape", "ndim")
    return node.op == "call_method" and node.target in SHAPE_FUNCTIONS


def spatial_dims(node: fx.Node, ndim: int) -> tuple[int, ...]:
    """The dimensions over which a reduction goes, such as a mean, of a value that has `ndim`.

    None where it goes over others than those of space, which come after images and channels.
    """
    dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    listed = (dims,) if isinstance(dims, int) else dims
    if not isinstance(listed, (list, tuple)) or not all(isinstance(dim, int) and dim % ndim >= 2 for dim in listed):
        return ()
    return tuple(cast(int, dim) % ndim for dim in listed)


def placeholders(traced: fx.GraphModule, inputs: Tensor | tuple[Tensor, ...]) -> Env:
    """The network's inputs, a tensor or a tuple of them in any precision, as the start of an environment."""
    values = tuple(map(_as_traced, inputs if isinstance(inputs, tuple) else (inputs,)))
    nodes = [node for node in traced.graph.nodes if node.op == "placeholder"]
    env: Env = dict(zip(nodes, values, strict=False))
    for node in nodes[len(values) :]:
        if not node.args:
            raise ValueError(
                say("the network takes {n} inputs, but the batch has {given}", n=len(nodes), given=len(values))
            )
        env[node] = node.args[0]
    return env


def _as_traced(value: Tensor) -> Tensor:
    """In float32 and channels-last order, as the traced network is."""
    value = in_type(value, torch.float32)
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

    def most_at_once(self, sizes: Mapping[fx.Node, int]) -> int:
        """The most that the values take which a run holds at the same time, where each takes its size of `sizes`."""
        there: set[fx.Node] = set()
        most = 0
        for node in self.nodes:
            there.update((node, *node.all_input_nodes))
            most = max(most, sum(sizes.get(value, 0) for value in there))
            there.difference_update(self._last_uses.get(node, ()))
        return most


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
