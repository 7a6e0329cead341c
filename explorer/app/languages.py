"""Which language the pages speak: as chosen in the sidebar or said by the link, or else as the browser is set."""

from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.language.catalogue import ENGLISH, LANGUAGES

KEY = "lang"


def chosen() -> str:
    """The language of the tab whose script runs here; English where none does."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return ENGLISH
    said = st.session_state.get(KEY) or st.query_params.get(KEY)
    return said if said in LANGUAGES else usual()


def usual() -> str:
    """The language that the browser asks for, of those there are; English is the first."""
    asked = (st.context.locale or "").split("-")[0]
    return asked if asked in LANGUAGES else ENGLISH


def switch(linked: dict[str, Any]) -> None:
    """The switch in the sidebar, each language by its own name; `linked` makes it part of the address."""
    with st.sidebar:
        look: dict[str, Any] = {"required": True, "format_func": LANGUAGES.get, "label_visibility": "collapsed"}
        st.segmented_control("Language · 语言", list(LANGUAGES), **look, **linked)
