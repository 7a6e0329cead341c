"""Channels are really removed: the network becomes smaller, and computes what its masked twin does."""

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from explorer.compression.groups import Dependencies
from explorer.compression.plans import Group, Plan, group_of
from explorer.images.batches import Inputs
from explorer.language.saying import listed, say
from explorer.networks.coupling import coupling_in
from explorer.networks.evaluation import Batch, forward
from explorer.networks.graph import exclusive
from explorer.networks.layers import conv_layer, conv_layers
from explorer.networks.tracing import trace
from explorer.pruning.prune import check_channels, prune
from explorer.pruning.ranking import rank

Channels = Mapping[str, Iterable[int]]  # by layer, those that go

TOLERANCE = 1e-4  # of the largest logit: what two ways to add up the same numbers may differ by


def compress(
    model: nn.Module, plan: Plan, example: Inputs, batches: Iterable[Batch] = (), minimum: int = 1
) -> nn.Module:
    """A new, smaller network without the channels that the plan prunes; the model itself is left as it is.

    Of each layer the first K of its ranking go, with all that is tied to them. `example` is a batch of inputs, on which
    the network is followed, and on which the smaller one must give the logits of the masked one (`masked`); the batches
    of (inputs, labels) are read by criteria that look at activations. At least `minimum` channels of a layer stay.

    Raises ValueError for a plan that does not fit, and a network that cannot be narrowed or whose narrowed form would
    compute something else; nothing is half removed.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> images, _ = next(iter(ex.batches(net)))
    >>> ex.compress(net.model, ex.Plan.of({"conv1": 4, "conv2": 16}), images).conv2
    Conv2d(12, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """
    found = groups(model, example)
    plan.check(found, minimum)
    seen = list(batches) if isinstance(batches, Iterator) else batches
    channels = chosen(plan, found, lambda layer: rank(model, layer, seen, plan.criterion).order)
    return remove(model, channels, example)


def groups(model: nn.Module, example: Inputs) -> tuple[Group, ...]:
    """The network's groups of convolutions, in the order of their first layers; ValueError as for `compress`.

    What is tied to what is found out twice, by Torch-Pruning and by ours for mode `channel`: where ours knows of an
    operation that mixes channels, or the two differ, the group's channels are fixed.
    """
    traced = trace(model)
    try:
        found = tuple(Dependencies(_own(model), example).all())
    except ValueError as error:
        reasons = (_hindrance(traced, layer) for layer in conv_layers(model))
        raise ValueError(next(filter(None, reasons), str(error))) from error
    return tuple(group if group.fixed else replace(group, fixed=_doubt(traced, group)) for group in found)


def _doubt(traced: fx.GraphModule, group: Group) -> str:
    """Why a group's channels must stay, by the second opinion; empty where they may go."""
    hindrance = _hindrance(traced, group.name)
    if hindrance:
        return hindrance
    others = set(coupling_in(traced, group.name).layers) & set(conv_layers(traced))
    if others != set(group.layers):
        apart = sorted(others.symmetric_difference(group.layers))
        return say("it is not certain which layers go with it: {layers}", layers=listed(apart))
    return ""


def _hindrance(traced: fx.GraphModule, layer: str) -> str:
    try:
        coupling_in(traced, layer)
    except ValueError as error:
        return str(error)
    return ""


def chosen(plan: Plan, found: Sequence[Group], order_of: Callable[[str], np.ndarray]) -> dict[str, tuple[int, ...]]:
    """The channels that a plan prunes, by layer: the first K of the order (P,) that `order_of(layer)` gives.

    Where a convolution in sections is among the layer's group, as many of each section, the first of its order.
    """
    return {layer: evenly(order_of(layer), k, group_of(layer, found).sections) for layer, k in plan.layers}


def evenly(order: np.ndarray, k: int, sections: int) -> tuple[int, ...]:
    """The first channels of the order, k in all, as many of each of so many equal sections."""
    section = order // (len(order) // sections)
    return tuple(int(channel) for each in range(sections) for channel in order[section == each][: k // sections])


def masked(model: nn.Module, channels: Channels, mode: str = "channel") -> nn.Module:
    """The masked twin: a copy in which these channels of each layer are pruned, one layer after the other."""
    for layer, gone in channels.items():
        model = prune(model, layer, gone, mode)
    return model


def remove(model: nn.Module, channels: Channels, example: Inputs) -> nn.Module:
    """A copy without these channels of each layer, checked on the example against its masked twin.

    ValueError as for `compress`, and for a channel that is not there or named twice.
    """
    twin, smaller = masked(model, channels), _own(model)
    dependencies = Dependencies(smaller, example)
    for layer, gone in channels.items():
        listed = check_channels(gone, conv_layer(model, layer).out_channels).tolist()
        if listed:
            dependencies.remove(layer, listed)
    for name, parameter in model.named_parameters():
        smaller.get_parameter(name).requires_grad_(parameter.requires_grad)
    _check_same(smaller, twin, example)
    return smaller


def _own(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).eval()


def _check_same(smaller: nn.Module, twin: nn.Module, example: Inputs) -> None:
    """ValueError unless the smaller network runs on the example and gives the twin's logits."""
    wanted = forward(twin.eval(), example)
    try:
        found = forward(smaller, example)
    except RuntimeError as error:
        where = _failing(smaller, example)
        raise ValueError(
            say(
                "{kind} cannot be narrowed: {where} does not follow ({error})",
                kind=type(twin).__name__,
                where=where,
                error=error,
            )
        ) from error
    if found.shape != wanted.shape:
        raise ValueError(
            say(
                "the plan narrows what {kind} returns; leave out the layer that gives it",
                kind=type(twin).__name__,
            )
        )
    apart = float((found - wanted).abs().max())
    if not apart <= TOLERANCE * float(wanted.abs().max()):
        raise ValueError(
            say(
                "{kind} cannot be narrowed: without the channels it gives other logits than with them masked (by "
                "{apart:.2g}), so an operation in it mixes channels in a way that is not followed",
                kind=type(twin).__name__,
                apart=apart,
            )
        )


class _Watched(fx.Interpreter):
    """Remembers the operation that it runs."""

    node: fx.Node | None = None

    def run_node(self, n: fx.Node) -> Any:
        self.node = n
        return super().run_node(n)


def _failing(model: nn.Module, example: Inputs) -> str:
    """The name of the first operation that cannot run."""
    watched = _Watched(trace(model))
    with contextlib.suppress(RuntimeError), exclusive, torch.inference_mode():
        watched.run(*(example if isinstance(example, tuple) else (example,)))
    return repr(str(watched.node.target) if watched.node is not None else type(model).__name__)
