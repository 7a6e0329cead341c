"""A plan carried out on a checkpoint: which channels go, what is left of the network, the proof, and the scales."""

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from explorer.answers.archive import Note
from explorer.answers.images import batches_of
from explorer.answers.merits import Merits, merits_of
from explorer.answers.recovering import Tuned, other_images, recipe_of, recovery
from explorer.answers.removing import carry_out, example_of, groups_of, ranking_for
from explorer.answers.targeting import plan_for, reached
from explorer.answers.unfinished import Unfinished
from explorer.background.jobs import Progress as Counted
from explorer.compression import removal
from explorer.compression.choosing import Tried
from explorer.compression.plans import MULTIPLE, Group, Plan
from explorer.compression.proof import prove
from explorer.compression.proofs import Proof
from explorer.compression.scales import Scales, weigh
from explorer.compression.shares import under, uniform
from explorer.compression.steps import Step
from explorer.compression.timing import BATCHES
from explorer.engine.sensitivities import Sensitivity
from explorer.language.saying import say
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device
from explorer.pruning.criteria import criterion_info
from explorer.training.loop import Progress

BLOCK, TUNED = "block", ", fine-tuned"
MOST_ALONE = 8  # layers that are also masked one by one, each for as long as one network
SHARES = range(10, 100, 10)  # percent


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
    asked: Compression = Compression()

    @property
    def reached(self) -> str:
        """What came of the target, in a sentence; empty where there was none, and while it is not measured."""
        target = self.asked.target
        if not target or self.merits is None or self.scales is None or self.done < self.total:
            return ""
        return reached(target, self.merits, self.scales)


def compressed(
    checkpoint: Checkpoint,
    asked: Compression,
    device: Device = None,
    progress: Progress | None = None,
    unfinished: Unfinished | None = None,
) -> Iterator[Note | Counted | Sensitivity | Tried | Compressed]:
    """Carry a plan out at once, and in steps where there are several: count what is left, test, prove and time it.

    Before, where the plan is chosen for a target, come the steps of that. Where it is fine-tuned, that is done and
    tested beside; `progress(images done, images in all)` follows it, and what is `unfinished` goes on. The proof is
    then about the removal alone.
    """
    recipe = None if asked.finetune is None else recipe_of(checkpoint.card, asked.finetune)
    if recipe and (note := other_images(checkpoint.card)):
        yield note
    groups = groups_of(checkpoint)
    plan = yield from _plan(checkpoint, asked, groups, device, unfinished)
    images, weighings = batches_of(checkpoint, limit=asked.limit).n, len(BATCHES) + 1
    ways = carried_out(checkpoint, plan, groups, asked)
    last = list(ways.values())[-1]
    models, tuned = {name: step.model for name, step in ways.items()}, None
    if recipe:
        recover = recovery(checkpoint, recipe, asked.steps, device, progress, unfinished)
        *_, better = carry_out(checkpoint, plan, groups, asked.steps, asked.minimum, recover)
        tuned = Tuned(better.model, recipe, asked.steps * recipe.epochs)
        models[f"{list(ways)[-1]}{TUNED}"] = tuned.model
        last = replace(better, model=removal.remove(checkpoint.model, better.channels, example_of(checkpoint)))
    weighing = scales_of(checkpoint, last.model)
    total = 2 * images + weighings
    found = Compressed(groups, plan, last.channels, total, 1, scales=next(weighing), tuned=tuned, asked=asked)
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


def _plan(
    checkpoint: Checkpoint,
    asked: Compression,
    groups: tuple[Group, ...],
    device: Device,
    unfinished: Unfinished | None,
) -> Generator[Any, None, Plan]:
    """The plan that is asked for, or that with which an unfinished one began: another time may find another."""
    if unfinished is None:
        return (yield from plan_of(checkpoint, asked, groups, device))
    about = {"checkpoint": checkpoint.sha256, **asdict(asked)}
    if known := unfinished.plan(about):
        return Plan.parse(known, asked.criterion)
    plan = yield from plan_of(checkpoint, asked, groups, device)
    unfinished.begin(about, plan.text)
    return plan


def plan_of(
    checkpoint: Checkpoint, asked: Compression, groups: tuple[Group, ...], device: Device = None
) -> Generator[Any, None, Plan]:
    """The plan that is asked for; ValueError where it does not fit, or prunes nothing.

    Meanwhile come the steps by which it is chosen for a target.
    """
    criterion_info(asked.criterion)
    if asked.share is not None:
        plan = uniform(groups, asked.share, asked.criterion, asked.minimum)
    elif asked.threshold is not None:
        free = [group.name for group in groups if not group.fixed]
        importance = {name: ranking_for(checkpoint, name, asked.criterion).importance for name in free}
        plan = under(groups, importance, asked.threshold, asked.criterion, asked.minimum)
    elif asked.target:
        multiple = MULTIPLE if asked.rounded else 1
        look = (asked.criterion, asked.minimum, multiple, asked.limit, device)
        plan = yield from plan_for(checkpoint, asked.target, groups, *look)
    else:
        plan = Plan.parse(asked.plan, asked.criterion)
    plan.check(groups, asked.minimum)
    plan = plan.rounded(groups) if asked.rounded else plan
    if not plan.layers:
        raise ValueError(say("this plan prunes nothing; give a larger K, share or threshold, or a smaller minimum"))
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


def proof_of(checkpoint: Checkpoint, step: Step, limit: int | None = None, device: Device = None) -> Iterator[Proof]:
    """The proof, on the test images, that what was removed might as well have been masked.

    Of a plan over a few layers it has what each costs alone, too.
    """
    batches, alone = batches_of(checkpoint, limit=limit), 1 < len(step.channels) <= MOST_ALONE
    yield from prove(checkpoint.model, step.model, step.channels, batches, device, alone)


def scales_of(checkpoint: Checkpoint, smaller: nn.Module, device: str = "cpu") -> Iterator[Scales]:
    """The checkpoint's network and the smaller one, weighed."""
    yield from weigh(checkpoint.model, smaller, example_of(checkpoint), device)
