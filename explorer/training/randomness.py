"""Everything random in a training, from (seed, epoch) alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from explorer.training.recipes import MAX_EPOCHS


def _epoch_seed(seed: int, epoch: int) -> int:
    return seed * (MAX_EPOCHS + 1) + epoch


def generator_for(seed: int, epoch: int) -> torch.Generator:
    """The source of everything random in an epoch; epoch 0 is before the first."""
    return torch.Generator().manual_seed(_epoch_seed(seed, epoch))


@contextmanager
def seeded(seed: int, epoch: int) -> Iterator[None]:
    """Global randomness (weights at the start, dropout) from (seed, epoch); the caller's is given back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(_epoch_seed(seed, epoch))
        yield
