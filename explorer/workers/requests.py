"""What a worker is asked, in names and numbers alone, and what travels with it: weights and slices of the images."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from explorer.answers.keeping import code_version
from explorer.images.batches import Batches
from explorer.networks.cards import card_text, versions
from explorer.networks.checkpoints import Checkpoint, check_same

SLICE = 250  # images of a unit: an hour at most, even of the dearest layers of ResNet-50, is lost with a worker


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a worker: a request as JSON, and the arrays that it is about, which travel once to each machine."""

    request: str
    arrays: tuple[np.ndarray, ...]  # the weights' file as bytes; then of each slice every input, and the labels


@dataclass(frozen=True, eq=False)
class Load:
    """A network and the images that it is asked about, cut into slices of whole batches.

    Batches stay as they are without workers, and with them every sum, so that slices give the same bits.
    """

    checkpoint: Checkpoint
    batches: Batches

    @property
    def size(self) -> int:
        """How many images a slice has; the last may have fewer."""
        return max(1, SLICE // self.batches.batch_size) * self.batches.batch_size

    @cached_property
    def weights(self) -> np.ndarray:
        """The weights' safetensors file, (bytes,) uint8."""
        content = self.checkpoint.path.read_bytes()
        check_same(content, self.checkpoint.card, self.checkpoint.path)
        return np.frombuffer(content, np.uint8)

    @cached_property
    def slices(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """Of each slice its inputs, uint8 (n, C, H, W) each, and its labels, int64 (n,)."""
        split = self.batches.split
        tensors, starts = (*split.inputs, split.labels), range(0, self.batches.n, self.size)
        return tuple(tuple(each[start : start + self.size].numpy() for each in tensors) for start in starts)

    def call(self, kind: str, asked: dict[str, Any], slices: Sequence[int]) -> Call:
        """What is `asked`, of a kind that `work.KINDS` has, over some of the slices."""
        card, split = self.checkpoint.card, self.batches.split
        request = {
            "made_with": versions() | {"code": code_version()},
            "kind": kind,
            "asked": asked,
            "network": {"name": self.checkpoint.name, "card": card_text(card), "sha256": self.checkpoint.sha256},
            "images": {"name": split.name, "split": split.split, "inputs": len(split.inputs)},
            "batches": {"mean": self.batches.mean, "std": self.batches.std, "batch_size": self.batches.batch_size},
        }
        arrays = (array for place in slices for array in self.slices[place])
        return Call(json.dumps(request), (self.weights, *arrays))
