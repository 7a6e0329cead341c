"""How answers differ from the first of them at one K: in a sentence, and in tables."""

from typing import Any

import pandas as pd
import streamlit as st

from explorer.app import drawing
from explorer.engine import tables
from explorer.engine.contrasts import ORDERS, PAIRED
from explorer.engine.curves import Band, Sweep
from explorer.language.saying import english, say
from explorer.show.words import percent, points

BEATS = english(
    "At {place}, **{best}** beats **{first}**: {share} against {accuracy}, {points} points ({interval}, {chance})."
)
LIKE = english(
    "At {place}, **{best}** cannot be told from **{first}**: {share} against {accuracy}, {points} points ({interval}, "
    "{chance})."
)
CLOSEST = english(
    "At {place}, **{best}** comes closest to **{first}**: {share} against {accuracy}, {points} points ({interval}, "
    "{chance})."
)
NAME = 200  # pixels of an answer's name in a table


def in_a_sentence(table: pd.DataFrame, place: str) -> str:
    """Which answer keeps most of what it shares with the first, and whether it surely differs from that."""
    first, *others = table.to_dict("records")
    values: dict[str, Any] = {
        "place": place,
        "first": drawing.plain(first["answer"]),
        "accuracy": percent(first["accuracy"]),
    }
    if not others:
        return say("At {place}, **{first}** gets {accuracy} right.", **values)
    best = max(others, key=lambda row: row["change"])
    return say(
        BEATS if best["change_low"] > 0 else CLOSEST if best["change_high"] < 0 else LIKE,
        **values,
        best=drawing.plain(best["answer"]),
        share=percent(best["accuracy"]),
        points=points(best["change"]),
        interval=interval_of(best),
        chance=chance_of(first, best),
    )


def interval_of(row: dict[str, Any]) -> str:
    """The interval of a difference, in words."""
    return say("{low} to {high}", low=points(row["change_low"]), high=points(row["change_high"]))


def p_of(value: float) -> str:
    """A p-value, in words that stay on one line."""
    return "p\u00a0<\u00a00.0001" if value < 0.0001 else f"p\u00a0=\u00a0{value:.4f}"


def chance_of(first: dict[str, Any], row: dict[str, Any]) -> str:
    """What says whether a difference from the first is more than chance: p, or how a band's orders do."""
    return orders_of(first, row) if row["test"] == ORDERS else p_of(row["p_value"])


def orders_of(first: dict[str, Any], row: dict[str, Any]) -> str:
    """How many orders get less right than the other answer, where one of the two is a band."""
    if pd.isna(row["below"]):
        return say("mean with mean")
    return say("{below} of {n} orders lower", below=row["below"], n=max(first["orders"], row["orders"]))


def differences(table: pd.DataFrame, place: str) -> None:
    """What each answer gets right, and what that is more than the first."""
    first, *_ = records = table.to_dict("records")
    rows = [
        {
            "Answer": row["answer"],
            "K": row["k"],
            "Accuracy": say(
                "{accuracy} ({low:.2f} to {high:.2f})",
                accuracy=percent(row["accuracy"]),
                low=100 * row["low"],
                high=100 * row["high"],
            ),
            "Points more": "–"
            if row is first
            else say("{points} ({interval})", points=points(row["change"]), interval=interval_of(row)),
            "p": "–" if pd.isna(row["p_value"]) else p_of(row["p_value"]),
            "Compared": "–" if row is first else compared(first, row, table["n"].nunique() > 1),
        }
        for row in records
    ]
    st.dataframe(
        pd.DataFrame(rows),
        column_config={
            "Answer": st.column_config.TextColumn(say("Answer"), pinned=True, width=NAME),
            "K": st.column_config.NumberColumn(format="localized", help=say("The nearest that was computed")),
            "Accuracy": say("Accuracy"),
            "Points more": st.column_config.TextColumn(say("Points more"), help=say("Than the first answer")),
            "p": st.column_config.TextColumn(help=say("How often chance alone would make a difference as large")),
            "Compared": say("Compared"),
        },
        hide_index=True,
        height="content",
        alt=say(
            "Accuracy of each answer at {place}, and its difference from the first with interval and p-value",
            place=place,
        ),
    )


def compared(first: dict[str, Any], row: dict[str, Any], samples: bool) -> str:
    """How a difference was found, in words, and where there are `samples`, over how many images."""
    if row["test"] == ORDERS:
        return orders_of(first, row)
    if row["test"] != PAIRED:
        return say("as two samples")
    return say("image by image ({n:,.0f})", n=row["images"]) if samples else say("image by image")


def figures_of(curves: dict[str, Sweep | Band]) -> None:
    """The usual figures of each curve."""
    st.subheader(say("Of the whole curve"))
    rows = [
        {
            "Answer": row["answer"],
            "Unpruned": percent(row["unpruned"]),
            "Last K within 1 point": of_all(row["cliff"], row["channels"]),
            "Steepest drop, from K": of_all(row["steepest_from"], row["channels"]),
            "to K": of_all(row["steepest_to"], row["channels"]),
            "Area": percent(row["area"]),
        }
        for row in tables.usual_table(curves).to_dict("records")
    ]
    st.dataframe(
        pd.DataFrame(rows),
        column_config={
            "Answer": st.column_config.TextColumn(say("Answer"), pinned=True, width=NAME),
            "Unpruned": say("Unpruned"),
            "Last K within 1 point": say("Last K within 1 point"),
            "Steepest drop, from K": say("Steepest drop, from K"),
            "to K": say("to K"),
            "Area": say("Area"),
        },
        hide_index=True,
        height="content",
        alt=say("Of each answer the unpruned accuracy, the last K within a point, the steepest drop, and the area"),
    )


def of_all(k: float, channels: int) -> str:
    """A K, or the median of several, and which share of the channels that is."""
    return "–" if pd.isna(k) else say("{k:g} ({percent:.0f} %)", k=k, percent=100 * k / channels)
