import pytest
import torch
from torch import nn

from explorer.compression.plans import Group, Plan
from explorer.compression.removal import groups, remove
from explorer.compression.steps import in_steps, progressive
from explorer.pruning.ranking import rank


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 16, 3)
    ).eval()


def order(model, layer):
    return rank(model, layer, criterion="l1").order


def test_steps_rank_again_and_remember_the_first_networks_channels():
    model, example = net(), torch.randn(2, 1, 8, 8)
    found = groups(model, example)
    plan = Plan.of({"0": 4, "2": 3})
    steps = list(progressive(model, plan, found, example, order, steps=3))
    assert [(step.done, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    last = steps[-1]
    assert {layer: len(gone) for layer, gone in last.channels.items()} == plan.ks
    directly = remove(model, last.channels, example)
    assert torch.allclose(directly(example), last.model(example), atol=1e-6)
    assert steps[0].channels["0"] == tuple(order(model, "0")[:1])
    two = steps[0].model  # a channel of conv 0 is gone, so conv 2's filters have shrunk and rank anew
    left = [c for c in range(5) if c not in steps[0].channels["2"]]
    assert steps[1].channels["2"][-1] == left[order(two, "2")[0]]


def test_one_step_is_the_plan_at_once():
    model, example = net(), torch.randn(2, 1, 8, 8)
    (step,) = progressive(model, Plan.of({"0": 2}), groups(model, example), example, order)
    assert step.channels == {"0": tuple(order(model, "0")[:2])}


def test_what_is_left_recovers_between_the_steps():
    model, example = net(), torch.randn(2, 1, 8, 8)
    widths = []

    def recover(smaller):
        widths.append(smaller[0].out_channels)
        return smaller

    list(progressive(model, Plan.of({"0": 4}), groups(model, example), example, order, 2, recover))
    assert widths == [4, 2]


GROUPS = (Group(("a", "b"), 16), Group(("c",), 10), Group(("d",), 16, sections=4))


def test_steps_come_to_the_plan():
    plan = Plan.of({"a": 7, "c": 2, "d": 8})
    parts = in_steps(plan, 3, GROUPS)
    assert [part.ks for part in parts] == [{"a": 2}, {"a": 2, "c": 1, "d": 4}, {"a": 3, "c": 1, "d": 4}]
    assert in_steps(plan, 1, GROUPS) == [plan]
    for steps in (0, 9):
        with pytest.raises(ValueError, match="outside 1…8"):
            in_steps(plan, steps, GROUPS)
