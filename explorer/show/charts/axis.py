"""One axis for everything: accuracy against K and, below it on the same x, the channels in the order they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import kept, listed, say
from explorer.show.charts.curve import named_curves
from explorer.show.charts.parts import (
    AXES,
    KEPT,
    MANY,
    PERCENT,
    PRUNED,
    TONE,
    Chart,
    apart,
    interval_tips,
    spec_of,
    stated,
    whole_numbers,
)
from explorer.show.words import percent

SIDE = 92  # pixels left and right that a slider below the axis leaves; its ends are half a thumb further in
LEFT, RIGHT = SIDE - 20, SIDE - 2  # of the axis: beside its title, and beside the mark of K
POINT = 240  # the area of the largest mark
HEIGHT = 170  # pixels of the curve alone
BARS, STRIP, GAP = 46, 28, 6  # pixels: the heights of what lies below the curve, and what is between
NUMBERED = 40  # up to so many channels have their numbers below the strip
ROOM = 0.8  # accuracy above which a curve leaves no room for a legend over it
WORDS = 250  # pixels that the words beside K and those below the steepest drop take together
PLACE = 17  # pixels that the number of a channel takes
LABEL = 18  # pixels of a line of text


def pruning_axis(
    curve: pd.DataFrame,
    k: int,
    channels: pd.DataFrame,
    title: str,
    strip: str = "",
    steepest: tuple[int, int] | None = None,
    name: str = "",
    others: Mapping[str, pd.DataFrame] | None = None,
    order: Sequence[str] = (),
    height: int = HEIGHT,
) -> Chart:
    """Accuracy against K over the channels in pruning order, of which those left of K are pruned; see `accuracy_curve`.

    `channels` has the columns channel, value and state, first pruned first, and `title` names the value; the channel
    that K = 1 prunes lies between 0 and 1. `strip` is the address of a picture of them all side by side, or empty. The
    accuracy falls most between the two K of `steepest`. A click or a drag anywhere picks a K (selection `pick`), and
    `height` is that of the curve alone, in pixels.
    """
    count, gone = len(channels), int((channels["state"] == PRUNED).sum())
    places = channels[["channel", "value", "state"]].assign(left=range(count), right=range(1, count + 1))
    places["said"] = stated(places["state"])
    rows = curve[["k", "accuracy", "low", "high"]].assign(name=name)
    here = pd.DataFrame(
        {
            "k": [k],
            "gone": [gone],
            "words": [say("{gone} pruned, {left} kept", gone=gone, left=count - gone)],
            "tone": [1],
        }
    )
    here = here.merge(rows.drop(columns="name"), how="left").assign(name=name, left=0)
    drop = pd.DataFrame([(*steepest, k)] if steepest else [], columns=["first", "last", "k"])
    data = {"curve": rows, "here": here, "channels": places, "drop": drop}
    if strip:
        data["strip"] = pd.DataFrame({"left": [0], "right": [count], "url": [strip]})
    names: tuple[str, ...] = ()
    if others:
        every = {name: rows, **others}
        data["named"] = pd.concat(table[["k", "accuracy"]].assign(name=title) for title, table in every.items())
        names = tuple(dict.fromkeys([*order, *every]))
    low = bool(rows["accuracy"].max() < ROOM)
    spec = _axis_spec(count, len(rows) <= MANY + 1, title, bool(strip), height, names, low)
    return Chart(spec, data, _words(rows, here, channels, gone, steepest))


def _words(
    rows: pd.DataFrame, here: pd.DataFrame, channels: pd.DataFrame, gone: int, steepest: tuple[int, int] | None
) -> str:
    """The chart's message for whoever cannot see it."""
    first, last, now = rows.iloc[0], rows.iloc[-1], here.iloc[0]
    known = not pd.isna(now["accuracy"])
    at = say(", {accuracy} at K = {k:.0f}", accuracy=percent(now["accuracy"]), k=now["k"]) if known else ""
    fall = say("; it falls most from K = {start} to {end}", start=steepest[0], end=steepest[1]) if steepest else ""
    return say(
        "Accuracy against channels pruned: {start} at K = {first:.0f}{at}, {end} at K = {last:.0f}{fall}. Channels "
        "pruned, in order: {pruned}. The slider below moves K by keyboard, as do the keys L and M",
        start=percent(first["accuracy"]),
        first=first["k"],
        at=at,
        end=percent(last["accuracy"]),
        last=last["k"],
        fall=fall,
        pruned=listed(map(str, channels["channel"][:gone])) if gone else say("none"),
    )


@kept(64)
def _axis_spec(
    count: int, points: bool, title: str, pictured: bool, height: int, names: tuple[str, ...], low: bool
) -> dict[str, Any]:
    below = height + LABEL + GAP  # where the bars begin
    bottom = below + BARS + (GAP + STRIP if pictured else 0)
    layers = [
        _curve(count, height, points, names, low),
        _channels(count, below, title),
        *([_strip(count, below + BARS + GAP)] if pictured else []),
        _pruned(count, below, bottom),
        _rule(count, height),
    ]
    total = bottom + (LABEL if pictured and count <= NUMBERED else 0)
    spec = spec_of(alt.layer(*layers, height=total, resolve=apart("y", "color", "shape")))
    room = {"padding": {"left": 0, "right": RIGHT, "top": 5, "bottom": 0}}
    return {**spec, **room, "autosize": {"type": "fit-x", "contains": "padding"}}


# Encodings are given by their classes: for a mere text or `alt.value`, Altair hashes its whole schema to find the class
def _x(field: str, count: int) -> alt.X:
    """A field on the one axis, which goes exactly from 0 to P."""
    scale = alt.Scale(domain=[0, count], nice=False)
    return alt.X(f"{field}:Q", title=say(AXES["k"]), axis=whole_numbers(count), scale=scale)


def _curve(count: int, height: int, points: bool, names: tuple[str, ...], low: bool) -> Any:
    """The curve, or several with a legend, its interval, its steepest stretch, and what takes a click."""
    pick = alt.selection_point(
        name="pick",
        encodings=["x"],
        on="click, [pointerdown, window:pointerup] > pointermove",
        nearest=True,
        toggle=False,
        clear=False,
    )
    side = alt.Axis(**PERCENT.to_dict(), minExtent=LEFT, maxExtent=LEFT)
    scale = alt.Scale(domain=[0, 1], nice=False, range=[height, 0])
    x, y = _x("k", count), alt.Y("accuracy:Q", title=say("Accuracy"), axis=side, scale=scale)
    tips = [
        alt.Tooltip("k:Q", title=say("Channels pruned")),
        alt.Tooltip("accuracy:Q", title=say("Accuracy"), format=".2%"),
        *interval_tips(),
    ]
    curve, here, drop = (alt.Chart(alt.NamedData(each)) for each in ("curve", "here", "drop"))
    own = {"color": alt.Color("name:N", scale=alt.Scale(domain=list(names)), legend=None)} if names else {}
    fall = drop.mark_rect(opacity=0.16).encode(
        x=_x("first", count), x2=alt.X2("last:Q"), y=alt.YValue(0), y2=alt.Y2Value(height)
    )
    said = (
        drop.transform_filter(f"abs(datum.k - datum.last) * width > {WORDS * count}")
        .mark_text(align="right", baseline="top", fontSize=15)
        .encode(x=_x("last", count), y=alt.YValue(height + 5), text=alt.TextValue(say("steepest drop")))
    )
    line = curve.mark_line(strokeWidth=3).encode(x=x, y=y)
    marks = curve.mark_point(filled=True, size=45 if points else 0).encode(x=x, y=y)
    return alt.layer(
        fall,
        said,
        *named_curves(x, y, names, points, {"orient": "none", "legendX": 10, "legendY": 0 if low else height - 34}),
        curve.mark_area(opacity=0.25).encode(
            x=x, y=alt.Y("low:Q", title=say("Accuracy"), axis=side, scale=scale), y2=alt.Y2("high:Q"), **own
        ),
        *([] if names else [line, marks]),
        here.mark_point(filled=True, size=POINT, opacity=1).encode(x=x, y=y, **(own or {"color": TONE})),
        curve.mark_point(size=POINT, opacity=0, cursor="pointer").encode(x=x, y=y, tooltip=tips).add_params(pick),
        resolve=apart("color", "shape", "strokeDash"),
    )


def _channels(count: int, top: int, title: str) -> Any:
    """The channels as bars of the value that they are ranked by; pruned ones hollow."""
    scale = alt.Scale(range=[top + BARS, top], nice=False)
    plain: dict[str, Any] = {"labels": False, "ticks": False, "domain": False, "grid": False}
    side = alt.Axis(orient="left", minExtent=LEFT, maxExtent=LEFT, **plain)
    gone = alt.datum.state == PRUNED
    colour = alt.Color("state:N", scale=alt.Scale(domain=[KEPT, PRUNED]), legend=None)
    few = count <= MANY
    return (
        alt.Chart(alt.NamedData("channels"))
        .transform_calculate(zero="0")
        .mark_rect(strokeWidth=1 if few else 0)
        .encode(
            x=_x("left", count),
            x2=alt.X2("right:Q"),
            y=alt.Y("value:Q", title=say("Ranked by"), axis=side, scale=scale),
            y2=alt.Y2("zero:Q"),
            color=colour,
            stroke=colour,
            fillOpacity=alt.condition(gone, alt.value(0.25), alt.value(0.9)),
            tooltip=[
                alt.Tooltip("channel:N", title=say("Channel")),
                alt.Tooltip("value:Q", title=title, format=".4f"),
                alt.Tooltip("right:Q", title=say("Place in the pruning order")),
                alt.Tooltip("said:N", title=say("State at this K")),
            ],
        )
    )


def _strip(count: int, top: int) -> Any:
    """The picture of the channels, and the numbers of as many as there is room for."""
    picture = (
        alt.Chart(alt.NamedData("strip"))
        .mark_image(aspect=False)
        .encode(
            x=_x("left", count),
            x2=alt.X2("right:Q"),
            y=alt.YValue(top),
            y2=alt.Y2Value(top + STRIP),
            url=alt.Url("url:N"),
        )
    )
    if count > NUMBERED:
        return picture
    numbers = (
        alt.Chart(alt.NamedData("channels"))
        .transform_filter(f"datum.left % ceil({PLACE * count} / width) == 0")
        .transform_calculate(middle="datum.left + 0.5")
        .mark_text(baseline="top", fontSize=12)
        .encode(
            x=_x("middle", count),
            y=alt.YValue(top + STRIP + 4),
            text=alt.Text("channel:N"),
        )
    )
    return alt.layer(picture, numbers)


def _pruned(count: int, top: int, bottom: int) -> Any:
    """What greys the pruned channels."""
    left = _x("left", count)
    ends = {"y": alt.YValue(top), "y2": alt.Y2Value(bottom)}
    return (
        alt.Chart(alt.NamedData("here"))
        .mark_rect(color="#808890", opacity=0.35)
        .encode(x=left, x2=alt.X2("gone:Q"), **ends)
    )


def _rule(count: int, height: int) -> Any:
    """K, all the way down, with how many channels are pruned and kept."""
    here = alt.Chart(alt.NamedData("here"))
    text = {"y": alt.YValue(height + 5), "text": alt.Text("words:N")}
    x, low, high = _x("k", count), alt.datum.k * 2 <= count, alt.datum.k * 2 > count
    look: dict[str, Any] = {"baseline": "top", "fontSize": 15, "fontWeight": "bold"}
    return alt.layer(
        here.mark_rule(strokeWidth=2, strokeDash=[6, 4]).encode(x=x),
        here.transform_filter(low).mark_text(align="left", dx=8, **look).encode(x=x, **text),
        here.transform_filter(high).mark_text(align="right", dx=-8, **look).encode(x=x, **text),
    )
