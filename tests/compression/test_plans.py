import pytest

from explorer.compression.plans import Group, Plan

GROUPS = (Group(("conv1", "conv3"), 16), Group(("conv2",), 32), Group(("wide",), 16, sections=4))


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


def test_a_plan_is_checked_against_the_groups():
    Plan.parse("conv1:15,conv2:31,wide:12").check(GROUPS)
    Plan.parse("conv3:8").check(GROUPS, minimum=8)
    fixed = Group(("head",), 10, fixed="it gives the network's answer")
    for text, minimum, said in (
        ("fc1:1", 1, "'fc1', which is no convolution here; choose of: conv1, conv2, wide"),
        ("conv1:16", 1, "K = 16 leaves layer 'conv1' empty; it has 16, so K is in 0…15"),
        ("conv1:9", 8, "below the minimum of 8 channels; it has 16, so K is in 0…8"),
        ("conv1:9", 0, "minimum of 0"),
        ("conv1:1,conv3:2", 1, "'conv1' and 'conv3' lose the same channels; name one of the two"),
        ("wide:5", 1, "no multiple of 4, .*; the nearest are 4 and 8"),
        ("wide:13", 1, "K is in 0…12"),
        ("head:1", 1, "no channel of layer 'head' can go: it gives the network's answer"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            Plan.parse(text).check((*GROUPS, fixed), minimum)


def test_widths_are_rounded_up():
    groups = (*GROUPS, Group(("last",), 24, sections=3))
    rounded = Plan.parse("conv1:5,conv2:9,wide:8,last:3").rounded(groups, 8)
    assert rounded.ks == {"conv2": 8, "wide": 8}  # 11 → 16 = all of them; 23 → 24; 8 → 8; 21 → 24 = all of them
