"""Accuracy against K: the one curve of the Prune page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import kept, listed, say
from explorer.show.charts.parts import (
    AXES,
    DASHES,
    MANY,
    PERCENT,
    SHAPES,
    TONE,
    UNIT,
    Chart,
    extent,
    in_turn,
    interval_tips,
    layered,
    whole_numbers,
)
from explorer.show.words import percent

ABOVE = {"orient": "top"}  # the plot

# Accuracy against K


def accuracy_curve(
    table: pd.DataFrame,
    k: int,
    height: int = 340,
    name: str = "",
    others: Mapping[str, pd.DataFrame] | None = None,
    order: Sequence[str] = (),
) -> Chart:
    """Accuracy against K with its 95 % band, and a rule and a point at `k`; a click picks a K (selection `pick`).

    `table` has the columns k, accuracy, low and high (0…1), one row a K. A `k` that is not (yet) among them gets
    the rule alone. `others` are tables of curves drawn beside it, by name, with a legend that calls this one `name`;
    whichever of them is which, a name has its look by its place in `order`.
    """
    rows = table[["k", "accuracy", "low", "high"]]
    curve, first, last = rows.assign(name=name), rows.iloc[0], rows.iloc[-1]
    here = rows[rows["k"] == k]
    at = say(", {accuracy} at K = {k:.0f}", accuracy=percent(here["accuracy"].iloc[0]), k=k) if len(here) else ""
    here = (here if len(here) else pd.DataFrame({"k": [k]}).reindex(columns=rows.columns)).assign(tone=1, name=name)
    words = say(
        "Accuracy against channels pruned: {start} at K = {first:.0f}{at}, {end} at K = {last:.0f}{others}",
        start=percent(first["accuracy"]),
        first=first["k"],
        at=at,
        end=percent(last["accuracy"]),
        last=last["k"],
        others=say("; beside it {names}", names=listed(others)) if others else "",
    )
    ends, points = (int(first["k"]), int(last["k"])), len(rows) <= MANY + 1
    if not others:
        return Chart(_curve_spec(*ends, points, height), {"curve": curve, "here": here}, words)
    named = pd.concat(rows[["k", "accuracy"]].assign(name=title) for title, rows in {name: curve, **others}.items())
    spec = _curve_spec(*ends, points, height, tuple(dict.fromkeys([*order, name, *others])))
    return Chart(spec, {"curve": curve, "here": here, "named": named}, words)


def empty_curve(channels: int, height: int = 340) -> Chart:
    """The axes of `accuracy_curve` for a layer of so many channels, before there is anything to draw."""
    nothing = pd.DataFrame({"k": [], "accuracy": [], "low": [], "high": [], "tone": [], "name": []})
    spec = _curve_spec(0, channels, channels <= MANY, height)
    return Chart(spec, {"curve": nothing, "here": nothing}, say("Accuracy against channels pruned: not known yet"))


@kept(64)
def _curve_spec(low: int, high: int, points: bool, height: int, names: tuple[str, ...] = ()) -> dict[str, Any]:
    pick = alt.selection_point(name="pick", fields=["k"], on="click", nearest=True, toggle=False, clear=False)
    x = alt.X("k:Q", title=say(AXES["k"]), axis=whole_numbers(high - low), scale=extent(low, high))
    y = alt.Y("accuracy:Q", title=say("Accuracy"), axis=PERCENT, scale=UNIT)
    tips = [
        alt.Tooltip("k:Q", title=say("Channels pruned")),
        alt.Tooltip("accuracy:Q", title=say("Accuracy"), format=".2%"),
        *interval_tips(),
    ]
    curve, here = alt.Chart(alt.NamedData("curve")), alt.Chart(alt.NamedData("here"))
    own = {"color": alt.Color("name:N", scale=alt.Scale(domain=list(names)), legend=None)} if names else {}
    line = curve.mark_line(strokeWidth=3).encode(x=x, y=y)
    marks = curve.mark_point(filled=True, size=45 if points else 0).encode(x=x, y=y)
    rule = here.mark_rule(strokeWidth=2, strokeDash=[6, 4])
    return layered(
        *named_curves(x, y, names, points),
        curve.mark_area(opacity=0.25).encode(
            x=x, y=alt.Y("low:Q", title=say("Accuracy"), scale=UNIT), y2="high:Q", **own
        ),
        *([] if names else [line, marks]),
        rule.encode(x=x) if names else rule.encode(x=x, color=TONE),
        here.mark_point(filled=True, size=260, opacity=1).encode(x=x, y=y, **(own or {"color": TONE})),
        curve.mark_point(size=600, opacity=0, cursor="pointer").encode(x=x, y=y, tooltip=tips).add_params(pick),
        height=height,
    )


def named_curves(
    x: alt.X, y: alt.Y, names: tuple[str, ...], points: bool, where: Mapping[str, Any] = ABOVE
) -> list[Any]:
    """Lines told apart by colour, dash and shape, with a legend `where` it fits: what stands beside the one curve."""
    if not names:
        return []
    domain = list(names)
    look: dict[str, Any] = {"symbolSize": 200, "symbolStrokeWidth": 0, "labelLimit": 400, "direction": "horizontal"}
    legend = alt.Legend(title=None, values=domain, **look, **where)
    colour = alt.Color("name:N", scale=alt.Scale(domain=domain), legend=legend)
    dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=domain, range=in_turn(DASHES, domain)), legend=legend)
    shape = alt.Shape("name:N", scale=alt.Scale(domain=domain, range=in_turn(SHAPES, domain)), legend=legend)
    rows = alt.Chart(alt.NamedData("named"))
    lines = rows.mark_line(strokeWidth=3).encode(x=x, y=y, color=colour, strokeDash=dash)
    marks = rows.mark_point(filled=True, size=60 if points else 0, opacity=1).encode(
        x=x, y=y, color=colour, shape=shape
    )
    return [alt.layer(lines, marks)]
