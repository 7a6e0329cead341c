"""A plan for a target: the greedy path by hand, and its MACs against those of networks that were really narrowed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from by_hand import sensitivity_by_hand
from nets import warm_up_on

from explorer.compression.choosing import Cost, path, to_share, to_time, within
from explorer.compression.costs import costs_of, macs_of
from explorer.compression.counting import count
from explorer.compression.plans import Group
from explorer.compression.removal import compress, groups
from explorer.engine.predictions import Run
from explorer.engine.scan import convolutions
from explorer.engine.sensitivity import rows_of, sensitivity
from explorer.networks.registry import build

GROUPS = (Group(("a",), 4), Group(("b", "c"), 8))
COSTS = (  # "b" reads what "a" writes
    Cost(40, {"a": 1 / 4}, {}),
    Cost(60, {"b": 1 / 8}, {"a": 1 / 4}),
    Cost(100, {}, {"b": 1 / 8}),
)


def found_by_hand(broken=((0, 2, 90), (0, 3, 90)), **change):
    """Half of a's 4 channels costs 2 points of accuracy, half of b's 8 costs 3."""
    found = sensitivity_by_hand(broken=broken, repaired=[[0, 0, 0], [0, 0, 0]])
    return replace(found, run=replace(found.run, mode="channel", criterion="l2"), **change)


def test_the_path_by_hand():
    first, second, third = path(found_by_hand(), GROUPS, COSTS)
    assert (first.plan.ks, first.share, first.added_up) == ({}, 1, 0)
    # Half of a saves 20 + 30 of 200 at 2 points, half of b 30 + 50 at 3: b loses least for what it saves.
    assert (second.plan.ks, second.share, second.added_up) == ({"b": 4}, 120 / 200, 3)
    # With b narrower, a saves 20 + 15.
    assert (third.plan.ks, third.share, third.added_up) == ({"a": 2, "b": 4}, 85 / 200, 5)
    assert third.plan.criterion == "l2", "the ranking is that of the analysis"


def test_a_layer_goes_on_to_a_further_share_where_that_is_the_better_bargain():
    found = found_by_hand(shares=(0, 25, 75), broken=((0, 9, 9), (0, 90, 90)))
    second = path(found, GROUPS[:1], COSTS)[1]
    assert second.plan.ks == {"a": 3}, "a quarter costs as much as three quarters"


def test_a_seeming_gain_costs_nothing_and_is_no_credit():
    found = replace(found_by_hand(), repaired=np.array([[0, 7, 0], [0, 0, 0]]))
    choices = path(found, GROUPS, COSTS)
    assert choices[1].plan.ks == {"a": 2} and choices[1].added_up == 0 and choices[2].added_up == 3


def test_no_layer_is_emptied_and_what_must_stay_stays():
    assert all(
        choice.plan.ks.get("a", 0) < 4 and choice.plan.ks.get("b", 0) < 8
        for choice in path(found_by_hand(), GROUPS, COSTS)
    )
    with pytest.raises(ValueError, match="no layer of this network can lose a channel"):
        path(found_by_hand(), GROUPS, COSTS, minimum=5)
    fixed = (GROUPS[0], replace(GROUPS[1], fixed="it gives the network's answer"))
    assert [choice.plan.ks for choice in path(found_by_hand(), fixed, COSTS)] == [{}, {"a": 2}]
    even = (GROUPS[0], replace(GROUPS[1], sections=8))
    assert path(found_by_hand(), even, COSTS)[-1].plan.ks == {"a": 2}, "4 of 8 is no multiple of 8"


def test_an_analysis_in_another_mode_is_refused():
    with pytest.raises(ValueError, match="in mode 'channel', not 'filter'"):
        path(sensitivity_by_hand(), GROUPS, COSTS)


def test_a_target_is_a_place_on_the_path_or_one_sentence():
    choices = path(found_by_hand(), GROUPS, COSTS)
    assert to_share(choices, 0.6) == choices[1] and to_share(choices, 0.5) == choices[2]
    with pytest.raises(ValueError, match="30.00 % of the MACs cannot be reached; the nearest that can is 42.50 %"):
        to_share(choices, 0.3)
    for share in (0, 1, -1, float("nan")):
        with pytest.raises(ValueError, match="is outside 0…1: give 0.5 for half of it"):
            to_share(choices, share)
    with pytest.raises(ValueError, match="-1 points are no loss of accuracy"):
        next(within(choices, -1, measuring({}, [])))


def found_by(search):
    """What a search gives in the end, and how far it said it was meanwhile."""
    said = []
    while True:
        try:
            said.append(next(search).progress)
        except StopIteration as end:
            return end.value, said


def measuring(values, asked):
    """What measures a plan by how many layers it prunes, and notes which were asked for."""

    def measure(plan):
        asked.append(plan)
        yield 0.5
        return values[len(plan.ks)]

    return measure


@pytest.mark.parametrize(("points", "place"), [(4, 1), (9, 2), (100, 2)])
def test_what_a_plan_costs_is_measured_not_added_up(points, place):
    choices, asked = path(found_by_hand(), GROUPS, COSTS), []
    measure = measuring({1: 3.5, 2: 8}, asked)
    found, said = found_by(within(choices, points, measure))
    assert found == choices[place] and len(asked) <= 2 and said == sorted(said) and said[-1] < 1
    with pytest.raises(ValueError, match="at most 1 points cannot be had; the nearest that can is 3.50 points"):
        found_by(within(choices, 1, measure))


def test_the_time_of_a_plan_is_measured_not_added_up():
    """By seconds of layers the second plan leaves 60 % and the third 42.5 %: the whole network takes longer."""
    choices, asked = path(found_by_hand(), GROUPS, COSTS), []
    measure = measuring({1: 0.8, 2: 0.7}, asked)
    assert found_by(to_time(choices, 0.9, measure))[0] == choices[1]
    assert found_by(to_time(choices, 0.75, measure))[0] == choices[2]
    with pytest.raises(ValueError, match="60.00 % of the time cannot be reached; the nearest that can is 70.00 %"):
        found_by(to_time(choices, 0.6, measure))
    times = iter([0.74, 0.76, 0.7])  # of the second plan, of it again, and of the third

    def noisy(plan):
        yield 0.0
        return next(times)

    assert found_by(to_time(choices, 0.75, noisy))[0] == choices[2], "measured again, the second takes too long"
    times = iter([0.74, 0.76, 0.8])
    assert found_by(to_time(choices, 0.75, noisy))[0] == choices[1], "none holds twice: the fastest that was measured"
    for share in (0, 1, float("nan")):
        with pytest.raises(ValueError, match="of the time is outside 0…1"):
            found_by(to_time(choices, share, measure))


def test_widths_are_multiples_all_along_the_path():
    """Of a's 4 channels 1 or 3 were looked at, so 2 may go at the loss of 3; of b's 8, 2 or 6."""
    found = found_by_hand(shares=(0, 25, 75), broken=((0, 9, 20), (0, 20, 90)))
    choices = path(found, GROUPS, COSTS, multiple=2)
    assert [choice.plan.ks for choice in choices] == [{}, {"a": 2}, {"a": 2, "b": 2}, {"a": 2, "b": 6}]
    assert [choice.added_up for choice in choices] == [0, 20, 40, 110]


# Real networks


def chosen_path(name: str, shape, inputs: torch.Tensor):
    model = warm_up_on(build(name, shape), inputs)
    labels = torch.arange(len(inputs)) % 10
    layers = [row.layer for row in rows_of(model, convolutions(model), "channel")]
    orders = {layer: range(model.get_submodule(layer).out_channels) for layer in layers}
    found = sensitivity(model, [(inputs, labels)], orders, "channel", run=Run(mode="channel", criterion="l1"))
    tied = groups(model, inputs)
    return model, tied, path(found, tied, macs_of(model, tied, count(model, inputs)))


@pytest.mark.parametrize(("name", "shape"), [("simple-cnn", (3, 8, 8)), ("lab-resnet", (3, 16, 16))])
def test_the_macs_of_a_plan_are_those_of_the_narrowed_network(name, shape):
    inputs = torch.randn(8, *shape, generator=torch.Generator().manual_seed(1))
    model, tied, choices = chosen_path(name, shape, inputs)
    whole = count(model, inputs).macs
    shares = [choice.share for choice in choices]
    assert shares == sorted(shares, reverse=True) and shares[0] == 1 and shares[-1] < 0.1
    for choice in (choices[1], choices[len(choices) // 2], choices[-1]):
        narrow = count(compress(model, choice.plan, inputs), inputs).macs
        assert choice.share * whole == pytest.approx(narrow, rel=1e-9)


def test_seconds_go_with_the_widths():
    inputs = torch.randn(2, 3, 8, 8)
    model = build("simple-cnn", (3, 8, 8)).eval()
    tied = groups(model, inputs)
    costs = costs_of(model, tied, {"conv1": 1.0, "conv2": 2.0, "relu": 0.5, "fc1": 1.0})
    assert [cost.left({"conv1": 8, "conv2": 16}) for cost in costs] == [0.5, 0.5, 0.5, 0.5]
    assert [cost.left({"conv1": 8}) for cost in costs] == [0.5, 1.0, 0.5, 1.0]
