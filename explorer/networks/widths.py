"""Networks narrower than their architecture, as pruning leaves them: layers resized.

Widths are a plain mapping, which a card keeps: of a convolution or a linear layer [inputs, outputs], of a convolution
in groups [inputs, outputs, groups], of a norm, or of a parameter that scales channels, [channels].
"""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from explorer.images.batches import Inputs
from explorer.language.saying import listed, say
from explorer.networks import flow
from explorer.networks.flow import CONVS

Width = tuple[int, ...]
Widths = Mapping[str, Width]  # by the name of a layer, or of a parameter that scales channels

WRITING = (*CONVS, nn.Linear)  # layers that make other channels of those that they read
NORMS: dict[type[nn.Module], str] = {  # and where each keeps how many channels it has
    _NormBase: "num_features",
    nn.GroupNorm: "num_channels",
    nn.LayerNorm: "normalized_shape",
}
LISTED = 6  # layers that words about a network name


def widths_of(model: nn.Module) -> dict[str, Width]:
    """How wide each layer of a network is, and each parameter of its own that scales channels."""
    found = {name: width for name, module in model.named_modules() if (width := _width(module))}
    alone = {name: value for name, value in model.named_parameters() if name.rpartition(".")[0] not in found}
    return found | {name: (value.numel(),) for name, value in alone.items() if _scales(value)}


def differing(model: nn.Module, full: nn.Module) -> dict[str, Width]:
    """The widths of a network that are not those of the same one at full width."""
    whole = widths_of(full)
    return {name: width for name, width in widths_of(model).items() if whole.get(name) != width}


def resize(model: nn.Module, widths: Widths) -> None:
    """Give layers of a freshly built network, in place, the widths that they are asked to have.

    Raises ValueError for one that is not there, or that cannot have that width: none is wider than it was.
    """
    there = widths_of(model)
    renewed: dict[nn.Parameter, nn.Parameter] = {}  # by what was there before: what layers share they share still
    for name, width in widths.items():
        if name not in there:
            raise ValueError(say("there is no layer {layer!r} in it", layer=name[:80]))
        if not _may_have(width, there[name]):
            asked, most = (" × ".join(map(str, each)) for each in (width, there[name]))
            raise ValueError(
                say("{layer} cannot be {asked} wide, as it is at most {most}", layer=name, asked=asked, most=most)
            )
        _resize(model, name, width, renewed)


def adopt(model: nn.Module, tensors: Mapping[str, Tensor], example: Inputs) -> dict[str, Width]:
    """Give a freshly built network, in place, the widths of the weights in a file; returns those that are others now.

    The file has all the names of the network's. Nothing happens where no layer there is narrower, or one is something
    else: wider, say, or of another kernel. What it takes of an image, and the number of its classes, stay. Convolutions
    in groups have as many groups, of the size in the file, as what they are given has.
    Raises ContradictionError where the layers do not fit together on an `example` batch.
    """
    before = widths_of(model)
    found = _widths_in(tensors, model, before)
    if not found:
        return {}
    resize(model, found)
    flow.check(model, example, settle={name for name, width in before.items() if len(width) == 3})
    return {name: width for name, width in widths_of(model).items() if width != before[name]}


def in_words(model: nn.Module, whole: Widths) -> str:
    """Which layers write less than in the whole network: "conv1 has 12 of 16 channels, fc1 64 of 128"."""
    words: list[str] = []
    for name, width in widths_of(model).items():
        if isinstance(_layer(model, name), WRITING) and width[1] < whole[name][1]:
            words.append(
                say(
                    "{layer} {left:,} of {all:,}" if words else "{layer} has {left:,} of {all:,} channels",
                    layer=name,
                    left=width[1],
                    all=whole[name][1],
                )
            )
    more = [say("{n:,} more are narrower", n=len(words) - LISTED)] if len(words) > LISTED else []
    return listed([*words[:LISTED], *more])


# One layer


def _layer(model: nn.Module, name: str) -> Any:
    """The layer of that name; None where it is a parameter's."""
    owner, _, own = name.rpartition(".")
    return None if own in model.get_submodule(owner)._parameters else model.get_submodule(name)


def _width(module: Any) -> Width:
    """How wide a layer is; nothing for what is none, or computes its weights from others."""
    if isinstance(module, WRITING) and "weight" in module._parameters:
        if isinstance(module, nn.Linear):
            return module.in_features, module.out_features
        ends = (module.in_channels, module.out_channels)
        return ends if module.groups == 1 else (*ends, module.groups)
    sizes = {value.numel() for value in _tensors(module).values()} if isinstance(module, tuple(NORMS)) else set()
    return (sizes.pop(),) if len(sizes) == 1 and not _is_over_several(module) else ()


def _is_over_several(module: nn.Module) -> bool:
    """Whether a layer norm is over more than the channels."""
    return isinstance(module, nn.LayerNorm) and len(module.normalized_shape) > 1


def _tensors(module: Any) -> dict[str, Tensor]:
    """The parameters and buffers of a module's own, but for single numbers such as batch norm's count of batches."""
    own = {**module._parameters, **module._buffers}
    return {key: value for key, value in own.items() if value is not None and value.ndim}


def _scales(value: Tensor) -> bool:
    """Whether a parameter has a number a channel, as that of a PReLU or of ConvNeXt's layer scale."""
    return value.ndim > 0 and value.numel() == max(value.shape)


def _may_have(width: Width, there: Width) -> bool:
    """Whether a layer may be so wide: at most as it is, and in groups of equal size, of which one goes unsaid."""
    if len(width) == 2 and len(there) == 3:
        width = (*width, 1)
    if len(width) != len(there) or not all(1 <= new <= old for new, old in zip(width, there, strict=True)):
        return False
    return len(width) < 3 or not (width[0] % width[2] or width[1] % width[2])


def _resize(model: nn.Module, name: str, width: Width, renewed: dict[nn.Parameter, nn.Parameter]) -> None:
    """Cut what a layer owns, or a parameter, to a width."""
    layer = _layer(model, name)
    if layer is None:
        owner, _, own = name.rpartition(".")
        shape = [width[0] if size > 1 else 1 for size in model.get_parameter(name).shape]
        _cut(model.get_submodule(owner), own, shape, renewed)
        return
    sizes = [width[0]]
    if isinstance(layer, nn.Linear):
        layer.in_features, layer.out_features = width
        sizes = [layer.out_features, layer.in_features]
    elif isinstance(layer, CONVS):
        layer.in_channels, layer.out_channels, layer.groups = (*width, 1)[:3]
        sizes = [layer.out_channels, layer.in_channels // layer.groups]
    else:
        place = next(place for kind, place in NORMS.items() if isinstance(layer, kind))
        setattr(layer, place, width if place == "normalized_shape" else width[0])
    for key, value in _tensors(layer).items():
        _cut(layer, key, [*sizes, *value.shape[2:]] if value.ndim > 1 else sizes[:1], renewed)


def _cut(module: nn.Module, key: str, shape: list[int], renewed: dict[nn.Parameter, nn.Parameter]) -> None:
    """Put the first part of a parameter or a buffer in its place."""
    value = getattr(module, key)
    part = value.detach()[tuple(map(slice, shape))].clone()
    if isinstance(value, nn.Parameter):
        part = renewed.setdefault(value, nn.Parameter(part, value.requires_grad))
    setattr(module, key, part)


# The widths in a file


def _widths_in(tensors: Mapping[str, Tensor], model: nn.Module, there: Widths) -> dict[str, Width]:
    """The widths of what is narrower in a file; none where something there is another layer altogether."""
    writing = [name for name in there if isinstance(_layer(model, name), WRITING)]
    found = {}
    for name, width in there.items():
        layer = _layer(model, name)
        new = _writing_in(tensors, name, layer) if name in writing else _scaling_in(tensors, name, model)
        if new and name == writing[-1]:
            new = (new[0], width[1], *new[2:])  # whether there are as many classes is looked at elsewhere
        if new is None or not _may_have(new, width) or (name == writing[0] and new[0] != width[0]):
            return {}
        if new != width:
            found[name] = new
    return found


def _writing_in(tensors: Mapping[str, Tensor], name: str, layer: Any) -> Width | None:
    """The width of a convolution or a linear layer in a file; None where it is something else there.

    Of a convolution in groups it is one that its weights could have: what it is given decides.
    """
    weight, bias = tensors[f"{name}.weight"], tensors.get(f"{name}.bias")
    if weight.ndim != layer.weight.ndim or weight.shape[2:] != layer.weight.shape[2:]:
        return None
    writes, size = weight.shape[:2]  # size: of one group
    if bias is not None and tuple(bias.shape) != (writes,):
        return None
    groups = math.gcd(getattr(layer, "groups", 1), writes)
    return (size, writes) if groups == 1 else (size * groups, writes, groups)


def _scaling_in(tensors: Mapping[str, Tensor], name: str, model: nn.Module) -> Width | None:
    """The width of a norm, or of a parameter, in a file; None where it is something else there."""
    layer = _layer(model, name)
    own = {name: model.get_parameter(name)} if layer is None else {f"{name}.{k}": v for k, v in _tensors(layer).items()}
    sizes = {tensors[key].numel() for key in own}
    alike = all(tensors[key].ndim == value.ndim and _scales(tensors[key]) for key, value in own.items())
    return (sizes.pop(),) if alike and len(sizes) == 1 else None
