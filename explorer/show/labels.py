"""The words in figures for print, so that a report can have them in its own language."""

from dataclasses import dataclass

from explorer.show.charts.layers import LOST
from explorer.show.charts.parts import AXES


@dataclass(frozen=True)
class Labels:
    """What stands at axes and in legends; the pages' figures have these words."""

    accuracy: str = "Accuracy"
    loss: str = "Loss"
    epoch: str = "Epoch"
    k: str = AXES["k"]
    ratio: str = AXES["ratio"]
    interval: str = "95 % interval"
    orders: str = "where 95 % of random orders fall"
    kept: str = "kept"
    pruned: str = "pruned"
    channel: str = "Channel, first pruned on the left"
    mean: str = "Mean activation"
    each: str = "each map from its lowest to its highest"
    lost: str = LOST
    training: str = "training images"
    held_out: str = "held-out images"
    image: str = "image"


ENGLISH = Labels()
