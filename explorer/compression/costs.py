"""What each layer of a network takes, and which groups of channels its widths belong to: what `choosing` saves."""

from collections.abc import Mapping, Sequence

from torch import nn

from explorer.compression.choosing import Cost
from explorer.compression.counting import Count
from explorer.compression.plans import Group
from explorer.networks.coupling import Part, coupling_in
from explorer.networks.tracing import trace


def macs_of(model: nn.Module, groups: Sequence[Group], counted: Count) -> tuple[Cost, ...]:
    """The multiply-adds of each layer and of what is outside of them: exact at every plan, they go with both widths.

    `counted` is the whole network's.
    """
    amounts: dict[str, float] = {layer.layer: layer.macs for layer in counted.layers}
    return costs_of(model, groups, amounts | {"": counted.macs - sum(amounts.values())})


def costs_of(model: nn.Module, groups: Sequence[Group], amounts: Mapping[str, float]) -> tuple[Cost, ...]:
    """A cost for each layer of the `amounts`, such as the seconds it takes: taken to go with both of its widths.

    For seconds that is an estimate, and what a plan really takes has to be measured.
    """
    traced = trace(model)
    writes: dict[str, dict[str, float]] = {}
    reads: dict[str, dict[str, float]] = {}
    for group in groups:
        if not group.fixed:
            tied = coupling_in(traced, group.name)
            for parts, shares in ((tied.writers, writes), (tied.norms, writes), (tied.readers, reads)):
                for part in parts:
                    shares.setdefault(part.layer, {})[group.name] = _share(part, group.channels)
    return tuple(Cost(amount, writes.get(layer, {}), reads.get(layer, {})) for layer, amount in amounts.items())


def _share(part: Part, channels: int) -> float:
    """The share of a layer's width that each of a group's channels is, all of them alike."""
    return sum(owner >= 0 for owner in part.owner) / channels / len(part.owner)
