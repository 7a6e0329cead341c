"""Accuracy with several shares of each layer's channels pruned: a map of all, and a small curve for each layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import english, kept, say
from explorer.show.charts.parts import PERCENT, TONE, UNIT, Chart, interval_tips, layered, spec_of
from explorer.show.words import percent

FEW_ROWS, MANY_ROWS = 6, 24  # up to and above which a row gets more or fewer pixels
ABOVE = 88  # pixels for the axis and what lies around
SHARE = english("Share of the layer's channels pruned")
PERCENTS = alt.Axis(format=".0%", values=[0, 0.5, 1], grid=False)
SMALL = 4  # small curves beside each other


def cells_of(table: pd.DataFrame, spared: Mapping[str, int]) -> pd.DataFrame:
    """What the charts draw, one row a layer and share; see `sensitivity_map`."""
    more = table["layers"].str.count(" ")
    names = [
        say("{layer} + {n} more", layer=layer, n=n) if n else layer
        for layer, n in zip(table["layer"], more, strict=True)
    ]
    percents = (100 * table["share"]).round().astype(int)
    return table[["layer", "share", "k", "channels", "n", "accuracy", "low", "high", "change"]].assign(
        name=names,
        column=[say("{percent} %", percent=each) for each in percents],
        lost=(-table["change"]).clip(lower=0),
        label=[f"{100 * value:.1f}" for value in table["accuracy"]],
        spared=table["layer"].map(spared) == percents,
        tone=0,
    )


def sensitivity_map(table: pd.DataFrame, spared: Mapping[str, int], points: float = 1.0) -> Chart:
    """A map of the accuracy left, layers in network order from the top by share of their channels pruned.

    `table` has the columns layer, layers (of those that go together, separated by spaces), share (0…1), k, channels, n,
    accuracy, low and high (0…1) and change (points), one row a cell. A cell is the darker, the more is lost; its
    accuracy in percent stands in it. What each layer surely can spare at `points`, the percentage in `spared`, is
    framed. A click picks a layer (selection `pick`).
    """
    cells = cells_of(table, spared)
    columns, rows = tuple(dict.fromkeys(cells["column"])), cells["name"].nunique()
    return Chart(_map_spec(columns, rows, f"{points:g}"), {"cells": cells}, _words(cells, points))


@kept(32)
def _map_spec(columns: tuple[str, ...], rows: int, points: str) -> dict[str, Any]:
    many = rows > MANY_ROWS
    look: dict[str, Any] = {"ticks": False, "domain": False, "labelOverlap": False, "labelFlush": False}
    x = alt.X("column:N", sort=list(columns), title=say(SHARE), axis=alt.Axis(labelAngle=0, orient="top", **look))
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=320, labelPadding=8, **look))
    shade = alt.Opacity("lost:Q", scale=alt.Scale(type="sqrt", range=[0.04, 0.65], zero=True), legend=None)
    tips = [
        alt.Tooltip("name:N", title=say("Layer")),
        alt.Tooltip("column:N", title=say("Share pruned")),
        alt.Tooltip("k:Q", title=say("Channels pruned")),
        alt.Tooltip("channels:Q", title=say("Of channels")),
        alt.Tooltip("accuracy:Q", title=say("Accuracy"), format=".2%"),
        *interval_tips(),
        alt.Tooltip("change:Q", title=say("Change in points"), format="+.2f"),
    ]
    cells = alt.Chart(alt.NamedData("cells"))
    pick = alt.selection_point(name="pick", fields=["layer"], on="click", toggle=False, clear=False)
    return layered(
        cells.mark_rect(cursor="pointer").encode(x=x, y=y, color=TONE, opacity=shade, tooltip=tips).add_params(pick),
        cells.transform_filter(alt.datum.spared)
        .mark_rect(filled=False, strokeWidth=2.5, cornerRadius=2)
        .encode(x=x, y=y, stroke=TONE, tooltip=tips),
        cells.mark_text(fontSize=12 if many else 14).encode(x=x, y=y, text="label:N", tooltip=tips),
        height=_row_height(rows) * rows + ABOVE,
    )


def _row_height(rows: int) -> int:
    """Pixels a row."""
    if rows <= FEW_ROWS:
        return 40
    return 26 if rows <= MANY_ROWS else 20


def sensitivity_curves(table: pd.DataFrame, spared: Mapping[str, int], points: float = 1.0) -> Chart:
    """A small curve for each layer in network order: accuracy by share pruned, with its 95 % band.

    A rule stands where the layer surely loses at most `points`. `table` and `spared` as for `sensitivity_map`.
    """
    cells = cells_of(table, spared)
    return Chart(_curves_spec(tuple(dict.fromkeys(cells["name"]))), {"cells": cells}, _words(cells, points))


@kept(32)
def _curves_spec(names: tuple[str, ...]) -> dict[str, Any]:
    x = alt.X("share:Q", title=None, axis=PERCENTS, scale=alt.Scale(domain=[0, 1], nice=False))
    y = alt.Y("accuracy:Q", title=None, axis=PERCENT, scale=UNIT)
    tips = [
        alt.Tooltip("name:N", title=say("Layer")),
        alt.Tooltip("column:N", title=say("Share pruned")),
        alt.Tooltip("k:Q", title=say("Channels pruned")),
        alt.Tooltip("accuracy:Q", title=say("Accuracy"), format=".2%"),
        *interval_tips(),
    ]
    cells = alt.Chart()
    small = alt.layer(
        cells.mark_area(opacity=0.2).encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q", color=TONE),
        cells.mark_line(strokeWidth=2.5).encode(x=x, y=y, color=TONE),
        cells.mark_rule(strokeWidth=2, strokeDash=[5, 3]).transform_filter(alt.datum.spared).encode(x=x, tooltip=tips),
        cells.mark_point(size=300, opacity=0).encode(x=x, y=y, tooltip=tips),
        data=alt.NamedData("cells"),
    ).properties(width=145, height=100)
    header = alt.Header(labelFontSize=14, labelLimit=170)
    facet = small.facet(facet=alt.Facet("name:N", sort=list(names), title=None, header=header), columns=SMALL)
    return spec_of(facet)


def _words(cells: pd.DataFrame, points: float) -> str:
    spared = cells[cells["spared"]]
    most, least = spared.loc[spared["share"].idxmax()], spared.loc[spared["share"].idxmin()]
    return say(
        "Accuracy of {n} layers by share of their channels pruned, unpruned {accuracy}: at a cost of surely at most "
        "{points:g} points {most} can spare {largest}, {least} {smallest}",
        n=cells["name"].nunique(),
        accuracy=percent(cells["accuracy"].iloc[0]),
        points=points,
        most=most["name"],
        largest=most["column"],
        least=least["name"],
        smallest=least["column"],
    )
