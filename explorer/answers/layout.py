"""What a network is made of: its layers as a table and as a sketch, without the network at hand where that ships."""

from dataclasses import dataclass

import pandas as pd

from explorer.answers.archive import Facts, Question
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.sketches import Sketch


@dataclass(frozen=True, eq=False)
class Layout:
    """A network's modules as layers.layer_table has them, and its sketch."""

    layers: pd.DataFrame
    sketch: Sketch

    @property
    def parameters(self) -> int:
        """How many weights and biases the network has."""
        return int(self.layers["parameters"].sum())


def question(checkpoint: Checkpoint) -> Question:
    """The question that a network's layout is."""
    return Question(checkpoint, "layout", {})


def layout_of(checkpoint: Checkpoint) -> Layout:
    """The network's layout: what ships, or else what is found out from the network itself."""
    facts = question(checkpoint).facts()
    return measured(checkpoint) if facts is None else _layout_of(facts)


def measured(checkpoint: Checkpoint) -> Layout:
    """The layout of the network at hand, which runs once."""
    from explorer.networks.layers import layer_table  # import torch, which takes seconds
    from explorer.networks.sketch import sketch

    return Layout(layer_table(checkpoint), sketch(checkpoint))


def ship(asked: Question, answer: Layout) -> None:
    """Let a layout ship."""
    tables = {"layers": answer.layers, "boxes": answer.sketch.boxes, "shortcuts": answer.sketch.shortcuts}
    asked.write({}, {name: table.to_dict("list") for name, table in tables.items()})


def _layout_of(facts: Facts) -> Layout:
    shortcuts = pd.DataFrame(facts["shortcuts"], columns=["start", "end"], dtype=float)
    return Layout(pd.DataFrame(facts["layers"]), Sketch(pd.DataFrame(facts["boxes"]), shortcuts))
