"""The labs' questions: at least four each, answered from what was measured, and otherwise where that is otherwise."""

import re
from dataclasses import replace

import numpy as np
import pytest
from reported import curve_of

from explorer.answers import door, shipped
from explorer.answers.choices import ORDERS
from explorer.answers.labs import LABS
from explorer.answers.questions import QUESTIONS, lab_a, lab_b, lab_e
from explorer.answers.questions.common import leak, random_orders
from explorer.answers.questions.question import Blocks, is_band
from explorer.engine.curves import Band
from explorer.language.catalogue import catalogue
from explorer.language.saying import speaking
from explorer.networks import checkpoints
from explorer.show.words import percent

EACH = [(lab, question) for lab, several in QUESTIONS.items() for question in several]
NAMED = [f"{lab}-{question.name}" for lab, question in EACH]


def found_for(question):
    """What the answer takes, as it ships."""
    found = {}
    for name, evidence in question.takes.items():
        point = checkpoints.look_up(evidence.checkpoint)
        if isinstance(evidence, Blocks):
            steps = door.scan(point)
        elif is_band(evidence):
            assert shipped.has_band(evidence, point, ORDERS[0])
            steps = door.band(evidence, point, ORDERS[0])
        else:
            assert shipped.has_curve(evidence, point), f"python -m explorer ship {point.name}"
            steps = door.curve(evidence, point)
        *_, found[name] = steps
    return found


@pytest.mark.parametrize("lab", LABS)
def test_each_lab_has_at_least_four_questions_of_its_own(lab):
    names = [question.name for question in QUESTIONS[lab]]
    assert len(names) >= 4 and len(set(names)) == len(names)
    networks = LABS[lab].checkpoints
    assert all(each.checkpoint in networks for question in QUESTIONS[lab] for each in question.takes.values())


@pytest.mark.parametrize(("lab", "question"), EACH, ids=NAMED)
def test_each_question_is_answered_from_what_ships(shipped_answers, lab, question):
    answer = question.answer(found_for(question))
    assert answer.endswith((".", ")")) and any(sign.isdigit() for sign in answer)
    assert "nan" not in answer and "{" not in answer


@pytest.mark.parametrize(("lab", "question"), EACH, ids=NAMED)
def test_an_answer_is_another_where_something_else_was_measured(shipped_answers, lab, question):
    found = found_for(question)
    last = list(found)[-1]
    other = {**found, last: _spoiled(found[last])}
    assert question.answer(found) != question.answer(other), "it does not look at what was measured"


def _spoiled(result):
    """The result, had a tenth of the images been predicted wrong beyond the first row, and a channel more been gone."""
    if isinstance(result, Band):
        return Band(tuple(map(_spoiled, result.sweeps)))
    predictions, some = result.predictions.copy(), slice(None, None, 10)
    predictions[1:, some] = (result.labels[some] + 1) % (int(result.labels.max()) + 1)
    more = {}
    if getattr(result, "gone", None):
        more["gone"] = tuple(min(k + 1, result.channels) for k in result.gone)
    return replace(result, predictions=predictions, **more)


def test_how_many_are_really_gone_by_hand():
    right = np.ones((4, 8), bool)
    more = replace(curve_of(right, ks=(0, 2, 4, 6), channels=8), gone=(0, 2, 7, 8))
    assert lab_a.really_gone({"As scripted": more}) == (
        "More than K: at K = 4, 7 of 8 are gone, 3 more than the axis says, the most of all K. From K = 6 on all 8 are "
        "gone."
    )
    exact = replace(more, gone=(0, 2, 4, 6))
    assert lab_a.really_gone({"As scripted": exact}).startswith("Exactly K at every K up to 6")


def test_counting_what_is_gone_can_explain_all_and_nothing():
    random = np.random.default_rng(0)
    levels = np.array([1, 0.9, 0.5, 0.3, 0.1])
    right = random.random(400) < levels[:, None]
    assigned = curve_of(right, ks=(0, 1, 2, 3, 4), channels=4)
    early = replace(curve_of(right[[0, 2, 4]], ks=(0, 1, 2), channels=4), gone=(0, 2, 4))
    assert "it differs by +0.00 points" in lab_a.counted({"As assigned": assigned, "As scripted": early})
    same = replace(curve_of(right[:3], ks=(0, 1, 2), channels=4), gone=(0, 1, 2))
    assert lab_a.counted({"As assigned": assigned, "As scripted": same}).endswith("explains none of it.")


def test_no_answer_says_more_than_its_interval_allows():
    random = np.random.default_rng(0)
    curve = curve_of(random.random(400) < np.linspace(1, 0.2, 5)[:, None])
    better = curve_of(random.random(400) < np.linspace(1, 0.9, 5)[:, None])
    names = "Ranked on test images", "Ranked on training images"
    told = [leak(dict(zip(names, pair, strict=True))) for pair in ((curve, curve), (better, curve))]
    told.append(leak(dict(zip(names, (curve, better), strict=True))))
    assert "The interval holds 0" in told[0] and "what a leak would look like" in told[1] and "no sign" in told[2]
    orders = [random_orders({"x": each, "Random orders": Band((curve, curve))}, "x") for each in
              (better, curve)]  # fmt: skip
    assert orders[0].endswith("knows something.") and orders[1].endswith("cannot be told from a random order.")
    assert percent(float(better.accuracy[2])) in orders[0]
    flat = curve_of(np.ones((3, 20), bool))
    assert lab_b.ups({"As assigned": flat}).startswith("Yes") and "never falls" in lab_b.cliff({"As assigned": flat})
    masked = {"Filters zeroed": curve, "Channels removed": better}
    assert "largest difference" in lab_e.removed(masked)
    assert lab_e.removed({**masked, "Channels removed": curve}).startswith("0 of 2,000 predictions differ")


@pytest.mark.parametrize(("lab", "question"), EACH, ids=NAMED)
def test_a_question_is_asked_and_answered_in_chinese(shipped_answers, lab, question):
    assert not {question.words, *question.takes} - set(catalogue("zh"))
    with speaking("zh"):
        said = question.answer(found_for(question))
    assert re.search(r"[\u4e00-\u9fff]", said) and not re.search(r"([A-Za-z]{2,}[ ,]+){2}[A-Za-z]{2,}", said)
