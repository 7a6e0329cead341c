"""How torch.fx walks through a network: what it takes for one operation, and what it knows of sizes on the way."""

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from explorer.networks.operations import ELEMENTWISE_MODULES, MOVING_MODULES, POOLING_MODULES

LEAVES = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, *ELEMENTWISE_MODULES, *POOLING_MODULES, *MOVING_MODULES)
MAKING = {"__init__", "reset_parameters", "extra_repr", "__repr__"}  # methods that change nothing in what a module does


class Tracer(fx.Tracer):
    """Writes a network down, with a module that does what PyTorch's does as one operation, whoever's class it is of."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """See fx.Tracer."""
        return super().is_leaf_module(m, module_qualified_name) or _does_as_its_base(m)


def _does_as_its_base(module: nn.Module) -> bool:
    """Whether a module of one's own class differs from PyTorch's, which it is made from, in how it is made alone."""
    kinds = type(module).__mro__
    base = next(kind for kind in kinds if kind.__module__.startswith("torch.nn.modules"))
    own = {name for kind in kinds[: kinds.index(base)] for name in vars(kind)}
    return issubclass(base, LEAVES) and not any(callable(getattr(base, name, None)) for name in own - MAKING)


class RunningTracer(Tracer):
    """Writes a network down as it runs on some images, so that its forward pass may ask for sizes.

    All sizes are numbers, as they are for these images; only how many images there are stays open.
    """

    def __init__(self, example: tuple[Tensor, ...], images: int) -> None:
        super().__init__()
        self.images = images
        self.inputs = tuple(torch.cat([part[:images]] * images)[:images] for part in example)
        self.count: fx.Proxy | None = None  # stands for the number of images
        self.runs = False  # whether an operation runs right now, in which nothing is written down
        self.interpreter: fx.Interpreter | None = None

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """See fx.Tracer."""
        return Sized(node, self)

    def create_node(self, kind: str, *args: Any, **options: Any) -> fx.Node:
        """Write an operation down, and run it."""
        node = super().create_node(kind, *args, **options)
        if self.interpreter is None:
            self.interpreter = fx.Interpreter(self.root, garbage_collect_values=False, graph=self.graph)
            device = next((each.device for each in self.root.parameters()), torch.device("cpu"))
            self.interpreter.args_iter = iter([part.to(device) for part in self.inputs])
        self.runs = True
        try:
            with torch.no_grad():
                self.interpreter.env[node] = self.interpreter.run_node(node)
        finally:
            self.runs = False
        return node

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """See fx.Tracer."""
        return forward(*args, **kwargs) if self.runs else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        """See fx.Tracer."""
        return attr_val if self.runs else super().getattr(attr, attr_val, parameter_proxy_cache)

    def value_of(self, proxy: fx.Proxy) -> Any:
        """What an operation gave for these images."""
        assert self.interpreter is not None, "each proxy is of an operation that has run"
        return self.interpreter.env[proxy.node]

    def sizes_of(self, proxy: fx.Proxy) -> tuple[Any, ...]:
        """The sizes of a tensor: numbers, but for that of the batch, which is the same unknown wherever it comes up."""
        sizes = tuple(self.value_of(proxy).shape)
        if sizes[:1] != (self.images,):
            return sizes
        if self.count is None:
            first = next(node for node in self.graph.nodes if node.op == "placeholder")
            self.count = self.create_proxy("call_method", "size", (fx.Proxy(first, self), 0), {})
        return (self.count, *sizes[1:])


class Sized(fx.Proxy):
    """Stands for a value whose sizes are known."""

    tracer: RunningTracer

    def size(self, dim: int | None = None) -> Any:
        """As of a tensor."""
        sizes = self.tracer.sizes_of(self)
        return sizes if dim is None else sizes[dim]

    def dim(self) -> int:
        """As of a tensor."""
        return len(self.tracer.sizes_of(self))

    @property
    def shape(self) -> tuple[Any, ...]:
        """As of a tensor."""
        return self.tracer.sizes_of(self)

    @property
    def ndim(self) -> int:
        """As of a tensor."""
        return self.dim()

    def __len__(self) -> int:
        value = self.tracer.value_of(self)
        return len(value) if isinstance(value, (tuple, list)) else super().__len__()

    def __iter__(self) -> Iterator[Any]:
        parts = range(len(self))
        return (self.tracer.create_proxy("call_function", operator.getitem, (self, part), {}) for part in parts)
