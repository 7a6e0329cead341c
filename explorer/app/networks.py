"""Which trained network a page is about."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from explorer.app import cache, drawing, links, pickers, story
from explorer.images import datasets
from explorer.language.saying import say
from explorer.networks.checkpoints import Checkpoint, list_checkpoints

DEFAULT_CHECKPOINT = "simple-cnn_fashion-mnist"
MODEL = "explorer/app/pages/model.py"
TRAIN = "explorer/app/pages/train.py"
TO_TUNE = "the network that Train is to start from"
OWN_FORM = "own"  # the key of the expander with the form


def pick_checkpoint() -> Checkpoint:
    """The network chosen in the sidebar, loaded; stops the page with one sentence where there is none to show."""
    names = list_checkpoints()
    if not names:
        st.error(
            say(
                "There is no trained network in the folder `checkpoints`: train one with "
                "`python -m explorer train simple-cnn --data fashion-mnist`."
            ),
            icon=":material/deployed_code_alert:",
        )
        st.stop()
    with st.sidebar:
        usual, wrong = usual_checkpoint(names), say("no trained network here")
        name = pickers.pick_named(say("Network"), "checkpoint", names, usual, wrong, format_func=story.title_of)
        offer_own()
    try:
        return cache.checkpoint(name)
    except (ValueError, OSError) as error:
        words = say("{name} cannot be opened: {why}.", name=drawing.plain(name), why=drawing.plain(error))
        st.error(words, icon=":material/broken_image:")
        st.stop()


def offer_own() -> None:
    """The way to a network of one's own: its form on the Model page, open."""
    words = say("Bring the network that you trained: its code or architecture, its weights and its images.")
    look: dict[str, Any] = {"icon": ":material/upload_file:", "type": "tertiary", "help": words}
    if st.button(say("Your own network"), key="bring", **look):
        st.session_state[OWN_FORM] = True
        st.switch_page(MODEL)


def fine_tune(name: str) -> None:
    """Go to the Train page, with its form at how this network is fine-tuned."""
    st.session_state[TO_TUNE] = name
    st.switch_page(TRAIN)


def usual_checkpoint(names: Sequence[str]) -> str:
    """The network that shows where none is chosen."""
    return DEFAULT_CHECKPOINT if DEFAULT_CHECKPOINT in names else names[0]


def set_checkpoint(name: str) -> None:
    """Turn to another network; for callbacks."""
    st.session_state["checkpoint"] = name
    links.drop_note("checkpoint")


def examples_of(point: Checkpoint) -> str:
    """What a network looks at, in words: "images" or "pairs"."""
    return datasets.dataset_info(point.card.dataset).examples
