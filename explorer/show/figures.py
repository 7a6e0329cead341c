"""Matplotlib figures for print, from plain tables and arrays: grids of maps, accuracy curves, bars.

Their words are in the language spoken where they are drawn; see `fonts.lettered`. Colours are Okabe and Ito's, in the
order of the charts on the screen. Colour is never the only signal: dash, marker, hatching, a frame or a cross says the
same again, so that a figure survives a black-and-white printer.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from explorer.language.saying import again, language, say, speaking
from explorer.show.charts.comparison import close_range, with_ratio
from explorer.show.charts.layers import LOST, losses
from explorer.show.charts.parts import AXES, MANY, PRUNED, check_axis, ticks
from explorer.show.pictures import thumbnails

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

T = TypeVar("T")

COLOUR_MAPS = {"grey": "gray", "colour": "viridis"}
ORDERS = ("sorted", "original")
FORMATS = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
PRINT_DPI = 300
GRID_WIDTH, GRID_HEIGHT = 11.0, 30.0  # inches, the most that a grid of maps takes
CURVE_SIZE = (7.2, 4.6)  # inches: the width of a page's text
FEW_POINTS = 200  # of all curves together, around which a legend looks for a free place
MARKS_A_CURVE = 48  # at most; more would run together
INK, MARK, FRAME = "#14202B", "#D55E00", "#7F8B96"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D5966", "#7B4FA3", "#8A6D1B")
DASHES = (
    "-",
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (6, 2, 1, 2)),
    (0, (3, 1.5)),
    (0, (9, 3)),
    (0, (1, 4)),
    (0, (12, 2, 3, 2)),
    (0, (5, 6)),
)
MARKERS = "os^DXvp<*"


# Grids of maps


def grid_channels(order: str, pruning_order: np.ndarray, mean: np.ndarray, most: int | None = None) -> list[int]:
    """The channels of a grid as it shows them: the `most` with the highest `mean` (all when None), in an order.

    `order` is "sorted" (as in `pruning_order`, first pruned first) or "original" (by number).
    """
    if order not in ORDERS:
        raise ValueError(f"unknown order {order!r}; choose one of: {', '.join(ORDERS)}")
    if most is not None and not 1 <= most <= len(mean):
        raise ValueError(f"cannot show the {most} most active channels; choose 1 to {len(mean)}")
    arranged = pruning_order if order == "sorted" else np.arange(len(mean))
    active = set(np.argsort(mean, kind="stable")[-(most or len(mean)) :].tolist())
    return [int(channel) for channel in arranged if channel in active]


def grid_columns(count: int) -> int:
    """Columns of a grid of `count` maps that is about twice as wide as high: 8 for 32, 16 for 128 or 256."""
    return min(count, 16, 2 ** math.floor(math.log2(2 * count) / 2 + 0.5))


@dataclass(frozen=True)
class _Grid:
    """Where maps stand, in map pixels: cells in rows, each with space for a title above its map and a gap beside it."""

    count: int
    height: int  # of a map
    width: int
    columns: int
    head: int  # above a map

    @property
    def gap(self) -> int:
        return max(1, round(0.1 * self.width))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the whole."""
        rows = math.ceil(self.count / self.columns)
        return rows * (self.height + self.head), self.columns * (self.width + self.gap)

    @property
    def corners(self) -> list[tuple[int, int]]:
        """Left and top of each map."""
        wide, tall = self.width + self.gap, self.height + self.head
        return [(i % self.columns * wide, i // self.columns * tall + self.head) for i in range(self.count)]

    @property
    def inch(self) -> float:
        """How large a map pixel is on paper."""
        height, width = self.size
        return min(GRID_WIDTH / width, GRID_HEIGHT / height)


def maps_figure(
    maps: np.ndarray,
    titles: Sequence[str] | None = None,
    pruned: Collection[int] = (),
    colour: str = "colour",
    shared: bool = True,
    columns: int | None = None,
    label: str = "",
    ink: str = INK,
) -> Figure:
    """Maps (P, M, N) as one grid of framed pictures with one colour bar, `columns` wide (about square when None).

    Every value is a square of its own, neither smoothed nor cropped. `titles` stand above the maps; without them,
    the maps stand closer. `pruned` holds the positions (not the channel numbers) that get a cross. `shared` gives all
    maps the same scale; otherwise each is stretched to 0…1. `label` says what the colours are, the mean activation if
    nothing else. `ink` is the colour of text; the ground is transparent.
    """
    from matplotlib.figure import Figure

    if colour not in COLOUR_MAPS:
        raise ValueError(f"unknown colouring {colour!r}; choose one of: {', '.join(COLOUR_MAPS)}")
    maps = np.asarray(maps, dtype=np.float64)  # (P, M, N)
    count, height, width = maps.shape
    if titles is not None and len(titles) != count:
        raise ValueError(f"{count} maps need as many titles, not {len(titles)}")
    space = max(1, round(0.1 * height)) if titles is None else max(3, round(0.35 * height))
    grid = _Grid(count, height, width, min(count, columns or grid_columns(count)), space)
    tall, wide = (grid.inch * pixels for pixels in grid.size)  # inches
    paper = (wide + 1.3, tall + 0.1)
    figure = Figure(figsize=paper)
    axes = figure.add_axes((0, 0, wide / paper[0], tall / paper[1]))
    axes.axis("off")
    picture = axes.imshow(
        _mosaic(maps if shared else _each_to_unit(maps), grid),
        cmap=COLOUR_MAPS[colour],
        extent=(0, grid.size[1], grid.size[0], 0),
        interpolation="nearest",
        aspect="auto",
    )
    _frame(axes, grid, pruned)
    if titles is not None:
        _name(axes, grid, titles, pruned, ink)
    top = tall - grid.head * grid.inch  # of the first row's maps
    colours = figure.colorbar(
        picture, cax=figure.add_axes(((wide + 0.1) / paper[0], 0, 0.2 / paper[0], top / paper[1]))
    )
    label = again(label) or say("Mean activation")
    label = label if shared else say("{label}, each map from its lowest to its highest", label=label)
    colours.set_label(label, color=ink, fontsize=14, labelpad=8)
    colours.ax.tick_params(colors=ink, labelsize=13)
    colours.outline.set_edgecolor(ink)
    return figure


def _mosaic(maps: np.ndarray, grid: _Grid) -> np.ndarray:
    """The maps (P, M, N) in their places in one array, the gaps empty."""
    mosaic = np.full(grid.size, np.nan)
    for (left, top), one in zip(grid.corners, maps, strict=True):
        mosaic[top : top + grid.height, left : left + grid.width] = one
    return mosaic


def _frame(axes: Axes, grid: _Grid, pruned: Collection[int]) -> None:
    """A hairline around each map, so that a black border shows on a black ground; a cross over those pruned."""
    from matplotlib.collections import LineCollection

    boxes = [(left, top, left + grid.width, top + grid.height) for left, top in grid.corners]
    frames = [[(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)] for x0, y0, x1, y1 in boxes]
    axes.add_collection(LineCollection(frames, colors=FRAME, linewidths=0.6), autolim=False)
    crossed = [boxes[i] for i in pruned]
    crosses = [stroke for x0, y0, x1, y1 in crossed for stroke in ([(x0, y0), (x1, y1)], [(x0, y1), (x1, y0)])]
    thick = max(0.8, _title_size(grid, 3) / 6)
    axes.add_collection(LineCollection(crosses, colors=MARK, linewidths=thick), autolim=False)


def _name(axes: Axes, grid: _Grid, titles: Sequence[str], pruned: Collection[int], ink: str) -> None:
    """A title above each map."""
    names = [f"{title} ×" if i in pruned else title for i, title in enumerate(titles)]
    size = _title_size(grid, max(map(len, names)))
    for i, (left, top) in enumerate(grid.corners):
        tint, weight = (MARK, "bold") if i in pruned else (ink, "normal")
        middle = (left + grid.width / 2, top - 0.15 * grid.head)
        axes.text(*middle, names[i], ha="center", va="bottom", fontsize=size, color=tint, fontweight=weight)


def _title_size(grid: _Grid, letters: int) -> float:
    """Points of a title of so many letters that fits above a map."""
    return min(15.0, 72 * grid.inch * min(0.6 * grid.head, (grid.width + grid.gap) / (0.65 * letters)))


def _each_to_unit(maps: np.ndarray) -> np.ndarray:
    """Each map (M, N) of maps (P, M, N) stretched to 0…1; a constant map becomes 0."""
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / np.where(high > low, high - low, 1)


def map_pictures(maps: np.ndarray, colour: str = "colour", size: int = 112) -> list[np.ndarray]:
    """Maps (n, M, N) on one common scale as pictures uint8 (h, w, 3), about `size` pixels high."""
    from matplotlib import colormaps

    maps = np.asarray(maps, dtype=np.float64)
    low, high = maps.min(), maps.max()
    scaled = (maps - low) / (high - low if high > low else 1)
    colours = colormaps[COLOUR_MAPS[colour]](scaled)[..., :3]  # (n, M, N, 3)
    return thumbnails((255 * colours).astype(np.uint8).transpose(0, 3, 1, 2), size)


# Curves and bars


def accuracy_figure(
    curves: Mapping[str, pd.DataFrame],
    axis: str = "k",
    close: bool = False,
    title: str = "",
    orders: Collection[str] = (),
    mark: int | None = None,
) -> Figure:
    """Accuracy in percent against K or the ratio: curves by name with markers and 95 % bands, and a grid.

    A curve is a table with the columns k, channels, accuracy, low, high, as `Sweep.points` gives them; `axis`
    is "k" or "ratio". Accuracy runs from 0 to 100 %, or, where `close`, over the bands alone. `title` says what the
    curves are of; `orders` are the names of those that stand for several random orders, whose band means another thing.
    A rule stands at K = `mark`.
    """
    from matplotlib.ticker import PercentFormatter

    check_axis(axis)
    figure, axes = page(CURVE_SIZE)
    for place, (name, curve) in enumerate(curves.items()):
        _curve(axes, with_ratio(curve)[axis], curve, name, place)
    if mark is not None:
        channels = next(iter(curves.values()))["channels"].iloc[0]
        axes.axvline(mark if axis == "k" else mark / channels, color=INK, linewidth=1.2, linestyle=DASHES[1])
    axes.set_xlabel(say(AXES[axis]))
    axes.set_ylabel(say("Accuracy"))
    axes.set_ylim(*(close_range(pd.concat(curves.values())) if close else (0, 1)))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    if axis == "k":
        every = pd.concat(curves.values())["k"]
        axes.set_xticks(ticks(int(every.min()), int(every.max())))
    else:
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.margins(x=0.02)
    axes.set_title(again(title), fontsize=11, loc="left")
    lines = axes.get_legend_handles_labels()[0] if len(curves) > 1 else []
    many = sum(map(len, curves.values())) > FEW_POINTS
    where: Any = "lower left" if many else "best"  # under curves that fall; the search for a free place takes long
    axes.legend(handles=[*lines, *_bands(curves, orders)], handlelength=3.5, loc=where)
    return figure


def _bands(curves: Mapping[str, pd.DataFrame], orders: Collection[str]) -> list[Patch]:
    """What the legend says of the bands: one patch for all intervals, one for the random orders in their colour."""
    from matplotlib.patches import Patch

    found = []
    if set(curves) - set(orders):
        found.append(Patch(color=FRAME, alpha=0.35, linewidth=0, label=say("95 % interval")))
    for place, name in enumerate(curves):
        if name in orders:
            colour = PALETTE[place % len(PALETTE)]
            found.append(Patch(color=colour, alpha=0.18, linewidth=0, label=say("where 95 % of random orders fall")))
    return found


def _curve(axes: Axes, at: pd.Series, curve: pd.DataFrame, name: str, place: int) -> None:
    """One curve with its band, in the look of its place."""
    look = place % len(PALETTE)
    colour, every = PALETTE[look], math.ceil(len(curve) / MARKS_A_CURVE)
    axes.fill_between(at, curve["low"], curve["high"], color=colour, alpha=0.18, linewidth=0)
    axes.plot(
        at,
        curve["accuracy"],
        color=colour,
        linestyle=DASHES[look],
        marker=MARKERS[look],
        markevery=every,
        label=again(name),
    )


def channel_figure(table: pd.DataFrame, title: str) -> Figure:
    """The channels in pruning order, a bar each: solid when kept, hollow and hatched when pruned.

    `table` has the columns channel (first pruned first), value and state ("kept" or "pruned"); `title` names the
    value.
    """
    figure, axes = page((GRID_WIDTH, 4.2))
    axes.grid(axis="x", visible=False)
    places = np.arange(len(table))
    gone = (table["state"] == PRUNED).to_numpy()
    values = table["value"].to_numpy()
    axes.bar(places[~gone], values[~gone], color=PALETTE[0], label=say("kept"))
    if gone.any():
        look: dict[str, Any] = {"color": "white", "edgecolor": MARK, "hatch": "////", "linewidth": 0.8}
        axes.bar(places[gone], values[gone], label=say("pruned"), **look)
        axes.legend()
    named = table["channel"].astype(str) if len(table) <= MANY else []
    axes.set_xticks(places[: len(named)], named, fontsize=9 if len(named) <= 40 else 7)
    axes.set_xlabel(say("Channel, first pruned on the left"))
    axes.set_ylabel(again(title))
    axes.margins(x=0.01)
    axes.axhline(0, color=INK, linewidth=0.8)
    return figure


def class_figure(table: pd.DataFrame, k: int) -> Figure:
    """Accuracy per class: a bar for the network with `k` channels pruned, a tick where the unpruned one stood.

    `table` has the columns class, accuracy and before (0…1).
    """
    from matplotlib.ticker import PercentFormatter

    figure, axes = page((CURVE_SIZE[0], 1.4 + 0.34 * len(table)))
    axes.grid(axis="y", visible=False)
    places = np.arange(len(table))
    axes.barh(places, table["accuracy"], height=0.62, color=PALETTE[0], label=f"K = {k}")
    axes.plot(
        table["before"], places, linestyle="", marker="|", markersize=17, markeredgewidth=3, color=MARK, label="K = 0"
    )
    axes.set_yticks(places, table["class"])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.01)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel(say("Accuracy"))
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure


def layers_figure(table: pd.DataFrame, title: str = "") -> Figure:
    """Accuracy lost with each layer pruned whole, with 95 % intervals, in network order from the top.

    `table` has the columns that `charts.layer_bars` reads.
    """
    rows = losses(table)
    figure, axes = page((CURVE_SIZE[0], 0.34 * len(rows) + 1.2))
    axes.grid(axis="y", visible=False)
    places = range(len(rows))
    spread = [rows["lost"] - rows["lost_low"], rows["lost_high"] - rows["lost"]]
    axes.barh(places, rows["lost"], height=0.66, xerr=spread, color=PALETTE[0], ecolor=INK, capsize=3)
    for place, beside, label in zip(places, rows["beside"], rows["label"], strict=True):
        axes.annotate(label, (beside, place), (5, 0), textcoords="offset points", va="center", fontsize=10)
    axes.set_yticks(places, rows["layer"])
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.02)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_xlabel(say(LOST))
    axes.set_title(again(title), fontsize=11, loc="left")
    return figure


def page(size: tuple[float, float], columns: int = 1) -> tuple[Figure, Axes]:
    """An empty figure of `size` inches with so many axes side by side, the first of which is returned; a light grid."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    for column in range(columns):
        axes = figure.add_subplot(1, columns, column + 1)
        axes.grid(color="#D5DCE3", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=11)
        axes.xaxis.label.set_fontsize(12)
        axes.yaxis.label.set_fontsize(12)
    return figure, figure.axes[0]


_drawing = ThreadPoolExecutor(1, "drawing")


def by_one_thread(draw: Callable[[], T]) -> T:
    """What `draw()` gives, in the language spoken here, on the one thread that draws figures.

    Matplotlib's font caches are not made for several threads at once, and they keep the fonts, 5 MB, of each of the
    last 64 threads that drew.
    """
    code = language()

    def drawn() -> T:
        with speaking(code):
            return draw()

    return _drawing.submit(drawn).result()


def figure_bytes(figure: Figure, kind: str = "png", dpi: int = PRINT_DPI, transparent: bool = False) -> bytes:
    """A Matplotlib figure as a PNG, SVG or PDF file, by default at print quality on white."""
    if kind not in FORMATS:
        raise ValueError(f"unknown file format {kind!r}; choose one of: {', '.join(FORMATS)}")
    buffer = io.BytesIO()
    ground = "none" if transparent else "white"
    figure.savefig(buffer, format=kind, dpi=dpi, facecolor=ground, bbox_inches="tight", pad_inches=0.1)
    return buffer.getvalue()
