"""Altair charts for the screen, from plain tables and arrays; `figures` draws for print.

Colours come by position from the theme's palette (Okabe and Ito's), so a chart follows light and dark by itself:
first what is kept or current, second what is pruned. Colour is never the only signal: dash, shape, a hollow bar
or a cross says the same again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

KEPT, PRUNED = "kept", "pruned"
STAR = "M0,-1L.235,-.324L.951,-.309L.38,.124L.588,.809L0,.4L-.588,.809L-.38,.124L-.951,-.309L-.235,-.324Z"
SALTIRE = "M-.7,-1L0,-.3L.7,-1L1,-.7L.3,0L1,.7L.7,1L0,.3L-.7,1L-1,.7L-.3,0L-1,-.7Z"
# As many as the theme has colours, so that no two of nine curves look alike in anything; the tenth has its own shape
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4], [2, 6], [16, 3, 4, 3], [6, 8])
SHAPES = (
    "circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left", STAR,
    SALTIRE,
)  # fmt: skip
OVERVIEW_HEIGHT = 90
AXIS_WIDTH = 62  # of the accuracies, so that both charts begin at the same place
TICKS = 6  # of the accuracies, about, the last of them at the end of the axis
LEGEND_WIDTH = 960  # pixels; a letter takes about 9, and what stands beside a name 40
MANY = 64  # above this many channels, points and labels would run together
READABLE = 20  # classes of a confusion matrix whose counts can be read in their cells
MANY_ROWS = 24  # above this many bars, a row gets fewer pixels
ROW = 22


@dataclass(frozen=True, eq=False)
class Chart:
    """A Vega-Lite specification without data, the rows it draws by name, and its message in words.

    The specification is built by Altair once and shared: what changes from one K to the next is only the rows.
    """

    spec: dict[str, Any]
    data: dict[str, pd.DataFrame]
    words: str

    def altair(self) -> alt.LayerChart | alt.VConcatChart:
        """The same chart as an Altair object with its data inside, for a notebook or a file."""
        datasets = {name: rows.to_dict("records") for name, rows in self.data.items()}
        kind = alt.VConcatChart if "vconcat" in self.spec else alt.LayerChart
        return kind.from_dict({**self.spec, "datasets": datasets})


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


def compare_curves(table: pd.DataFrame, x: str = "k", height: int = 460, close: bool = False) -> Chart:
    """One accuracy curve a criterion, told apart by colour, dash and point shape, with 95 % bands; drag to zoom.

    `table` has the columns criterion, k, channels, accuracy, low, high; `x` is "k" or "ratio" (K of all channels).
    Accuracy runs from 0 to 100 %, or, where `close`, over the bands alone.
    """
    check_axis(x)
    rows, names, points, words = _curve_rows(table)
    span = close_range(rows) if close else (0.0, 1.0)
    spec = _comparison_spec(names, x, float(rows[x].min()), float(rows[x].max()), span, points, height)
    return Chart(spec, {"curves": rows}, words)


@lru_cache(maxsize=64)
def _comparison_spec(
    names: tuple[str, ...],
    x: str,
    low: float,
    high: float,
    span: tuple[float, float],
    points: bool,
    height: int,
) -> dict[str, Any]:
    axis = _whole(int(high - low)) if x == "k" else alt.Axis(format=".0%", grid=False)
    at = alt.X(f"{x}:Q", title=AXES[x], axis=axis, scale=_extent(low, high))
    scale = alt.Scale(domain=span, nice=False)
    percents = PERCENT if span == (0, 1) else alt.Axis(format=".1%", tickCount=6)
    y = alt.Y("accuracy:Q", title="Accuracy", axis=percents, scale=scale)
    colour, dash, shape = _looks(names)
    lines = alt.Chart(alt.NamedData("curves"))
    zoom = alt.selection_interval(name="zoom", bind="scales", encodings=["x"])
    band = alt.Y("low:Q", title="Accuracy", axis=percents, scale=scale)
    return _spec(
        lines.mark_area(opacity=0.15).encode(x=at, y=band, y2="high:Q", color=colour),
        lines.mark_line(strokeWidth=3).encode(x=at, y=y, color=colour, strokeDash=dash),
        lines.mark_point(filled=True, size=90 if points else 0, opacity=1).encode(x=at, y=y, color=colour, shape=shape),
        lines.mark_point(size=500, opacity=0).encode(x=at, y=y, tooltip=list(CURVE_TIPS)).add_params(zoom),
        height=height,
    )


def zoomable_curves(table: pd.DataFrame, x: str = "k", height: int = 440) -> Chart:
    """Several accuracy curves, told apart by colour, dash and point shape, each with its interval as a band.

    Below stands an overview: dragging there zooms the curves, on both axes. A click on a point picks it: the selection
    `pick` gives criterion and k. `table` has the columns criterion (the curve's name), k, channels, accuracy, low and
    high; `x` is "k" or "ratio" (K of all channels).
    """
    check_axis(x)
    rows, names, points, words = _curve_rows(table)
    spec = _zoomable_spec(names, x, float(rows[x].min()), float(rows[x].max()), points, height)
    return Chart(spec, {"curves": rows}, words)


def _curve_rows(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...], bool, str]:
    """The rows of several curves with their ratio, the curves' names, whether points have room, and all in words."""
    rows = with_ratio(table)[["criterion", "k", "ratio", "accuracy", "low", "high"]]
    parts = []
    for name, curve in rows.groupby("criterion", sort=False):
        middle = curve.iloc[len(curve) // 2]
        parts.append(f"{name} {percent(middle['accuracy'])} at K = {middle['k']:.0f}")
    points = bool(rows.groupby("criterion").size().max() <= MANY + 1)
    return (
        rows,
        tuple(dict.fromkeys(rows["criterion"])),
        points,
        "Accuracy against channels pruned: " + ", ".join(parts),
    )


@lru_cache(maxsize=64)
def _zoomable_spec(
    names: tuple[str, ...], x: str, low: float, high: float, points: bool, height: int
) -> dict[str, Any]:
    brush = alt.selection_interval(name="zoom", encodings=["x"])
    curves = _curves_of(names, x, points, brush).properties(height=height)
    overview = _overview_of(names, x, low, high).properties(height=OVERVIEW_HEIGHT).add_params(brush)
    return _configured(alt.vconcat(curves, overview, spacing=16))


def _curves_of(names: tuple[str, ...], x: str, points: bool, brush: alt.Parameter) -> Any:
    """The curves that the brush leaves, on axes that fit them."""
    pick = alt.selection_point(name="pick", fields=["criterion", "k"], on="click", toggle=False, clear=False)
    scale = alt.Scale(domain={"param": brush.name}, nice=False, padding=12)
    axis = alt.Axis(format="d" if x == "k" else ".0%", tickMinStep=1 if x == "k" else 0.01, grid=False)
    at = alt.X(f"{x}:Q", title=AXES[x], axis=axis, scale=scale)
    percents = alt.Axis(format="~%", tickCount=TICKS, minExtent=AXIS_WIDTH, maxExtent=AXIS_WIDTH)
    y = alt.Y("accuracy:Q", title="Accuracy", axis=percents, scale=alt.Scale(zero=False, nice=TICKS))
    colour, dash, shape = _looks(names)
    rows = alt.Chart(alt.NamedData("curves")).transform_filter(brush)
    return alt.layer(
        rows.mark_area(opacity=0.15).encode(x=at, y=alt.Y("low:Q", title="Accuracy"), y2="high:Q", color=colour),
        rows.mark_line(strokeWidth=3).encode(x=at, y=y, color=colour, strokeDash=dash),
        rows.mark_point(filled=True, size=90 if points else 0, opacity=1).encode(x=at, y=y, color=colour, shape=shape),
        rows.mark_point(filled=True, size=300, opacity=0, cursor="pointer")
        .encode(x=at, y=y, tooltip=list(CURVE_TIPS))
        .add_params(pick),
    )


def _overview_of(names: tuple[str, ...], x: str, low: float, high: float) -> alt.Chart:
    """All of the curves, small."""
    colour, dash, _ = _looks(names)
    axis = _whole(int(high - low)) if x == "k" else alt.Axis(format=".0%", grid=False)
    percents = alt.Axis(format=".0%", tickCount=2, minExtent=AXIS_WIDTH, maxExtent=AXIS_WIDTH)
    return (
        alt.Chart(alt.NamedData("curves"))
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X(f"{x}:Q", title="Drag here to zoom, click to see it all", axis=axis, scale=_extent(low, high)),
            y=alt.Y("accuracy:Q", title=None, axis=percents, scale=UNIT),
            color=colour,
            strokeDash=dash,
        )
    )


def _looks(names: tuple[str, ...]) -> tuple[alt.Color, alt.StrokeDash, alt.Shape]:
    """Colour, dash and point shape of each curve by its name, with one legend."""
    columns = max(1, LEGEND_WIDTH // (9 * max(map(len, names)) + 40))
    legend = alt.Legend(
        title="Ranked by",
        orient="top",
        columns=min(columns, len(names)),
        symbolSize=200,
        symbolStrokeWidth=0,
        symbolOpacity=1,
        labelLimit=260,
    )
    domain = list(names)
    dashes, shapes = _in_turn(DASHES, names), _in_turn(SHAPES, names)
    return (
        alt.Color("criterion:N", scale=alt.Scale(domain=domain), legend=legend),
        alt.StrokeDash("criterion:N", scale=alt.Scale(domain=domain, range=dashes), legend=legend),
        alt.Shape("criterion:N", scale=alt.Scale(domain=domain, range=shapes), legend=legend),
    )


def up_to(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """The rows of an accuracy table in which at most this `share` (0…1) of the channels is pruned."""
    return table[table["k"] <= share * table["channels"]].reset_index(drop=True)


def with_ratio(table: pd.DataFrame) -> pd.DataFrame:
    """An accuracy table with the column ratio: K as a share of the channels, 0…1."""
    return table.assign(ratio=table["k"] / table["channels"])


def close_range(table: pd.DataFrame) -> tuple[float, float]:
    """The lowest and highest accuracy of the 95 % bands, rounded outwards to half points."""
    return math.floor(200 * table["low"].min()) / 200, math.ceil(200 * table["high"].max()) / 200


def check_axis(axis: str) -> None:
    """ValueError unless `axis` is a key of AXES."""
    if axis not in AXES:
        raise ValueError(f"unknown axis {axis!r}; choose one of: {', '.join(AXES)}")


# A training


def training_curve(history: pd.DataFrame, what: str, epochs: int, height: int = 260) -> Chart:
    """Loss or accuracy after every epoch so far of `epochs`, on the training images and on those held out.

    `history` has the columns epoch, train_WHAT and validation_WHAT, one row an epoch; `what` is "loss" or "accuracy".
    """
    if what not in ("loss", "accuracy"):
        raise ValueError(f"unknown curve {what!r}; choose one of: loss, accuracy")
    columns = dict(zip((f"train_{what}", f"validation_{what}"), SIDES, strict=True))
    rows = history[["epoch", *columns]].rename(columns=columns).melt("epoch", var_name="images")
    last = history.iloc[-1]
    ends = (percent(last[name]) if what == "accuracy" else f"{last[name]:.3f}" for name in columns)
    words = f"{what.capitalize()} by epoch; after {last['epoch']:.0f} of {epochs}: " + ", ".join(
        f"{end} on {side} images" for end, side in zip(ends, SIDES, strict=True)
    )
    return Chart(_training_spec(what, epochs, height), {"epochs": rows}, words)


SIDES = ("training", "held-out")  # images


@lru_cache(maxsize=32)
def _training_spec(what: str, epochs: int, height: int) -> dict[str, Any]:
    x = alt.X("epoch:Q", title="Epoch", axis=_whole(epochs), scale=_extent(1, max(2, epochs)))
    axis = alt.Axis(format=".0%", tickCount=5) if what == "accuracy" else alt.Axis(tickCount=5)
    y = alt.Y("value:Q", title=what.capitalize(), axis=axis, scale=alt.Scale(zero=False, nice=True))
    domain = list(SIDES)
    legend = alt.Legend(title=None, orient="top", symbolSize=160, symbolStrokeWidth=0, symbolOpacity=1)
    colour = alt.Color("images:N", scale=alt.Scale(domain=domain), legend=legend)
    dash = alt.StrokeDash("images:N", scale=alt.Scale(domain=domain, range=list(DASHES[:2])), legend=None)
    shape = alt.Shape("images:N", scale=alt.Scale(domain=domain, range=list(SHAPES[:2])), legend=legend)
    tips = [
        alt.Tooltip("epoch:Q", title="Epoch"),
        alt.Tooltip("images:N", title="Images"),
        alt.Tooltip("value:Q", title=what.capitalize(), format=".2%" if what == "accuracy" else ".4f"),
    ]
    lines = alt.Chart(alt.NamedData("epochs"))
    points = lines.mark_point(filled=True, size=70 if epochs <= MANY else 0, opacity=1)
    return _spec(
        lines.mark_line(strokeWidth=3).encode(x=x, y=y, color=colour, strokeDash=dash),
        points.encode(x=x, y=y, color=colour, shape=shape),
        lines.mark_point(size=400, opacity=0).encode(x=x, y=y, tooltip=tips),
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
        alt.Tooltip("n:Q", title="Of the class"),
    ]
    if pruned:
        tips[2:2] = [
            alt.Tooltip("before:Q", title="Unpruned", format=".2%"),
            alt.Tooltip("change:Q", title="Change in points", format="+.2f"),
        ]
    title = "Accuracy (tick: unpruned)" if pruned else "Accuracy"
    after = alt.X("accuracy:Q", title=title, axis=PERCENT, scale=UNIT)
    before = alt.X("before:Q", title=title, scale=UNIT)
    bars = rows.mark_bar(height={"band": 0.62}, cornerRadiusEnd=3).encode(x=after, y=y, color=TONE, tooltip=tips)
    ticks = (
        rows.transform_calculate(tone="1")
        .mark_tick(thickness=4, bandSize=26, opacity=1)
        .encode(x=before, y=y, color=TONE, tooltip=tips)
    )
    return _spec(*([bars, ticks] if pruned else [bars]), height=height)


def confusion_map(table: pd.DataFrame, k: int) -> Chart:
    """A heat map of a confusion matrix: rows by the class in `table`'s first column, columns by that predicted at `k`.

    `table` is `report.confusion_table`'s: the first column ("true" or "unpruned"), predicted, count and share (of the
    row, 0…1), one row a cell. A cell is the darker, the larger its share of the row; the diagonal is framed. Counts
    stand in the cells as long as there are few classes.
    """
    against = table.columns[0]
    cells = table.set_axis(["row", "column", "count", "share"], axis=1).assign(tone=0)
    classes = tuple(dict.fromkeys(cells["row"]))
    off = cells[cells["row"] != cells["column"]]
    worst = off.loc[off["count"].idxmax()]
    moved = f"most off the diagonal: {worst['count']:,} {against} {worst['row']} predicted as {worst['column']}"
    words = f"Confusion matrix of {len(classes)} classes, {against} by predicted at K = {k}, {moved}"
    return Chart(_confusion_spec(against, classes), {"cells": cells[cells["count"] > 0]}, words)


@lru_cache(maxsize=8)
def _confusion_spec(against: str, classes: tuple[str, ...]) -> dict[str, Any]:
    few, every = len(classes) <= READABLE, alt.Scale(domain=classes)
    rows = {"true": "True class", "unpruned": "Predicted at K = 0"}[against]
    axis: dict[str, Any] = {
        "ticks": False,
        "labelLimit": 140,
        "labelOverlap": not few,
        "domain": False,
        "labelFlush": False,
    }
    x = alt.X("column:N", scale=every, title="Predicted at this K", axis=alt.Axis(labelAngle=-40, **axis))
    y = alt.Y("row:N", scale=every, title=rows, axis=alt.Axis(labelPadding=8, **axis))
    shade = alt.Opacity("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 1], range=[0.04, 0.6]), legend=None)
    tips = [
        alt.Tooltip("row:N", title=rows),
        alt.Tooltip("column:N", title="Predicted at this K"),
        alt.Tooltip("count:Q", title="Count", format=","),
        alt.Tooltip("share:Q", title="Of the row", format=".1%"),
    ]
    cells = alt.Chart(alt.NamedData("cells"))
    layers = [
        cells.mark_rect().encode(x=x, y=y, color=TONE, opacity=shade, tooltip=tips),
        cells.transform_filter(alt.datum.row == alt.datum.column)
        .mark_rect(filled=False, strokeWidth=2 if few else 1)
        .encode(x=x, y=y, stroke=TONE),
    ]
    if few:
        layers.append(cells.mark_text(fontSize=15).encode(x=x, y=y, text=alt.Text("count:Q", format=","), tooltip=tips))
    return _spec(*layers, height=max(280, min(700, 110 + 40 * len(classes))))


# Layers

LOST = "Accuracy lost (points)"


def layer_bars(table: pd.DataFrame, height: int | None = None) -> Chart:
    """Accuracy lost with each layer pruned whole, a bar a layer in network order from the top, with 95 % intervals.

    `table` has the columns layer, position, channels, parameters, accuracy (0…1), and change, change_low, change_high
    (points), one row a layer. A click picks a layer (selection `pick`).
    """
    rows = losses(table)
    columns = ["layer", "position", "channels", "parameters", "accuracy", "lost", "lost_low", "lost_high", "beside"]
    ends = float(min(0, rows["lost_low"].min())), float(max(1, 1.12 * rows["lost_high"].max()))  # with room for labels
    spec = _layers_spec(len(rows), *ends, height or _row_height(len(rows)) * len(rows) + 80)
    words = f"Accuracy lost in points with a layer pruned whole: {_least_and_most(rows)}"
    return Chart(spec, {"layers": rows[[*columns, "tone", "label"]]}, words)


@lru_cache(maxsize=32)
def _layers_spec(count: int, low: float, high: float, height: int) -> dict[str, Any]:
    pick = alt.selection_point(name="pick", fields=["layer"], on="click", toggle=False, clear=False)
    axis = alt.Axis(ticks=False, labelLimit=320, labelPadding=8, labelOverlap=False)
    y = alt.Y("layer:N", sort=None, title=None, axis=axis)
    scale, ticks = alt.Scale(domain=[low, high], nice=False), alt.Axis(tickCount=8)
    lost = alt.X("lost:Q", title=LOST, scale=scale, axis=ticks)
    tips = [
        alt.Tooltip("layer:N", title="Layer"),
        alt.Tooltip("position:Q", title="Place in the network"),
        alt.Tooltip("channels:Q", title="Channels pruned"),
        alt.Tooltip("parameters:Q", title="Parameters of the layer", format=","),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".2%"),
        alt.Tooltip("lost:Q", title="Lost, in points", format=".2f"),
        alt.Tooltip("lost_low:Q", title="95 % from", format=".2f"),
        alt.Tooltip("lost_high:Q", title="95 % to", format=".2f"),
    ]
    rows = alt.Chart(alt.NamedData("layers"))
    size = 15 if _row_height(count) > ROW else 12
    return _spec(
        rows.mark_bar(height={"band": 0.66}, cursor="pointer", cornerRadiusEnd=3)
        .encode(x=lost, y=y, color=TONE, tooltip=tips)
        .add_params(pick),
        rows.mark_rule(strokeWidth=2).encode(x=alt.X("lost_low:Q", title=LOST), x2="lost_high:Q", y=y, tooltip=tips),
        rows.mark_text(align="left", dx=8, fontSize=size).encode(
            x=alt.X("beside:Q", title=LOST), y=y, text="label:N", tooltip=tips
        ),
        height=height,
    )


def losses(table: pd.DataFrame) -> pd.DataFrame:
    """The changes as losses, their signs turned: lost, lost_low, lost_high (points), and each as a label."""
    lost = {"lost": -table["change"], "lost_low": -table["change_high"], "lost_high": -table["change_low"]}
    labels = [f"{value:.2f}".replace("-", "−") for value in lost["lost"] + 0.0]
    beside = lost["lost_high"].clip(lower=0)
    return table.assign(**lost, beside=beside, tone=0, label=labels)


def _least_and_most(rows: pd.DataFrame) -> str:
    least, most = rows.loc[rows["lost"].idxmin()], rows.loc[rows["lost"].idxmax()]
    return f"{len(rows)} layers, from {least['layer']} with {least['label']} to {most['layer']} with {most['label']}"


def _row_height(count: int) -> int:
    """Pixels a row: fewer where there are many."""
    return 34 if count <= MANY_ROWS else ROW


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


# Shared pieces

AXES = {"k": "Channels pruned (K)", "ratio": "Share of the channels pruned"}
# The theme's first or second colour for a whole mark, without a legend
TONE = alt.Color("tone:N", scale=alt.Scale(domain=[0, 1]), legend=None)
UNIT = alt.Scale(domain=[0, 1], nice=False)
PERCENT = alt.Axis(format=".0%", tickCount=6)
INTERVAL_TIPS = (
    alt.Tooltip("low:Q", title="95 % from", format=".2%"),
    alt.Tooltip("high:Q", title="95 % to", format=".2%"),
)
CURVE_TIPS = (
    alt.Tooltip("criterion:N", title="Ranked by"),
    alt.Tooltip("k:Q", title="Channels pruned"),
    alt.Tooltip("ratio:Q", title="Share pruned", format=".1%"),
    alt.Tooltip("accuracy:Q", title="Accuracy", format=".2%"),
    *INTERVAL_TIPS,
)


def percent(share: float) -> str:
    """A share 0…1 in percent with two decimals, as text; an unknown one is a dash."""
    return "–" if pd.isna(share) else f"{100 * share:.2f} %"


def decimal(value: float) -> str:
    """A number with four decimals, as text; an unknown one is a dash."""
    return "–" if pd.isna(value) else f"{value:.4f}".replace("-", "−")


def points(change: float) -> str:
    """A change in percentage points with its sign and two decimals, as text."""
    return f"{change:+.2f}".replace("-", "−")


def _spec(*layers: Any, height: int) -> dict[str, Any]:
    """The layers as one Vega-Lite specification."""
    chart = alt.layer(*layers).properties(height=height)
    if any(isinstance(layer, alt.LayerChart) for layer in layers):  # curves by name have colours of their own
        chart = chart.resolve_scale(color="independent", shape="independent", strokeDash="independent")
    return _configured(chart)


def _configured(chart: Any) -> dict[str, Any]:
    """A chart's Vega-Lite specification, with text large enough for a projector."""
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
