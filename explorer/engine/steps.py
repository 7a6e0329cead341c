"""Logits at several K, a few K at a time, and how they are compared."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from explorer.images.batches import Inputs
from explorer.language.saying import say
from explorer.networks.operations import in_type

IMAGES_OF_EXAMPLE = 2
SOUND = 1e-3  # of the largest logit: more than rounding

Step = tuple[int, Tensor]  # index into ks of the first K; logits (number of K, N, classes)


def copied(inputs: Inputs, dtype: torch.dtype | None = None) -> Inputs:
    """Copies of the inputs, for a network that may change them; floating-point ones in `dtype`, where it is given."""
    if isinstance(inputs, tuple):
        return tuple(in_type(part.clone(), dtype or part.dtype) for part in inputs)
    return in_type(inputs.clone(), dtype or inputs.dtype)


def agree(found: Sequence[Tensor] | Tensor, wanted: Sequence[Tensor] | Tensor) -> bool:
    """Whether logits differ by no more than rounding, each (N, classes) of `found` from its partner in `wanted`."""
    largest = (float(each.nan_to_num(0, 0, 0).abs().max()) for each in wanted)
    return all(
        torch.allclose(one, other, rtol=SOUND, atol=SOUND * size, equal_nan=True)
        for one, other, size in zip(found, wanted, largest, strict=True)
    )


def in_order(steps: Iterable[Step]) -> Tensor:
    """Logits (number of K, N, classes) of all steps, K ascending."""
    return torch.cat([logits for _, logits in sorted(steps, key=lambda step: step[0])])


def together(steps: Iterable[Step], most: int) -> Iterator[Step]:
    """The same logits in fewer steps: those of neighbouring K as one, until they are at least so many."""
    waiting: list[Step] = []
    for step in steps:
        if waiting and (sum(len(logits) for _, logits in waiting) >= most or not _is_beside(step, waiting[-1])):
            yield min(index for index, _ in waiting), in_order(waiting)
            waiting = []
        waiting.append(step)
    if waiting:
        yield min(index for index, _ in waiting), in_order(waiting)


def _is_beside(one: Step, other: Step) -> bool:
    """Whether the K of a step are those right before or after another's."""
    return one[0] + len(one[1]) == other[0] or other[0] + len(other[1]) == one[0]


def two_images(inputs: Inputs) -> Inputs:
    """Two images of a batch (the one twice where it has only one): enough to learn every shape."""
    if isinstance(inputs, tuple):
        return tuple(torch.cat([part, part])[:IMAGES_OF_EXAMPLE] for part in inputs)
    return torch.cat([inputs, inputs])[:IMAGES_OF_EXAMPLE]


def check_logits(value: object) -> Tensor:
    """What a network returned, if it is logits (N, classes); ValueError says what it is instead."""
    if not isinstance(value, Tensor) or value.ndim != 2:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(
            say("the network's output is {shape}; a sweep needs logits of shape (N, classes)", shape=shape)
        )
    return value
