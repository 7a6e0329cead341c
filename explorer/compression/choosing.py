"""A plan for a target, chosen by how sensitive each layer is: at most so many points, or a share of MACs or of time.

The algorithm is greedy. From the whole network on, it looks at every layer and every larger share of it that was
analysed, and takes the one step that loses least accuracy for what it saves, until nothing is left to take; ties go to
the step that saves most, then to network order. What a step loses is read from the sensitivity analysis: the loss at
the new share less that at the old one, none where it seems to gain. What it saves is counted with the narrower layers
around it, as they are by then. So the plans form one path, from nothing pruned to as much as can be, and a target is a
place on it.

Losses that are added up are a guide, not a result: what a plan really costs is measured on the plan itself, as `within`
does. To choose needs no torch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.compression.plans import Group, Plan, group_of
from explorer.engine.sensitivities import Sensitivity, check_points
from explorer.show.words import percent

MODE = "channel"  # what is removed in the end


@dataclass(frozen=True)
class Cost:
    """What one layer takes, in MACs or seconds, and how much of its width a channel of each group is.

    `writes` and `reads` are shares of the layer's output and input channels, by the group's name.
    """

    amount: float
    writes: Mapping[str, float]
    reads: Mapping[str, float]

    def left(self, ks: Mapping[str, int]) -> float:
        """What it takes once so many channels of each group are gone, if that goes with both of its widths."""
        written = 1 - sum(share * ks.get(group, 0) for group, share in self.writes.items())
        return self.amount * written * (1 - sum(share * ks.get(group, 0) for group, share in self.reads.items()))


@dataclass(frozen=True)
class Choice:
    """A plan on the way, the share of the whole network's cost that it leaves, and the losses that add up to it."""

    plan: Plan
    share: float  # 0…1
    added_up: float  # points of accuracy


@dataclass(frozen=True)
class _Row:
    """A layer's steps: K ascending from 0, and the loss at each."""

    layer: str
    group: str
    ks: tuple[int, ...]
    losses: tuple[float, ...]  # points, none less than the one before


def path(found: Sensitivity, groups: Sequence[Group], costs: Sequence[Cost], minimum: int = 1) -> tuple[Choice, ...]:
    """All plans that the greedy algorithm comes by, from none pruned to as much as can be.

    `found` is in mode `channel`; its ranking is the plans' own. At least `minimum` channels of a layer stay. ValueError
    for an analysis in another mode, and where no layer can lose a channel.
    """
    if found.run.mode != MODE:
        raise ValueError(f"a plan is chosen by what removing channels costs: in mode {MODE!r}, not {found.run.mode!r}")
    rows = list(_rows(found, groups, minimum))
    if not any(len(row.ks) > 1 for row in rows):
        raise ValueError("no layer of this network can lose a channel")
    whole = sum(cost.left({}) for cost in costs)
    at = dict.fromkeys(range(len(rows)), 0)

    def gone() -> dict[str, int]:
        return {rows[place].group: rows[place].ks[step] for place, step in at.items()}

    choices = []
    while True:
        plan = Plan.of({rows[place].layer: rows[place].ks[step] for place, step in at.items()}, found.run.criterion)
        left = sum(cost.left(gone()) for cost in costs)
        choices.append(Choice(plan, left / whole, sum(rows[place].losses[step] for place, step in at.items())))
        steps = list(_steps(rows, at, gone(), costs, left))
        if not steps:
            return tuple(choices)
        _, place, step = min(steps)
        at[place] = step


def _rows(found: Sensitivity, groups: Sequence[Group], minimum: int) -> Iterator[_Row]:
    lost = np.maximum.accumulate(np.maximum(-found.change, 0), axis=1)
    for row, ks, losses in zip(found.rows, found.ks.tolist(), lost.tolist(), strict=True):
        try:
            group = group_of(row.layer, groups)
        except ValueError:  # its channels must stay
            continue
        steps = {
            k: loss for k, loss in zip(ks, losses, strict=True) if k <= group.most(minimum) and not k % group.sections
        }
        yield _Row(row.layer, group.name, tuple(steps), tuple(steps.values()))


def _steps(
    rows: Sequence[_Row], at: Mapping[int, int], gone: Mapping[str, int], costs: Sequence[Cost], left: float
) -> Iterator[tuple[tuple[float, float], int, int]]:
    """The steps that can be taken: what each loses for what it saves, the saving's negative for ties; row; step."""
    for place, row in enumerate(rows):
        for step in range(at[place] + 1, len(row.ks)):
            saved = left - sum(cost.left({**gone, row.group: row.ks[step]}) for cost in costs)
            if saved > 0:
                yield ((row.losses[step] - row.losses[at[place]]) / saved, -saved), place, step


def to_share(choices: Sequence[Choice], share: float, what: str = "MACs") -> Choice:
    """The first plan on the path that leaves at most this share, 0…1, of what the costs are of (`what`, in words).

    ValueError for a share outside 0…1, and one that no plan reaches: it says which the nearest is.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of {share:g} of the {what} is outside 0…1: give 0.5 for half of them")
    found = next((choice for choice in choices if choice.share <= share), None)
    if found is None:
        least = min(choice.share for choice in choices)
        raise ValueError(f"{percent(share)} of the {what} cannot be reached; the nearest that can is {percent(least)}")
    return found


def to_points(choices: Sequence[Choice], points: float) -> Choice:
    """The last plan on the path whose losses add up to at most so many points: a guide, see `within`."""
    check_points(points)
    return max((choice for choice in choices if choice.added_up <= points), key=lambda choice: -choice.share)


def within(choices: Sequence[Choice], points: float, measure: Callable[[Plan], float]) -> Choice:
    """The plan furthest along the path that was found to cost at most so many points, as `measure(plan)` has it.

    It is looked for by halves, so that few plans are measured: exactly the furthest one where each costs at least as
    much as those before it. ValueError where not even the first step is that cheap: it says what that costs.
    """
    check_points(points)
    low, high, cheapest = 0, len(choices), 0.0  # the first costs nothing, as nothing is pruned
    while high - low > 1:
        middle = (low + high) // 2
        lost = measure(choices[middle].plan)
        low, high, cheapest = (middle, high, cheapest) if lost <= points else (low, middle, lost)
    if not low:
        raise ValueError(f"at most {points:g} points cannot be had; the nearest that can is {cheapest:.2f} points")
    return choices[low]
