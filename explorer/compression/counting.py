"""What a network weighs, counted: parameters, multiply-adds, bytes on disk, and the memory of a forward pass."""

import copy
import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explorer.background.memory import without
from explorer.images.batches import Inputs
from explorer.networks import weights
from explorer.networks.graph import exclusive

logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)  # it warns of the Triton that it does not find
with without("triton"):  # whose kernels no network here calls, and which takes 65 MB
    from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode

FLOPS_A_MAC = 2  # a multiply-add is one MAC, and two floating-point operations
BYTES = 4  # of a float32


def _called_as_it_is(mode: type[TorchDispatchMode]) -> None:
    """Have PyTorch call a mode that sees each operation without its compiler, which is not on.

    It would import the compiler to keep it out of the mode's method: 3 s and 170 MB.
    """
    method: Any = getattr(mode.__torch_dispatch__, "__wrapped__", mode.__torch_dispatch__)
    setattr(method, "__dynamo_disable", method)  # noqa: B010 - where torch._compile keeps what it would call


@dataclass(frozen=True)
class LayerCount:
    """One module that computes something, over all its calls for one example."""

    layer: str
    kind: str
    channels: int | None  # that it gives; None where that does not depend on its weights
    parameters: int
    macs: int
    traffic: int  # bytes: what it reads and writes at least, its weights among it
    reads: tuple[int, ...]  # the shape of its input for one example, such as (C, H, W), in its last call


@dataclass(frozen=True)
class Count:
    """What a network weighs for one example (an image, or a pair), in float32."""

    layers: tuple[LayerCount, ...]  # in the order they first run
    parameters: int
    macs: int  # those of operations outside the layers, too
    file_bytes: int  # as safetensors
    peak_bytes: int  # the most that is held at once of what is computed on the way; not the weights, nor the inputs


def count(model: nn.Module, example: Inputs) -> Count:
    """Count a network on the first of the example's images; the model is left as it is.

    Multiply-adds are those of convolutions, linear layers and matrix products, as PyTorch's FLOP counter finds them: a
    MAC is two FLOPs. Biases, batch norm, activations and pooling are not among them.
    """
    twin, inputs = copy.deepcopy(model).eval(), _first(example)  # hooks never go on a shared model
    layers: dict[str, LayerCount] = {}
    flops = FlopCounterMode(display=False)
    with exclusive, torch.no_grad(), flops, _noted(twin, layers):
        twin(*inputs)
    found = flops.get_flop_counts()
    macs = {name: sum(found.get(f"{type(twin).__name__}.{name}", {}).values()) // FLOPS_A_MAC for name in layers}
    return Count(
        tuple(replace(each, macs=macs[each.layer]) for each in layers.values()),
        parameters=sum(each.numel() for each in model.parameters()),
        macs=flops.get_total_flops() // FLOPS_A_MAC,
        file_bytes=len(weights.pack(model)),
        peak_bytes=_peak(model, inputs),
    )


def _first(example: Inputs) -> tuple[Tensor, ...]:
    return tuple(part[:1] for part in (example if isinstance(example, tuple) else (example,)))


@contextmanager
def _noted(model: nn.Module, layers: dict[str, LayerCount]) -> Iterator[None]:
    """Note each module without children as it runs."""
    hooks = [
        module.register_forward_hook(partial(_note, layers, name))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _note(layers: dict[str, LayerCount], name: str, module: nn.Module, inputs: Any, output: Any) -> None:
    own = sum(each.numel() for each in module.parameters())
    before = layers.get(name)
    moved = sum(each.numel() for each in tree_leaves((inputs, output)) if isinstance(each, Tensor))
    traffic = BYTES * (own + moved) + (before.traffic if before else 0)
    reads = next((tuple(each.shape[1:]) for each in tree_leaves(inputs) if isinstance(each, Tensor)), ())
    layers[name] = LayerCount(name, type(module).__name__, width(module), own, 0, traffic, reads)


def width(module: nn.Module) -> int | None:
    """How many channels or features a layer gives, where it has weights that decide it."""
    sizes = (getattr(module, name, None) for name in ("out_channels", "out_features", "num_features"))
    return next((size for size in sizes if isinstance(size, int)), None)


def _peak(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    with exclusive, torch.no_grad(), _Held((*model.parameters(), *model.buffers(), *inputs)) as held:
        model(*inputs)
    return held.peak


@dataclass
class _Held(TorchDispatchMode):
    """Counts the bytes of all tensors that are made while it is on, until nobody holds them, but for those `given`."""

    given: tuple[Tensor, ...]
    now: int = 0
    peak: int = 0
    known: dict[int, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self.known = {each.untyped_storage()._cdata: each for each in self.given}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and (key := tensor.untyped_storage()._cdata) not in self.known:
                storage = tensor.untyped_storage()
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                self.known[key] = weakref.finalize(storage, self._let_go, key, storage.nbytes())
        return made

    def _let_go(self, key: int, size: int) -> None:
        self.now -= size
        del self.known[key]


_called_as_it_is(_FlopCounterMode)
_called_as_it_is(_Held)
