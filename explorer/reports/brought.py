"""What a page brings into its report beside the question: answers that it has already, as plain values."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from explorer.answers.experiment import Experiment
from explorer.engine.curves import Sweep


@dataclass(frozen=True, eq=False)
class Removal:
    """What it gained to remove channels for real.

    `stages` has one row a network, from the unpruned one to what is left: stage (a key of the texts in `stage`),
    named, n, correct, accuracy, low, high and change (in points against the first). `totals` are those of `Scales`.
    """

    network: str  # that the channels were removed from
    plan: str  # as "conv1:4,conv2:10"
    criterion: str
    stages: pd.DataFrame
    totals: pd.DataFrame
    device: str  # that both networks were timed on
    threads: int
    steps: int = 1
    differ: int | None = None  # predictions that are not the masked network's; None where they were not compared
    target: str = ""  # that the plan was chosen for, as "points=1"
    minimum: int = 1  # channels that every layer kept
    rounded: bool = False  # whether widths were kept that 8 divides
    limit: int | None = None  # the first test images only


@dataclass(frozen=True, eq=False)
class Brought:
    """Curves that are there already, whole or as far as they have come; and what only some pages have."""

    curves: Mapping[Experiment, Sweep] = field(default_factory=dict)
    removal: Removal | None = None

    @property
    def key(self) -> Hashable:
        """What tells the reports of two of them apart: how far each curve has come, and what was removed."""
        curves = tuple((asked, curve.done, curve.share) for asked, curve in self.curves.items())
        return curves, self.about

    @property
    def about(self) -> Hashable:
        """What the report is about beside its question, however far the curves have come."""
        gone = self.removal
        return gone and (gone.plan, gone.criterion, gone.steps, gone.target, int(gone.stages["n"].iloc[0]))
