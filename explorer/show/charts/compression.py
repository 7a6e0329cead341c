"""What compressing a network takes from each layer, and accuracy against multiply-adds."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import kept, listed, say
from explorer.show.charts.parts import DASHES, SHAPES, TONE, Chart, in_turn, interval_tips, layered
from explorer.show.words import percent

ROW = 30  # pixels a layer
BEFORE, AFTER = "before", "after"
WIDE, TALL = 0.13, 0.08  # what a plan's words take of the multiply-adds and of the accuracy


def before_after_bars(table: pd.DataFrame, title: str) -> Chart:
    """A wide pale bar for each layer as it was, and in it a narrow one for what is left.

    `table` has the columns layer, before and after, one row a layer in network order; `title` is what is measured.
    """
    rows = table.assign(tone=0, share=[percent(share) for share in table["after"] / table["before"]])
    each = listed(f"{row.layer} {row.before:,.6g} → {row.after:,.6g}" for row in rows.itertuples())
    words = say("{title} of {n} layers, before and after: {each}", title=title, n=len(rows), each=each)
    high = float(1.4 * max(rows["before"].max(), rows["after"].max(), 1e-9))
    return Chart(_bars_spec(len(rows), high, title), {"layers": rows}, words)


@kept(32)
def _bars_spec(count: int, high: float, title: str) -> dict[str, Any]:
    axis = alt.Axis(ticks=False, labelLimit=320, labelPadding=8, labelOverlap=False)
    y = alt.Y("layer:N", sort=None, title=None, axis=axis)
    scale, ticks = alt.Scale(domain=[0, high], nice=False), alt.Axis(tickCount=5, format="~s", grid=True)
    tips = [
        alt.Tooltip("layer:N", title=say("Layer")),
        alt.Tooltip("before:Q", title=say("Before"), format=",.6~g"),
        alt.Tooltip("after:Q", title=say("After"), format=",.6~g"),
        alt.Tooltip("share:N", title=say("Left")),
    ]
    rows = alt.Chart(alt.NamedData("layers"))
    before, after = (alt.X(f"{name}:Q", title=title, scale=scale, axis=ticks) for name in (BEFORE, AFTER))
    return layered(
        rows.mark_bar(height={"band": 0.8}, opacity=0.3, cornerRadiusEnd=3).encode(
            x=before, y=y, color=TONE, tooltip=tips
        ),
        rows.mark_bar(height={"band": 0.4}, cornerRadiusEnd=3).encode(x=after, y=y, color=TONE, tooltip=tips),
        rows.mark_text(align="left", dx=6, fontSize=14).encode(x=before, y=y, text="share:N", tooltip=tips),
        height=ROW * count + 80,
    )


def accuracy_against_macs(table: pd.DataFrame, here: str | None = None, height: int = 360) -> Chart:
    """Accuracy of several plans against the share of multiply-adds left, with 95 % intervals.

    A plan that no other beats in both is a Pareto point, filled and on the line; the others are hollow. What was
    fine-tuned is a diamond. `table` has the columns plan, macs_share (0…1), accuracy, low, high and tuned; `here` is
    the plan shown. A click picks one (`pick`).
    """
    rows = table.assign(pareto=is_pareto(table), here=(table["plan"] == here) & ~table["tuned"])
    rows = rows.assign(label=labels(rows))
    best = listed(
        say(
            "{plan} {accuracy} at {share}", plan=row.plan, accuracy=percent(row.accuracy), share=percent(row.macs_share)
        )
        for row in rows[rows["pareto"]].itertuples()
    )
    words = say("Accuracy against multiply-adds left: {best}", best=best)
    low, high = float(rows["low"].min()), float(rows["high"].max())
    return Chart(_points_spec(low, high, height), {"plans": rows}, words)


def is_pareto(table: pd.DataFrame) -> list[bool]:
    """Which plans no other beats: with no more multiply-adds and no less accuracy, and better in one of them."""
    points = list(zip(table["macs_share"], table["accuracy"], strict=True))
    return [
        not any(m <= macs and a >= accuracy and (m, a) != (macs, accuracy) for m, a in points)
        for macs, accuracy in points
    ]


def labels(rows: pd.DataFrame) -> list[str]:
    """What stands at each point: its plan, or nothing where that would touch another's; the chosen one comes first."""
    shown: list[tuple[float, float]] = []
    found = pd.Series("", index=rows.index)
    for row in rows.sort_values(["here", "macs_share"], ascending=False).itertuples():
        if all(abs(row.macs_share - x) > WIDE or abs(row.accuracy - y) > TALL for x, y in shown):
            shown.append((row.macs_share, row.accuracy))
            found[row.Index] = row.plan
    return found.tolist()


@kept(32)
def _points_spec(low: float, high: float, height: int) -> dict[str, Any]:
    pick = alt.selection_point(name="pick", fields=["plan", "tuned"], on="click", toggle=False, clear=False)
    scale = alt.Scale(domain=[0, 1.12], nice=False)
    x = alt.X(
        "macs_share:Q",
        title=say("Multiply-adds left"),
        axis=alt.Axis(format=".0%", values=[0, 0.2, 0.4, 0.6, 0.8, 1]),
        scale=scale,
    )
    fits = alt.Scale(domain=[max(0, low - 0.03), min(1, high + 0.05)], nice=False)
    y = alt.Y("accuracy:Q", title=say("Accuracy"), axis=alt.Axis(format=".0%", tickCount=6), scale=fits)
    tips = [
        alt.Tooltip("plan:N", title=say("Plan")),
        alt.Tooltip("macs_share:Q", title=say("Multiply-adds left"), format=".1%"),
        alt.Tooltip("accuracy:Q", title=say("Accuracy"), format=".2%"),
        *interval_tips(),
    ]
    rows = alt.Chart(alt.NamedData("plans"))
    best = rows.transform_filter("datum.pareto")
    size = alt.condition("datum.here", alt.value(420), alt.value(150))
    stroke = alt.condition("datum.pareto", alt.value("#0072B2"), alt.value("#D55E00"))
    fill = alt.condition("datum.pareto", alt.value("#0072B2"), alt.value("transparent"))
    shape = alt.condition("datum.tuned", alt.value("diamond"), alt.value("circle"))
    return layered(
        best.mark_line(strokeWidth=2, strokeDash=[6, 4]).encode(x=x, y=y, color=alt.value("#0072B2")),
        rows.mark_rule(strokeWidth=2).encode(x=x, y=alt.Y("low:Q", title=say("Accuracy"), scale=fits), y2="high:Q"),
        rows.mark_point(opacity=1, strokeWidth=2).encode(
            x=x, y=y, size=size, fill=fill, stroke=stroke, shape=shape, tooltip=tips
        ),
        rows.mark_text(dy=-18, fontSize=14).encode(x=x, y=y, text="label:N"),
        rows.mark_point(filled=True, size=500, opacity=0, cursor="pointer")
        .encode(x=x, y=y, tooltip=tips)
        .add_params(pick),
        height=height,
    )


def recovery_steps(table: pd.DataFrame, height: int = 300) -> Chart:
    """The accuracy of several networks before pruning, after it, and fine-tuned, with 95 % intervals.

    `table` has the columns network, state, accuracy, low and high, the rows of each network in the order of its states.
    """
    names, states = tuple(table["network"].unique()), tuple(table["state"].unique())
    each = "; ".join(
        f"{name}: " + listed(f"{row.state} {percent(row.accuracy)}" for row in rows.itertuples())
        for name, rows in table.groupby("network", sort=False)
    )
    words = say("Accuracy of {each}", each=each)
    low, high = float(table["low"].min()), float(table["high"].max())
    return Chart(_recovery_spec(names, states, low, high, height), {"states": table}, words)


@kept(32)
def _recovery_spec(
    names: tuple[str, ...], states: tuple[str, ...], low: float, high: float, height: int
) -> dict[str, Any]:
    axis = alt.Axis(labelAngle=0, labelExpr="upper(slice(datum.value, 0, 1)) + slice(datum.value, 1)")
    x = alt.X("state:N", sort=list(states), title=None, axis=axis)
    fits = alt.Scale(domain=[max(0, low - 0.02), min(1, high + 0.02)], nice=False)
    y = alt.Y("accuracy:Q", title=say("Accuracy"), axis=alt.Axis(format=".0%", tickCount=5), scale=fits)
    plain: dict[str, Any] = {"symbolSize": 160, "symbolStrokeWidth": 0, "symbolOpacity": 1}
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=200, **plain)
    domain = list(names)
    colour = alt.Color("network:N", scale=alt.Scale(domain=domain), legend=legend)
    dash = alt.StrokeDash("network:N", scale=alt.Scale(domain=domain, range=in_turn(DASHES, names)), legend=legend)
    shape = alt.Shape("network:N", scale=alt.Scale(domain=domain, range=in_turn(SHAPES, names)), legend=legend)
    tips = [
        alt.Tooltip("network:N", title=say("Network")),
        alt.Tooltip("state:N", title=say("State")),
        alt.Tooltip("accuracy:Q", title=say("Accuracy"), format=".2%"),
        *interval_tips(),
    ]
    rows = alt.Chart(alt.NamedData("states"))
    apart = alt.XOffset("network:N", sort=domain)
    ends = rows.mark_rule(strokeWidth=2).encode(
        x=x, xOffset=apart, y=alt.Y("low:Q", scale=fits), y2="high:Q", color=colour
    )
    return layered(
        rows.mark_line(strokeWidth=2).encode(x=x, xOffset=apart, y=y, color=colour, strokeDash=dash),
        ends,
        rows.mark_point(filled=True, size=120, opacity=1).encode(
            x=x, xOffset=apart, y=y, color=colour, shape=shape, tooltip=tips
        ),
        height=height,
    )
