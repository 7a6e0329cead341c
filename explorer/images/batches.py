"""A split as normalised batches, in order."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from explorer.images.registry import Shape
from explorer.images.split import Split
from explorer.language.saying import listed, say

Inputs = Tensor | tuple[Tensor, ...]


class Batches:
    """A split as normalised batches, in order; iterate as often as you like.

    Yields (inputs, labels): inputs float32 (b, C, H, W), or a tuple of such for a network of several inputs, and labels
    int64 (b,). `mean` and `std` hold one value for all channels or one for each; `limit` keeps the first images only.
    """

    def __init__(
        self,
        split: Split,
        mean: Sequence[float],
        std: Sequence[float],
        batch_size: int = 500,
        limit: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(say("batch size {n} is not at least 1", n=batch_size))
        if limit is not None and not 1 <= limit <= len(split):
            words = "limit {limit} is outside 1…{n}, the images of the {split} split"
            raise ValueError(say(words, limit=limit, n=len(split), split=say(split.split)))
        self.split = split if limit is None else split.take(limit)
        self.mean, self.std = tuple(mean), tuple(std)
        self.batch_size = batch_size

    @property
    def n(self) -> int:
        """How many images there are in all."""
        return len(self.split)

    @property
    def labels(self) -> Tensor:
        """All labels, int64 (N,), in the order of the batches."""
        return self.split.labels

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Inputs, Tensor]]:
        for start in range(0, self.n, self.batch_size):
            part = slice(start, start + self.batch_size)
            inputs = tuple(normalise(x[part], self.mean, self.std) for x in self.split.inputs)
            yield inputs if len(inputs) > 1 else inputs[0], self.labels[part]


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Images uint8 (N, C, H, W) scaled to 0…1, less `mean`, over `std`: float32, as torchvision's transforms do it."""
    check_normalisation(mean, std, images.shape[1])
    shape = (1, -1, 1, 1)
    centre = torch.tensor(mean, dtype=torch.float32, device=images.device).view(shape)
    spread = torch.tensor(std, dtype=torch.float32, device=images.device).view(shape)
    return images.to(torch.float32).div_(255).sub_(centre).div_(spread)


def check_normalisation(mean: Sequence[float], std: Sequence[float], channels: int) -> None:
    """ValueError unless mean and std are one number each, or one a channel, and those of std positive."""
    for what, values, lowest in (("mean", mean, -math.inf), ("std", std, 0)):
        if len(values) not in (1, channels) or not all(lowest < value < math.inf for value in values):
            number = say("one number" if what == "mean" else "one positive number")
            raise ValueError(
                say(
                    "{what} {given} must be {number}, or one for each of {channels} channels, for values in 0…1"
                    if channels > 1
                    else "{what} {given} must be {number}, for values in 0…1",
                    what=say(what),
                    given=listed(map(str, values)),
                    number=number,
                    channels=channels,
                )
            )


BATCH_SIZE = 250  # the fastest of 50 … 1000 on two cores, and little memory
BATCH_PIXELS = BATCH_SIZE * 64 * 64  # of larger images fewer at a time, for the same memory


def batch_size_for(shape: Shape) -> int:
    """How many images of `shape` (C, H, W) a batch has."""
    _, height, width = shape
    return max(1, min(BATCH_SIZE, BATCH_PIXELS // (height * width)))
