import numpy as np
import pytest

from explorer.compression.plans import Group
from explorer.compression.shares import under, uniform

GROUPS = (
    Group(("a", "b"), 16), Group(("c",), 10), Group(("d",), 16, sections=4), Group(("head",), 10, fixed="it must stay"),
)  # fmt: skip


def test_a_uniform_share_rounds_down_and_leaves_the_minimum():
    assert uniform(GROUPS, 0.5).ks == {"a": 8, "c": 5, "d": 8}
    assert uniform(GROUPS, 0.4).ks == {"a": 6, "c": 4, "d": 4}  # 6.4, 4.0, and 6.4 in fours
    assert uniform(GROUPS, 0.99).ks == {"a": 15, "c": 9, "d": 12}
    assert uniform(GROUPS, 0.5, minimum=8).ks == {"a": 8, "c": 2, "d": 8}
    assert uniform(GROUPS, 0.5, minimum=12).ks == {"a": 4, "d": 4}
    assert uniform(GROUPS, 0).ks == {}
    for share in (0.1, 0.5, 0.9, 0.99):
        uniform(GROUPS, share, minimum=3).check(GROUPS, minimum=3)
    for share in (-0.1, 1, float("nan")):
        with pytest.raises(ValueError, match="outside 0…1"):
            uniform(GROUPS, share)


def test_what_is_under_a_threshold_goes():
    even = np.ones(16)
    importance = {"a": np.array([0.1] * 5 + [1.0] * 11), "c": np.array([10.0] * 9 + [1.0]), "d": even}
    assert under(GROUPS, importance, 0.5).ks == {"a": 5, "c": 1}
    assert under(GROUPS, importance, 0.5, minimum=13).ks == {"a": 3}
    assert under(GROUPS, importance, 2.0).ks == {"a": 15, "c": 9, "d": 12}
    with pytest.raises(ValueError, match="'mean' gives layer 'a' negative importances"):
        under(GROUPS, importance | {"a": -even}, 0.5, "mean")
    with pytest.raises(ValueError, match="-1 is below 0"):
        under(GROUPS, importance, -1)
