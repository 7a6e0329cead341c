"""What a network loses with each layer pruned whole."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import english, kept, say
from explorer.show.charts.parts import TONE, Chart, layered

MANY_ROWS = 24  # above this many bars, a row gets fewer pixels
ROW = 22


# Layers


LOST = english("Accuracy lost (points)")


def layer_bars(table: pd.DataFrame, height: int | None = None) -> Chart:
    """Accuracy lost with each layer pruned whole, a bar a layer in network order from the top, with 95 % intervals.

    `table` has the columns layer, position, channels, parameters, accuracy (0…1), and change, change_low, change_high
    (points), one row a layer. A click picks a layer (selection `pick`).
    """
    rows = losses(table)
    columns = ["layer", "position", "channels", "parameters", "accuracy", "lost", "lost_low", "lost_high", "beside"]
    ends = float(min(0, rows["lost_low"].min())), float(max(1, 1.12 * rows["lost_high"].max()))  # with room for labels
    spec = _layers_spec(len(rows), *ends, height or _row_height(len(rows)) * len(rows) + 80)
    return Chart(spec, {"layers": rows[[*columns, "tone", "label"]]}, _least_and_most(rows))


@kept(32)
def _layers_spec(count: int, low: float, high: float, height: int) -> dict[str, Any]:
    pick = alt.selection_point(name="pick", fields=["layer"], on="click", toggle=False, clear=False)
    axis = alt.Axis(ticks=False, labelLimit=320, labelPadding=8, labelOverlap=False)
    y = alt.Y("layer:N", sort=None, title=None, axis=axis)
    scale, ticks = alt.Scale(domain=[low, high], nice=False), alt.Axis(tickCount=8)
    lost = alt.X("lost:Q", title=say(LOST), scale=scale, axis=ticks)
    tips = [
        alt.Tooltip("layer:N", title=say("Layer")),
        alt.Tooltip("position:Q", title=say("Place in the network")),
        alt.Tooltip("channels:Q", title=say("Channels pruned")),
        alt.Tooltip("parameters:Q", title=say("Parameters of the layer"), format=","),
        alt.Tooltip("accuracy:Q", title=say("Accuracy"), format=".2%"),
        alt.Tooltip("lost:Q", title=say("Lost, in points"), format=".2f"),
        alt.Tooltip("lost_low:Q", title=say("95 % from"), format=".2f"),
        alt.Tooltip("lost_high:Q", title=say("95 % to"), format=".2f"),
    ]
    rows = alt.Chart(alt.NamedData("layers"))
    size = 15 if _row_height(count) > ROW else 12
    return layered(
        rows.mark_bar(height={"band": 0.66}, cursor="pointer", cornerRadiusEnd=3)
        .encode(x=lost, y=y, color=TONE, tooltip=tips)
        .add_params(pick),
        rows.mark_rule(strokeWidth=2).encode(
            x=alt.X("lost_low:Q", title=say(LOST)), x2="lost_high:Q", y=y, tooltip=tips
        ),
        rows.mark_text(align="left", dx=8, fontSize=size).encode(
            x=alt.X("beside:Q", title=say(LOST)), y=y, text="label:N", tooltip=tips
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
    return say(
        "Accuracy lost in points with a layer pruned whole: {n} layers, from {least} with {low} to {most} with {high}",
        n=len(rows),
        least=least["layer"],
        low=least["label"],
        most=most["layer"],
        high=most["label"],
    )


def _row_height(count: int) -> int:
    """Pixels a row: fewer where there are many."""
    return 34 if count <= MANY_ROWS else ROW
