"""Altair charts for the screen and Matplotlib figures for print, from plain tables and arrays.

Colours come by position from the theme's palette (Okabe and Ito's), so a chart follows light and dark by itself:
first what is kept or current, second what is pruned. Colour is never the only signal: dash, shape, a hollow bar
or a cross says the same again.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT, PRUNED = "kept", "pruned"
COLOUR_MAPS = {"grey": "gray", "colour": "viridis"}
FORMATS: Mapping[str, str] = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4], [2, 6])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
MANY = 64  # above this many channels, points and labels would run together
PRINT_DPI = 300
GRID_WIDTH = 11.0  # inches
INK, MARK = "#14202B", "#D55E00"


@dataclass(frozen=True, eq=False)
class Chart:
    """A Vega-Lite specification without data, the rows it draws by name, and its message in words.

    The specification is built by Altair once and shared: what changes from one K to the next is only the rows.
    """

    spec: dict[str, Any]
    data: dict[str, pd.DataFrame]
    words: str

    def altair(self) -> alt.LayerChart:
        """The same chart as an Altair object with its data inside, for a notebook or a file."""
        datasets = {name: rows.to_dict("records") for name, rows in self.data.items()}
        return alt.LayerChart.from_dict({**self.spec, "datasets": datasets})


# Accuracy against K


def accuracy_curve(
    table: pd.DataFrame,
    k: int,
    height: int = 340,
    name: str = "",
    others: Mapping[str, pd.DataFrame] | None = None,
) -> Chart:
    """Accuracy against K with its 95 % band, and a rule and a point at `k`; a click picks a K (selection `pick`).

    `table` has the columns k, accuracy, low and high (0…1), one row a K. A `k` that is not (yet) among them gets
    the rule alone. `others` are tables of curves drawn beside it, by name, with a legend that calls this one `name`.
    """
    curve = table[["k", "accuracy", "low", "high"]]
    here = pd.DataFrame({"k": [k]}).merge(curve, how="left").assign(tone=1)
    first, last = curve.iloc[0], curve.iloc[-1]
    at = f", {percent(here['accuracy'][0])} at K = {k}" if here["accuracy"].notna()[0] else ""
    words = (
        f"Accuracy against channels pruned: {percent(first['accuracy'])} at K = {first['k']:.0f}{at}, "
        f"{percent(last['accuracy'])} at K = {last['k']:.0f}"
    )
    ends, points = (int(curve["k"].min()), int(curve["k"].max())), len(curve) <= MANY + 1
    if not others:
        return Chart(_curve_spec(*ends, points, height), {"curve": curve, "here": here}, words)
    named = pd.concat(rows[["k", "accuracy"]].assign(name=title) for title, rows in {name: curve, **others}.items())
    spec = _curve_spec(*ends, points, height, (name, *others))
    return Chart(spec, {"curve": curve, "here": here, "named": named}, f"{words}; beside it {', '.join(others)}")


def empty_curve(channels: int, height: int = 340) -> Chart:
    """The axes of `accuracy_curve` for a layer of so many channels, before there is anything to draw."""
    nothing = pd.DataFrame({"k": [], "accuracy": [], "low": [], "high": [], "tone": []})
    spec = _curve_spec(0, channels, channels <= MANY, height)
    return Chart(spec, {"curve": nothing, "here": nothing}, "Accuracy against channels pruned: not known yet")


@lru_cache(maxsize=64)
def _curve_spec(low: int, high: int, points: bool, height: int, names: tuple[str, ...] = ()) -> dict[str, Any]:
    pick = alt.selection_point(name="pick", fields=["k"], on="click", nearest=True, toggle=False, clear=False)
    x = alt.X("k:Q", title="Channels pruned (K)", axis=_whole(high - low), scale=_extent(low, high))
    y = alt.Y("accuracy:Q", title="Accuracy", axis=PERCENT, scale=UNIT)
    tips = [
        alt.Tooltip("k:Q", title="Channels pruned"),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".2%"),
        *INTERVAL_TIPS,
    ]
    curve, here = alt.Chart(alt.NamedData("curve")), alt.Chart(alt.NamedData("here"))
    return _spec(
        *_named_curves(x, y, names, points),
        curve.mark_area(opacity=0.25).encode(x=x, y=alt.Y("low:Q", title="Accuracy", scale=UNIT), y2="high:Q"),
        curve.mark_line(strokeWidth=3).encode(x=x, y=y),
        curve.mark_point(filled=True, size=45 if points else 0).encode(x=x, y=y),
        here.mark_rule(strokeWidth=2, strokeDash=[6, 4]).encode(x=x, color=TONE),
        here.mark_point(filled=True, size=260, opacity=1).encode(x=x, y=y, color=TONE),
        curve.mark_point(size=600, opacity=0, cursor="pointer").encode(x=x, y=y, tooltip=tips).add_params(pick),
        height=height,
    )


def _named_curves(x: alt.X, y: alt.Y, names: tuple[str, ...], points: bool) -> list[Any]:
    """Lines told apart by colour, dash and shape, with a legend: what stands beside the one curve."""
    if not names:
        return []
    domain = [names[0], "", *names[1:]]  # the second colour is the rule's
    legend = alt.Legend(
        title=None, orient="top", values=list(names), symbolSize=200, symbolStrokeWidth=0, labelLimit=400
    )
    colour = alt.Color("name:N", scale=alt.Scale(domain=domain), legend=legend)
    dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=domain, range=_in_turn(DASHES, domain)), legend=None)
    shape = alt.Shape("name:N", scale=alt.Scale(domain=domain, range=_in_turn(SHAPES, domain)), legend=legend)
    rows = alt.Chart(alt.NamedData("named"))
    lines = rows.mark_line(strokeWidth=3).encode(x=x, y=y, color=colour, strokeDash=dash)
    marks = rows.mark_point(filled=True, size=60 if points else 0, opacity=1).encode(
        x=x, y=y, color=colour, shape=shape
    )
    return [alt.layer(lines, marks)]


def _in_turn(looks: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """A look for each name, from the first again where there are more names than looks."""
    return [looks[i % len(looks)] for i in range(len(names))]


def compare_curves(table: pd.DataFrame, x: str = "k", height: int = 460) -> Chart:
    """One accuracy curve a criterion, told apart by colour, dash and point shape, with 95 % bands; drag to zoom.

    `table` has the columns criterion, k, channels, accuracy, low, high; `x` is "k" or "ratio" (K of all channels).
    """
    if x not in ("k", "ratio"):
        raise ValueError(f"unknown axis {x!r}; choose one of: k, ratio")
    rows = table[["criterion", "k", "accuracy", "low", "high"]].assign(ratio=table["k"] / table["channels"])
    names = tuple(dict.fromkeys(rows["criterion"]))
    parts = []
    for name, curve in rows.groupby("criterion", sort=False):
        middle = curve.iloc[len(curve) // 2]
        parts.append(f"{name} {percent(middle['accuracy'])} at K = {middle['k']:.0f}")
    points = rows.groupby("criterion").size().max() <= MANY + 1
    spec = _comparison_spec(names, x, float(rows[x].min()), float(rows[x].max()), bool(points), height)
    return Chart(spec, {"curves": rows}, "Accuracy against channels pruned: " + ", ".join(parts))


@lru_cache(maxsize=64)
def _comparison_spec(
    names: tuple[str, ...], x: str, low: float, high: float, points: bool, height: int
) -> dict[str, Any]:
    axis = _whole(int(high - low)) if x == "k" else alt.Axis(format=".0%", grid=False)
    title = "Channels pruned (K)" if x == "k" else "Share of the channels pruned"
    at = alt.X(f"{x}:Q", title=title, axis=axis, scale=_extent(low, high))
    y = alt.Y("accuracy:Q", title="Accuracy", axis=PERCENT, scale=UNIT)
    legend = alt.Legend(title="Ranked by", orient="top", symbolSize=200, symbolStrokeWidth=0, symbolOpacity=1)
    domain = list(names)
    colour = alt.Color("criterion:N", scale=alt.Scale(domain=domain), legend=legend)
    dash = alt.StrokeDash("criterion:N", scale=alt.Scale(domain=domain, range=_in_turn(DASHES, names)), legend=None)
    shape = alt.Shape("criterion:N", scale=alt.Scale(domain=domain, range=_in_turn(SHAPES, names)), legend=legend)
    tips = [
        alt.Tooltip("criterion:N", title="Ranked by"),
        alt.Tooltip("k:Q", title="Channels pruned"),
        alt.Tooltip("ratio:Q", title="Share pruned", format=".1%"),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".2%"),
        *INTERVAL_TIPS,
    ]
    lines = alt.Chart(alt.NamedData("curves"))
    zoom = alt.selection_interval(name="zoom", bind="scales", encodings=["x"])
    band = alt.Y("low:Q", title="Accuracy", scale=UNIT)
    return _spec(
        lines.mark_area(opacity=0.15).encode(x=at, y=band, y2="high:Q", color=colour),
        lines.mark_line(strokeWidth=3).encode(x=at, y=y, color=colour, strokeDash=dash),
        lines.mark_point(filled=True, size=90 if points else 0, opacity=1).encode(x=at, y=y, color=colour, shape=shape),
        lines.mark_point(size=500, opacity=0).encode(x=at, y=y, tooltip=tips).add_params(zoom),
        height=height,
    )


# Channels and classes


def channel_bars(table: pd.DataFrame, title: str, height: int = 340) -> Chart:
    """The channels in pruning order, a bar each: solid when kept, hollow with a cross when pruned; click picks one.

    `table` has the columns channel (first pruned first), value and state ("kept" or "pruned"); `title` names the
    value. The selection `pick` gives the channel clicked.
    """
    bars = table[["channel", "value", "state"]].assign(place=range(1, len(table) + 1))
    pruned = bars.loc[bars["state"] == PRUNED, "channel"]
    which = f", of which {len(pruned)} are pruned: {', '.join(map(str, pruned))}" if len(pruned) else ", none pruned"
    low, high = bars["value"].min(), bars["value"].max()
    words = f"{len(bars)} channels in pruning order, values from {low:.3f} to {high:.3f}{which}"
    return Chart(_bars_spec(title, len(bars), height), {"channels": bars}, words)


@lru_cache(maxsize=64)
def _bars_spec(title: str, count: int, height: int) -> dict[str, Any]:
    pick = alt.selection_point(name="pick", fields=["channel"], on="click", toggle=False, clear=False)
    few = count <= MANY
    axis = alt.Axis(labels=few, ticks=False, labelAngle=0, labelOverlap=True, labelFontSize=13, grid=False)
    x = alt.X("channel:N", sort=None, title="Channel, first pruned on the left", axis=axis)
    y = alt.Y("value:Q", title=title, axis=alt.Axis(tickCount=6))
    colour = alt.Color("state:N", scale=alt.Scale(domain=[KEPT, PRUNED]), legend=None)
    gone = alt.datum.state == PRUNED
    hollow = alt.condition(gone, alt.value(0.12), alt.value(0.95))
    dash = alt.condition(gone, alt.value([3, 2]), alt.value([1, 0]))
    tips = [
        alt.Tooltip("channel:N", title="Channel"),
        alt.Tooltip("value:Q", title=title, format=".4f"),
        alt.Tooltip("place:Q", title="Place in the pruning order"),
        alt.Tooltip("state:N", title="State at this K"),
    ]
    bars = alt.Chart(alt.NamedData("channels"))
    crosses = bars.transform_filter(gone).transform_calculate(top="max(datum.value, 0)")
    return _spec(
        bars.mark_bar(strokeWidth=1.5 if few else 0.5, cursor="pointer")
        .encode(x=x, y=y, color=colour, stroke=colour, fillOpacity=hollow, strokeDash=dash, tooltip=tips)
        .add_params(pick),
        crosses.mark_text(text="×", fontSize=20 if few else 9, fontWeight="bold", dy=-9).encode(
            x=x, y=alt.Y("top:Q", title=title), color=colour
        ),
        height=height,
    )


def class_bars(table: pd.DataFrame, k: int | None = None, height: int | None = None) -> Chart:
    """Accuracy per class: a bar for the pruned network, and a tick where the unpruned one stood.

    `table` has the columns class, accuracy and before (0…1), change (points) and n; with `k` None there is no
    pruning to speak of and the ticks are left out.
    """
    rows = table[["class", "accuracy", "before", "change", "n"]].assign(tone=0)
    if k is None:
        best, worst = rows.loc[rows["accuracy"].idxmax()], rows.loc[rows["accuracy"].idxmin()]
        words = (
            f"from {worst['class']} at {percent(worst['accuracy'])} to {best['class']} at {percent(best['accuracy'])}"
        )
    else:
        lost = rows.loc[rows["change"].idxmin()]
        words = f"{lost['class']} changes most, {percent(lost['before'])} to {percent(lost['accuracy'])} at K = {k}"
    spec = _classes_spec(k is not None, height or 34 * len(rows) + 60)
    return Chart(spec, {"classes": rows}, f"Accuracy per class: {words}")


@lru_cache(maxsize=16)
def _classes_spec(pruned: bool, height: int) -> dict[str, Any]:
    y = alt.Y("class:N", sort=None, title=None, axis=alt.Axis(ticks=False, labelLimit=180, labelPadding=8))
    rows = alt.Chart(alt.NamedData("classes"))
    tips = [
        alt.Tooltip("class:N", title="Class"),
        alt.Tooltip("accuracy:Q", title="Pruned" if pruned else "Accuracy", format=".2%"),
        alt.Tooltip("n:Q", title="Images"),
    ]
    if pruned:
        tips[2:2] = [
            alt.Tooltip("before:Q", title="Unpruned", format=".2%"),
            alt.Tooltip("change:Q", title="Change in points", format="+.2f"),
        ]
    after = alt.X("accuracy:Q", title="Accuracy", axis=PERCENT, scale=UNIT)
    before = alt.X("before:Q", title="Accuracy", scale=UNIT)
    bars = rows.mark_bar(height={"band": 0.62}, cornerRadiusEnd=3).encode(x=after, y=y, color=TONE, tooltip=tips)
    ticks = (
        rows.transform_calculate(tone="1")
        .mark_tick(thickness=4, bandSize=26, opacity=1)
        .encode(x=before, y=y, color=TONE, tooltip=tips)
    )
    return _spec(*([bars, ticks] if pruned else [bars]), height=height)


# Pictures


def side_by_side(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Images uint8 (N, C, H, W) of each input, next to each other: (N, C, H, W · inputs). One input stays as it is."""
    return np.concatenate(inputs, axis=-1)


def thumbnails(images: np.ndarray, size: int = 112) -> list[np.ndarray]:
    """Images uint8 (N, C, H, W) as arrays (h, w) or (h, w, 3) whose pixels stay square, about `size` pixels high."""
    images = np.asarray(images)
    factor = max(1, size // images.shape[-2])
    large = images.repeat(factor, axis=-2).repeat(factor, axis=-1)
    return [picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0) for picture in large]


def maps_figure(
    maps: np.ndarray,
    titles: Sequence[str],
    pruned: Collection[int] = (),
    colour: str = "colour",
    shared: bool = True,
    columns: int | None = None,
    title: str = "",
    label: str = "Mean activation",
    ink: str = INK,
) -> Figure:
    """Maps (P, M, N) as one titled grid with one colour bar, `columns` wide (about square when None).

    `pruned` holds the positions (not the channel numbers) that get a cross. `shared` gives all maps the same
    scale; otherwise each is stretched to 0…1. `ink` is the colour of text; the ground is transparent.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    if colour not in COLOUR_MAPS:
        raise ValueError(f"unknown colouring {colour!r}; choose one of: {', '.join(COLOUR_MAPS)}")
    maps = np.asarray(maps, dtype=np.float64)  # (P, M, N)
    count, height, width = maps.shape
    if len(titles) != count:
        raise ValueError(f"{count} maps need as many titles, not {len(titles)}")
    columns = min(count, columns or grid_columns(count))
    rows = math.ceil(count / columns)
    wide, tall = width + max(1, round(0.1 * width)), height + max(2, round(0.3 * height))  # a cell, in map pixels
    corners = [(i % columns * wide, i // columns * tall + tall - height) for i in range(count)]
    mosaic = np.full((rows * tall, columns * wide), np.nan)
    for (left, top), one in zip(corners, maps if shared else _each_to_unit(maps), strict=True):
        mosaic[top : top + height, left : left + width] = one

    head = 0.45 if title else 0.1  # inches, as are all sizes from here on
    inch = GRID_WIDTH / mosaic.shape[1]
    page = (GRID_WIDTH + 1.3, mosaic.shape[0] * inch + head)
    figure = Figure(figsize=page)
    axes = figure.add_axes((0, 0, GRID_WIDTH / page[0], 1 - head / page[1]))
    axes.axis("off")
    edges = (0, mosaic.shape[1], mosaic.shape[0], 0)
    picture = axes.imshow(mosaic, cmap=COLOUR_MAPS[colour], extent=edges, interpolation="nearest", aspect="auto")
    size = min(15.0, 72 * inch * 0.75 * (tall - height))  # points
    for i, (left, top) in enumerate(corners):
        name, style = (f"{titles[i]} ×", "bold") if i in pruned else (titles[i], "normal")
        tint = MARK if i in pruned else ink
        middle = (left + width / 2, top - 0.15 * (tall - height))
        axes.text(*middle, name, ha="center", va="bottom", fontsize=size, color=tint, fontweight=style)
    crosses = [line for i in pruned for line in _cross(*corners[i], width, height)]
    axes.add_collection(LineCollection(crosses, colors=MARK, linewidths=max(0.8, size / 6)), autolim=False)

    bar = figure.add_axes(((GRID_WIDTH + 0.1) / page[0], 0, 0.2 / page[0], 1 - (head + 0.3 * inch) / page[1]))
    colours = figure.colorbar(picture, cax=bar)
    colours.set_label(label if shared else f"{label}, each map from its lowest to its highest", color=ink, fontsize=14)
    colours.ax.tick_params(colors=ink, labelsize=13)
    colours.outline.set_edgecolor(ink)
    if title:
        figure.text(0, 1, title, ha="left", va="top", fontsize=16, color=ink)
    return figure


def map_pictures(maps: np.ndarray, colour: str = "colour", size: int = 112) -> list[np.ndarray]:
    """Maps (n, M, N) on one common scale as pictures uint8 (h, w, 3), about `size` pixels high."""
    from matplotlib import colormaps

    maps = np.asarray(maps, dtype=np.float64)
    low, high = maps.min(), maps.max()
    scaled = (maps - low) / (high - low if high > low else 1)
    colours = colormaps[COLOUR_MAPS[colour]](scaled)[..., :3]  # (n, M, N, 3)
    return thumbnails((255 * colours).astype(np.uint8).transpose(0, 3, 1, 2), size)


def grid_columns(count: int) -> int:
    """Columns of a grid of `count` maps that is about twice as wide as high: 8 for 32, 16 for 128 or 256."""
    return min(count, 16, 2 ** math.floor(math.log2(2 * count) / 2 + 0.5))


def figure_bytes(figure: Figure, kind: str = "png", dpi: int = PRINT_DPI, transparent: bool = False) -> bytes:
    """A Matplotlib figure as a PNG, SVG or PDF file, by default at print quality on white."""
    if kind not in FORMATS:
        raise ValueError(f"unknown file format {kind!r}; choose one of: {', '.join(FORMATS)}")
    buffer = io.BytesIO()
    ground = "none" if transparent else "white"
    figure.savefig(buffer, format=kind, dpi=dpi, facecolor=ground, bbox_inches="tight", pad_inches=0.1)
    return buffer.getvalue()


# Shared pieces

# The theme's first or second colour for a whole mark, without a legend
TONE = alt.Color("tone:N", scale=alt.Scale(domain=[0, 1]), legend=None)
UNIT = alt.Scale(domain=[0, 1], nice=False)
PERCENT = alt.Axis(format=".0%", tickCount=6)
INTERVAL_TIPS = (
    alt.Tooltip("low:Q", title="95 % from", format=".2%"),
    alt.Tooltip("high:Q", title="95 % to", format=".2%"),
)


def percent(share: float) -> str:
    """A share 0…1 in percent with two decimals, as text; an unknown one is a dash."""
    return "–" if pd.isna(share) else f"{100 * share:.2f} %"


def _spec(*layers: Any, height: int) -> dict[str, Any]:
    """The layers as one Vega-Lite specification with text large enough for a projector."""
    chart = alt.layer(*layers).properties(height=height)
    if any(isinstance(layer, alt.LayerChart) for layer in layers):  # curves by name have colours of their own
        chart = chart.resolve_scale(color="independent", shape="independent", strokeDash="independent")
    return (
        chart.configure_axis(labelFontSize=15, titleFontSize=16, titlePadding=10)
        .configure_legend(labelFontSize=16, titleFontSize=16)
        .to_dict()
    )


def _whole(highest: int) -> alt.Axis:
    """An axis of whole numbers over a range of `highest`."""
    return alt.Axis(format="d", tickMinStep=1, tickCount=min(17, highest + 1), grid=False)


def _extent(low: float, high: float) -> alt.Scale:
    """A scale from the lowest to the highest value, padded so that no point is cut."""
    return alt.Scale(domain=[low, high], nice=False, padding=12)


def _each_to_unit(maps: np.ndarray) -> np.ndarray:
    """Each map (M, N) of maps (P, M, N) stretched to 0…1; a constant map becomes 0."""
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / np.where(high > low, high - low, 1)


def _cross(left: float, top: float, width: float, height: float) -> list[list[tuple[float, float]]]:
    right, bottom = left + width, top + height
    return [[(left, top), (right, bottom)], [(left, bottom), (right, top)]]
