"""Presenting to a class: larger type, no sidebar, the numbers and the curve alone."""

from typing import Any

import streamlit as st

from explorer.app import links
from explorer.language.saying import say

HEIGHT = 200  # pixels of the curve
LARGER = "<style>html { font-size: 125%; }</style>"  # Streamlit measures everything in the root's type size


def presents() -> bool:
    """Whether this tab presents; then makes everything larger and folds the sidebar."""
    links.linked("present", False)
    if not st.session_state["present"]:
        st.set_page_config(initial_sidebar_state=300)
        return False
    st.html(LARGER)
    st.set_page_config(initial_sidebar_state="collapsed")
    return True


def present_button() -> None:
    """The way in, in the sidebar."""
    with st.sidebar:
        words = say("Larger type, no sidebar, the numbers and the curve alone (key P)")
        look: dict[str, Any] = {"icon": ":material/present_to_all:", "help": words, "shortcut": "P"}
        st.button(say("Present"), on_click=_turn, args=(True,), **look)


def head(title: str) -> None:
    """The title, and the way out."""
    words = say("Back to all there is (key Esc)")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header(title, anchor=False, width="content")
        look: dict[str, Any] = {
            "type": "tertiary",
            "icon": ":material/close_fullscreen:",
            "help": words,
            "shortcut": "Esc",
        }
        st.button(say("Leave"), on_click=_turn, args=(False,), **look)


def _turn(on: bool) -> None:
    st.session_state["present"] = on
