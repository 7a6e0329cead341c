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
from explorer.language.saying import english, say

HEIGHT = 300  # pixels of the chart
ABOUT = english("""\
Each lesson is a trap that one of the labs walks into. **First** comes what one would expect; **then** the two curves,
as they were measured; and **last** what explains them, with the difference between the two and the interval in which
it lies with 95 % certainty. Both curves are over the same images, so that they are compared image by image.""")
COLUMNS = {
    "k": "K",
    "one_gone": english("Pruned, {one}"),
    "other_gone": english("Pruned, {other}"),
    "one": "{one}",
    "other": "{other}",
    "difference": english("Difference in points"),
    "low": english("95 % from"),
    "high": english("95 % to"),
    "p_value": english("McNemar's p"),
}


def pick_lesson() -> Lesson:
    """The lesson that the page stands at."""
    titles = {name: f"{lesson.lab} · {say(lesson.title)}" for name, lesson in LESSONS.items()}
    look: dict[str, Any] = {"format_func": titles.get, "label_visibility": "collapsed"}
    return LESSONS[pickers.pick_option(say("Lesson"), "lesson", list(LESSONS), **look)]


def show(lesson: Lesson) -> None:
    """The three steps, and the numbers behind them."""
    lab = LABS[lesson.lab]
    st.markdown(
        say(":material/psychology_alt: **1. What one would expect.** {expected}", expected=say(lesson.expected))
    )
    found = evidence.found(lesson.curves)
    if found is None:
        return
    measured, why = st.columns([3, 2], gap="medium")
    with measured:
        words = ":material/show_chart: **2. What was measured**, in lab {lab}, {title}:"
        st.markdown(say(words, lab=lab.name, title=say(lab.title)))
        names = tuple(map(say, found))
        drawing.draw(prepared.pair_chart(names, HEIGHT, *found.values()), key="lesson curves")
    said = drawing.plain(prepared.explained(lesson, *found.values()), 1500)
    why.markdown(say(":material/lightbulb: **3. Why.** {said}", said=said))
    numbers(lesson, found)


def numbers(lesson: Lesson, found: dict[str, Sweep | Band]) -> None:
    """Every K, as a table and a file; and the way to the curves themselves."""
    one, other = found.values()
    st.subheader(say("K for K"), anchor=False)
    name = drawing.plain_name("lesson", lesson.name)
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, asked in lesson.curves.items():
            to(title, asked, middle_of(found[title]), lesson.lab)
        drawing.csv_button(tables.rows_of([one, other]), name)
    if isinstance(other, Band) or isinstance(one, Band):
        st.caption(say("The band holds 95 of 100 further random orders; the line within is their mean."))
        return
    show_table(prepared.pair_table(one, other), *map(say, found))


def show_table(table: pd.DataFrame, one: str, other: str) -> None:
    """Both curves at each K, and how far they are apart; how many channels are gone where that is not K."""
    columns = {name: say(title, one=one, other=other) for name, title in COLUMNS.items()}
    for name in ("one_gone", "other_gone"):
        if (table[name] == table["k"]).all():
            del columns[name]
    shown = drawing.in_words(table[list(columns)], ["one", "other"], ["difference", "low", "high"])
    st.dataframe(
        shown,
        column_config=dict(columns),
        hide_index=True,
        alt=say("{one} and {other} at each K", one=one, other=other),
    )


def to(title: str, asked: Experiment, k: int, lab: str) -> None:
    """A link to one of the curves on Prune; random orders have no one curve."""
    if not evidence.is_band(asked):
        query: dict[str, Any] = views.link_to(asked, k) | {"lab": lab}
        label, icon = say("{curve} on Prune", curve=say(title)), ":material/content_cut:"
        st.page_link("explorer/app/pages/prune.py", label=label, icon=icon, query_params=query)


with links.page(), st.container(gap="small"):
    waiting.show_news()
    sentence = say("What one would expect of the labs, what was measured, and why it came otherwise.")
    head(say("Lessons"), sentence, say(ABOUT))
    show(pick_lesson())
