"""The K that a command is asked for: those of Python's range, or one sentence."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from explorer.cli.options import ks_of
from explorer.engine.ks import check_ks

NUMBERS = st.integers(-40, 40)


@given(st.lists(NUMBERS, min_size=2, max_size=3), st.integers(1, 33))
def test_a_range_is_pythons_within_the_layer_or_refused(parts, channels):
    try:
        expected = list(range(*parts))
    except ValueError:  # a step of 0
        expected = []
    text = ":".join(map(str, parts))
    try:
        ks = check_ks(ks_of(text), channels)
    except ValueError as error:
        assert not expected or not 0 <= min(expected) <= max(expected) <= channels
        assert "\n" not in str(error)
    else:
        assert list(ks) == sorted(expected) and 0 <= min(ks) <= max(ks) <= channels


@given(st.text(max_size=20))
def test_whatever_else_is_typed_is_one_sentence_or_a_range(text):
    try:
        assert all(isinstance(k, int) for k in islice(ks_of(text), 9))
    except ValueError as error:
        assert "\n" not in str(error) and str(error)


def test_ranges_and_single_k_stand_side_by_side():
    assert list(ks_of("0,1:8:3,9")) == [0, 1, 4, 7, 9]
