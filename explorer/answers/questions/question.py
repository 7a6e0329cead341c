"""What a question is: its words, what its answer takes, and what makes the answer of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from explorer.answers.experiment import Experiment
from explorer.answers.labs import Lab

RANDOM = "random"  # the criterion of a band of random orders


@dataclass(frozen=True)
class Blocks:
    """What each block of a network is worth: the scan of them over the test split."""

    checkpoint: str


Evidence = Experiment | Blocks  # an experiment of random orders stands for a band of them
Found = Mapping[str, Any]  # by name: a Sweep, a Band or a Scan


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a lab, by a short `name`, and what its answer is made of."""

    name: str
    words: str
    takes: Mapping[str, Evidence]
    answer: Callable[[Found], str]


def way(lab: Lab, every: bool = False, **changes: Any) -> Experiment:
    """The lab's assignment with these changes, over its K or over `every` one."""
    return replace(lab.experiment(lab.variants[0], every=every), **changes)


def is_band(evidence: Evidence) -> bool:
    """Whether an answer takes random orders: a band of them."""
    return isinstance(evidence, Experiment) and evidence.criterion == RANDOM
