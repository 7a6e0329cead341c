"""The analysis's sentences, at the edges where one word would be wrong."""

import numpy as np
import pytest
from reported import curve_of, facts_of, falling

from explorer.reports.findings import findings
from explorer.reports.sections.conclusions import sentence_of
from explorer.reports.texts import LANGUAGES, language


def said(facts, code="en"):
    """Every sentence by the name of the finding."""
    return {found.sentence: sentence_of(found, language(code)).replace("\u00a0", " ") for found in findings(facts)}


def test_a_cost_with_its_interval_and_the_cliff():
    found = said(facts_of(falling(90, 90, 89, 80, 50), k=3))
    assert found["half_cost"].startswith("Half of the channels (K = 2 of 4) cost 1.00 points (")
    assert found["cost"].startswith("Pruning K = 3 of 4 channels costs 10.00 points (")
    assert "The cliff is at K = 2:" in found["cliff"] and "at the next K, 3, it is 10.00 points below" in found["cliff"]
    assert found["steepest"] == "Accuracy falls most between K = 3 and K = 4: by 30.00 points."
    assert (
        "makes 10 right predictions wrong and 0 wrong ones right, of 100 (McNemar's test: p = 0.0020)" in found["flips"]
    )


def test_no_cliff():
    found = said(facts_of(falling(90, 90, 89)))
    assert found["no_cliff"].startswith("There is no cliff: up to K = 2 of 2, the last that was computed")


def test_a_cliff_at_once():
    found = said(facts_of(falling(90, 80, 79)))
    assert found["cliff_at_once"].startswith("There is no room before the cliff: already K = 1 costs 10.00 points")
    assert "cliff" not in found and "no_cliff" not in found


def test_a_gain():
    found = said(facts_of(falling(80, 90, 90), k=2))
    assert found["half_gain"].startswith("Without half of the channels (K = 1 of 2) accuracy is 10.00 points higher (")
    assert found["gain"].startswith("Pruning K = 2 of 2 channels raises accuracy by 10.00 points (")
    assert found["never_falls"].startswith("From K = 0 to K = 2 accuracy never falls")
    assert found["classes_even"] or found["classes_gain"]


def test_a_tie_in_which_images_change_is_no_gain():
    one, other = np.arange(10) < 5, np.arange(10) >= 5
    found = said(facts_of(curve_of([one, other, one]), k=1))
    assert found["half_even"].startswith("Half of the channels (K = 1 of 2) cost nothing: the change is 0.00 points (−")
    assert "5 right predictions wrong and 5 wrong ones right" in found["flips"] and "p = 1.0000" in found["flips"]


def test_nothing_that_changes_says_so_once():
    found = said(facts_of(falling(70, 70, 70)))
    assert found["nothing"] == "No prediction changes at any K up to 2 of 2, on 100 images."
    assert not {"cost", "half_cost", "cliff", "no_cliff", "steepest", "flips"} & set(found)


def test_a_curve_of_one_step():
    found = said(facts_of(falling(90, 50, ks=(0, 1), channels=1)))
    assert found["cost"].startswith("Pruning K = 1 of 1 channels costs 40.00 points")
    assert found["steepest"] == "Accuracy falls most between K = 0 and K = 1: by 40.00 points."


def test_k_0_alone_costs_nothing_to_speak_of():
    found = said(facts_of(falling(90, ks=(0,), channels=4)))
    assert not {"cost", "half_cost", "cliff", "steepest", "flips", "classes_lose"} & set(found)


def test_two_classes_of_which_one_gains():
    labels = np.repeat([0, 1], 50)
    before = np.arange(100) % 50 < 40
    after = np.where(labels == 0, np.arange(100) < 10, True)
    found = said(facts_of(curve_of([before, after], labels=labels), k=1))
    assert found["classes_both"] == "At K = 1 the class a loses most, 60.00 points, while b gains 20.00."


@pytest.mark.parametrize(("last", "name"), [(90, "end_above"), (50, "end_guessing"), (20, "end_below")])
def test_what_is_left_at_the_end_against_guessing(last, name):
    assert name in said(facts_of(falling(95, last)))


def test_ways_are_compared_on_the_images_that_both_have_seen():
    whole = falling(90, 80, 70)
    few = curve_of(~whole.right[:, :40])
    found = said(facts_of(whole, ways={"As assigned": whole, "As scripted": few}))
    assert found["way_lower"].endswith("100.00 points lower (on the same 40 examples).")
    assert "way_same" in said(facts_of(whole, ways={"As assigned": whole, "As scripted": whole}))


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_sentence_that_a_curve_can_have_is_there_with_its_values(code):
    for curve in (falling(90, 90, 89, 80, 50), falling(80, 90, 90), falling(70, 70), falling(90, 80)):
        for sentence in said(facts_of(curve), code).values():
            assert "{" not in sentence and "nan" not in sentence
