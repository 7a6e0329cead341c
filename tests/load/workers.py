"""How much faster several workers are: PYTHONPATH=. python tests/load/workers.py [CHECKPOINT] [--limit N] [--kill].

The sensitivity of a network by one process, and by one and two workers of joblib and of Ray: the same tables, and what
each took. With --kill, one of two workers is killed after the first unit. `simulated` is the time that the units of the
log take on so many workers, each taking the next in the queue: what the plan for ImageNet (imagenet.py) counts with.
"""

import argparse
import heapq
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from explorer.answers import door
from explorer.answers.store import Store
from explorer.networks import checkpoints
from explorer.workers.layers import LayersByWorkers
from explorer.workers.pools import pool_of
from explorer.workers.work import Told

RUNS = (("joblib", 1), ("joblib", 2), ("ray", 1), ("ray", 2))


def simulated(seconds: Sequence[float], workers: int, between: float = 0.0) -> float:
    """When the last unit ends, if each of the workers takes the next in the queue, `between` seconds after its last."""
    free = [0.0] * workers
    for each in seconds:
        heapq.heapreplace(free, free[0] + each + between)
    return max(free)


def between_units(log: Sequence[Told]) -> float:
    """The median of the seconds that a worker waits from one unit to its next."""
    by_worker: dict[str, list[Told]] = {}
    for told in sorted(log, key=lambda told: told.began):
        by_worker.setdefault(told.worker, []).append(told)
    waits = [b.began - a.ended for each in by_worker.values() for a, b in zip(each, each[1:], strict=False)]
    return statistics.median(waits) if waits else 0.0


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", nargs="?", default="resnet18_cifar10")
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--runs", default=",".join(f"{engine}:{jobs}" for engine, jobs in RUNS))
    args = parser.parse_args()
    point = checkpoints.load(args.checkpoint)
    began, spent = time.time(), time.process_time()
    *_, alone = door.sensitivity(point, limit=args.limit, fresh=True, store=_store())
    print(f"one process: {time.time() - began:.1f} s, {time.process_time() - spent:.1f} s of the processor", flush=True)
    for run in args.runs.split(","):
        engine, jobs = run.split(":")
        _run(point, args, engine, int(jobs), alone)


def _run(point, args, engine, jobs, alone) -> None:  # noqa: ANN001
    pool, began, killed = pool_of(jobs, engine), time.time(), ""
    layers = LayersByWorkers(point, pool, _store())
    steps = []
    for step in door.sensitivity(point, limit=args.limit, fresh=True, store=_store(), analyse=layers.analyse):
        steps.append(step)
        if args.kill and pool.log and not killed:
            killed = pool.log[0].worker
            os.kill(int(killed.rpartition(":")[2]), signal.SIGKILL)
    took, log = time.time() - began, pool.log
    span = max(told.ended for told in log) - min(told.began for told in log)
    inside = simulated([told.ended - told.began for told in log], jobs, between_units(log))
    print(
        f"{engine}, {jobs} workers of {pool.threads} threads: {took:.1f} s, {span:.1f} s from first unit to last "
        f"({inside:.1f} s simulated); {len(log)} units, {sum(told.processor for told in log):.1f} s of the processor, "
        f"{1000 * between_units(log):.0f} ms between two; "
        f"{'the same table' if steps[-1].frame().equals(alone.frame()) else 'ANOTHER TABLE'}"
        f"{f'; {killed} was killed' if killed else ''}",
        flush=True,
    )


def _store() -> Store:
    return Store(Path(tempfile.mkdtemp()))


if __name__ == "__main__":
    main()
