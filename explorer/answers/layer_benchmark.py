"""Time the sensitivity analysis against one run a cell, both in one run, and compare what they predict."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np
import torch

from explorer.answers.images import batches_of
from explorer.engine.scan import convolutions
from explorer.engine.sensitivity import rows_of, sensitivity
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import logits, predict
from explorer.pruning.prune import prune
from explorer.pruning.ranking import rank

CELLS = 5  # that are timed of one run a cell, spread over layers and shares


@dataclass(frozen=True)
class LayerBenchmark:
    """Seconds of the processor, all its threads together, so that what else runs on the machine counts for little.

    Channels are ranked by L1 norm, which takes no images and is in none of the times.
    """

    checkpoint: str
    mode: str
    n: int  # images
    rows: int  # layers, or groups of them
    cells: int  # one run each the other way: rows × shares
    pass_seconds: float  # one plain test pass, the median of those between the others
    analysis_seconds: float  # from images to every cell
    run_seconds: float  # a masked copy and a full pass for each cell: the median of some cells, times their number
    analysis_over_pass: float
    speedup: float  # run_seconds / analysis_seconds
    cells_timed: int
    disagreements: int  # of the predictions' correctness in the cells that were timed
    threads: int
    dtype: str
    audit: str  # what an audit found, in words; empty without one

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)


def bench_layers(
    checkpoint: Checkpoint,
    mode: str = "filter",
    limit: int | None = None,
    dtype: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> LayerBenchmark:
    """Run the benchmark on the CPU; `progress(done, total)` counts its steps."""
    model, batches = checkpoint.model, batches_of(checkpoint, "test", limit)
    layers = [row.layer for row in rows_of(model, convolutions(model), mode)]
    orders = {layer: rank(model, layer, criterion="l1").order for layer in layers}
    logits(model, batches)  # warm
    started = time.process_time()
    result = sensitivity(model, batches, orders, mode, dtype=dtype, device="cpu")
    analysis = time.process_time() - started
    cells = result.broken.size
    passes, runs, disagreements = [], [], 0
    for step, cell in enumerate(np.linspace(1, cells - 1, CELLS).astype(int)):
        place, at = divmod(int(cell), len(result.shares))
        passes.append(_seconds(lambda: logits(model, batches)))
        layer, k = result.rows[place].layer, int(result.ks[place, at])
        started = time.process_time()
        found = logits(prune(model, layer, orders[layer][:k].tolist(), mode), batches)
        runs.append(time.process_time() - started)
        correct = int((predict(found) == batches.labels).sum())
        disagreements += abs(correct - int(result.correct[place, at]))
        if progress:
            progress(step + 1, CELLS)
    one, all_runs = median(passes), median(runs) * cells
    return LayerBenchmark(
        checkpoint=checkpoint.name,
        mode=mode,
        n=batches.n,
        rows=len(result.rows),
        cells=cells,
        pass_seconds=one,
        analysis_seconds=analysis,
        run_seconds=all_runs,
        analysis_over_pass=analysis / one,
        speedup=all_runs / analysis,
        cells_timed=CELLS,
        disagreements=disagreements,
        threads=torch.get_num_threads(),
        dtype=dtype,
        audit=str(result.audit or ""),
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
