"""Differences between answers: image by image where they are over the same ones, else as two samples."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from by_hand import of_counts, sweep_by_hand

from explorer.engine import contrasts, tables
from explorer.engine.contrasts import APART, ORDERS, PAIRED, contrast, contrast_table, shared
from explorer.engine.curves import Band
from explorer.engine.predictions import Run
from explorer.networks.intervals import change_interval, independent_interval, two_proportions

HERE, THERE = Run(dataset="here", split="test"), Run(dataset="there", split="test")


def test_over_the_same_images_each_is_compared_with_itself():
    one = replace(of_counts((80, 60), n=100), run=HERE)
    right = np.zeros(100, dtype=bool)
    right[10:85] = True  # of the 60 that `one` gets right at K = 1, the first 10 are lost; 25 others are won
    other = replace(one, predictions=np.stack([one.predictions[0], (~right).astype(np.uint8)]))
    found = contrast(one, 1, other, 1)
    assert (found.test, found.images, found.change) == (PAIRED, 100, pytest.approx(15))
    low, high = change_interval(np.array(10), np.array(25), 100)
    assert (found.change_low, found.change_high) == (pytest.approx(100 * low), pytest.approx(100 * high))
    assert found.p_value == pytest.approx(0.0167, abs=5e-5), "twice the binomial tail of 10 or fewer of 35 at a half"


def test_different_k_of_one_answer_are_what_its_own_curve_says():
    one = sweep_by_hand()
    found = contrast(one, 0, one, 2)
    assert found.change == pytest.approx(one.change(2)) and found.p_value == one.mcnemar(2)


def test_a_sample_is_compared_over_what_both_saw():
    whole = replace(of_counts((90, 50), n=100), run=HERE)
    part = replace(of_counts((20, 20), n=20), run=HERE)
    assert shared(whole, part) == shared(part, whole) == 20
    found = contrast(whole, 1, part, 1)
    assert (found.change, found.images, found.test, found.p_value) == (0, 20, PAIRED, 1), "both have the first 20 right"


@pytest.mark.parametrize("run", [THERE, Run(dataset="here", split="train")])
def test_other_images_are_two_samples(run):
    one, other = replace(of_counts((48, 48), n=80), run=HERE), replace(of_counts((56, 56), n=70), run=run)
    found = contrast(one, 0, other, 1)
    assert shared(one, other) == 0 and (found.test, found.images) == (APART, 70)
    assert (found.change, found.p_value) == (pytest.approx(20), pytest.approx(0.00805, abs=5e-6))
    assert (found.change_low, found.change_high) == (pytest.approx(5.24, abs=5e-3), pytest.approx(33.39, abs=5e-3))


def test_images_under_one_name_that_have_other_labels_are_others():
    one, other = replace(of_counts((5, 5), n=10), run=HERE), replace(of_counts((5, 5), n=10), run=HERE)
    assert shared(one, other) == 10
    assert shared(one, replace(other, labels=np.ones(10, dtype=np.int64))) == 0


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((48, 80, 56, 70), 0.0524, 0.3339), ((3, 10, 9, 10), 0.1705, 0.8090), ((0, 10, 10, 10), 0.6075, 1.0)],
)
def test_newcombes_own_examples(counts, low, high):
    """His table II, method 10."""
    assert independent_interval(*counts) == pytest.approx((low, high), abs=5e-5)


def test_two_samples_that_are_all_right_do_not_differ():
    assert two_proportions(10, 10, 20, 20) == 1 and two_proportions(0, 10, 0, 5) == 1
    assert two_proportions(1, 2, 1, 2) == 1


def test_the_table_has_a_row_a_curve_and_every_run():
    one = replace(of_counts((90, 50), n=100), run=replace(HERE, checkpoint="one"))
    other = replace(of_counts((80, 70, 60), n=100), run=replace(HERE, checkpoint="other"))
    table = contrast_table({"a": one, "b": other}, {"a": 1, "b": 2})
    assert table.columns.tolist() == list(contrasts.CONTRAST_COLUMNS)
    first, second = table.to_dict("records")
    assert (first["answer"], first["k"], first["correct"], first["n"]) == ("a", 1, 50, 100)
    assert np.isnan(first["change"]) and (second["against"], second["change"]) == ("a", pytest.approx(10))
    assert (second["checkpoint"], second["channels"], second["accuracy"]) == ("other", 2, 0.6)


def band_of(*counts, **more):
    """A band whose orders get so many of 100 images right at K = 1, and all at K = 0."""
    return Band(tuple(replace(of_counts((100, count), n=100, **more), run=HERE) for count in counts))


def test_a_band_is_compared_by_its_mean_and_by_how_its_orders_do():
    band, one = band_of(40, 50, 60), replace(of_counts((100, 55), n=100), run=HERE)
    found, turned = contrast(band, 1, one, 1), contrast(one, 1, band, 1)
    assert (found.test, found.images, found.change) == (ORDERS, 100, pytest.approx(5)) and np.isnan(found.p_value)
    assert (found.below, turned.below) == (2, 2), "two of the orders get less right"
    low, high = (float(end[1]) for end in band.interval)
    ends = (100 * (0.55 - high), 100 * (0.55 - low))
    assert (found.change_low, found.change_high) == pytest.approx(ends), "from where a further order would fall"
    assert (turned.change_low, turned.change_high) == pytest.approx((-ends[1], -ends[0]))


def test_a_tie_is_not_below():
    assert contrast(band_of(50, 50, 50), 1, replace(of_counts((100, 50), n=100), run=HERE), 1).below == 0


def test_two_bands_are_compared_mean_with_mean():
    one, other = band_of(40, 41, 42), band_of(60, 61, 62)
    found = contrast(one, 1, other, 1)
    half = 100 * float(one.mean[1] - one.interval[0][1])
    assert found.change == pytest.approx(20) and found.below is None
    assert found.change - found.change_low == pytest.approx(np.hypot(half, half)) == found.change_high - found.change


def test_a_band_over_other_images_has_their_interval_too():
    band, here = band_of(50, 50, 50), replace(of_counts((100, 60), n=100), run=HERE)
    there = replace(here, run=THERE)
    same, apart = contrast(band, 1, here, 1), contrast(band, 1, there, 1)
    assert same.change_low == same.change_high == same.change, "orders that are all alike"
    expected = [100 * end for end in independent_interval(50, 100, 60, 100)]
    assert (apart.change_low, apart.change_high) == pytest.approx(expected), "and then what is left is Newcombe's"


def test_a_band_has_its_row_in_the_tables():
    curves = {"a": replace(of_counts((100, 55), n=100), run=HERE), "b": band_of(40, 50, 60)}
    first, second = contrast_table(curves, {"a": 1, "b": 1}).to_dict("records")
    assert (first["orders"], second["orders"], second["accuracy"]) == (1, 3, pytest.approx(0.5))
    assert pd.isna(second["correct"]) and second["below"] == 2
    row = tables.usual_table(curves).to_dict("records")[1]
    assert (row["unpruned"], row["cliff"], row["area"]) == (1, 0, pytest.approx(0.75)) and pd.isna(row["steepest_to"])


def test_the_usual_figures_are_those_of_the_curve():
    one, flat = sweep_by_hand(), of_counts((5, 5, 5), n=10)
    table = tables.usual_table({"a": one, "b": flat})
    assert table["unpruned"].tolist() == [5 / 6, 0.5] and table["cliff"].tolist() == [one.cliff(), 2]
    assert table["area"].tolist() == [pytest.approx(one.area), 0.5]
    assert (table["steepest_from"][0], table["steepest_to"][0]) == one.steepest() and table["steepest_to"].isna()[1]
