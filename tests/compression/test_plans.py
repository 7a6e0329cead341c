import pytest

from explorer.compression.plans import Plan

CHANNELS = {"conv1": 16, "conv2": 32}


def test_a_plan_survives_a_link():
    plan = Plan.of({"layer1.0.conv2": 4, "conv2": 10}, "l2")
    assert plan.text == "layer1.0.conv2:4,conv2:10"
    assert Plan.parse(plan.text, "l2") == plan
    assert hash(Plan.parse(plan.text, "l2")) == hash(plan)


def test_layers_that_keep_everything_are_left_out():
    assert Plan.of({"conv1": 0, "conv2": 3}).ks == {"conv2": 3}
    assert Plan.parse("") == Plan.of({}) == Plan.parse("conv1:0")


@pytest.mark.parametrize("text", ["conv1", "conv1:", ":4", "conv1:-1", "conv1:1.5", "conv1:²", "conv1=4", "a:1,b"])
def test_what_is_not_a_layer_and_a_k_is_named(text):
    with pytest.raises(ValueError, match=f"'{text.split(',')[-1]}' is not LAYER:K"):
        Plan.parse(text)


def test_bad_plans_are_one_sentence():
    with pytest.raises(ValueError, match="names layer 'conv1' twice"):
        Plan.parse("conv1:4,conv2:1,conv1:5")
    with pytest.raises(ValueError, match="K = -1 of layer 'conv1'"):
        Plan.of({"conv1": -1})
    with pytest.raises(ValueError, match="unknown criterion 'best'"):
        Plan.of({"conv1": 1}, "best")


def test_a_plan_is_checked_against_the_layers():
    Plan.parse("conv1:15,conv2:31").check(CHANNELS)
    Plan.parse("conv1:8").check(CHANNELS, minimum=8)
    with pytest.raises(ValueError, match=r"'fc1', which cannot be narrowed; choose of: conv1, conv2"):
        Plan.parse("fc1:1").check(CHANNELS)
    with pytest.raises(ValueError, match=r"K = 16 leaves layer 'conv1' empty; it has 16, so K is in 0…15"):
        Plan.parse("conv1:16").check(CHANNELS)
    with pytest.raises(ValueError, match=r"below the minimum of 8 channels; it has 16, so K is in 0…8"):
        Plan.parse("conv1:9").check(CHANNELS, minimum=8)
    with pytest.raises(ValueError, match="minimum of 0"):
        Plan.parse("conv1:9").check(CHANNELS, minimum=0)


def test_widths_are_rounded_up():
    rounded = Plan.parse("conv1:5,conv2:9,conv3:8").rounded(CHANNELS | {"conv3": 12}, 8)
    assert rounded.ks == {"conv2": 8, "conv3": 4}  # 11 → 16 = all of them; 23 → 24; 4 → 8
