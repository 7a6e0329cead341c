"""Why layers go together: in words, and read from what was written in English."""

import pytest

from explorer.language.saying import again, speaking
from explorer.networks.reasons import ADDED, ALL, DEPTHWISE, SCALING, why, why_of

LAYERS = ["conv1", "layer1.0.conv2", "layer1.1.conv2"]


@pytest.mark.parametrize("words", ALL)
@pytest.mark.parametrize("count", [2, 3, 9])
def test_what_was_written_in_english_is_said_in_the_reader_s_language(words, count):
    written = str(why([(words, [f"conv{i}" for i in range(count)])]))
    assert str(why_of(written)) == written
    with speaking("zh"):
        chinese = why_of(written)
        assert chinese != written and "conv0" in chinese and not {"added", "more", "and"} & set(chinese.split())
    assert again(chinese) == written


def test_several_reasons_stand_in_one_sentence():
    reasons = [(ADDED, LAYERS), (SCALING, ["gate", "conv1"]), (DEPTHWISE, ["depth", "conv1", "conv2"])]
    english = (
        "conv1, layer1.0.conv2 and layer1.1.conv2 are added to the same stream; gate scales each channel of conv1; "
        "depth filters each channel of conv1 and conv2 by itself"
    )
    assert why(reasons) == why_of(english) == english


def test_other_text_stays_as_it_is():
    assert why_of("") == "" and why_of("because") == "because" and why([]) == ""
