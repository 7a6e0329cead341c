"""A plan for a target: at most so many points of accuracy lost, or a share of the multiply-adds or of the time left."""

from collections.abc import Generator
from functools import partial
from typing import Any

from explorer.answers import door, shipped
from explorer.answers.merits import Merits, merits_of
from explorer.answers.removing import carry_out, example_of
from explorer.compression.choosing import MODE, Measure, check_share, path, to_share, to_time, within
from explorer.compression.costs import costs_of, macs_of
from explorer.compression.counting import count
from explorer.compression.plans import Group, Plan
from explorer.compression.scales import Scales
from explorer.compression.timing import BATCHES, time_networks, time_ratio
from explorer.engine.sensitivities import Sensitivity, check_points
from explorer.language.saying import say
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device
from explorer.show.words import percent, points

POINTS, MACS, LATENCY = TARGETS = ("points", "macs", "latency")
BATCH = BATCHES[0]  # of which the time is meant: one image


def target_of(text: str) -> tuple[str, float]:
    """What a target is about, one of TARGETS, and how many: "points=1" is at most one point of accuracy lost,
    "macs=0.5" at most half of the multiply-adds left, "latency=0.5" at most half of the time for one image.

    ValueError for any other text, and an amount that cannot be asked for.
    """
    what, _, amount = text.partition("=")
    try:
        number = float(amount)
    except ValueError:
        number = float("nan")
    if what not in TARGETS or number != number:
        raise ValueError(
            say(
                "{text!r} is no target; give points=1 (at most one point lost), macs=0.5 (half of them left) or "
                "latency=0.5 (half of the time left)",
                text=text[:80],
            )
        )
    if what == POINTS:
        check_points(number)
    else:
        check_share(number, "MACs" if what == MACS else "time")
    return what, number


def plan_for(
    checkpoint: Checkpoint,
    target: str,
    groups: tuple[Group, ...],
    criterion: str,
    minimum: int = 1,
    multiple: int = 1,
    limit: int | None = None,
    device: Device = None,
) -> Generator[Any, None, Plan]:
    """The plan that meets the target, chosen by what each layer can spare; ValueError says the nearest that can be met.

    Meanwhile come the steps of the sensitivity analysis, and of the search. Multiply-adds are counted; points are
    measured with the channels removed, on the test images, and time is that of whole networks on this machine.
    """
    what, amount = target_of(target)
    known = None if shipped.has_sensitivity(checkpoint, criterion, MODE) else limit
    found = None
    for step in door.sensitivity(checkpoint, criterion, MODE, limit=known, device=device):
        found = step if isinstance(step, Sensitivity) else found
        yield step
    assert found is not None, "the whole analysis is what comes last"
    example = example_of(checkpoint)
    if what == LATENCY:
        (seconds,) = time_networks((checkpoint.model,), example, BATCH).layers
        costs = costs_of(checkpoint.model, groups, seconds)
    else:
        costs = macs_of(checkpoint.model, groups, count(checkpoint.model, example))
    choices = path(found, groups, costs, minimum, multiple)
    if what == MACS:
        return to_share(choices, amount).plan
    measure: Measure
    if what == POINTS:
        measure = partial(_lost, checkpoint, groups, minimum, limit, device)
        chosen = yield from within(choices, amount, measure)
    else:
        measure = partial(_time_left, checkpoint, groups, minimum)
        chosen = yield from to_time(choices, amount, measure)
    return chosen.plan


def _lost(
    checkpoint: Checkpoint, groups: tuple[Group, ...], minimum: int, limit: int | None, device: Device, plan: Plan
) -> Generator[float, None, float]:
    """How many points of accuracy the plan costs."""
    *_, step = carry_out(checkpoint, plan, groups, 1, minimum)
    for merits in merits_of(checkpoint, {"": step.model}, limit, device):
        yield merits.done / merits.total
    return -float(merits.comparison.change[-1])


def _time_left(
    checkpoint: Checkpoint, groups: tuple[Group, ...], minimum: int, plan: Plan
) -> Generator[float, None, float]:
    """The share of the time for one image that is left."""
    yield 0.0
    *_, step = carry_out(checkpoint, plan, groups, 1, minimum)
    return time_ratio(checkpoint.model, step.model, example_of(checkpoint), BATCH).median


def reached(target: str, merits: Merits, scales: Scales) -> str:
    """What came of a target, measured anew once the plan stood, in a sentence.

    `merits` have the plan carried out at once behind the unpruned network; `scales` are whole.
    """
    what, amount = target_of(target)
    if what == POINTS:
        row = merits.frame().iloc[1]
        return say(
            "At most {amount:g} points of accuracy were to go: it changes by {change} ({low} to {high}, over {n:,} "
            "images).",
            amount=amount,
            change=points(row["change"]),
            low=points(row["change_low"]),
            high=points(row["change_high"]),
            n=row["n"],
        )
    if what == MACS:
        left = percent(scales.after.macs / scales.before.macs)
        words = "At most {amount:g} % of the multiply-adds were to be left: {left} are."
        return say(words, amount=100 * amount, left=left)
    timing = scales.timings[0]
    ratio = timing.ratios[-1]
    return say(
        "At most {amount:g} % of the time for one image was to be left: measured once more, {left} is ({low} to {high} "
        "from quartile to quartile, of {runs:,} runs in turns on {place}), which is more: times vary that much here."
        if ratio.median > amount
        else "At most {amount:g} % of the time for one image was to be left: measured once more, {left} is ({low} to "
        "{high} from quartile to quartile, of {runs:,} runs in turns on {place}).",
        amount=100 * amount,
        left=percent(ratio.median),
        low=percent(ratio.low),
        high=percent(ratio.high),
        runs=ratio.repeats,
        place=timing.place,
    )
