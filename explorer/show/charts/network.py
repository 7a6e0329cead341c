"""A network drawn: its layers as boxes in a row, and what leads around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import kept, listed, say
from explorer.show.charts.parts import TONE, Chart, layered

LETTERS = 60  # of all names together, up to which they stand level below their boxes
TALL = 150  # pixels of the boxes and the shortcuts above them
ABOVE, BELOW = 0.95, -0.8  # where shortcuts run, and where names begin; a box is at most 1.44 high
GREY = "#7F8B96"


def network_drawing(
    boxes: pd.DataFrame, shortcuts: pd.DataFrame, layer: str | None = None, partners: Sequence[str] = ()
) -> Chart:
    """The network as boxes, as high as their output is large and as broad as they have channels.

    Convolutions are filled, `layer` in the second colour; its `partners`, which lose channels with it, are dashed. A
    line above leads around the boxes that a residual addition (+) adds to. `boxes` and `shortcuts` are those of
    `networks.sketches`. A click picks a layer (selection `pick`).
    """
    rows = boxes.assign(
        tone=boxes["layer"].isin([layer, *partners]).astype(int),
        partner=boxes["layer"].isin(partners),
        half=[_half(box.side / boxes["side"].max(), box.on_shortcut) for box in boxes.itertuples()],
        broad=[0.12 + 0.032 * math.log2(channels) for channels in boxes["channels"]],
        middle=[ABOVE if aside else 0.0 for aside in boxes["on_shortcut"]],
        said=boxes["kind"].map(say),
        named=[_name(box.layer, box.runs) for box in boxes.itertuples()],
        size=[f"{channels:,}" for channels in boxes["channels"]],
    )
    rows["low"], rows["high"] = rows["middle"] - rows["half"], rows["middle"] + rows["half"]
    rows["left"], rows["right"] = rows["place"] - rows["broad"], rows["place"] + rows["broad"]
    row = rows[~rows["on_shortcut"]]
    gaps = pd.DataFrame({"left": row["right"].to_numpy()[:-1], "right": row["left"].to_numpy()[1:]})
    letters = row["named"].str.len()
    spec = _network_spec(float(row["place"].max()), 0 if letters.sum() <= LETTERS else int(letters.max()))
    additions = shortcuts.assign(at=shortcuts["end"] + 0.4)
    data = {"boxes": rows, "gaps": gaps, "around": _corners(shortcuts), "additions": additions}
    kinds = rows["kind"].value_counts()
    convolutions, linear = kinds.get("convolution", 0), kinds.get("linear", 0)
    words = say(
        "The network: {convolutions} convolutions, {linear} linear layers, {additions} residual additions{together}",
        convolutions=convolutions,
        linear=linear,
        additions=len(shortcuts),
        together=say("; {partners} and {layer} lose the same channels", partners=listed(partners), layer=layer)
        if partners
        else "",
    )
    return Chart(spec, data, words)


def _name(layer: str, runs: int) -> str:
    name = layer or say("image")
    return f"{name} × {runs}" if runs > 1 else name


def _half(share: float, aside: bool) -> float:
    """Half the height of a box whose output has this share of the largest side; those on shortcuts are small."""
    return 0.12 if aside else 0.12 + 0.6 * share


def _corners(shortcuts: pd.DataFrame) -> pd.DataFrame:
    """The corners of each shortcut: up behind the box where it begins, and down to its addition."""
    rows = []
    for number, (start, end) in enumerate(shortcuts[["start", "end"]].itertuples(index=False)):
        corners = [(start + 0.6, 0), (start + 0.6, ABOVE), (end + 0.4, ABOVE), (end + 0.4, 0)]
        rows += [(number, step, at, height) for step, (at, height) in enumerate(corners)]
    return pd.DataFrame(rows, columns=["shortcut", "step", "at", "height"])


@kept(16)
def _network_spec(last: float, slanting: int) -> dict[str, Any]:
    """Names of so many letters at most stand slanting below the boxes, or level where that is 0."""
    pick = alt.selection_point(name="pick", fields=["layer"], on="click", toggle=False, clear=False)
    room = 5.5 * slanting + 14 if slanting else 26  # pixels for the names
    lowest = BELOW - room / TALL * (1.2 - BELOW)
    across, up = alt.Scale(domain=[-0.5, last + 0.6], nice=False), alt.Scale(domain=[lowest, 1.2], nice=False)
    bare: dict[str, Any] = {"axis": None, "title": None}
    boxes, additions = alt.Chart(alt.NamedData("boxes")), alt.Chart(alt.NamedData("additions"))
    low = alt.Y("low:Q", scale=up, **bare)
    left, at = alt.X("left:Q", scale=across, **bare), alt.X("at:Q", scale=across, **bare)
    place = alt.X("place:Q", scale=across, **bare)
    on_the_line, below = alt.YDatum(0, scale=up, **bare), alt.YDatum(BELOW, scale=up, **bare)
    tips = [
        alt.Tooltip("named:N", title=say("Layer")),
        alt.Tooltip("said:N", title=say("Kind")),
        alt.Tooltip("output:N", title=say("Output")),
    ]
    filled = alt.condition("datum.kind === 'convolution' && !datum.partner", alt.value(1), alt.value(0.15))
    whole = alt.condition("datum.partner", alt.value(0), alt.value(1))
    size = 12 if slanting else 14
    look: dict[str, Any] = {"align": "right", "angle": 310} if slanting else {"baseline": "top"}
    names = boxes.transform_filter("!datum.on_shortcut").mark_text(fontSize=size, **look)
    corner = alt.Y("height:Q", scale=up, **bare)
    return layered(
        alt.Chart(alt.NamedData("gaps"))
        .mark_rule(strokeWidth=2, color=GREY)
        .encode(x=left, x2="right:Q", y=on_the_line),
        alt.Chart(alt.NamedData("around"))
        .mark_line(strokeWidth=2, color=GREY)
        .encode(x=at, y=corner, detail="shortcut:N", order="step:Q"),
        boxes.mark_rect(cornerRadius=3, strokeWidth=2, cursor="pointer")
        .encode(
            x=left,
            x2="right:Q",
            y=low,
            y2="high:Q",
            color=TONE,
            stroke=TONE,
            fillOpacity=filled,
            strokeOpacity=whole,
            tooltip=tips,
        )
        .add_params(pick),
        boxes.transform_filter("datum.partner")
        .mark_rect(cornerRadius=3, strokeWidth=2, strokeDash=[5, 3], filled=False, aria=False)
        .encode(x=left, x2="right:Q", y=low, y2="high:Q", stroke=TONE),
        additions.mark_point(shape="circle", size=170, filled=True, opacity=1, color=GREY, aria=False).encode(
            x=at, y=on_the_line
        ),
        additions.mark_text(fontSize=15, fontWeight="bold", color="#FFFFFF", aria=False).encode(
            x=at, y=on_the_line, text=alt.value("+")
        ),
        boxes.mark_text(dy=-9, fontSize=size).encode(x=place, y=alt.Y("high:Q", scale=up, **bare), text="size:N"),
        names.encode(x=place, y=below, text="named:N"),
        height=round(TALL + room),
    )
