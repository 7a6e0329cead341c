"""Time the sweep against the obvious way, both in one run, and compare what they predict."""

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median

import numpy as np
import torch
from torch import Tensor

from explorer.answers.computing import oracle_cost, ranking_of
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.engine.audit import Audited
from explorer.engine.greedy import greedy
from explorer.engine.ks import check_ks
from explorer.engine.plan import make_plan
from explorer.engine.steps import in_order
from explorer.engine.sweep import sweep
from explorer.images.batches import Batches
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import (
    AUDITED,
    Batch,
    Device,
    logits,
    predict,
    resolve_device,
    resolve_dtype,
    to_device,
)
from explorer.pruning.prune import prune

REPEATS = 3
LAB_LOOP_BUDGET = 120.0  # seconds: a lab loop that would take longer is timed on fewer K, spread over the whole range
TIE = 1e-5  # two logits closer than this may come out in either order


@dataclass(frozen=True)
class Benchmark:
    """Medians of interleaved repeats, in seconds; the ranking is made once and is in none of the three.

    The oracle is timed where what follows the layer ends in linear layers, so that it looks at whole images.
    """

    checkpoint: str
    layer: str
    n: int  # images
    ks: int  # how many K
    pass_seconds: float  # one plain test pass
    sweep_seconds: float  # from images to all predictions
    lab_loop_seconds: float  # for each K one masked copy and one full pass
    sweep_over_pass: float
    k_over_pass: float  # seconds per K / pass_seconds
    speedup: float  # lab_loop_seconds / sweep_seconds
    rank_seconds: float
    oracle_seconds: float | None  # the greedy order by accuracy, from images to the last channel
    oracle_over_pass: float | None
    lab_ks_timed: int  # fewer than `ks`: lab_loop_seconds is extrapolated, and what is compared is these K only
    predictions_agree: float  # share of compared K × n; the lab's loop is in float32, whatever the sweep's dtype
    disagreements: int
    ties: int  # disagreements where the two best logits are within 1e-5
    max_logit_difference: float
    repeats: int
    batch_size: int
    dtype: str
    threads: int
    device: str
    peak_bytes: int | None  # the most that tensors took of a graphics card's memory; of others nobody counts it

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)


def bench(
    checkpoint: Checkpoint,
    experiment: Experiment,
    repeats: int = REPEATS,
    progress: Callable[[int, int], None] | None = None,
    device: Device = "cpu",
    batch_size: int | None = None,
) -> Benchmark:
    """Run the benchmark; `progress(done, total)` counts its steps.

    `device` is "cpu" unless another is asked for, and `batch_size` that of all answers. ValueError for a device that is
    not there, and a batch size below 1.
    """
    target, batches = resolve_device(device), batches_of(checkpoint, experiment.split, experiment.limit)
    if batch_size is not None:
        batches = Batches(batches.split, batches.mean, batches.std, batch_size)
    model = copy.deepcopy(checkpoint.model).to(target)
    if target.type == "cuda":
        torch.cuda.reset_peak_memory_stats(target)

    def plain_pass() -> Tensor:
        return logits(model, batches, target)

    warm_up = _seconds(plain_pass)
    start = time.perf_counter()
    order = ranking_of(experiment, checkpoint, device=target).order
    rank_seconds = time.perf_counter() - start
    ks = check_ks(experiment.ks, len(order))

    def lab_step(k: int) -> Tensor:
        return logits(prune(model, experiment.layer, order[:k].tolist(), experiment.mode), batches, target)

    def fast() -> object:
        return sweep(checkpoint.model, experiment.layer, batches, order, ks, experiment.mode, experiment.dtype, target)

    def oracle() -> object:
        return greedy(checkpoint.model, experiment.layer, batches, mode=experiment.mode, device=target)

    has_oracle = oracle_cost(replace(experiment, ranked_on=experiment.split), checkpoint).linear
    timed = _spread(ks, LAB_LOOP_BUDGET / warm_up)
    total = repeats * (3 if has_oracle else 2) + len(timed)
    passes, sweeps, oracles, steps = [], [], [], []
    wanted: list[Tensor] = []
    for repeat in range(repeats):
        passes.append(_seconds(plain_pass))
        sweeps.append(_seconds(fast))
        if has_oracle:
            oracles.append(_seconds(oracle))
        for k in timed[len(timed) * repeat // repeats : len(timed) * (repeat + 1) // repeats]:
            start = time.perf_counter()
            wanted.append(lab_step(k))
            steps.append(time.perf_counter() - start)
            if progress:
                progress(len(passes) + len(sweeps) + len(oracles) + len(steps), total)
    found = _logits_at(checkpoint, experiment, batches, order, timed, target)
    disagreements, ties, difference = _compare(found, torch.stack(wanted))
    pass_seconds, sweep_seconds, lab_seconds = median(passes), median(sweeps), median(steps) * len(ks)
    return Benchmark(
        checkpoint=checkpoint.name,
        layer=experiment.layer,
        n=batches.n,
        ks=len(ks),
        pass_seconds=pass_seconds,
        sweep_seconds=sweep_seconds,
        lab_loop_seconds=lab_seconds,
        sweep_over_pass=sweep_seconds / pass_seconds,
        k_over_pass=sweep_seconds / len(ks) / pass_seconds,
        speedup=lab_seconds / sweep_seconds,
        rank_seconds=rank_seconds,
        oracle_seconds=median(oracles) if oracles else None,
        oracle_over_pass=median(oracles) / pass_seconds if oracles else None,
        lab_ks_timed=len(timed),
        predictions_agree=1 - disagreements / (len(timed) * batches.n),
        disagreements=disagreements,
        ties=ties,
        max_logit_difference=difference,
        repeats=repeats,
        batch_size=batches.batch_size,
        dtype=experiment.dtype,
        threads=torch.get_num_threads(),
        device=str(target) if target.type == "cpu" else f"{target} ({_name(target)})",
        peak_bytes=torch.cuda.max_memory_allocated(target) if target.type == "cuda" else None,
    )


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _spread(ks: tuple[int, ...], most: float) -> list[int]:
    """At most so many (and at least three) of the ks, evenly spread and with both ends."""
    count = min(len(ks), max(3, int(most)))
    if count == 1:
        return list(ks)
    return [ks[round(i * (len(ks) - 1) / (count - 1))] for i in range(count)]


def _logits_at(
    checkpoint: Checkpoint,
    experiment: Experiment,
    batches: Iterable[Batch],
    order: np.ndarray,
    ks: list[int],
    device: torch.device,
) -> Tensor:
    """The engine's own logits (number of K, N, classes), on the CPU."""
    plan, parts = None, []
    for inputs, _ in batches:
        moved = to_device(inputs, device)
        make = partial(make_plan, checkpoint.model, experiment.layer, experiment.mode, moved, device)
        plan = plan or make(resolve_dtype(experiment.dtype))
        if experiment.dtype == AUDITED and not isinstance(plan, Audited):
            plan = Audited(plan, make())
        parts.append(in_order(plan.logits(moved, order, ks)).cpu())
    return torch.cat(parts, dim=1)


def _compare(found: Tensor, wanted: Tensor) -> tuple[int, int, float]:
    """Number of predictions that differ, how many of those are ties, and the largest difference of logits."""
    differ = predict(found) != predict(wanted)
    best = wanted.topk(min(2, wanted.shape[-1]), dim=-1).values
    gap = best[..., 0] - best[..., 1] if best.shape[-1] == 2 else best[..., 0].abs()
    ties = differ & (gap <= TIE)
    return int(differ.sum()), int(ties.sum()), float((found - wanted).abs().max())
