"""Cards as files hold them: whatever was edited is a card again, or one sentence."""

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.files.places import checkpoints_root
from explorer.networks.cards import card_from_json, card_text

FIELDS = json.loads((checkpoints_root() / "simple-cnn_fashion-mnist.json").read_text(encoding="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(
    st.dictionaries(st.sampled_from(sorted(FIELDS)), VALUES, max_size=3),
    st.sets(st.sampled_from(sorted(FIELDS)), max_size=2),
)
@settings(max_examples=300)
def test_an_edited_card_is_a_card_or_one_sentence(changes, gone):
    fields = copy.deepcopy(FIELDS) | changes
    for name in gone:
        fields.pop(name, None)
    try:
        card = card_from_json(fields)
    except ValueError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 1000
    else:
        assert card_from_json(json.loads(card_text(card))) == card


@given(VALUES)
def test_what_is_no_card_is_one_sentence(value):
    try:
        card_from_json(value)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        raise AssertionError("a card needs fields")
