"""A plan carried out on a checkpoint's network: what is tied to what, which channels go, and what is left."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from torch import nn

from explorer.answers import door
from explorer.answers.computing import ranking_of
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.compression import removal
from explorer.compression.plans import Group, Plan
from explorer.compression.steps import Order, Step, progressive
from explorer.images.batches import Inputs
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import criterion_info
from explorer.pruning.ranking import rank
from explorer.pruning.rankings import Ranking

EXAMPLES = 8  # images on which a network is followed, and its narrowed form checked at once


def example_of(checkpoint: Checkpoint) -> Inputs:
    """A few test images; ValueError where they are not here."""
    inputs, _ = next(iter(batches_of(checkpoint)))
    return tuple(part[:EXAMPLES] for part in inputs) if isinstance(inputs, tuple) else inputs[:EXAMPLES]


@lru_cache(maxsize=8)
def groups_of(checkpoint: Checkpoint) -> tuple[Group, ...]:
    """The groups of a checkpoint's convolutions; ValueError where its network cannot be narrowed."""
    return removal.groups(checkpoint.model, example_of(checkpoint))


def ranking_for(checkpoint: Checkpoint, layer: str, criterion: str) -> Ranking:
    """The ranking of a layer by its test images, or its weights alone; what is measured is kept, as for a sweep."""
    asked, measured = Experiment(checkpoint.name, layer, criterion), None
    for step in door.measure(asked, checkpoint):
        measured = measured if isinstance(step, str) else step
    return ranking_of(asked, checkpoint, measured)


def order_for(checkpoint: Checkpoint, criterion: str) -> Order:
    """What ranks the layers of the checkpoint's network, and of what is left of it after a step."""

    def order(model: nn.Module, layer: str) -> np.ndarray:
        if model is checkpoint.model:
            return ranking_for(checkpoint, layer, criterion).order
        batches = batches_of(checkpoint) if criterion_info(criterion).needs_data else ()
        return rank(model, layer, batches, criterion).order

    return order


def carry_out(
    checkpoint: Checkpoint,
    plan: Plan,
    groups: tuple[Group, ...],
    steps: int = 1,
    minimum: int = 1,
    recover: Callable[[nn.Module], nn.Module] | None = None,
) -> Iterator[Step]:
    """Remove what the plan prunes, in so many steps; `recover` as for `progressive`. ValueError unless it fits."""
    plan.check(groups, minimum)
    order = order_for(checkpoint, plan.criterion)
    yield from progressive(checkpoint.model, plan, groups, example_of(checkpoint), order, steps, recover)
