"""Accuracy per class, and which class is predicted as which."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import english, kept, say
from explorer.show.charts.parts import PERCENT, TONE, UNIT, Chart, layered
from explorer.show.words import percent

ROWS = {"true": english("True class"), "unpruned": english("Predicted at K = 0")}
READABLE = 20  # classes of a confusion matrix whose counts can be read in their cells


def class_bars(table: pd.DataFrame, k: int | None = None, height: int | None = None) -> Chart:
    """Accuracy per class: a bar for the pruned network, and a tick where the unpruned one stood.

    `table` has the columns class, accuracy and before (0…1), change (points) and n; with `k` None there is no
    pruning to speak of and the ticks are left out.
    """
    rows = table[["class", "accuracy", "before", "change", "n"]].assign(tone=0)
    if k is None:
        best, worst = rows.loc[rows["accuracy"].idxmax()], rows.loc[rows["accuracy"].idxmin()]
        words = say(
            "Accuracy per class: from {worst} at {low} to {best} at {high}",
            worst=worst["class"],
            low=percent(worst["accuracy"]),
            best=best["class"],
            high=percent(best["accuracy"]),
        )
    else:
        lost = rows.loc[rows["change"].idxmin()]
        words = say(
            "Accuracy per class: {most} changes most, {before} to {after} at K = {k}",
            most=lost["class"],
            before=percent(lost["before"]),
            after=percent(lost["accuracy"]),
            k=k,
        )
    spec = _classes_spec(k is not None, height or 34 * len(rows) + 60)
    return Chart(spec, {"classes": rows}, words)


@kept(16)
def _classes_spec(pruned: bool, height: int) -> dict[str, Any]:
    y = alt.Y("class:N", sort=None, title=None, axis=alt.Axis(ticks=False, labelLimit=180, labelPadding=8))
    rows = alt.Chart(alt.NamedData("classes"))
    tips = [
        alt.Tooltip("class:N", title=say("Class")),
        alt.Tooltip("accuracy:Q", title=say("Pruned" if pruned else "Accuracy"), format=".2%"),
        alt.Tooltip("n:Q", title=say("Of the class")),
    ]
    if pruned:
        tips[2:2] = [
            alt.Tooltip("before:Q", title=say("Unpruned"), format=".2%"),
            alt.Tooltip("change:Q", title=say("Change in points"), format="+.2f"),
        ]
    title = say("Accuracy (tick: unpruned)" if pruned else "Accuracy")
    after = alt.X("accuracy:Q", title=title, axis=PERCENT, scale=UNIT)
    before = alt.X("before:Q", title=title, scale=UNIT)
    bars = rows.mark_bar(height={"band": 0.62}, cornerRadiusEnd=3).encode(x=after, y=y, color=TONE, tooltip=tips)
    ticks = (
        rows.transform_calculate(tone="1")
        .mark_tick(thickness=4, bandSize=26, opacity=1)
        .encode(x=before, y=y, color=TONE, tooltip=tips)
    )
    return layered(*([bars, ticks] if pruned else [bars]), height=height)


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
    words = say(
        "Confusion matrix of {classes} classes, {against} by predicted at K = {k}, most off the diagonal: {count:,} "
        "{against} {row} predicted as {column}",
        classes=len(classes),
        against=say(against),
        k=k,
        count=worst["count"],
        row=worst["row"],
        column=worst["column"],
    )
    return Chart(_confusion_spec(against, classes), {"cells": cells[cells["count"] > 0]}, words)


@kept(8)
def _confusion_spec(against: str, classes: tuple[str, ...]) -> dict[str, Any]:
    few, every = len(classes) <= READABLE, alt.Scale(domain=classes)
    rows = say(ROWS[against])
    axis: dict[str, Any] = {
        "ticks": False,
        "labelLimit": 140,
        "labelOverlap": not few,
        "domain": False,
        "labelFlush": False,
    }
    x = alt.X("column:N", scale=every, title=say("Predicted at this K"), axis=alt.Axis(labelAngle=-40, **axis))
    y = alt.Y("row:N", scale=every, title=rows, axis=alt.Axis(labelPadding=8, **axis))
    shade = alt.Opacity("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 1], range=[0.04, 0.6]), legend=None)
    tips = [
        alt.Tooltip("row:N", title=rows),
        alt.Tooltip("column:N", title=say("Predicted at this K")),
        alt.Tooltip("count:Q", title=say("Count"), format=","),
        alt.Tooltip("share:Q", title=say("Of the row"), format=".1%"),
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
    return layered(*layers, height=max(280, min(700, 110 + 40 * len(classes))))
