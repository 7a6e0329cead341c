"""How good networks are that a checkpoint's was made into, and how many multiply-adds each saves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import nn

from explorer.answers.images import batches_of
from explorer.answers.removing import example_of
from explorer.compression.comparison import Comparison, compare
from explorer.compression.counting import count
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device

UNPRUNED = "unpruned"


@dataclass(frozen=True)
class Merits:
    """Lab E's two figures of merit, of several ways to prune a network: fewer FLOPs, and what accuracy changes."""

    comparison: Comparison  # the unpruned network first, then each way
    macs: tuple[int, ...]

    @property
    def done(self) -> int:
        """How many images the accuracies are over."""
        return self.comparison.done

    @property
    def total(self) -> int:
        """How many there are."""
        return self.comparison.total

    def frame(self) -> pd.DataFrame:
        """One row a network: its MACs, the share of FLOPs that is gone (0…1), and what `Comparison` says of it."""
        table = self.comparison.frame()
        table.insert(1, "macs", self.macs)
        table.insert(2, "flops_reduction", 1 - np.array(self.macs) / self.macs[0])
        return table


def merits_of(
    checkpoint: Checkpoint, ways: Mapping[str, nn.Module], limit: int | None = None, device: Device = None
) -> Iterator[Merits]:
    """The figures of merit of networks that the checkpoint's was made into, by name, on the test images."""
    networks = {UNPRUNED: checkpoint.model, **ways}
    example = example_of(checkpoint)
    macs = tuple(count(network, example).macs for network in networks.values())
    for comparison in compare(networks, batches_of(checkpoint, limit=limit), device):
        yield Merits(comparison, macs)
