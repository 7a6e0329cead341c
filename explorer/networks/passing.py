"""How an operation that treats each channel alone hands channels on: where they lie in its value.

No image is run; how many channels a value has is known from the layer that writes it, and sizes of maps are not.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from explorer.language.saying import say
from explorer.networks.graph import function_of, is_shape, module_of, spatial_dims
from explorer.networks.neighbours import passing_on
from explorer.networks.operations import (
    ELEMENTWISE_FUNCTIONS,
    ELEMENTWISE_MODULES,
    POOLING_FUNCTIONS,
    POOLING_MODULES,
    REDUCING_FUNCTIONS,
)

ALL = slice(None)
ADAPTIVE = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d)


class MixingError(ValueError):
    """An operation reads channels in a way that lets none of them go; the message says which, of "them"."""


@dataclass(frozen=True)
class Value:
    """A tensor of images: the channels that lie along dimension 1, by number, and the layers that write them.

    Flattened maps of unknown size are `spread`: equally many features of each channel, one channel after the other.
    Maps of one position are `single`.
    """

    channels: tuple[int, ...]
    dims: int
    writers: tuple[str, ...]
    spread: bool = False
    single: bool = False


def features(value: Value, count: int) -> tuple[int, ...]:
    """The channel in each of so many places along dimension 1; MixingError where there cannot be that many."""
    each, left = divmod(count, len(value.channels))
    if left or (each != 1 and not value.spread):
        raise MixingError(
            say("they are read as {n} channels, but are {channels}", n=count, channels=len(value.channels))
        )
    return tuple(channel for channel in value.channels for _ in range(each))


def name_of(node: fx.Node) -> str:
    """What an operation is called: a module by its name and kind."""
    module = module_of(node)
    if module is not None:
        return f"{node.target} ({type(module).__name__})"
    return str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", node.name)


def passed(node: fx.Node, value: Value) -> Value:
    """The value of an operation that reads one such value alone; MixingError where it may mix channels."""
    module, function = module_of(node), function_of(node)
    if isinstance(module, ELEMENTWISE_MODULES) or function in ELEMENTWISE_FUNCTIONS or function is passing_on:
        return value
    if value.dims == 4 and (isinstance(module, POOLING_MODULES) or function in POOLING_FUNCTIONS):
        return replace(value, single=_pools_all(node))
    if function in REDUCING_FUNCTIONS:
        found = _reduced(node, value)
    elif function is F.pad:
        found = _padded(node, value)
    elif isinstance(module, nn.Flatten) or function in (torch.flatten, "flatten"):
        found = _flattened(node, value)
    elif function in (torch.reshape, "reshape", "view"):
        found = _reshaped(node, value)
    elif function in (torch.squeeze, "squeeze", torch.unsqueeze, "unsqueeze"):
        found = _squeezed(node, value)
    elif getattr(function, "__name__", None) == "getitem":
        found = _indexed(node, value)
    else:
        found = None
    if found is None:
        raise MixingError(say("{operation} may mix them", operation=name_of(node)))
    return found


def _argument(node: fx.Node, name: str, place: int, default: Any) -> Any:
    return node.kwargs.get(name, node.args[place] if len(node.args) > place else default)


def _pools_all(node: fx.Node) -> bool:
    """Whether one position is left of each map."""
    module = module_of(node)
    if isinstance(module, ADAPTIVE[:2]):
        return module.output_size in (1, (1, 1))
    return function_of(node) in ADAPTIVE and _argument(node, "output_size", 1, None) in (1, (1, 1), [1, 1])


def _reduced(node: fx.Node, value: Value) -> Value | None:
    gone = spatial_dims(node, value.dims)
    if not gone:
        return None
    kept = bool(_argument(node, "keepdim", 2, False))
    single = value.single or len(gone) == value.dims - 2
    return replace(value, dims=value.dims if kept else value.dims - len(gone), single=single)


def _padded(node: fx.Node, value: Value) -> Value | None:
    pad = _argument(node, "pad", 1, None)
    around_maps = isinstance(pad, (list, tuple)) and len(pad) <= 2 * (value.dims - 2)
    return replace(value, single=False) if around_maps else None


def _flattened(node: fx.Node, value: Value) -> Value | None:
    module = module_of(node)
    if isinstance(module, nn.Flatten):
        start, end = module.start_dim, module.end_dim
    else:
        start, end = _argument(node, "start_dim", 1, 0), _argument(node, "end_dim", 2, -1)
    if not isinstance(start, int) or end not in (-1, value.dims - 1):
        return None
    start %= value.dims
    if start == 1:
        return _in_one_line(value)
    return replace(value, dims=start + 1) if start > 1 else None


def _in_one_line(value: Value) -> Value:
    """Images as rows of features."""
    several = value.dims > 2 and not value.single
    return replace(value, dims=2, spread=value.spread or several, single=True)


def _reshaped(node: fx.Node, value: Value) -> Value | None:
    sizes: Any = node.args[1:]
    if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)):
        sizes = sizes[0]
    images, channels, *rest = [*sizes, None, None][: max(2, len(sizes))]
    if isinstance(images, int) and images != -1:
        return None  # which mixes up images
    if rest:
        same = channels == len(value.channels) or _is_channel_count(channels)
        kept = same and not value.spread
        return replace(value, dims=len(sizes), single=all(size == 1 for size in rest)) if kept else None
    flat = _in_one_line(value)
    if channels == -1:
        return flat if images != -1 else None
    if _is_channel_count(channels):
        return flat if not flat.spread else None
    return replace(flat, channels=features(flat, channels), spread=False) if isinstance(channels, int) else None


def _is_channel_count(size: object) -> bool:
    """Whether a size is the number of channels of some tensor, which that of the one at hand then has to be."""
    return isinstance(size, fx.Node) and is_shape(size) and size.args[1:] == (1,)


def _squeezed(node: fx.Node, value: Value) -> Value | None:
    more = function_of(node) in (torch.unsqueeze, "unsqueeze")
    dim, dims = _argument(node, "dim", 1, None), value.dims + more
    if not isinstance(dim, int) or dim % dims < 2:
        return None
    return replace(value, dims=dims if more else dims - 1, single=value.single or value.dims == 2)


def _indexed(node: fx.Node, value: Value) -> Value | None:
    """Images chosen, or parts of all maps; a new dimension behind the channels."""
    index = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
    if index[0] is Ellipsis:
        index = (ALL,) * (value.dims - sum(each is not None for each in index[1:])) + index[1:]
    images, channels, *rest = (*index, ALL, ALL)[: max(2, len(index))]
    if not isinstance(images, slice) or channels != ALL or any(each is Ellipsis for each in rest):
        return None
    if not all(each is None or isinstance(each, (int, slice)) for each in rest):
        return None
    dims = value.dims + sum(each is None for each in rest) - sum(isinstance(each, int) for each in rest)
    return replace(value, dims=dims, single=value.single or value.dims == 2)
