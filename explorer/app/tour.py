"""A tour of the first page in five steps, for whoever asks for it."""

import streamlit as st

from explorer.language.saying import english, say

STEP = "step of the tour"  # 1 to 5 while it is taken
STEPS = (
    english(
        "**The three numbers** are the answer at this K: how many test images the network still gets right, how many "
        "points that is below the unpruned network, and how many channels are left."
    ),
    english(
        "**The curve** is the same for every K from none to all. Click anywhere on it, or drag: K follows. So it does "
        "with the slider below, and with the keys L and M."
    ),
    english(
        "**The bars and pictures** below the curve are the channels in the order in which they go, least important "
        "first: what they are ranked by, and what they look at. Those that are pruned are grey."
    ),
    english(
        "**Last K within 1 point** and **Steepest drop** (keys W and D) lead to the two places that a report asks for: "
        "how far pruning is almost free, and where the network breaks."
    ),
    english(
        "**From here**: choose a lab, another layer or ranking on the left; *Sweep* compares rankings, *Scan* compares "
        "layers, and *Your own network* brings yours."
    ),
)


def tour_button() -> None:
    """The way in, in the sidebar."""
    with st.sidebar:
        words = say("What is on this page, in five steps")
        st.button(say("Tour"), icon=":material/tour:", help=words, on_click=_go, args=(1,))


def show_step() -> None:
    """The step that is taken, if any, with the ways on and out."""
    step = st.session_state.get(STEP, 0)
    with st.container():
        if not step:
            return
        with st.container(border=True, gap="small"):
            words = say("{step} of {steps}. {text}", step=step, steps=len(STEPS), text=say(STEPS[step - 1]))
            st.markdown(f":material/tour: {words}")
            with st.container(horizontal=True, gap="small"):
                last = step == len(STEPS)
                st.button(say("Back"), key="tour back", on_click=_go, args=(step - 1,), disabled=step == 1)
                on = say("Done" if last else "Next")
                st.button(on, key="tour next", on_click=_go, args=(0 if last else step + 1,))
                if not last:
                    st.button(say("Leave the tour"), key="tour end", type="tertiary", on_click=_go, args=(0,))


def _go(step: int) -> None:
    st.session_state[STEP] = step
