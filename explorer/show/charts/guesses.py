"""Predict, then reveal: the accuracies that somebody expects, and later the measured curve among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from explorer.language.saying import kept, listed, say
from explorer.show.charts.parts import PERCENT, TONE, UNIT, Chart, extent, interval_tips, layered, whole_numbers
from explorer.show.words import percent

FINENESS = 0.02  # of a click


def guess_chart(
    ends: tuple[int, int], guesses: Mapping[int, float | None], curve: pd.DataFrame | None = None, height: int = 300
) -> Chart:
    """The accuracies expected at some K, 0…1 or None where none is yet, on axes without a curve, or on the `curve`.

    K go from end to end. A click above one of the K places the accuracy there: the selection `pick` gives k and share.
    Once there is a curve (k, accuracy, low and high, one row a K), nothing is to be placed any more, and lines lead
    from what was expected to what was measured.
    """
    placed = pd.DataFrame([(k, share) for k, share in guesses.items() if share is not None], columns=["k", "share"])
    asked = pd.DataFrame({"k": list(guesses), "label": [f"K = {k}" for k in guesses]}, dtype=object)
    levels = [round(FINENESS * step, 2) for step in range(round(1 / FINENESS) + 1)]
    data = {"asked": asked.astype({"k": int}), "expected": placed.assign(tone=1)}
    said = listed(say("{share} at K = {k}", share=percent(row.share), k=row.k) for row in placed.itertuples())
    said = said or say("nothing yet")
    if curve is None:
        lattice = [(k, share) for k in guesses for share in levels]
        data["lattice"] = pd.DataFrame(lattice, columns=["k", "share"])
        return Chart(
            _guess_spec(*ends, False, bool(len(placed)), height),
            data,
            say("Accuracy expected against channels pruned: {said}", said=said),
        )
    rows = curve[["k", "accuracy", "low", "high"]].assign(tone=0)
    data |= {"curve": rows, "apart": placed.merge(rows, on="k")}
    words = say("Accuracy against channels pruned, as measured. Expected were {said}", said=said)
    return Chart(_guess_spec(*ends, True, True, height), data, words)


@kept(32)
def _guess_spec(low: int, high: int, revealed: bool, placed: bool, height: int) -> dict[str, Any]:
    at, y = _scales(low, high)
    asked, expected = alt.Chart(alt.NamedData("asked")), alt.Chart(alt.NamedData("expected"))
    tips = [
        alt.Tooltip("k:Q", title=say("Channels pruned")),
        alt.Tooltip("share:Q", title=say("Expected"), format=".0%"),
    ]
    look: dict[str, Any] = {"shape": "diamond", "size": 260, "opacity": 1}
    points = expected.mark_point(filled=True, **look).encode(x=at, y=y("share"), color=TONE, tooltip=tips)
    if revealed:
        return layered(*_measured(at, y), points, height=height)
    pick = alt.selection_point(name="pick", fields=["k", "share"], on="click", nearest=True, toggle=False, clear=False)
    lattice = alt.Chart(alt.NamedData("lattice"))
    line = expected.mark_line(strokeDash=[6, 4], strokeWidth=2).encode(x=at, y=y("share"), color=TONE)
    return layered(
        asked.mark_rule(strokeDash=[4, 4], opacity=0.5).encode(x=at),
        asked.mark_text(align="left", baseline="top", dx=5, fontSize=15).encode(x=at, y=alt.value(2), text="label:N"),
        *([line, points] if placed else []),  # a mark of nothing has no name, which whoever cannot see it misses
        lattice.mark_point(size=60, opacity=0, cursor="crosshair")
        .encode(x=at, y=y("share"), tooltip=tips)
        .add_params(pick),
        height=height,
    )


def _scales(low: int, high: int) -> tuple[alt.X, Any]:
    """K from end to end, and what makes a field an accuracy."""
    at = alt.X("k:Q", title=say("Channels pruned (K)"), axis=whole_numbers(high - low), scale=extent(low, high))
    return at, lambda field: alt.Y(f"{field}:Q", title=say("Accuracy"), axis=PERCENT, scale=UNIT)


def _measured(at: alt.X, y: Any) -> Sequence[Any]:
    """The curve with its interval, and how far each expectation is from it."""
    curve, apart = alt.Chart(alt.NamedData("curve")), alt.Chart(alt.NamedData("apart"))
    tips = [
        alt.Tooltip("k:Q", title=say("Channels pruned")),
        alt.Tooltip("accuracy:Q", title=say("Measured"), format=".2%"),
        *interval_tips(),
    ]
    return (
        curve.mark_area(opacity=0.25).encode(x=at, y=y("low"), y2="high:Q", color=TONE),
        curve.mark_line(strokeWidth=3).encode(x=at, y=y("accuracy"), color=TONE),
        apart.mark_rule(strokeWidth=2, strokeDash=[3, 3]).encode(x=at, y=y("share"), y2="accuracy:Q"),
        curve.mark_point(size=400, opacity=0).encode(x=at, y=y("accuracy"), tooltip=tips),
    )
