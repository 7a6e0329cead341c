"""A Matplotlib figure for print: accuracy by layer and share of its channels pruned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from explorer.language.saying import again, say
from explorer.show.charts.sensitivity import SHARE, cells_of
from explorer.show.figures import CURVE_SIZE, INK, page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL, WIDER = 0.32, 1.5  # inches: a row's height, and how much wider than a page's text eleven columns are
PALE = 1.6  # how far the scale goes beyond the largest loss, so that numbers stay readable


def sensitivity_figure(table: pd.DataFrame, spared: Mapping[str, int], title: str = "") -> Figure:
    """Accuracies as numbers in cells that are the darker, the more is lost; what a layer surely can spare is framed.

    `table` and `spared` are as for `charts.sensitivity_map`.
    """
    from matplotlib.patches import Rectangle

    cells = cells_of(table, spared)
    names, columns = list(dict.fromkeys(cells["name"])), list(dict.fromkeys(cells["column"]))
    shade = np.sqrt(cells["lost"].to_numpy(float).reshape(len(names), len(columns)))
    figure, axes = page((CURVE_SIZE[0] + WIDER, CELL * len(names) + 1.4))
    axes.grid(visible=False)
    axes.imshow(shade, cmap="Blues", vmin=0, vmax=PALE * max(1.0, float(shade.max())), aspect="auto")
    for place, (label, framed) in enumerate(zip(cells["label"], cells["spared"], strict=True)):
        row, column = divmod(place, len(columns))
        axes.text(column, row, label, ha="center", va="center", fontsize=9, color=INK)
        if framed:
            corner = (column - 0.5, row - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=2, clip_on=False))
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_xticks(range(len(columns)), columns, fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(say(SHARE))
    axes.set_title(again(title), fontsize=11, loc="left")
    return figure
