"""A plan carried out on a checkpoint: which channels go, what is left of the network, the proof, and the scales."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from torch import nn

from explorer.answers import door
from explorer.answers.computing import ranking_of
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.answers.recovering import Tuned, recipe_of, recovery
from explorer.compression import removal
from explorer.compression.choosing import path, to_share, within
from explorer.compression.comparison import Comparison, compare
from explorer.compression.costs import macs_of
from explorer.compression.counting import count
from explorer.compression.plans import Group, Plan
from explorer.compression.proof import prove
from explorer.compression.proofs import Proof
from explorer.compression.scales import Scales, weigh
from explorer.compression.shares import under, uniform
from explorer.compression.steps import Order, Step, progressive
from explorer.compression.timing import BATCHES
from explorer.engine.sensitivities import Sensitivity
from explorer.images.batches import Inputs
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device
from explorer.pruning.criteria import criterion_info
from explorer.pruning.ranking import rank
from explorer.pruning.rankings import Ranking
from explorer.training.loop import Progress

EXAMPLES = 8  # images on which a network is followed, and its narrowed form checked at once
UNPRUNED, BLOCK, TUNED = "unpruned", "block", ", fine-tuned"
MOST_ALONE = 8  # layers that are also masked one by one, each for as long as one network
SHARES = range(10, 100, 10)  # percent


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


@dataclass(frozen=True)
class Compression:
    """What is asked: a plan, by exactly one of the first four, and how it is carried out and looked at. Hashable."""

    share: float | None = None  # 0…1, of every layer
    threshold: float | None = None  # times a layer's mean importance
    plan: str = ""  # as `Plan.parse` reads it
    target: str = ""  # as `target_of` reads it
    criterion: str = "l1"
    minimum: int = 1  # channels that every layer keeps
    rounded: bool = False  # whether to keep a few more, for widths that processors like
    steps: int = 1
    limit: int | None = None  # the first test images only
    finetune: int | None = None  # epochs after each step


@dataclass(frozen=True)
class Compressed:
    """What came of a plan so far: the channels that are gone, the proof, the figures of merit, and the scales.

    The smaller network itself is not kept, for `carry_out` makes it again in a moment; one that was fine-tuned is.
    """

    groups: tuple[Group, ...]
    plan: Plan
    channels: dict[str, tuple[int, ...]]
    total: int  # images to look at twice, and steps to weigh
    done: int = 0
    proof: Proof | None = None
    merits: Merits | None = None
    scales: Scales | None = None
    tuned: Tuned | None = None


def compressed(
    checkpoint: Checkpoint, asked: Compression, device: Device = None, progress: Progress | None = None
) -> Iterator[Compressed]:
    """Carry a plan out at once, and in steps where there are several: count what is left, test, prove and time it.

    Where it is fine-tuned, that is done and tested beside; `progress(images done, images in all)` follows it. The proof
    is then about the removal of the same channels alone.
    """
    recipe = None if asked.finetune is None else recipe_of(checkpoint.card, asked.finetune)
    groups = groups_of(checkpoint)
    plan = plan_of(checkpoint, asked, groups)
    images, weighings = batches_of(checkpoint, limit=asked.limit).n, len(BATCHES) + 1
    ways = carried_out(checkpoint, plan, groups, asked)
    last = list(ways.values())[-1]
    models, tuned = {name: step.model for name, step in ways.items()}, None
    if recipe:
        recover = recovery(checkpoint, recipe, asked.steps, device, progress)
        *_, better = carry_out(checkpoint, plan, groups, asked.steps, asked.minimum, recover)
        tuned = Tuned(better.model, recipe, asked.steps * recipe.epochs)
        models[f"{list(ways)[-1]}{TUNED}"] = tuned.model
        last = replace(better, model=removal.remove(checkpoint.model, better.channels, example_of(checkpoint)))
    weighing = scales_of(checkpoint, last.model)
    found = Compressed(groups, plan, last.channels, 2 * images + weighings, 1, scales=next(weighing), tuned=tuned)
    yield found
    for merits in merits_of(checkpoint, models, asked.limit, device):
        found = replace(found, merits=merits, done=1 + merits.done)
        yield found
    for proof in proof_of(checkpoint, last, asked.limit, device):
        found = replace(found, proof=proof, done=1 + images + proof.done)
        yield found
    for scales in weighing:
        found = replace(found, scales=scales, done=2 * images + scales.done)
        yield found


def carried_out(checkpoint: Checkpoint, plan: Plan, groups: tuple[Group, ...], asked: Compression) -> dict[str, Step]:
    """What is left of the network when all goes at once and, where that is asked, when it goes in steps."""
    ways = {BLOCK: 1} if asked.steps == 1 else {BLOCK: 1, f"{asked.steps} steps": asked.steps}
    found = {}
    for name, steps in ways.items():
        *_, found[name] = carry_out(checkpoint, plan, groups, steps, asked.minimum)
    return found


def plan_of(checkpoint: Checkpoint, asked: Compression, groups: tuple[Group, ...]) -> Plan:
    """The plan that is asked for; ValueError where it does not fit, or prunes nothing."""
    criterion_info(asked.criterion)
    if asked.share is not None:
        plan = uniform(groups, asked.share, asked.criterion, asked.minimum)
    elif asked.threshold is not None:
        free = [group.name for group in groups if not group.fixed]
        importance = {name: ranking_for(checkpoint, name, asked.criterion).importance for name in free}
        plan = under(groups, importance, asked.threshold, asked.criterion, asked.minimum)
    elif asked.target:
        plan = _plan_for(checkpoint, asked, groups)
    else:
        plan = Plan.parse(asked.plan, asked.criterion)
    plan.check(groups, asked.minimum)
    plan = plan.rounded(groups) if asked.rounded else plan
    if not plan.layers:
        raise ValueError("this plan prunes nothing; give a larger K, share or threshold, or a smaller minimum")
    return plan


def frontier_of(
    checkpoint: Checkpoint,
    groups: tuple[Group, ...],
    criterion: str,
    minimum: int = 1,
    limit: int | None = None,
    device: Device = None,
) -> Iterator[Merits]:
    """The figures of merit of uniform shares from a tenth to nine tenths, pruned at once; named by their percent."""
    plans = {f"{percent} %": uniform(groups, percent / 100, criterion, minimum) for percent in SHARES}
    distinct = {plan: name for name, plan in reversed(plans.items()) if plan.layers}
    ways = {}
    for plan, name in reversed(distinct.items()):
        *_, step = carry_out(checkpoint, plan, groups, 1, minimum)
        ways[name] = step.model
    yield from merits_of(checkpoint, ways, limit, device)


def example_of(checkpoint: Checkpoint) -> Inputs:
    """A few test images; ValueError where they are not here."""
    inputs, _ = next(iter(batches_of(checkpoint)))
    return tuple(part[:EXAMPLES] for part in inputs) if isinstance(inputs, tuple) else inputs[:EXAMPLES]


def target_of(text: str) -> tuple[str, float]:
    """What a target is about, "points" or "macs", and how many: "points=1" is at most one point of accuracy lost,
    "macs=0.5" at most half of the multiply-adds left. ValueError for any other text.
    """
    what, _, amount = text.partition("=")
    try:
        number = float(amount)
    except ValueError:
        number = float("nan")
    if what not in ("points", "macs") or number != number:
        raise ValueError(
            f"{text[:80]!r} is no target; give points=1 (at most one point lost) or macs=0.5 (half of them)"
        )
    return what, number


def _plan_for(checkpoint: Checkpoint, asked: Compression, groups: tuple[Group, ...]) -> Plan:
    """The plan that meets the target, chosen by what each layer can spare; ValueError says the nearest that can be met.

    What points a plan really costs is measured with its channels masked, on the test images.
    """
    what, number = target_of(asked.target)
    *_, found = door.sensitivity(checkpoint, asked.criterion, "channel", limit=asked.limit)
    assert isinstance(found, Sensitivity), "the whole analysis is what comes last"
    costs = macs_of(checkpoint.model, groups, count(checkpoint.model, example_of(checkpoint)))
    choices = path(found, groups, costs, asked.minimum)
    if what == "macs":
        return to_share(choices, number).plan

    def lost(plan: Plan) -> float:
        *_, step = carry_out(checkpoint, plan, groups, 1, asked.minimum)
        *_, merits = merits_of(checkpoint, {BLOCK: step.model}, asked.limit)
        return -float(merits.comparison.change[-1])

    return within(choices, number, lost).plan


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


def proof_of(checkpoint: Checkpoint, step: Step, limit: int | None = None, device: Device = None) -> Iterator[Proof]:
    """The proof, on the test images, that what was removed might as well have been masked.

    Of a plan over a few layers it has what each costs alone, too.
    """
    batches, alone = batches_of(checkpoint, limit=limit), 1 < len(step.channels) <= MOST_ALONE
    yield from prove(checkpoint.model, step.model, step.channels, batches, device, alone)


def scales_of(checkpoint: Checkpoint, smaller: nn.Module, device: str = "cpu") -> Iterator[Scales]:
    """The checkpoint's network and the smaller one, weighed."""
    yield from weigh(checkpoint.model, smaller, example_of(checkpoint), device)


def merits_of(
    checkpoint: Checkpoint, ways: Mapping[str, nn.Module], limit: int | None = None, device: Device = None
) -> Iterator[Merits]:
    """The figures of merit of networks that the checkpoint's was made into, by name, on the test images."""
    networks = {UNPRUNED: checkpoint.model, **ways}
    example = example_of(checkpoint)
    macs = tuple(count(network, example).macs for network in networks.values())
    for comparison in compare(networks, batches_of(checkpoint, limit=limit), device):
        yield Merits(comparison, macs)
