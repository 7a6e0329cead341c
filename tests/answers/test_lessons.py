"""The lessons: one for each lab at least, explained from what ships, and otherwise where that is otherwise."""

import re

import numpy as np
import pytest
from reported import curve_of

from explorer.answers import door, shipped
from explorer.answers.choices import ORDERS
from explorer.answers.labs import LABS
from explorer.answers.lessons import LESSONS
from explorer.answers.questions.question import is_band
from explorer.language.catalogue import catalogue
from explorer.language.saying import speaking
from explorer.networks import checkpoints


def found_for(lesson):
    """Its two curves, as they ship."""
    found = {}
    for title, asked in lesson.curves.items():
        point = checkpoints.look_up(asked.checkpoint)
        ships = shipped.has_band(asked, point, ORDERS[0]) if is_band(asked) else shipped.has_curve(asked, point)
        assert ships, f"python -m explorer ship {point.name}"
        *_, found[title] = door.band(asked, point, ORDERS[0]) if is_band(asked) else door.curve(asked, point)
    return found


def test_each_lab_has_a_lesson():
    assert {lesson.lab for lesson in LESSONS.values()} == set(LABS)
    assert all(len(lesson.curves) == 2 for lesson in LESSONS.values())


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_explained_from_what_ships(shipped_answers, name):
    said = LESSONS[name].explained(found_for(LESSONS[name]))
    assert "95 % interval" in said and "nan" not in said and said.endswith(".")


@pytest.mark.parametrize("name", [name for name in LESSONS if name != "norms"])
def test_what_explains_it_depends_on_what_was_measured(name):
    random = np.random.default_rng(0).random((5, 600))
    high, low = (curve_of(random < level * np.linspace(1, 0.4, 5)[:, None]) for level in (0.95, 0.6))
    lesson = LESSONS[name]
    told = [
        lesson.explained(dict(zip(lesson.curves, pair, strict=True)))
        for pair in ((high, low), (low, high), (high, high))
    ]
    assert len({text.rsplit(". ", 1)[-1] for text in told}) >= (2 if name == "bias" else 3), "the end is the verdict"


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_said_in_chinese_without_a_sentence_of_english(shipped_answers, name):
    lesson, known = LESSONS[name], catalogue("zh")
    assert not {lesson.title, lesson.expected, *lesson.curves} - set(known)
    with speaking("zh"):
        said = lesson.explained(found_for(lesson))
    assert "置信区间" in said and not re.search(r"([A-Za-z]{2,}[ ,]+){2}[A-Za-z]{2,}", said)
