"""The address bar: widgets' values in it, and a note for each value of a link that is not valid."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from explorer.app import drawing, idle, work

NOTES = "notes on the link"
NOTE_DROPPED = "a note was dropped"
CHOSEN = "keys of the pickers"


@contextmanager
def page() -> Iterator[None]:
    """Wraps a page's script: keeps what was chosen, and says at the top which values of the link are not valid.

    Streamlit forgets a widget's value on pages without it; a value set anew stays, so that every page opens as chosen.
    """
    for key in st.session_state.setdefault(CHOSEN, set()) & set(st.session_state):
        st.session_state[key] = st.session_state[key]
    work.jobs()  # whose making also keeps what is loaded by now out of every later garbage collection
    idle.note_tab()
    top = st.container()
    try:
        yield
    finally:
        for text in st.session_state.get(NOTES, {}).values():
            top.warning(drawing.plain(text), icon=":material/link_off:")


def linked(key: str) -> dict[str, Any]:
    """What makes a widget's value part of the URL, and keeps it from page to page."""
    st.session_state.setdefault(CHOSEN, set()).add(key)
    return {"key": key, "bind": "query-params", "on_change": drop_note, "args": (key,)}


def note_link(key: str, valid: Callable[[list[str]], bool], fix: str, name: str | None = None) -> None:
    """Where the link that opened this page gives `key` values that are not valid, note it; the widget ignores them.

    The note stays until the user chooses a value.
    """
    if key in st.session_state or key not in st.query_params:
        return
    raw = st.query_params.get_all(key)
    if not valid(raw):
        shown = ", ".join(raw)
        shown = shown if len(shown) <= 40 else f"{shown[:40]}…"
        note(key, f"The link's {name or key.replace('_', ' ')} “{shown}” {fix}.")


def note(key: str, text: str) -> None:
    """Say something of the value of `key`, until the user chooses another."""
    st.session_state.setdefault(NOTES, {})[key] = text


def note_whole(key: str, low: int, high: int, default: int, wrong: str, name: str | None = None) -> None:
    """`note_link` for a whole number from `low` to `high`."""
    try:
        asked = float(st.query_params.get(key, default))
    except ValueError:
        asked = default
    shown = int(asked) if low <= asked <= high else default  # as Streamlit's number widgets read a link
    fix = f"is {wrong}: give a whole number from {low} to {high}; showing {shown}"
    note_link(key, lambda raw: len(raw) == 1 and is_whole(raw[0], low, high), fix, name)


def drop_note(key: str) -> None:
    """Drop the note on the link's `key`, for the user has chosen another value."""
    if st.session_state.get(NOTES, {}).pop(key, None):
        st.session_state[NOTE_DROPPED] = True


def is_whole(text: str, low: int, high: int) -> bool:
    """Whether the text is a whole number within these limits."""
    return text.isdecimal() and len(text) < 20 and low <= int(text) <= high
