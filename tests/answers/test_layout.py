"""What a network is made of: as it ships, and as the network itself has it."""

import pytest

from explorer.answers import layout
from explorer.networks import checkpoints


@pytest.mark.parametrize("name", checkpoints.SHIPPED)
def test_what_ships_is_what_the_network_is(shipped_answers, name):
    point = checkpoints.load(name)
    assert layout.question(point).facts() is not None, f"run `python -m explorer ship {name}`"
    found, own = layout.layout_of(point), layout.measured(point)
    assert found.layers.to_dict("list") == own.layers.to_dict("list")
    assert found.sketch.boxes.to_dict("list") == own.sketch.boxes.to_dict("list")
    assert found.sketch.shortcuts.to_dict("list") == own.sketch.shortcuts.to_dict("list")
    assert found.parameters == sum(weights.numel() for weights in point.model.parameters())


def test_of_a_network_that_has_changed_nothing_ships(fickle, shipped_answers):
    point = checkpoints.load(fickle)
    assert layout.question(point).facts() is None
    assert layout.layout_of(point).layers["layer"].tolist() == ["conv", "relu", "fc"]
