"""Workers that are processes of this machine, through joblib."""

import os
import signal
import warnings
from collections.abc import Generator, Sequence
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import torch

from explorer.workers.requests import Call
from explorer.workers.work import Done, Told, work

TRAVELS = "100K"  # arrays from this size on are mapped from one file, which all processes share
DEATHS = 3  # of workers in a row, without a unit finished between them: not chance, but a unit that kills them


class Processes:
    """So many processes, which share this machine's cores."""

    def __init__(self, jobs: int) -> None:
        self.jobs, self.threads = jobs, max(1, torch.get_num_threads() // jobs)
        self.log: list[Told] = []

    def run(self, calls: Sequence[Call]) -> Generator[tuple[int, Done], None, None]:
        """See units.Pool."""
        from joblib import Parallel, delayed

        warnings.filterwarnings("ignore", message=".*still being processed by the workers")  # as a cancel means it
        left, deaths = dict(enumerate(calls)), 0
        while left:
            tasks = [
                delayed(_work)(os.getpid(), place, call.request, self.threads, *call.arrays)
                for place, call in left.items()
            ]
            parallel = Parallel(self.jobs, return_as="generator_unordered", batch_size=1, max_nbytes=TRAVELS)
            try:
                for place, done in parallel(tasks):
                    del left[place]
                    deaths = 0
                    yield place, done
            except BrokenProcessPool as error:
                deaths += 1
                if deaths >= DEATHS:
                    raise ValueError(
                        f"workers died {deaths} times on the same units, as they do where memory runs out; choose "
                        "fewer --jobs (what is finished is kept)"
                    ) from error


def _work(asking: int, place: int, request: str, threads: int, *arrays: np.ndarray) -> tuple[int, Done]:
    if os.getpid() != asking:  # joblib's only worker is the process that asks itself
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the process that asks, which ends this one
    return place, work(request, threads, *arrays)
