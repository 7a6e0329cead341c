"""Charts as this app draws them, files to download, and text that is not markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st
from altair.utils.schemapi import disable_debug_mode

from explorer.files import csv
from explorer.language.saying import Said, again, as_here, say
from explorer.show import charts, figures
from explorer.show.pictures import address, png
from explorer.show.words import decimal, percent, points

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

disable_debug_mode()  # Altair's look at whether charts fit its schema, which is half of their making; tests do that

LIGHT_INK = "#44525F"
AXIS_ROOM = 88  # pixels that the axis of two charts in one takes beyond its width
UNBROKEN = "\u00a0\u202f"  # spaces at which no line breaks
LARGER = 1.25  # how much larger type is for a class


def in_words(table: pd.DataFrame, shares: Iterable[str], changes: Iterable[str] = ()) -> Styler:
    """The table for `st.dataframe`, its shares in percent and its changes in points as the rest of the page has them.

    Streamlit's own format "percent" drops decimals that are zero, so that 10 % stands below 9.43 %.
    """
    numbers = table.select_dtypes("float").columns
    formats = dict.fromkeys(numbers, decimal) | dict.fromkeys(shares, percent)
    return table.style.format(formats | dict.fromkeys(changes, points))


def csv_button(table: pd.DataFrame, name: str, label: str = "", key: str | None = None) -> None:
    """Download a table as CSV, as `report` writes it. A name that changes with K needs a `key` that does not."""
    st.download_button(
        label or say("Download CSV"),
        lambda: csv.csv_bytes(table),
        f"{name}.csv",
        "text/csv",
        key=f"csv {key or name}",
        icon=":material/download:",
        on_click="ignore",
    )


def figure_button(file: Callable[[str], bytes], name: str, key: str, label: str = "") -> None:
    """Download a figure for print, in the format chosen; `file(kind)` draws it, on a click only."""
    with figure_button_of(label or say("Figure")):
        figure_files(file, name, key)


def figure_button_of(label: str) -> Any:
    """What opens on a click: a figure's choices and its files."""
    return st.popover(label, icon=":material/print:")


def figure_files(file: Callable[[str], bytes], name: str, key: str) -> None:
    """A figure's files, one for each format; see `figure_button`."""
    spoken = as_here(file)  # which a click runs in a thread of its own
    st.caption(say("For print, on white"))
    for kind, mime in figures.FORMATS.items():
        st.download_button(
            kind.upper(),
            partial(spoken, kind),
            f"{name}.{kind}",
            mime,
            key=f"{key} {kind}",
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
        )


def plain_name(*parts: str) -> str:
    """A file name of parts that may hold anything."""
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part) for part in parts)


def sentence(text: str) -> str:
    """With a capital letter at the beginning; the others stay as they are."""
    return text[:1].upper() + text[1:]


def within(title: str) -> str:
    """A title within a sentence: "mean activation", but "L1 norm"."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def plain(text: object, longest: int = 400) -> str:
    """Text that comes from a file or a link, as it is: no Markdown is read into it, no link made of it.

    What was said before, such as an error, is said in the page's language, all its lines in one.

    What cannot be printed, such as half a character, becomes �; a text longer than a page takes is cut, and says so.
    """
    said = again(text) if isinstance(text, str) else str(text)
    said = " ".join(said.splitlines()) if isinstance(said, Said) else said
    whole = "".join(sign if sign.isprintable() or sign in UNBROKEN else "�" for sign in said)
    shown = whole
    if len(whole) > longest:
        shown = say("{begin}… ({count:,} characters in all)", begin=whole[:longest], count=len(whole))
    shown = re.sub(r"([\\`*\[\]$<>~#|@]|:(?=[\w/])|\b_|_\b)", r"\\\1", shown)
    return re.sub(r"(?i)\b(www)\.", r"\1\\.", shown)


def picture(content: bytes | np.ndarray, alt: str, **look: Any) -> None:
    """A picture, a PNG file or an array for `pictures.png`, in the page itself.

    Streamlit's own files go as soon as the page is left, and browsers that still load them log a 404 for each.
    """
    file = content if isinstance(content, bytes) else png(content)
    st.image(address(file), alt=alt, **look)


def draw(chart: charts.Chart, large: bool = False, **options: Any) -> Any:
    """A chart in the page's full width, with readable axes on white, and words and lines in the page's own ink.

    With `large`, the words on its axes are so for the last row of a classroom.
    """
    config, own = chart.spec["config"], {mark: {"color": ink()} for mark in ("text", "rule")}
    if large:
        config = {part: {**look, **_larger(look)} for part, look in config.items()}
    if st.context.theme.type == "light":  # Streamlit's own grey is pale; its dark theme needs no help
        config = {part: {**look, "labelColor": LIGHT_INK, "titleColor": LIGHT_INK} for part, look in config.items()}
    spec = {**chart.spec, "datasets": chart.arrow, "config": {**config, **own}}
    return st.vega_lite_chart(spec, width="stretch", alt=chart.words, **options)


def draw_pair(chart: charts.Chart, **options: Any) -> None:
    """`draw` for two charts in one, which take more than the page's width: they get as much less."""
    with st.container(horizontal=True, gap=None):
        draw(chart, **options)
        st.space(AXIS_ROOM)


def _larger(look: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of type in a part of a chart's look, as they are for a class."""
    return {key: round(size * LARGER) for key, size in look.items() if key.endswith("FontSize")}


def ink() -> str:
    """The colour of text in a figure on this page's ground."""
    return "#F2F5F8" if st.context.theme.type == "dark" else "#0C1721"
