"""From names to a sweep: which checkpoint, layer, criterion and mode, ranked and evaluated on which images."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from explorer.activations import ChannelStatistics, collect, outputs
from explorer.checkpoints import Checkpoint
from explorer.data import Batches, load_split
from explorer.evaluation import resolve_dtype
from explorer.models import conv_layer, model_info
from explorer.pruning import check_mode
from explorer.ranking import Ranking, check_criterion, criterion_info, rank_by
from explorer.schedule import check_schedule, rerank
from explorer.sweep import Run, Sweep, check_ks, sweep_stream

SPLITS = ("test", "train")
BATCH_SIZE = 250  # the fastest of 50 … 1000 on two cores, and little memory


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
    """The layer that the network's lab prunes."""
    return model_info(checkpoint.card.model).layer


def check(experiment: Experiment, checkpoint: Checkpoint) -> None:
    """ValueError for the first thing in the experiment that does not exist or is out of range; reads no images."""
    channels = conv_layer(checkpoint.model, experiment.layer).out_channels
    check_criterion(checkpoint.model, experiment.layer, experiment.criterion)
    check_mode(checkpoint.model, experiment.layer, experiment.mode)
    check_schedule(checkpoint.model, experiment.layer, experiment.schedule, experiment.criterion, experiment.mode)
    for split in (experiment.ranked_on, experiment.split):
        check_split(split)
    check_ks(experiment.ks, channels)
    resolve_dtype(experiment.dtype)


def check_split(split: str) -> None:
    """ValueError unless it is one of SPLITS."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of: {', '.join(SPLITS)}")


def batches_of(checkpoint: Checkpoint, split: str, limit: int | None = None) -> Batches:
    """The images of the checkpoint's data set, normalised as it was trained with."""
    card = checkpoint.card
    return Batches(load_split(card.dataset, split), card.mean, card.std, BATCH_SIZE, limit)


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


def ranking_of(experiment: Experiment, checkpoint: Checkpoint, statistics: ChannelStatistics | None = None) -> Ranking:
    """The unpruned network's ranking; the statistics that it needs are collected unless given."""
    criterion = criterion_info(experiment.criterion)
    if statistics is None and criterion.needs_data:
        statistics = statistics_of(
            checkpoint, experiment.layer, experiment.ranked_on, experiment.limit, criterion.point
        )
    return rank_by(checkpoint.model, experiment.layer, experiment.criterion, statistics, experiment.seed)


Steps = tuple[Ranking, tuple[int, ...] | None]  # the order; how many are gone at each K, None where it is K itself


def steps_of(experiment: Experiment, checkpoint: Checkpoint, statistics: ChannelStatistics | None = None) -> Steps:
    """The channels in the order in which they go, and how many are gone at each K."""
    layer, criterion = experiment.layer, criterion_info(experiment.criterion)
    if experiment.schedule == "once":
        return ranking_of(experiment, checkpoint, statistics), None
    if statistics is None and criterion.needs_data:
        statistics = statistics_of(checkpoint, layer, experiment.ranked_on, experiment.limit)
    ks = check_ks(experiment.ks, conv_layer(checkpoint.model, layer).out_channels)
    return rerank(checkpoint.model, layer, criterion.name, statistics, ks, experiment.mode, experiment.seed)


def run_of(experiment: Experiment, checkpoint: Checkpoint) -> Run:
    """What identifies the experiment's numbers, for tables and pages."""
    needs_data = criterion_info(experiment.criterion).needs_data
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
    statistics: ChannelStatistics | None = None,
    device: str | torch.device | None = None,
    steps: Steps | None = None,
    coarse_first: bool = False,
) -> Iterator[Sweep]:
    """Rank, then sweep: yields the whole curve after each batch, with everything that identifies it.

    `steps` are what `steps_of` gives, where that is known already; `coarse_first` as for `sweep_stream`.
    """
    check(experiment, checkpoint)
    ranking, gone = steps or steps_of(experiment, checkpoint, statistics)
    yield from sweep_stream(
        checkpoint.model,
        experiment.layer,
        batches_of(checkpoint, experiment.split, experiment.limit),
        ranking.order,
        experiment.ks,
        experiment.mode,
        experiment.dtype,
        device,
        gone=gone,
        importance=ranking.importance,
        classes=checkpoint.card.classes,
        run=run_of(experiment, checkpoint),
        coarse_first=coarse_first,
    )
