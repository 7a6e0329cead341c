"""The images that a question is about."""

from dataclasses import dataclass, replace

import numpy as np

from explorer.answers.experiment import HELD_OUT
from explorer.images.batches import Batches, batch_size_for
from explorer.images.reading import load_split
from explorer.images.split import Split
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.activations import outputs
from explorer.training.held_out import held_out_of


def batches_of(checkpoint: Checkpoint, split: str = "test", limit: int | None = None) -> Batches:
    """The images of the checkpoint's data set, normalised as it was trained with, the first `limit` of them.

    `split` is "test", "train" or "held-out". Each batch is (inputs, labels): inputs float32 (b, C, H, W), or a tuple of
    such for pairs, and labels int64 (b,). Raises ValueError where the images are not here, or fewer than `limit`.

    >>> import explorer as ex
    >>> batches = ex.batches(ex.load("simple-cnn_fashion-mnist"), limit=500)
    >>> inputs, labels = next(iter(batches))
    >>> batches.n, tuple(inputs.shape), tuple(labels.shape)
    (500, (250, 1, 28, 28), (250,))
    """
    card = checkpoint.card
    return Batches(_images(checkpoint, split), card.mean, card.std, batch_size_for(card.shape), limit)


def _images(checkpoint: Checkpoint, split: str) -> Split:
    if split == HELD_OUT:
        return replace(held_out_of(checkpoint.card), split=HELD_OUT)
    return load_split(checkpoint.card.dataset, split)


@dataclass(frozen=True, eq=False)
class Examples:
    """A few examples of different classes, and what a layer makes of them."""

    images: list[np.ndarray]  # for each input of the network (n, C, H, W) uint8
    labels: list[str]
    outputs: list[np.ndarray]  # for each call of the layer (n, P, M, N)


def examples_of(checkpoint: Checkpoint, layer: str, point: str, count: int, split: str = "test") -> Examples:
    """The first of each class, `count` in all, with the layer's output at `point`."""
    whole = load_split(checkpoint.card.dataset, split)
    each = max(1, count // len(whole.classes))
    first = [int(i) for label in range(len(whole.classes)) for i in (whole.labels == label).nonzero()[:each]]
    chosen = whole.take(first[:count])
    inputs, labels = next(iter(Batches(chosen, checkpoint.card.mean, checkpoint.card.std)))
    maps = outputs(checkpoint.model, layer, inputs, point).split(len(labels))
    images = [part.numpy() for part in chosen.inputs]
    return Examples(images, [whole.classes[label] for label in labels], [part.numpy() for part in maps])
