"""The layers of a network, by name."""

import copy
from collections.abc import Iterable
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from explorer.images.datasets import dataset_info
from explorer.language.saying import listed, say
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import forward


def conv_layers(model: nn.Module) -> dict[str, nn.Conv2d]:
    """The model's 2-D convolutions by module name, in the order they are declared."""
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}


def last_conv(model: nn.Module) -> str:
    """The name of the last convolution that does not itself give the logits; ValueError where there is none."""
    *layers, _ = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    convs = [name for name in layers if name in conv_layers(model)]
    if not convs:
        raise ValueError(say("{network} has no convolution to prune", network=type(model).__name__))
    return convs[-1]


def conv_layer(model: nn.Module, name: str) -> nn.Conv2d:
    """The convolution called `name`; ValueError says what it is instead, and which there are."""
    convs = conv_layers(model)
    if name in convs:
        if "weight" not in convs[name]._parameters:
            raise ValueError(
                say(
                    "layer {layer!r} computes its weights from others, as weight norm does, so they cannot be set to "
                    "zero; remove the parametrization first",
                    layer=name,
                )
            )
        return convs[name]
    known = listed(convs) or say("none")
    modules = dict(model.named_modules())
    if name and name in modules:
        kind = type(modules[name]).__name__
        raise ValueError(
            say("layer {layer!r} is a {kind}, not a Conv2d; choose one of: {known}", layer=name, kind=kind, known=known)
        )
    raise ValueError(say("unknown layer {layer!r}; choose one of: {known}", layer=name, known=known))


def layer_table(checkpoint: Checkpoint) -> pd.DataFrame:
    """The network's modules that compute something, in the order in which they run.

    Columns: layer, kind, kernel, stride, padding (empty where it has none), output (its shape for one example, empty
    where it never runs as a module), weights (the shapes of its own parameters) and parameters (their number; all add
    up to the network's). A module that runs again has a row for each output of another shape; what it owns is counted
    in the first.
    """
    card = checkpoint.card
    twin = copy.deepcopy(checkpoint.model)  # hooks never go on a shared model
    named = {name: module for name, module in twin.named_modules() if _computes(module)}
    runs: dict[tuple[str, str], None] = {}  # (layer, shape of its output)
    for name, module in named.items():
        module.register_forward_hook(partial(_note_shape, runs, name))
    images = tuple(torch.zeros(1, *card.shape) for _ in range(dataset_info(card.dataset).inputs))
    forward(twin, images)
    ran = {name for name, _ in runs}
    idle = [(name, "") for name in named if name not in ran]
    rows, seen = [], set()
    for name, output in [*runs, *idle]:
        own = () if name in seen else tuple(named[name].parameters(recurse=False))
        window = [_window(named[name], part) for part in ("kernel_size", "stride", "padding")]
        shapes = " + ".join(_sizes(weights.shape) for weights in own)
        rows.append((name, type(named[name]).__name__, *window, output, shapes, sum(each.numel() for each in own)))
        seen.add(name)
    columns = ["layer", "kind", "kernel", "stride", "padding", "output", "weights", "parameters"]
    return pd.DataFrame(rows, columns=columns)


def _window(module: nn.Module, part: str) -> str:
    """Kernel size, stride or padding of a convolution or pooling, in words: "3 × 3" or "1"; empty for other modules."""
    value = getattr(module, part, None) if hasattr(module, "kernel_size") else None
    if value is None or isinstance(value, str):
        return value or ""
    height, width = value if isinstance(value, tuple) else (value, value)
    return f"{height} × {width}" if part == "kernel_size" or height != width else str(height)


def _sizes(shape: Iterable[int]) -> str:
    return " × ".join(f"{size:,}" for size in shape)


def _computes(module: nn.Module) -> bool:
    return not list(module.children()) or _own_parameters(module) > 0


def _own_parameters(module: nn.Module) -> int:
    return sum(weights.numel() for weights in module.parameters(recurse=False))


def _note_shape(
    runs: dict[tuple[str, str], None], name: str, module: nn.Module, inputs: object, output: object
) -> None:
    value = output[0] if isinstance(output, tuple) else output
    if isinstance(value, Tensor):
        runs.setdefault((name, " × ".join(str(size) for size in value.shape[1:])))
