"""Predict, then reveal: which K are asked for, and a guess against its curve by hand."""

import numpy as np
import pytest
from reported import curve_of

from explorer.answers.exercise import Guess, compare, ks_to_guess, rivals_of


def test_five_k_are_asked_for_and_never_the_first():
    assert ks_to_guess(range(33)) == (5, 11, 16, 21, 27)
    assert ks_to_guess(range(1, 32)) == (6, 11, 16, 21, 26)
    assert ks_to_guess((0, 8, 16)) == (8, 16), "all there are, where there are fewer"
    for channels in range(1, 300):
        asked = ks_to_guess(range(channels + 1))
        assert len(set(asked)) == min(5, channels) and 0 not in asked and list(asked) == sorted(asked)


def test_the_rival_is_another_criterion():
    assert rivals_of("mean") == ("mean", "l1") and rivals_of("l1") == ("l1", "mean")
    assert rivals_of("taylor") == ("taylor", "mean")


def falling():
    """Of ten images, half of each of two classes: class b is lost first."""
    labels = np.array([0, 1] * 5)
    keeps = [labels >= 0, labels >= 0, (labels == 0) | (np.arange(10) < 6), labels == 0, np.zeros(10, bool)]
    return curve_of(keeps, labels=labels)


def test_a_guess_against_its_curve():
    guess = Guess(((1, 0.88), (2, 0.8), (3, 0.95), (4, 0.1)), cliff=3, drop=3)
    found = compare(guess, falling())
    assert [point.accuracy for point in found.points] == [1, 0.8, 0.5, 0]
    assert [round(point.error, 6) for point in found.points] == [12, 0, -45, -10]
    assert found.mean_error == pytest.approx(67 / 4)
    assert [point.k for point in found.surprises] == [3, 1, 4], "furthest off first"
    assert (found.cliff_expected, found.cliff) == (3, 1) and found.duel is None
    assert (found.drop_expected, found.drop, found.drop_off) == (3, (3, 4), 0)
    worst = found.surprises[0]
    assert (worst.label, worst.label_before, worst.label_after) == ("b", 1, 0), "what lost most explains a fall"
    assert (worst.answer, worst.answers, worst.n) == ("a", 10, 10)
    better = compare(Guess(((2, 0.1),), cliff=1, drop=1), falling()).points[0]
    assert (better.label, better.label_after) == ("a", 1), "and what lost least, that it holds"


@pytest.mark.parametrize(("expected", "off"), [(0, -2), (2, 0), (3, 0), (4, 1)])
def test_any_k_within_the_steepest_drop_is_right(expected, off):
    curve = curve_of([np.arange(10) < right for right in (10, 9, 9, 4, 3)])
    found = compare(Guess(((2, 0.5),), cliff=0, drop=expected), curve)
    assert found.drop == (2, 3) and found.drop_off == off


def test_a_curve_that_never_falls_has_no_drop_to_be_off():
    found = compare(Guess(((1, 0.5),), cliff=0, drop=4), curve_of([np.arange(10) < right for right in (5, 5, 6)]))
    assert found.drop is None and found.drop_off == 0


def test_a_duel_is_won_only_where_the_interval_allows_it():
    random = np.random.default_rng(0).random((5, 500))
    high, low = (curve_of(random < level * np.linspace(1, 0.4, 5)[:, None]) for level in (0.9, 0.6))
    guess = Guess(((2, 0.5),), cliff=0, drop=2, rivals=("mean", "l1"), winner="l1")
    assert compare(guess, high, low).duel.winner == "mean"
    assert compare(guess, low, high).duel.winner == "l1"
    assert compare(guess, high, high).duel.winner is None
    assert compare(guess, high).duel is None, "no rival's curve is to be had"


@pytest.mark.parametrize(
    ("guess", "missing"),
    [
        (Guess(((1, 0.5), (2, None)), cliff=3, drop=3), "K = 2"),
        (Guess(((1, 0.5),), cliff=None, drop=3), "the cliff, the drop or the winner"),
        (Guess(((1, 0.5),), cliff=3, drop=None), "the cliff, the drop or the winner"),
        (Guess(((1, 0.5),), cliff=3, drop=3, rivals=("mean", "l1")), "the cliff, the drop or the winner"),
        (Guess(((1, 0.5),), cliff=3, drop=3, rivals=("mean", "l1"), winner="l2"), "the cliff, the drop or the winner"),
    ],
)
def test_a_guess_that_is_not_whole_is_compared_with_nothing(guess, missing):
    with pytest.raises(ValueError, match=f"still to be said: {missing}"):
        compare(guess, falling())
