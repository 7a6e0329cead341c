"""Whether a network of one's own gives the same numbers for the same image wherever it is asked.

All that is shown of a network rests on that: it is built again where it is loaded, copied where it is pruned, and looks
at images in batches of other sizes.
"""

import copy
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from explorer.images.batches import Batches, Inputs
from explorer.language.saying import say
from explorer.networks.evaluation import forward, to_device
from explorer.networks.outputs import WHOLE, at_key
from explorer.networks.weights import fill
from explorer.own.building import Blueprint

IMAGES = 8  # that are looked at
NEAR = 1e-3  # of the largest number, by which two may differ that are computed in another order
COARSE = 3e-2  # the same for numbers of 16 bits


def check_steady(plan: Blueprint, model: nn.Module, batches: Batches, weights: Path) -> None:
    """ValueError unless the network, which has its weights, gives an image's logits for it and its weights alone."""
    inputs, _ = next(iter(Batches(batches.split, batches.mean, batches.std, IMAGES)))
    look = partial(numbers_of, title=plan.title, key=plan.source.output)
    found = look(model, inputs)
    if not torch.isfinite(found).all():
        words = "{title} gives NaN or infinite numbers for the test images; look at its normalisation"
        raise ValueError(say(words, title=plan.title))
    if not alike(found, look(model, inputs)):
        raise ValueError(
            say(
                "{title} gives other numbers each time that it looks at the same images; take out what is random in "
                "its forward, or say F.dropout(…, training=self.training)",
                title=plan.title,
            )
        )
    if not alike(found[-1:], look(model, inputs[-1:])):  # the last, for the first may be what all are compared with
        raise ValueError(
            say(
                "{title} gives an image other numbers alone than among others; take out what looks at the whole "
                "batch, such as batch norm in training mode, or squeeze() without a dimension",
                title=plan.title,
            )
        )
    twin, state = plan.network(), model.state_dict()
    twin.train()
    fill(twin, state, plan.title, weights)
    twin.eval()
    if not alike(found, look(twin, inputs)):
        raise ValueError(
            say(
                "{title} gives other numbers when it is built again with the same weights; let register_buffer keep "
                "what is random in its constructor, and let train() and eval() leave its weights as they are",
                title=plan.title,
            )
        )
    copied, halved = _copy(model, plan.title), {key: _halved(value) for key, value in state.items()}
    for each in (twin, copied):
        each.load_state_dict(halved)
    if not alike(look(twin, inputs), look(copied, inputs)):
        raise ValueError(
            say(
                "a copy of {title} computes with the weights of the first; where a lambda or a function within its "
                "constructor uses self, make it a method",
                title=plan.title,
            )
        )


def check_like(plan: Blueprint, model: nn.Module, like: nn.Module, batches: Batches) -> None:
    """ValueError unless the network gives the numbers of the one in memory that it is to be."""
    inputs, _ = next(iter(Batches(batches.split, batches.mean, batches.std, IMAGES)))
    first = next(like.parameters())
    modes = {module: module.training for module in like.modules()}
    like.eval()
    try:
        theirs = numbers_of(like, to_device(inputs, first.device, first.dtype), plan.title, plan.source.output).cpu()
    finally:
        for module, mode in modes.items():
            module.training = mode
    near = NEAR if first.dtype in (torch.float32, torch.float64) else COARSE
    if not alike(numbers_of(model, inputs, plan.title, plan.source.output), theirs, near):
        raise ValueError(
            say(
                "{title} gives other numbers when it is built from its code with the same weights: give the arguments "
                "that it was built with, build it again where its code was changed since, and put into its class what "
                "was changed on the network itself",
                title=plan.title,
            )
        )


def numbers_of(model: nn.Module, inputs: Inputs, title: str, key: str = WHOLE) -> Tensor:
    """The logits, as the network gives them at a key of what it returns; ValueError for whatever it raises."""
    given = inputs.clone() if isinstance(inputs, Tensor) else inputs  # some write into what they are given
    try:
        return torch.as_tensor(at_key(forward(model, given), key)).float()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        words = "{title} fails on the test images ({kind}: {why}); mend that"
        raise ValueError(say(words, title=title, kind=type(error).__name__, why=reason)) from error


def alike(one: Tensor, other: Tensor, near: float = NEAR) -> bool:
    """Whether two networks' numbers are the same, but for rounding."""
    if one.shape != other.shape:
        return False
    largest = float(one.nan_to_num(0, 0, 0).abs().max())
    return torch.allclose(one, other, rtol=near, atol=near * largest, equal_nan=True)


def _copy(model: nn.Module, title: str) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            say(
                "{title} cannot be copied, as pruning does ({kind}: {why}); keep only modules, parameters, buffers and "
                "plain values in it",
                title=title,
                kind=type(error).__name__,
                why=reason,
            )
        ) from error


def _halved(value: Tensor) -> Tensor:
    return value / 2 if value.is_floating_point() else value
