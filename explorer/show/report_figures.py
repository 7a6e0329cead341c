"""Figures that a report has besides those of the pages: the network drawn, its training, and images that changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from explorer.language.saying import english, say
from explorer.show.charts.network import LETTERS
from explorer.show.figures import DASHES, FRAME, INK, MARK, MARKERS, PALETTE, page
from explorer.show.pictures import thumbnails

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2  # inches: that of a page's text
ABOVE = 0.95  # where shortcuts run; a box is at most 0.72 high on either side
SIDES = {"train": english("training images"), "validation": english("held-out images")}  # of a training's records
MEASURES = {"loss": english("Loss"), "accuracy": english("Accuracy")}


def network_figure(boxes: pd.DataFrame, shortcuts: pd.DataFrame, layer: str = "") -> Figure:
    """The network as boxes, as high as their output is large and as broad as they have channels; `layer` hatched.

    Convolutions are filled, linear layers pale; a line above leads around the boxes that a residual addition (+) adds
    to. `boxes` and `shortcuts` are those of `networks.sketches`; a box's number of channels stands above it.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.axis("off")
    row = boxes[~boxes["on_shortcut"]]
    axes.plot([0, row["place"].max()], [0, 0], color=FRAME, linewidth=1.5, zorder=0)
    for start, end in shortcuts[["start", "end"]].itertuples(index=False):
        _shortcut(axes, start, end)
    many = row["layer"].str.len().sum() > LETTERS
    for box in boxes.itertuples():
        half = 0.12 if box.on_shortcut else 0.12 + 0.6 * box.side / boxes["side"].max()
        broad, middle = 0.12 + 0.032 * math.log2(box.channels), ABOVE if box.on_shortcut else 0.0
        colour = MARK if box.layer == layer else PALETTE[0]
        fill = colour if box.kind == "convolution" and box.layer != layer else "white"
        corner = (box.place - broad, middle - half)
        look: dict[str, Any] = {"facecolor": fill, "edgecolor": colour, "hatch": "////" if box.layer == layer else ""}
        axes.add_patch(Rectangle(corner, 2 * broad, 2 * half, **look))
        axes.text(box.place, middle + half + 0.05, f"{box.channels}", ha="center", va="bottom", fontsize=7)
        if not box.on_shortcut:
            slant = {"rotation": 50, "ha": "right", "rotation_mode": "anchor"} if many else {"ha": "center"}
            axes.text(box.place, -0.85, box.layer or box.output, va="top", fontsize=7 if many else 9, **slant)
    axes.set_xlim(-0.6, row["place"].max() + 0.6)
    axes.set_ylim(-2.1 if many else -1.1, 1.25)
    return figure


def _shortcut(axes: Axes, start: float, end: float) -> None:
    """A line from behind the box at `start` to the addition behind that at `end`."""
    begin, add = start + 0.6, end + 0.4
    axes.plot([begin, begin, add, add], [0, ABOVE, ABOVE, 0], color=FRAME, linewidth=1.2, zorder=0)
    axes.text(add, 0, "+", ha="center", va="center", fontsize=8, bbox={"boxstyle": "circle,pad=0.1", "fc": "white"})


def training_figure(history: pd.DataFrame) -> Figure:
    """Loss and accuracy after every epoch, side by side, on the training images and on those held out.

    `history` has the columns epoch, train_loss, train_accuracy, validation_loss and validation_accuracy.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure, first = page((WIDTH, 2.9), columns=2)
    for axes, (what, title) in zip(figure.axes, MEASURES.items(), strict=True):
        for place, (side, words) in enumerate(SIDES.items()):
            look: dict[str, Any] = {
                "color": PALETTE[place],
                "linestyle": DASHES[place],
                "marker": MARKERS[place],
                "markersize": 4,
            }
            axes.plot(history["epoch"], history[f"{side}_{what}"], label=say(words), **look)
        axes.set_xlabel(say("Epoch"))
        axes.set_ylabel(say(title))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(history) == 1:  # whose axis would be of fractions of it
            (epoch,) = history["epoch"]
            axes.set_xlim(epoch - 1, epoch + 1)
    figure.axes[1].yaxis.set_major_formatter(PercentFormatter(1))
    first.legend(fontsize=9)
    return figure


def images_figure(images: np.ndarray, columns: int = 5) -> Figure:
    """Images uint8 (N, C, H, W) in rows, numbered from 1."""
    from matplotlib.figure import Figure

    shown = thumbnails(images)
    rows = math.ceil(len(shown) / columns)
    high = images.shape[-2] / images.shape[-1] * WIDTH / columns + 0.3  # inches of a row
    figure = Figure(figsize=(WIDTH, rows * high), layout="constrained")
    for place in range(rows * columns):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.axis("off")
        if place < len(shown):
            _picture(axes, shown[place], str(place + 1))
    return figure


def _picture(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_title(title, fontsize=10, color=INK)
