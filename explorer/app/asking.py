"""The questions of a lab, each answered on a click, so that there is time to think before."""

from typing import Any

import streamlit as st

from explorer.answers.labs import Lab
from explorer.answers.questions import QUESTIONS
from explorer.answers.questions.question import Question
from explorer.app import drawing, evidence, links, pickers, prepared
from explorer.language.saying import say

ANSWERED = "answered"  # in links, the questions whose answers are shown


def show(lab: Lab) -> None:
    """The lab's questions, with the answers that were asked for."""
    questions = QUESTIONS[lab.name]
    known = [question.name for question in questions]
    links.note_link(ANSWERED, lambda raw: set(raw) <= {"", *known}, pickers.choose_some(known))
    pickers.keep_if(ANSWERED, lambda kept: set(kept) <= set(known), [])
    links.linked(ANSWERED, [])
    st.caption(say("Think first, and then let it be measured: every answer is made of curves that the app computes."))
    for question in questions:
        with st.container(border=True, gap="small"):
            _question(question, question.name in st.session_state[ANSWERED])


def _question(question: Question, answered: bool) -> None:
    words, turn = st.columns([5, 1], vertical_alignment="center")
    words.markdown(f"**{say(question.words)}**")
    look: dict[str, Any] = {"icon": ":material/visibility_off:" if answered else ":material/science:"}
    label = say("Hide" if answered else "Measure")
    turn.button(label, key=f"ask {question.name}", on_click=_turn, args=(question.name,), width="stretch", **look)
    if not answered:
        return
    found = evidence.found(question.takes)
    if found is not None:
        st.markdown(drawing.plain(prepared.answer(question, tuple(found), *found.values()), 1000))


def _turn(name: str) -> None:
    """Show or hide an answer; a callback."""
    shown = st.session_state[ANSWERED]
    st.session_state[ANSWERED] = [each for each in shown if each != name] if name in shown else [*shown, name]
