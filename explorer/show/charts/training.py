"""Loss and accuracy of a training, epoch after epoch."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import english, kept, listed, say
from explorer.show.charts.parts import DASHES, MANY, SHAPES, Chart, extent, layered, ticks
from explorer.show.words import percent

MEASURES = {"loss": english("Loss"), "accuracy": english("Accuracy")}


def training_curve(history: pd.DataFrame, what: str, epochs: int, height: int = 260) -> Chart:
    """Loss or accuracy after every epoch so far of `epochs`, on the training images and on those held out.

    `history` has the columns epoch, train_WHAT and validation_WHAT, one row an epoch; `what` is "loss" or "accuracy".
    """
    if what not in MEASURES:
        raise ValueError(f"unknown curve {what!r}; choose one of: {', '.join(MEASURES)}")
    columns = {f"train_{what}": say("training"), f"validation_{what}": say("held-out")}
    rows = history[["epoch", *columns]].rename(columns=columns).melt("epoch", var_name="images")
    last = history.iloc[-1]
    ends = {side: percent(last[name]) if what == "accuracy" else f"{last[name]:.3f}" for name, side in columns.items()}
    words = say(
        "{what} by epoch; after {epoch:.0f} of {epochs}: {each}",
        what=say(MEASURES[what]),
        epoch=last["epoch"],
        epochs=epochs,
        each=listed(say("{end} on {side} images", end=end, side=side) for side, end in ends.items()),
    )
    return Chart(_training_spec(what, epochs, height), {"epochs": rows}, words)


@kept(32)
def _training_spec(what: str, epochs: int, height: int) -> dict[str, Any]:
    axis_of_epochs = alt.Axis(format="d", values=ticks(1, max(2, epochs)), grid=False)
    x = alt.X("epoch:Q", title=say("Epoch"), axis=axis_of_epochs, scale=extent(1, max(2, epochs)))
    axis = alt.Axis(format=".0%", tickCount=5) if what == "accuracy" else alt.Axis(tickCount=5)
    y = alt.Y("value:Q", title=say(MEASURES[what]), axis=axis, scale=alt.Scale(zero=False, nice=True))
    domain = [say("training"), say("held-out")]  # images
    legend = alt.Legend(title=None, orient="top", symbolSize=160, symbolStrokeWidth=0, symbolOpacity=1)
    colour = alt.Color("images:N", scale=alt.Scale(domain=domain), legend=legend)
    dash = alt.StrokeDash("images:N", scale=alt.Scale(domain=domain, range=list(DASHES[:2])), legend=legend)
    shape = alt.Shape("images:N", scale=alt.Scale(domain=domain, range=list(SHAPES[:2])), legend=legend)
    tips = [
        alt.Tooltip("epoch:Q", title=say("Epoch")),
        alt.Tooltip("images:N", title=say("Images")),
        alt.Tooltip("value:Q", title=say(MEASURES[what]), format=".2%" if what == "accuracy" else ".4f"),
    ]
    lines = alt.Chart(alt.NamedData("epochs"))
    points = lines.mark_point(filled=True, size=70 if epochs <= MANY else 0, opacity=1)
    return layered(
        lines.mark_line(strokeWidth=3).encode(x=x, y=y, color=colour, strokeDash=dash),
        points.encode(x=x, y=y, color=colour, shape=shape),
        lines.mark_point(size=400, opacity=0).encode(x=x, y=y, tooltip=tips),
        height=height,
    )
