"""A plan for a target, chosen by how sensitive each layer is: at most so many points, or a share of MACs or of time.

The algorithm is greedy. From the whole network on, it looks at every layer and every larger share of it that was
analysed, and takes the one step that loses least accuracy for what it saves, until nothing is left to take; ties go to
the step that saves most, then to network order. What a step loses is read from the sensitivity analysis: the loss at
the new share less that at the old one, none where it seems to gain. What it saves is counted with the narrower layers
around it, as they are by then. So the plans form one path, from nothing pruned to as much as can be, and a target is a
place on it.

Losses that are added up are a guide, not a result, and so are seconds of layers: what a plan really costs, and how much
faster it really is, is measured on the plan itself, as `within` and `to_time` do. To choose needs no torch.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.compression.plans import Group, Plan, group_of
from explorer.engine.sensitivities import Sensitivity, check_points
from explorer.language.saying import say
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


def path(
    found: Sensitivity, groups: Sequence[Group], costs: Sequence[Cost], minimum: int = 1, multiple: int = 1
) -> tuple[Choice, ...]:
    """All plans that the greedy algorithm comes by, from none pruned to as much as can be.

    `found` is in mode `channel`; its ranking is the plans' own. At least `minimum` channels of a layer stay, a
    `multiple` of so many where some go. ValueError for an analysis in another mode, and where no layer can lose a
    channel.
    """
    if found.run.mode != MODE:
        words = "a plan is chosen by what removing channels costs: in mode {mode!r}, not {other!r}"
        raise ValueError(say(words, mode=MODE, other=found.run.mode))
    rows = list(_rows(found, groups, minimum, multiple))
    if not any(len(row.ks) > 1 for row in rows):
        raise ValueError(say("no layer of this network can lose a channel"))
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


def _rows(found: Sensitivity, groups: Sequence[Group], minimum: int, multiple: int) -> Iterator[_Row]:
    lost = np.maximum.accumulate(np.maximum(-found.change, 0), axis=1)
    for row, ks, losses in zip(found.rows, found.ks.tolist(), lost.tolist(), strict=True):
        try:
            group = group_of(row.layer, groups)
        except ValueError:  # its channels must stay
            continue
        steps: dict[int, float] = {}
        for k, loss in zip(ks, losses, strict=True):
            if k <= group.most(minimum) and not k % group.sections:
                steps.setdefault(group.rounded(k, multiple), loss)  # what more channels cost is the most that fewer do
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


def to_share(choices: Sequence[Choice], share: float) -> Choice:
    """The first plan on the path that leaves at most this share, 0…1, of the MACs.

    ValueError for a share outside 0…1, and one that no plan reaches: it says which the nearest is.
    """
    check_share(share, "MACs")
    found = next((choice for choice in choices if choice.share <= share), None)
    if found is None:
        raise _out_of_reach(share, "MACs", min(choice.share for choice in choices))
    return found


@dataclass(frozen=True)
class Tried:
    """How far the search for a plan is, 0…1."""

    progress: float


Measure = Callable[[Plan], Generator[float, None, float]]  # of a plan; meanwhile how far that is, 0…1


def within(choices: Sequence[Choice], points: float, measure: Measure) -> Generator[Tried, None, Choice]:
    """The plan furthest along the path that was found to cost at most so many points, as `measure(plan)` has it.

    It is looked for by halves, so that few plans are measured: exactly the furthest one where each costs at least as
    much as those before it. ValueError where not even the first step is that cheap: it says what that costs.
    """
    check_points(points)
    last, measured = yield from _search(choices, measure, lambda lost: lost <= points)
    if not last:
        nearest = min(measured.values())
        raise ValueError(
            say(
                "at most {points:g} points cannot be had; the nearest that can is {nearest:.2f} points",
                points=points,
                nearest=nearest,
            )
        )
    return choices[last]


def to_time(choices: Sequence[Choice], share: float, measure: Measure) -> Generator[Tried, None, Choice]:
    """The first plan on the path that was found to take at most this share, 0…1, of the time; see `within`.

    `measure(plan)` gives the share that it takes. As times vary, and the luckiest of several was taken, it is measured
    once more, and the next plan is taken where that is too long; where all of them are, it is the fastest that was
    measured. ValueError for a share outside 0…1, and one that no plan reaches: it says which the nearest is.
    """
    check_share(share, "time")
    last, measured = yield from _search(choices, measure, lambda taken: taken > share)
    for place in range(last + 1, len(choices)):
        again = yield from _telling(measure(choices[place].plan), 1, 1)
        if again <= share:
            return choices[place]
        measured[place] = min(again, measured.get(place, again))
    fastest = min(measured, key=measured.__getitem__)
    if measured[fastest] > share:
        raise _out_of_reach(share, "time", measured[fastest])
    return choices[fastest]


def _search(
    choices: Sequence[Choice], measure: Measure, holds: Callable[[float], bool]
) -> Generator[Tried, None, tuple[int, dict[int, float]]]:
    """The last plan of which it `holds`, as it does of the first, and what was measured to find it, by place."""
    low, high, rounds = 0, len(choices), len(choices).bit_length()
    measured: dict[int, float] = {}
    while high - low > 1:
        middle = (low + high) // 2
        steps = measure(choices[middle].plan)
        measured[middle] = yield from _telling(steps, len(measured), rounds)
        low, high = (middle, high) if holds(measured[middle]) else (low, middle)
    return low, measured


def _telling(steps: Generator[float, None, float], done: int, total: int) -> Generator[Tried, None, float]:
    """What the steps give in the end; meanwhile, how far the whole search is."""
    while True:
        try:
            yield Tried(min((done + next(steps)) / total, 1.0))
        except StopIteration as end:
            return float(end.value)


def check_share(share: float, what: str) -> None:
    """ValueError unless the share of `what`, in words, is one that can be asked for."""
    if not 0 < share < 1:
        raise ValueError(
            say(
                "a share of {share:g} of the {what} is outside 0…1: give 0.5 for half of it",
                share=share,
                what=say(what),
            )
        )


def _out_of_reach(share: float, what: str, nearest: float) -> ValueError:
    return ValueError(
        say(
            "{share} of the {what} cannot be reached; the nearest that can is {nearest}",
            share=percent(share),
            what=say(what),
            nearest=percent(nearest),
        )
    )
