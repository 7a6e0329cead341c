"""The channels of a layer, a bar each."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import kept, listed, say
from explorer.show.charts.parts import KEPT, MANY, PRUNED, Chart, layered, stated

ACROSS = 40  # channels whose numbers find room beside each other


def channel_bars(table: pd.DataFrame, title: str, height: int = 340) -> Chart:
    """The channels in pruning order, a bar each: solid when kept, hollow with a cross when pruned; click picks one.

    `table` has the columns channel (first pruned first), value and state ("kept" or "pruned"); `title` names the
    value. The selection `pick` gives the channel clicked.
    """
    bars = table[["channel", "value", "state"]].assign(place=range(1, len(table) + 1), said=stated(table["state"]))
    pruned = bars.loc[bars["state"] == PRUNED, "channel"]
    words = say(
        "{count} channels in pruning order, values from {low:.3f} to {high:.3f}, of which {gone} are pruned: {pruned}"
        if len(pruned)
        else "{count} channels in pruning order, values from {low:.3f} to {high:.3f}, none pruned",
        count=len(bars),
        low=bars["value"].min(),
        high=bars["value"].max(),
        gone=len(pruned),
        pruned=listed(map(str, pruned)),
    )
    return Chart(_bars_spec(title, len(bars), height), {"channels": bars}, words)


@kept(64)
def _bars_spec(title: str, count: int, height: int) -> dict[str, Any]:
    pick = alt.selection_point(name="pick", fields=["channel"], on="click", toggle=False, clear=False)
    few = count <= MANY
    angle, size = (0, 13) if count <= ACROSS else (-90, 11)
    axis = alt.Axis(labels=few, ticks=False, labelAngle=angle, labelFontSize=size, labelOverlap=False, grid=False)
    x = alt.X("channel:N", sort=None, title=say("Channel, first pruned on the left"), axis=axis)
    y = alt.Y("value:Q", title=title, axis=alt.Axis(tickCount=6))
    colour = alt.Color("state:N", scale=alt.Scale(domain=[KEPT, PRUNED]), legend=None)
    gone = alt.datum.state == PRUNED
    hollow = alt.condition(gone, alt.value(0.12), alt.value(0.95))
    dash = alt.condition(gone, alt.value([3, 2]), alt.value([1, 0]))
    tips = [
        alt.Tooltip("channel:N", title=say("Channel")),
        alt.Tooltip("value:Q", title=title, format=".4f"),
        alt.Tooltip("place:Q", title=say("Place in the pruning order")),
        alt.Tooltip("said:N", title=say("State at this K")),
    ]
    bars = alt.Chart(alt.NamedData("channels"))
    crosses = bars.transform_calculate(top="max(datum.value, 0)")  # of all: where none is pruned, it needs an extent
    return layered(
        bars.mark_bar(strokeWidth=1.5 if few else 0.5, cursor="pointer")
        .encode(x=x, y=y, color=colour, stroke=colour, fillOpacity=hollow, strokeDash=dash, tooltip=tips)
        .add_params(pick),
        crosses.mark_text(fontSize=20 if few else 9, fontWeight="bold", dy=-9).encode(
            x=x,
            y=alt.Y("top:Q", title=title),
            color=colour,
            text=alt.condition(gone, alt.value("×"), alt.value("")),
        ),
        height=height,
    )
