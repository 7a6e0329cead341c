"""The head of a page: its title, what one sees in one sentence, and what that means for whoever asks."""

import streamlit as st


def head(title: str, sentence: str, about: str) -> None:
    """The title, with `about` a click away beside it, and the sentence below; `about` and `sentence` are Markdown."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        st.header(title, anchor=False, width="content")
        with st.popover("What am I looking at?", icon=":material/help:", type="tertiary", width="content"):
            st.markdown(about)
    st.markdown(sentence)
