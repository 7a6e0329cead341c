"""Lessons: what one would expect of each lab, what was measured, and why."""

from typing import Any

import pandas as pd
import streamlit as st

from explorer.answers.experiment import Experiment
from explorer.answers.labs import LABS
from explorer.answers.lessons import LESSONS, Lesson
from explorer.answers.questions.sentences import middle_of
from explorer.app import drawing, evidence, links, pickers, prepared, views, waiting
from explorer.app.heads import head
from explorer.engine import tables
from explorer.engine.curves import Band, Sweep

HEIGHT = 300  # pixels of the chart
ABOUT = """
Each lesson is a trap that one of the labs walks into. **First** comes what one would expect; **then** the two curves,
as they were measured; and **last** what explains them, with the difference between the two and the interval in which
it lies with 95 % certainty. Both curves are over the same images, so that they are compared image by image.
"""
COLUMNS = {
    "k": "K",
    "one_gone": "Pruned, {one}",
    "other_gone": "Pruned, {other}",
    "one": "{one}",
    "other": "{other}",
    "difference": "Difference in points",
    "low": "95 % from",
    "high": "95 % to",
    "p_value": "McNemar's p",
}


def pick_lesson() -> Lesson:
    """The lesson that the page stands at."""
    titles = {name: f"{lesson.lab} · {lesson.title}" for name, lesson in LESSONS.items()}
    look: dict[str, Any] = {"format_func": titles.get, "label_visibility": "collapsed"}
    return LESSONS[pickers.pick_option("Lesson", "lesson", list(LESSONS), **look)]


def show(lesson: Lesson) -> None:
    """The three steps, and the numbers behind them."""
    lab = LABS[lesson.lab]
    st.markdown(f":material/psychology_alt: **1. What one would expect.** {lesson.expected}")
    found = evidence.found(lesson.curves)
    if found is None:
        return
    measured, why = st.columns([3, 2], gap="medium")
    with measured:
        st.markdown(f":material/show_chart: **2. What was measured**, in lab {lab.name}, {lab.title}:")
        drawing.draw(prepared.pair_chart(tuple(found), HEIGHT, *found.values()), key="lesson curves")
    said = drawing.plain(prepared.explained(lesson, *found.values()), 1500)
    why.markdown(f":material/lightbulb: **3. Why.** {said}")
    numbers(lesson, found)


def numbers(lesson: Lesson, found: dict[str, Sweep | Band]) -> None:
    """Every K, as a table and a file; and the way to the curves themselves."""
    one, other = found.values()
    st.subheader("K for K", anchor=False)
    name = drawing.plain_name("lesson", lesson.name)
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, asked in lesson.curves.items():
            to(title, asked, middle_of(found[title]), lesson.lab)
        drawing.csv_button(tables.rows_of([one, other]), name)
    if isinstance(other, Band) or isinstance(one, Band):
        st.caption("The band holds 95 of 100 further random orders; the line within is their mean.")
        return
    show_table(prepared.pair_table(one, other), *found)


def show_table(table: pd.DataFrame, one: str, other: str) -> None:
    """Both curves at each K, and how far they are apart; how many channels are gone where that is not K."""
    columns = {name: title.format(one=one, other=other) for name, title in COLUMNS.items()}
    for name in ("one_gone", "other_gone"):
        if (table[name] == table["k"]).all():
            del columns[name]
    shown = drawing.in_words(table[list(columns)], ["one", "other"], ["difference", "low", "high"])
    st.dataframe(shown, column_config=dict(columns), hide_index=True, alt=f"{one} and {other} at each K")


def to(title: str, asked: Experiment, k: int, lab: str) -> None:
    """A link to one of the curves on Prune; random orders have no one curve."""
    if not evidence.is_band(asked):
        query: dict[str, Any] = views.link_to(asked, k) | {"lab": lab}
        icon = ":material/content_cut:"
        st.page_link("explorer/app/pages/prune.py", label=f"{title} on Prune", icon=icon, query_params=query)


with links.page(), st.container(gap="small"):
    waiting.show_news()
    head("Lessons", "What one would expect of the labs, what was measured, and why it came otherwise.", ABOUT)
    show(pick_lesson())
