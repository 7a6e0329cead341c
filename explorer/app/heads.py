"""The head of a page: its title, what one sees in one sentence, and what that means for whoever asks."""

from collections.abc import Callable

import streamlit as st

from explorer.language.saying import say


def head(title: str, sentence: str, about: str, switch: Callable[[], None] = lambda: None) -> None:
    """The title, with a `switch` and `about` a click away beside it, and the sentence below, in Markdown."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        st.header(title, anchor=False, width="content")
        switch()
        with st.popover(say("What am I looking at?"), icon=":material/help:", type="tertiary", width="content"):
            st.markdown(about)
    st.markdown(sentence)
