"""What a report is made from: answers, plain tables and pictures; no words."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from explorer.answers.exercise import Outcome
from explorer.answers.experiment import Experiment
from explorer.answers.labs import Lab
from explorer.engine.curves import Band, Sweep
from explorer.engine.scans import Scan
from explorer.engine.tables import flip_table
from explorer.images.registry import DatasetInfo
from explorer.networks.cards import Card
from explorer.networks.sketches import Sketch
from explorer.pruning.statistics import ChannelStatistics
from explorer.reports.brought import Removal

CHANGED = 10  # images whose prediction changes that a report shows
MAPS = 256  # averaged maps, at most
RANDOM = "random"  # the criterion of a band


@dataclass(frozen=True)
class Missing:
    """Something that a report lacks: the key of its words, and what they name."""

    part: str
    named: str = ""


@dataclass(frozen=True, eq=False)
class Facts:
    """Everything a report says, whichever its language. What is not there is None or empty, and among `missing`."""

    checkpoint: str
    card: Card
    dataset: DatasetInfo
    lab: Lab | None
    experiment: Experiment
    k: int  # the chosen one, which is among those of the curve
    curve: Sweep
    ways: Mapping[str, Sweep]  # the lab's, by title, in its order; the first is the assignment
    compared: Mapping[str, Sweep | Band]  # by criterion, on the same K and images where that can be had
    statistics: ChannelStatistics | None  # of the layer's raw output, before pruning
    layers: pd.DataFrame | None  # see layers.layer_table
    sketch: Sketch | None
    history: pd.DataFrame | None  # a row an epoch; see state.Epoch
    scan: Scan | None
    removal: Removal | None  # what compressing gained
    pictures: np.ndarray | None  # of the `changed` ones, uint8 (n, C, H, W)
    missing: tuple[Missing, ...]
    versions: Mapping[str, str]  # of what made the report
    exercise: Outcome | None = None  # what came of a guess at the curve

    @property
    def changed(self) -> pd.DataFrame:
        """The images shown whose prediction changes at the chosen K, a few of each kind; see tables.flip_table."""
        return some_flips(self.curve, self.k)

    @property
    def parameters(self) -> int:
        """How many weights and biases the network has; 0 where that is not known."""
        return 0 if self.layers is None else int(self.layers["parameters"].sum())

    @property
    def channels(self) -> pd.DataFrame:
        """The channels in the order they go: channel, importance, pruned at the chosen K, and their statistics."""
        order, gone = self.curve.order, self.curve.gone_at(self.k)
        assert self.curve.importance is not None, "only a sweep that was made by hand has none"
        table = pd.DataFrame({
            "channel": order,
            "importance": self.curve.importance[order],
            "pruned": np.arange(len(order)) < gone,
        })  # fmt: skip
        return table if self.statistics is None else table.merge(self.statistics.frame(), on="channel", how="left")


def some_flips(curve: Sweep, k: int, most: int = CHANGED) -> pd.DataFrame:
    """At most so many images that pruning broke or repaired, half of each kind where there are as many."""
    table = flip_table(curve, k)
    broken, repaired = (table[table["flip"] == kind] for kind in ("broken", "repaired"))
    few = max(most // 2, most - len(repaired))
    first = broken.head(few)
    return pd.concat([first, repaired.head(most - len(first))], ignore_index=True)
