"""Two curves image by image: differences, their intervals against the bootstrap, and curves that are not alike."""

import numpy as np
import pytest
from reported import curve_of

from explorer.engine.curves import Band, difference
from explorer.engine.pairs import alike, apart_at, apart_over, pair_table
from explorer.networks.intervals import mcnemar


def at_random(seed, ks=5, images=400, share=0.7):
    """A curve whose images are right at random, each as often as it is easy."""
    random = np.random.default_rng(seed)
    easy = np.random.default_rng(1).random(images)  # of the images: the same for every curve
    return curve_of(random.random((ks, images)) < share * (0.5 + easy) * np.linspace(1, 0.3, ks)[:, None])


def test_a_difference_by_hand():
    one = curve_of([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    other = curve_of([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]])
    assert apart_at(one, other, 1).points == 0 and apart_at(one, other, 2).points == 25
    over = apart_over(one, other)
    each = np.array([(0 + 0 + 0.5) / 2, 1 / 2, -1 / 2, 0]) * 100  # of each image, by trapezoids over K = 0, 1, 2
    half = 1.96 * each.std(ddof=1) / 2
    assert over.points == each.mean() and over.n == 4
    assert (over.low, over.high) == pytest.approx((each.mean() - half, each.mean() + half), abs=0.01)
    table = pair_table(one, other)
    assert table["difference"].tolist() == [0, 0, 25] and table["p_value"].tolist() == [1, mcnemar(1, 1), mcnemar(1, 0)]
    assert (table["low"] <= table["difference"]).all() and (table["difference"] <= table["high"]).all()


def test_the_mean_is_that_of_the_areas():
    one, other = at_random(2), at_random(3)
    assert apart_over(one, other).points == pytest.approx(difference(one, other).mean)
    assert apart_over(one, other).points == pytest.approx(100 * (one.area - other.area))


def test_the_interval_is_that_of_the_paired_bootstrap():
    one, other = at_random(2), at_random(3, share=0.6)
    random, means = np.random.default_rng(0), []
    for _ in range(2000):
        chosen = random.integers(0, one.done, one.done)
        apart = one.right[:, chosen].astype(float) - other.right[:, chosen]
        means.append(100 * np.trapezoid(apart.mean(1), one.ks) / (one.ks[-1] - one.ks[0]))
    found = apart_over(one, other)
    assert found.is_sure
    assert (found.low, found.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.25)


def test_the_same_curve_is_not_apart():
    one = at_random(2)
    assert apart_over(one, one) == apart_over(one, Band((one, one)))
    assert apart_over(one, one).points == 0 and not apart_over(one, one).is_sure


def test_only_the_k_and_the_images_of_both_count():
    one, other = at_random(2), at_random(3)
    few = curve_of(other.right[[0, 2, 4], :100], ks=(0, 2, 4), channels=4)
    assert apart_over(one, few).n == 100 and pair_table(one, few)["k"].tolist() == [0, 2, 4]
    assert [each.done for each in alike(one, few)] == [100, 100]
    with pytest.raises(ValueError, match="no K in common: 0…4 and 5…5"):
        apart_over(one, curve_of([[1, 0]], ks=(5,), channels=8))
