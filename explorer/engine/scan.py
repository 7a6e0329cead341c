"""The block scan of lab C: what accuracy is left with all channels of one layer pruned, for one layer after another."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from torch import Tensor, fx, nn

from explorer.engine.curves import Run
from explorer.engine.remainder import plan_layers
from explorer.engine.scans import Layer, Scan
from explorer.language.saying import listed, say
from explorer.networks.evaluation import (
    Batch,
    CountedBatches,
    Device,
    in_parts,
    predict,
    resolve_device,
    tell_precision,
    to_device,
)
from explorer.networks.graph import UntraceableError, ancestors, module_of
from explorer.networks.layers import conv_layer, conv_layers
from explorer.networks.neighbours import addition_node
from explorer.networks.tracing import trace

LARGE = 500_000  # weights in convolutions, from which on a scan of a whole test set takes minutes
SAMPLES = (500, 2000)  # images to look at first, then


# Which layers


def convolutions(model: nn.Module) -> tuple[str, ...]:
    """Every convolution, in the order they first run; those that never run come last.

    Of a network that cannot be traced, in the order they are declared.
    """
    ran = [str(call.target) for call in _calls(model)]
    return tuple(dict.fromkeys([*ran, *conv_layers(model)]))


def block_ends(model: nn.Module) -> tuple[str, ...]:
    """The last convolution of each residual block, in the order they run: `layerX.Y.conv2` of lab C's network.

    It is the convolution whose output, past batch norm and the like, goes into a residual addition. Where a shortcut
    convolution does so too, the one that more convolutions come before is the block's last (of as many, the first to
    run). A network without such additions, or one that cannot be traced, has no blocks to tell apart, so that every
    convolution is one of its own.
    """
    ends: dict[fx.Node, fx.Node] = {}  # addition -> call
    depth: dict[fx.Node, int] = {}  # convolutions up to and with a call
    for call in _calls(model):
        addition = addition_node(call)
        if addition is None:
            continue
        depth[call] = sum(isinstance(module_of(node), nn.Conv2d) for node in ancestors([call]))
        if addition not in ends or depth[call] > depth[ends[addition]]:
            ends[addition] = call
    return tuple(dict.fromkeys(str(call.target) for call in ends.values())) or convolutions(model)


def _calls(model: nn.Module) -> list[fx.Node]:
    """Every call of a convolution, in the order they run; none where the network cannot be traced."""
    try:
        traced = trace(model)
    except UntraceableError:
        return []
    return [node for node in traced.graph.nodes if isinstance(module_of(node), nn.Conv2d)]


LAYERS: dict[str, Callable[[nn.Module], tuple[str, ...]]] = {"blocks": block_ends, "all": convolutions}


def choose_layers(model: nn.Module, which: str) -> tuple[str, ...]:
    """The layers that a key of LAYERS stands for; ValueError lists the keys."""
    if which not in LAYERS:
        raise ValueError(say("unknown layers {which!r}; choose one of: {known}", which=which, known=listed(LAYERS)))
    return LAYERS[which](model)


def samples(model: nn.Module, images: int) -> tuple[int, ...]:
    """How many of so many images to look at before all, where the network is so large that all take minutes."""
    weights = sum(conv.weight.numel() for conv in conv_layers(model).values())
    return tuple(sample for sample in SAMPLES if sample < images and weights > LARGE)


# The scan


def scan_stream(
    model: nn.Module,
    batches: Iterable[Batch],
    layers: Iterable[str],
    mode: str = "filter",
    *,
    run: Run | None = None,
    device: Device = None,
) -> Iterator[Scan]:
    """Prune all channels of each of `layers`, one layer at a time, and yield the whole scan after each batch.

    `batches` are (inputs, labels), inputs a tensor (N, …) or a tuple of them; one whose intermediate values would take
    much memory comes in parts. Predictions are those of `pruning.prune(model, layer, range(P), mode)`. Layers are put
    in network order, and those that the mode does not fit are left out. Raises ValueError for an unknown layer or mode,
    a mode that fits none of the layers, and no images.
    """
    chosen = describe(model, layers)
    counted = CountedBatches(batches)
    target = resolve_device(device)
    tell_precision(model)
    plan = plan_layers(model, chosen, mode, to_device(next(iter(counted))[0], target), target)
    predictions: list[np.ndarray] = []  # (1 + layers, images) of each part
    labels: list[np.ndarray] = []
    for inputs, part_labels in in_parts(counted, plan.at_once):
        predictions.append(np.stack([predictions_of(step) for step in plan.logits(to_device(inputs, target))]))
        labels.append(part_labels.cpu().numpy())
        whole = np.concatenate(predictions, axis=1)
        yield Scan(
            predictions=whole[1:],
            unpruned=whole[0],
            labels=np.concatenate(labels),
            layers=tuple(chosen[layer] for layer in plan.layers),
            left_out=plan.left_out,
            run=run or Run(mode=mode),
            total=counted.n,
            slow=plan.slow,
        )


def scan(
    model: nn.Module,
    batches: Iterable[Batch],
    layers: Iterable[str] | None = None,
    mode: str = "filter",
    **options,  # noqa: ANN003
) -> Scan:
    """The whole scan at once: predictions (layers, N). Parameters and errors as for `scan_stream`.

    Without `layers` it is the last convolution of each residual block, or, where there is none, every convolution.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> result = ex.scan(net.model, ex.batches(net, limit=100))
    >>> result.names, result.predictions.shape
    (('conv1', 'conv2'), (2, 100))
    """
    *_, last = scan_stream(model, batches, block_ends(model) if layers is None else layers, mode, **options)
    return last


def describe(model: nn.Module, layers: Iterable[str]) -> dict[str, Layer]:
    """The layers in network order; ValueError for one that is no convolution of the model."""
    asked = {name: conv_layer(model, name) for name in layers}
    described = {}
    for position, name in enumerate(convolutions(model), start=1):
        if name in asked:
            conv = asked[name]
            parameters = sum(values.numel() for values in conv.parameters())
            described[name] = Layer(name, position, conv.out_channels, parameters)
    return described


def predictions_of(logits: Tensor) -> np.ndarray:
    """Predictions (N,) of logits (N, classes), in the smallest type of integer that holds them."""
    return predict(logits).cpu().numpy().astype(np.min_scalar_type(max(2, logits.shape[-1]) - 1))
