"""From names to a sweep: which checkpoint, layer, criterion and mode, ranked and evaluated on which images."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from explorer.activations import ChannelStatistics, collect, collect_stream, outputs
from explorer.checkpoints import Checkpoint
from explorer.data import Batches, Split, dataset_info, load_split, require_split
from explorer.evaluation import Device, resolve_dtype
from explorer.models import Shape, conv_layer, last_conv, model_info
from explorer.oracle import ORACLES, Cost, Oracle, Search, cost_of, greedy_stream
from explorer.pruning import check_mode
from explorer.ranking import (
    CRITERIA,
    REVERSED,
    Criterion,
    Ranking,
    check_criterion,
    criterion_info,
    fitting_criteria,
    rank_by,
)
from explorer.schedule import check_schedule, rerank
from explorer.sweep import EAGER, Band, Course, Run, Sweep, check_ks, coarse_to_fine, sweep_orders_stream
from explorer.training import check_held_out, held_out_of

SPLITS = ("test", "train")
HELD_OUT = "held-out"  # the images that the network was validated on as it was trained
RANKED_ON = (*SPLITS, HELD_OUT)
ORDERS = (20, 200)  # how many random orders a band may have
BAND_BYTES = 2**28  # of its predictions
BATCH_SIZE = 250  # the fastest of 50 … 1000 on two cores, and little memory
BATCH_PIXELS = BATCH_SIZE * 64 * 64  # of larger images fewer at a time, for the same memory


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a sweep's numbers. Hashable, so that it can name a cached result."""

    checkpoint: str
    layer: str
    criterion: str = "mean"
    mode: str = "filter"
    ranked_on: str = "test"
    split: str = "test"
    seed: int = 0
    ks: tuple[int, ...] | None = None  # None means 0…P
    limit: int | None = None  # the first images only, of both splits; None means all
    schedule: str = "once"  # a key of schedule.SCHEDULES
    dtype: str = "float32"  # a key of evaluation.DTYPES


def default_layer(checkpoint: Checkpoint) -> str:
    """The layer that the network's lab prunes, or else the last convolution before its logits."""
    return model_info(checkpoint.card.model).layer or last_conv(checkpoint.model)


def criterion_named(name: str) -> Criterion | Oracle:
    """What orders the channels: a criterion, one of them reversed, or an oracle; ValueError lists the names."""
    if name in ORACLES:
        return ORACLES[name]
    if name.removesuffix(REVERSED) not in CRITERIA:
        known = ", ".join([*CRITERIA, *ORACLES])
        raise ValueError(f"unknown criterion {name!r}; choose one of: {known}; a criterion may end in {REVERSED}")
    return criterion_info(name)


def criteria_for(checkpoint: Checkpoint, layer: str) -> list[str]:
    """The names that fit the layer: criteria, the same reversed, and the oracles."""
    fitting = fitting_criteria(checkpoint.model, layer)
    return [*fitting, *(f"{name}{REVERSED}" for name in fitting), *ORACLES]


def splits_to_rank_on(checkpoint: Checkpoint) -> list[str]:
    """The splits whose images the channels can be ranked on; the held-out ones need the data trained on."""
    splits = [split for split in SPLITS if split in dataset_info(checkpoint.card.dataset).files]
    try:
        check_held_out(checkpoint.card)
    except ValueError:
        return splits
    return [*splits, HELD_OUT]


def check(experiment: Experiment, checkpoint: Checkpoint) -> None:
    """ValueError for the first thing in the experiment that does not exist or is out of range; reads no images."""
    channels = conv_layer(checkpoint.model, experiment.layer).out_channels
    check_mode(checkpoint.model, experiment.layer, experiment.mode)
    if isinstance(criterion_named(experiment.criterion), Oracle):
        if experiment.schedule != "once":
            raise ValueError(f"the oracle looks again at each step, so schedule {experiment.schedule!r} must be once")
    else:
        check_criterion(checkpoint.model, experiment.layer, experiment.criterion)
        check_schedule(checkpoint.model, experiment.layer, experiment.schedule, experiment.criterion, experiment.mode)
    check_split(experiment.ranked_on, RANKED_ON)
    check_split(experiment.split)
    if experiment.ranked_on == HELD_OUT:
        check_held_out(checkpoint.card)
    for split in {experiment.ranked_on, experiment.split} - {HELD_OUT}:
        require_split(checkpoint.card.dataset, split)
    check_ks(experiment.ks, channels)
    resolve_dtype(experiment.dtype)


def check_split(split: str, known: Collection[str] = SPLITS) -> None:
    """ValueError unless it is one of the `known` ones."""
    if split not in known:
        raise ValueError(f"unknown split {split!r}; choose one of: {', '.join(known)}")


def batches_of(checkpoint: Checkpoint, split: str, limit: int | None = None) -> Batches:
    """The images of the checkpoint's data set, normalised as it was trained with."""
    card = checkpoint.card
    return Batches(_images(checkpoint, split), card.mean, card.std, batch_size_for(card.shape), limit)


def batch_size_for(shape: Shape) -> int:
    """How many images of `shape` (C, H, W) a batch has."""
    _, height, width = shape
    return max(1, min(BATCH_SIZE, BATCH_PIXELS // (height * width)))


def _images(checkpoint: Checkpoint, split: str) -> Split:
    if split == HELD_OUT:
        return replace(held_out_of(checkpoint.card), split=HELD_OUT)
    return load_split(checkpoint.card.dataset, split)


def statistics_of(
    checkpoint: Checkpoint, layer: str, split: str, limit: int | None = None, point: str = "raw"
) -> ChannelStatistics:
    """Statistics of the layer's output over a split; `point` is a key of activations.POINTS."""
    return collect(checkpoint.model, layer, batches_of(checkpoint, split, limit), point)


@dataclass(frozen=True, eq=False)
class Examples:
    """A few examples of different classes, and what a layer makes of them."""

    images: list[np.ndarray]  # for each input of the network (n, C, H, W) uint8
    labels: list[str]
    outputs: list[np.ndarray]  # for each call of the layer (n, P, M, N)


def examples_of(checkpoint: Checkpoint, layer: str, point: str, count: int, split: str = "test") -> Examples:
    """The first of each class, `count` in all, with the layer's output at `point`."""
    whole = load_split(checkpoint.card.dataset, split)
    each = max(1, count // len(whole.classes))
    first = [int(i) for label in range(len(whole.classes)) for i in (whole.labels == label).nonzero()[:each]]
    chosen = whole.take(first[:count])
    inputs, labels = next(iter(Batches(chosen, checkpoint.card.mean, checkpoint.card.std)))
    maps = outputs(checkpoint.model, layer, inputs, point).split(len(labels))
    images = [part.numpy() for part in chosen.inputs]
    return Examples(images, [whole.classes[label] for label in labels], [part.numpy() for part in maps])


Found = ChannelStatistics | Search  # what a ranking looks at images for


def look_stream(experiment: Experiment, checkpoint: Checkpoint, device: Device = None) -> Iterator[Found]:
    """What the ranking looks at images for: statistics, or the oracle's search. Nothing where it needs no images."""
    criterion, layer = criterion_named(experiment.criterion), experiment.layer
    if not criterion.needs_data:
        return
    batches = batches_of(checkpoint, experiment.ranked_on, experiment.limit)
    if isinstance(criterion, Oracle):
        yield from greedy_stream(checkpoint.model, layer, batches, criterion.name, experiment.mode, device=device)
    else:
        yield from collect_stream(checkpoint.model, layer, batches, criterion.point, device)


def oracle_cost(experiment: Experiment, checkpoint: Checkpoint) -> Cost:
    """What an oracle's search takes: how many pruned networks, on how many of the images it ranks on."""
    batches = batches_of(checkpoint, experiment.ranked_on, experiment.limit)
    example, _ = next(iter(batches))
    return cost_of(checkpoint.model, experiment.layer, example, batches.n, experiment.mode)


def _look(experiment: Experiment, checkpoint: Checkpoint, device: Device) -> Found | None:
    found = None
    for found in look_stream(experiment, checkpoint, device):  # noqa: B007
        pass
    return found


def ranking_of(
    experiment: Experiment, checkpoint: Checkpoint, found: Found | None = None, device: Device = None
) -> Ranking:
    """The unpruned network's ranking; what it looks at images for is looked for unless given as `found`."""
    found = found or _look(experiment, checkpoint, device)
    if isinstance(found, Search):
        return found.ranking
    return rank_by(checkpoint.model, experiment.layer, experiment.criterion, found, experiment.seed)


Steps = tuple[Ranking, tuple[int, ...] | None]  # the order; how many are gone at each K, None where it is K itself


def steps_of(
    experiment: Experiment, checkpoint: Checkpoint, found: Found | None = None, device: Device = None
) -> Steps:
    """The channels in the order in which they go, and how many are gone at each K."""
    if experiment.schedule == "once":
        return ranking_of(experiment, checkpoint, found, device), None
    layer, found = experiment.layer, found or _look(experiment, checkpoint, device)
    assert not isinstance(found, Search), "check() refuses it"
    ks = check_ks(experiment.ks, conv_layer(checkpoint.model, layer).out_channels)
    return rerank(checkpoint.model, layer, experiment.criterion, found, ks, experiment.mode, experiment.seed)


def run_of(experiment: Experiment, checkpoint: Checkpoint) -> Run:
    """What identifies the experiment's numbers, for tables and pages."""
    needs_data = criterion_named(experiment.criterion).needs_data
    return Run(
        checkpoint=checkpoint.name,
        checkpoint_sha256=checkpoint.sha256,
        dataset=checkpoint.card.dataset,
        split=experiment.split,
        layer=experiment.layer,
        criterion=experiment.criterion,
        ranked_on=experiment.ranked_on if needs_data else "",
        mode=experiment.mode,
        seed=experiment.seed,
        schedule=experiment.schedule,
        dtype=experiment.dtype,
    )


def sweep_of(
    experiment: Experiment,
    checkpoint: Checkpoint,
    found: Found | None = None,
    device: Device = None,
    steps: Steps | None = None,
    coarse_first: bool = False,
) -> Iterator[Sweep]:
    """Rank, then sweep: yields the whole curve after each batch, with everything that identifies it.

    `steps` are what `steps_of` gives, where that is known already; `coarse_first` as for `sweep_stream`.
    """
    check(experiment, checkpoint)
    course = _course(experiment, checkpoint, steps or steps_of(experiment, checkpoint, found, device))
    for (result,) in _sweeps(experiment, checkpoint, [course], device, coarse_first):
        yield result


def preview_of(experiment: Experiment, checkpoint: Checkpoint, found: ChannelStatistics) -> Sweep:
    """A first curve while the ranking still looks at images: by those so far, at a few K over a few images.

    Its `preview` says how many images the ranking has looked at, and so does its run.
    """
    ranking = ranking_of(experiment, checkpoint, found)
    ks = coarse_to_fine(check_ks(experiment.ks, len(ranking.order)))[0]
    images = batches_of(checkpoint, experiment.split, experiment.limit).n
    few = replace(experiment, ks=ks, limit=min(EAGER, images))
    *_, result = sweep_of(few, checkpoint, steps=(ranking, None))
    run = replace(result.run, ranked_on=f"first {found.done} of {experiment.ranked_on}")
    return replace(result, run=run, total=images, preview=found.done)


def band_of(
    experiment: Experiment,
    checkpoint: Checkpoint,
    orders: int,
    device: Device = None,
    coarse_first: bool = False,
) -> Iterator[Band]:
    """Sweep along so many random orders, of the seeds from the experiment's on, with one look at each batch."""
    seeds = seeds_of(experiment, checkpoint, orders)
    courses = [_course(each, checkpoint, steps_of(each, checkpoint)) for each in seeds]
    for sweeps in _sweeps(experiment, checkpoint, courses, device, coarse_first):
        yield Band(sweeps)


def seeds_of(experiment: Experiment, checkpoint: Checkpoint, orders: int) -> list[Experiment]:
    """The experiments of a band, one a seed from the experiment's on; ValueError unless it can be had."""
    check(experiment, checkpoint)
    fewest, most = ORDERS
    if not fewest <= orders <= most:
        raise ValueError(f"{orders} orders are outside {fewest}…{most}")
    if experiment.criterion != "random":
        raise ValueError(f"several orders need the criterion random, not {experiment.criterion!r}")
    ks = check_ks(experiment.ks, conv_layer(checkpoint.model, experiment.layer).out_channels)
    images = batches_of(checkpoint, experiment.split, experiment.limit).n
    if orders * len(ks) * images > BAND_BYTES:
        raise ValueError(
            f"{orders} orders of {len(ks)} K on {images:,} images are too much to keep; "
            f"choose at most {BAND_BYTES // (len(ks) * images)} orders, or fewer K"
        )
    return [replace(experiment, seed=experiment.seed + order) for order in range(orders)]


def _course(experiment: Experiment, checkpoint: Checkpoint, steps: Steps) -> Course:
    ranking, gone = steps
    return Course(ranking.order, ranking.importance, gone, run_of(experiment, checkpoint))


def _sweeps(
    experiment: Experiment,
    checkpoint: Checkpoint,
    courses: list[Course],
    device: Device,
    coarse_first: bool,
) -> Iterator[tuple[Sweep, ...]]:
    yield from sweep_orders_stream(
        checkpoint.model,
        experiment.layer,
        batches_of(checkpoint, experiment.split, experiment.limit),
        courses,
        experiment.ks,
        experiment.mode,
        experiment.dtype,
        device,
        classes=checkpoint.card.classes,
        coarse_first=coarse_first,
    )
