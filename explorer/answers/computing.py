"""Answers computed from images, and kept nowhere: rankings, curves and bands."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from explorer.answers.checking import check
from explorer.answers.choices import ORDERS, Measured, criterion_named
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.answers.runs import run_of
from explorer.engine.curves import Sweep
from explorer.engine.greedy import cost_of, greedy_stream
from explorer.engine.ks import check_ks, coarse_to_fine
from explorer.engine.oracle import Cost, Oracle, Search
from explorer.engine.reranking import rerank
from explorer.engine.sweep import EAGER, Course, sweep_orders_stream
from explorer.language.saying import say
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device
from explorer.networks.layers import conv_layer
from explorer.pruning.activations import collect_stream
from explorer.pruning.ranking import rank_by
from explorer.pruning.rankings import Ranking
from explorer.pruning.statistics import ChannelStatistics

BAND_BYTES = 2**28  # of its predictions


def measure_stream(experiment: Experiment, checkpoint: Checkpoint, device: Device = None) -> Iterator[Measured]:
    """What the ranking measures on images: statistics, or the oracle's search. Nothing where it needs no images."""
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


def _measure(experiment: Experiment, checkpoint: Checkpoint, device: Device) -> Measured | None:
    measured = None
    for measured in measure_stream(experiment, checkpoint, device):  # noqa: B007
        pass
    return measured


def ranking_of(
    experiment: Experiment, checkpoint: Checkpoint, measured: Measured | None = None, device: Device = None
) -> Ranking:
    """The unpruned network's ranking; what it needs of the images is measured unless it is given."""
    measured = measured or _measure(experiment, checkpoint, device)
    if isinstance(measured, Search):
        return measured.ranking
    return rank_by(checkpoint.model, experiment.layer, experiment.criterion, measured, experiment.seed)


Steps = tuple[Ranking, tuple[int, ...] | None]  # the order; how many are gone at each K, None where it is K itself


def steps_of(
    experiment: Experiment, checkpoint: Checkpoint, measured: Measured | None = None, device: Device = None
) -> Steps:
    """The channels in the order in which they go, and how many are gone at each K."""
    if experiment.schedule == "once":
        return ranking_of(experiment, checkpoint, measured, device), None
    layer, measured = experiment.layer, measured or _measure(experiment, checkpoint, device)
    assert not isinstance(measured, Search), "check() refuses it"
    ks = check_ks(experiment.ks, conv_layer(checkpoint.model, layer).out_channels)
    return rerank(checkpoint.model, layer, experiment.criterion, measured, ks, experiment.mode, experiment.seed)


def sweep_of(
    experiment: Experiment,
    checkpoint: Checkpoint,
    measured: Measured | None = None,
    device: Device = None,
    steps: Steps | None = None,
    coarse_first: bool = False,
) -> Iterator[Sweep]:
    """Rank, then sweep: yields the whole curve after each batch, with everything that identifies it.

    `steps` are what `steps_of` gives, where that is known already; `coarse_first` as for `sweep_stream`.
    """
    check(experiment, checkpoint)
    course = _course(experiment, checkpoint, steps or steps_of(experiment, checkpoint, measured, device))
    for (result,) in _sweeps(experiment, checkpoint, [course], device, coarse_first):
        yield result


def preview_of(experiment: Experiment, checkpoint: Checkpoint, measured: ChannelStatistics) -> Sweep:
    """A first curve while the ranking still measures: by the images so far, at a few K over a few images.

    Its `preview` says how many images the ranking has looked at, and so does its run.
    """
    ranking = ranking_of(experiment, checkpoint, measured)
    ks = coarse_to_fine(check_ks(experiment.ks, len(ranking.order)))[0]
    images = batches_of(checkpoint, experiment.split, experiment.limit).n
    few = replace(experiment, ks=ks, limit=min(EAGER, images))
    *_, result = sweep_of(few, checkpoint, steps=(ranking, None))
    run = replace(result.run, ranked_on=f"first {measured.done} of {experiment.ranked_on}")
    return replace(result, run=run, total=images, preview=measured.done)


def along_seeds(
    seeds: Sequence[Experiment], checkpoint: Checkpoint, device: Device = None, coarse_first: bool = False
) -> Iterator[tuple[Sweep, ...]]:
    """Sweep experiments that differ in their seeds alone, with one look at each batch: a sweep for each."""
    courses = [_course(each, checkpoint, steps_of(each, checkpoint)) for each in seeds]
    yield from _sweeps(seeds[0], checkpoint, courses, device, coarse_first)


def seeds_of(experiment: Experiment, checkpoint: Checkpoint, orders: int) -> list[Experiment]:
    """The experiments of a band, one a seed from the experiment's on; ValueError unless it can be had."""
    check(experiment, checkpoint)
    fewest, most = ORDERS
    if not fewest <= orders <= most:
        raise ValueError(say("{orders} orders are outside {fewest}…{most}", orders=orders, fewest=fewest, most=most))
    if experiment.criterion != "random":
        words = "several orders need the criterion random, not {criterion!r}"
        raise ValueError(say(words, criterion=experiment.criterion))
    ks = check_ks(experiment.ks, conv_layer(checkpoint.model, experiment.layer).out_channels)
    images = batches_of(checkpoint, experiment.split, experiment.limit).n
    if orders * len(ks) * images > BAND_BYTES:
        words = (
            "{orders} orders of {ks} K on {images:,} images are too much to keep; choose at most {most} orders, or "
            "fewer K"
        )
        most = BAND_BYTES // (len(ks) * images)
        raise ValueError(say(words, orders=orders, ks=len(ks), images=images, most=most))
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
