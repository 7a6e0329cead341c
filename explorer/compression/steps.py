"""A plan carried out in steps: remove the weakest, let the network recover, rank what is left, and repeat.

Lab E's article calls one step block pruning, and several progressive pruning.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from explorer.compression.plans import Group, Plan, group_of
from explorer.compression.removal import chosen, remove
from explorer.images.batches import Inputs
from explorer.language.saying import say

Order = Callable[[nn.Module, str], np.ndarray]  # of a network, the order of a layer's channels, first pruned first


@dataclass(frozen=True, eq=False)
class Step:
    """The network after so many of the steps, and the channels that are gone by then, as the first network has them."""

    model: nn.Module
    channels: dict[str, tuple[int, ...]]
    done: int
    total: int


def in_steps(plan: Plan, steps: int, groups: Sequence[Group]) -> list[Plan]:
    """What goes in each of so many steps, as even as it can be; together it is the plan."""
    most = max(plan.ks.values(), default=1)
    if not 1 <= steps <= most:
        raise ValueError(
            say(
                "{steps} steps are outside 1…{most}, the most channels that the plan prunes of a layer",
                steps=steps,
                most=most,
            )
        )

    def gone(layer: str, k: int, step: int) -> int:
        sections = group_of(layer, groups).sections
        return k * step // steps // sections * sections

    return [
        Plan.of({each: gone(each, k, step) - gone(each, k, step - 1) for each, k in plan.layers}, plan.criterion)
        for step in range(1, steps + 1)
    ]


def progressive(
    model: nn.Module,
    plan: Plan,
    groups: Sequence[Group],
    example: Inputs,
    order: Order,
    steps: int = 1,
    recover: Callable[[nn.Module], nn.Module] | None = None,
) -> Iterator[Step]:
    """Carry a checked plan out in steps; `order(network, layer)` ranks the network of each step anew.

    What is left after a step may `recover`, such as by fine-tuning, before the next.
    """
    left = {layer: np.arange(group_of(layer, groups).channels) for layer in plan.ks}
    gone: dict[str, tuple[int, ...]] = {layer: () for layer in plan.ks}
    parts = in_steps(plan, steps, groups)
    for done, part in enumerate(parts, start=1):
        here = model
        channels = chosen(part, groups, lambda layer: order(here, layer))  # noqa: B023 - called within this round
        model = remove(model, channels, example)
        for layer, listed in channels.items():
            gone[layer] += tuple(left[layer][list(listed)].tolist())
            left[layer] = np.delete(left[layer], list(listed))
        model = recover(model) if recover else model
        yield Step(model, dict(gone), done, len(parts))
