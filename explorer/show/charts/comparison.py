"""Accuracy against K: several curves beside each other."""

from __future__ import annotations

import math
from typing import Any
from unicodedata import east_asian_width

import altair as alt
import pandas as pd

from explorer.language.saying import kept, listed, say
from explorer.show.charts.parts import (
    AXES,
    DASHES,
    MANY,
    PERCENT,
    SHAPES,
    UNIT,
    Chart,
    check_axis,
    curve_tips,
    extent,
    in_turn,
    layered,
    spec_of,
    ticks,
)
from explorer.show.words import percent

OVERVIEW_HEIGHT = 36
AXIS_WIDTH = 62  # of the accuracies, so that both charts begin at the same place
LONG = 320  # pixels; names as long stand below one another, as not every page is so wide
TICKS = 6  # of the accuracies, about, the last of them at the end of the axis
LEGEND_WIDTH = 960  # pixels
LETTER, WIDE, BESIDE = (
    9,
    16,
    40,
)  # pixels that a letter takes, one as broad as high such as 层, and what is beside a name


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


@kept(64)
def _comparison_spec(
    names: tuple[str, ...],
    x: str,
    low: float,
    high: float,
    span: tuple[float, float],
    points: bool,
    height: int,
) -> dict[str, Any]:
    at = alt.X(f"{x}:Q", title=say(AXES[x]), axis=_axis(x, low, high), scale=extent(low, high))
    scale = alt.Scale(domain=span, nice=False)
    percents = PERCENT if span == (0, 1) else alt.Axis(format=".1%", tickCount=6)
    y = alt.Y("accuracy:Q", title=say("Accuracy"), axis=percents, scale=scale)
    colour, dash, shape = _looks(names)
    lines = alt.Chart(alt.NamedData("curves"))
    zoom = alt.selection_interval(name="zoom", bind="scales", encodings=["x"])
    band = alt.Y("low:Q", title=say("Accuracy"), axis=percents, scale=scale)
    return layered(
        lines.mark_area(opacity=0.15).encode(x=at, y=band, y2="high:Q", color=colour),
        lines.mark_line(strokeWidth=3).encode(x=at, y=y, color=colour, strokeDash=dash),
        lines.mark_point(filled=True, size=90 if points else 0, opacity=1).encode(x=at, y=y, color=colour, shape=shape),
        lines.mark_point(size=500, opacity=0).encode(x=at, y=y, tooltip=curve_tips()).add_params(zoom),
        height=height,
    )


def _axis(x: str, low: float, high: float) -> alt.Axis:
    """K from its lowest to its highest, or shares of the channels."""
    if x == "ratio":
        return alt.Axis(format=".0%", tickMinStep=0.01, grid=False)
    return alt.Axis(format="d", values=ticks(int(low), int(high)), grid=False)


def zoomable_curves(
    table: pd.DataFrame,
    x: str = "k",
    height: int = 440,
    k: float | None = None,
    lit: str | None = None,
    label: str | None = None,
) -> Chart:
    """Several accuracy curves, told apart by colour, dash and point shape, each with its interval as a band.

    A line marks `k`, on the ratio's axis that of the first curve, with "K = …" or the `label` beside it, and the curve
    called `lit` is drawn thicker. Below stands an overview: dragging there zooms the curves, on both axes. A click on a
    point picks it: the selection `pick` gives criterion and k. `table` has the columns criterion (the curve's name), k,
    channels, accuracy, low and high; `x` is "k" or "ratio" (K of all channels).
    """
    check_axis(x)
    rows, names, points, words = _curve_rows(table)
    rows["lit"] = rows["criterion"] == lit
    marked = [] if k is None or not rows["k"].min() <= k <= rows["k"].max() else [k]
    here = with_ratio(pd.DataFrame({"k": marked, "channels": table["channels"].iloc[0]}, dtype=float))
    here["label"] = [label or f"K = {k}" for k in marked]
    spec = _zoomable_spec(names, x, float(rows[x].min()), float(rows[x].max()), points, height)
    return Chart(spec, {"curves": rows, "here": here}, words)


def _curve_rows(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...], bool, str]:
    """The rows of several curves with their ratio, the curves' names, whether points have room, and all in words."""
    rows = with_ratio(table)[["criterion", "k", "ratio", "accuracy", "low", "high"]]
    parts = []
    for name, curve in rows.groupby("criterion", sort=False):
        middle = curve.iloc[len(curve) // 2]
        parts.append(
            say("{name} {accuracy} at K = {k:.0f}", name=name, accuracy=percent(middle["accuracy"]), k=middle["k"])
        )
    points = bool(rows.groupby("criterion").size().max() <= MANY + 1)
    words = say("Accuracy against channels pruned: {each}", each=listed(parts))
    return rows, tuple(dict.fromkeys(rows["criterion"])), points, words


@kept(64)
def _zoomable_spec(
    names: tuple[str, ...], x: str, low: float, high: float, points: bool, height: int
) -> dict[str, Any]:
    brush = alt.selection_interval(name="zoom", encodings=["x"])
    curves = _curves_of(names, x, (low, high), points, brush).properties(height=height)
    overview = _overview_of(names, x, low, high).properties(height=OVERVIEW_HEIGHT).add_params(brush)
    return spec_of(alt.vconcat(curves, overview, spacing=8))


def _curves_of(names: tuple[str, ...], x: str, ends: tuple[float, float], points: bool, brush: alt.Parameter) -> Any:
    """The curves that the brush leaves, on axes that fit them."""
    pick = alt.selection_point(name="pick", fields=["criterion", "k"], on="click", toggle=False, clear=False)
    scale = alt.Scale(domain={"param": brush.name}, nice=False, padding=12)
    title = say("{axis}; drag below to zoom, click there to see it all", axis=say(AXES[x]))
    at = alt.X(f"{x}:Q", title=title, axis=_zoomed_axis(x, *ends), scale=scale)
    percents = alt.Axis(format="~%", tickCount=TICKS, minExtent=AXIS_WIDTH, maxExtent=AXIS_WIDTH)
    y = alt.Y("accuracy:Q", title=say("Accuracy"), axis=percents, scale=alt.Scale(zero=False, nice=TICKS))
    colour, dash, shape = _looks(names)
    # Where the brush is too narrow for a K, all rows stay: Vega warns of a scale without any
    left = f"!zoom.{x} || span(zoom.{x}) < {1 if x == 'k' else 0.01} || inrange(datum.{x}, zoom.{x})"
    rows = alt.Chart(alt.NamedData("curves")).transform_filter(left)
    here = alt.Chart(alt.NamedData("here"))
    width = alt.condition("datum.lit", alt.value(5), alt.value(2.5))
    return alt.layer(
        rows.mark_area(opacity=0.15, clip=True).encode(
            x=at, y=alt.Y("low:Q", title=say("Accuracy")), y2="high:Q", color=colour
        ),
        here.mark_rule(strokeWidth=2, strokeDash=[6, 4], clip=True).encode(x=at),
        here.mark_text(align="left", baseline="top", dx=6, fontSize=15, fontWeight="bold", clip=True).encode(
            x=at, y=alt.value(0), text="label:N"
        ),
        rows.mark_line(clip=True).encode(x=at, y=y, color=colour, strokeDash=dash, strokeWidth=width),
        rows.mark_point(filled=True, size=90 if points else 0, opacity=1, clip=True).encode(
            x=at, y=y, color=colour, shape=shape
        ),
        rows.mark_point(filled=True, size=300, opacity=0, cursor="pointer", clip=True)
        .encode(x=at, y=y, tooltip=curve_tips())
        .add_params(pick),
    )


def _zoomed_axis(x: str, low: float, high: float) -> alt.Axis:
    """The axis of the curves that the brush leaves: where it leaves all, that of the overview."""
    if x == "ratio":
        return _axis(x, low, high)
    whole = alt.ExprRef(f"zoom.k ? null : {ticks(int(low), int(high))}")
    return alt.Axis(format="d", values=whole, tickMinStep=1, grid=False)


def _overview_of(names: tuple[str, ...], x: str, low: float, high: float) -> alt.Chart:
    """All of the curves, small."""
    colour, dash, _ = _looks(names)
    at = alt.Axis(labels=False, ticks=False, grid=False)
    percents = alt.Axis(labels=False, ticks=False, grid=False, minExtent=AXIS_WIDTH, maxExtent=AXIS_WIDTH)
    return (
        alt.Chart(alt.NamedData("curves"))
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X(f"{x}:Q", title=None, axis=at, scale=extent(low, high)),
            y=alt.Y("accuracy:Q", title=None, axis=percents, scale=UNIT),
            color=colour,
            strokeDash=dash,
        )
    )


def _looks(names: tuple[str, ...]) -> tuple[alt.Color, alt.StrokeDash, alt.Shape]:
    """Colour, dash and point shape of each curve by its name, with one legend."""
    longest = max(map(_width, names)) + BESIDE
    columns = LEGEND_WIDTH // longest if longest <= LONG else 1
    legend = alt.Legend(
        title=None,
        orient="top",
        columns=min(columns, len(names)),
        symbolSize=200,
        symbolStrokeWidth=0,
        symbolOpacity=1,
        labelLimit=640,
    )
    domain = list(names)
    dashes, shapes = in_turn(DASHES, names), in_turn(SHAPES, names)
    return (
        alt.Color("criterion:N", scale=alt.Scale(domain=domain), legend=legend),
        alt.StrokeDash("criterion:N", scale=alt.Scale(domain=domain, range=dashes), legend=legend),
        alt.Shape("criterion:N", scale=alt.Scale(domain=domain, range=shapes), legend=legend),
    )


def _width(name: str) -> int:
    """About how many pixels a name takes in a legend."""
    return sum(WIDE if east_asian_width(letter) in "WF" else LETTER for letter in name)


def up_to(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """The rows of an accuracy table in which at most this `share` (0…1) of the channels is pruned."""
    return table[table["k"] <= share * table["channels"]].reset_index(drop=True)


def with_ratio(table: pd.DataFrame) -> pd.DataFrame:
    """An accuracy table with the column ratio: K as a share of the channels, 0…1."""
    return table.assign(ratio=table["k"] / table["channels"])


def close_range(table: pd.DataFrame) -> tuple[float, float]:
    """The lowest and highest accuracy of the 95 % bands, rounded outwards to half points."""
    return math.floor(200 * table["low"].min()) / 200, math.ceil(200 * table["high"].max()) / 200
