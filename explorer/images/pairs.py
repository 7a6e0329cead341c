"""Pairs of images, drawn from a split: do both show the same thing?"""

from dataclasses import replace

import torch
from torch import Tensor

from explorer.images.registry import Pairing
from explorer.images.split import Split

PAIRS_SEED = 0  # of the pairs of images: it decides which they are


def draw_pairs(split: Split, pairing: Pairing) -> Split:
    """Pairs of different images, drawn with replacement: label 1 for the half that shows the same thing, else 0.

    They come from some of the images of the whole split. A `split` of no more than those is taken to be them, as drawn.
    """
    generator = torch.Generator().manual_seed(PAIRS_SEED)
    images = torch.randperm(pairing.of, generator=generator)[: pairing.images]
    if len(split) == pairing.images:
        images = torch.arange(pairing.images)
    images = images[split.labels[images].argsort(stable=True)]  # one class after another
    sizes = split.labels[images].bincount()
    starts = sizes.cumsum(0) - sizes  # (classes,) where each class begins

    def draw(below: Tensor) -> Tensor:
        """A whole number in 0…below − 1 for each entry."""
        return (torch.rand(len(below), generator=generator, dtype=torch.float64) * below).long()

    labels = torch.randperm(pairing.pairs, generator=generator) % 2
    first = draw(torch.full((pairing.pairs,), len(images)))  # positions in `images`
    kind = split.labels[images[first]]
    size, start = sizes[kind], starts[kind]
    same = start + (first - start + 1 + draw(size - 1)) % size  # any other of its class, going round
    different = (start + size + draw(len(images) - size)) % len(images)  # any outside its class, going round
    second = torch.where(labels == 1, same, different)
    (pixels,) = split.inputs  # (N, 1, H, W)
    return replace(split, inputs=(pixels[images[first]], pixels[images[second]]), labels=labels)
