"""The sensitivity analysis: what is derived by hand, which K a share is, and every cell against pruned copies."""

import numpy as np
import pytest
import torch
from by_hand import sensitivity_by_hand
from nets import Residual, Untraceable, warm_up_on
from torch import nn

from explorer.engine import layer_plans
from explorer.engine.layer_plans import LayerPlans
from explorer.engine.scan import convolutions, scan
from explorer.engine.sensitivities import SHARES, check_shares, ks_of
from explorer.engine.sensitivity import rows_of, sensitivity, sensitivity_stream
from explorer.images.batches import Inputs
from explorer.networks.evaluation import forward, logits, predict
from explorer.networks.intervals import change_interval, mcnemar, wilson
from explorer.networks.layers import conv_layer
from explorer.networks.registry import build
from explorer.pruning.prune import prune

# What is derived


def test_what_is_derived_by_hand():
    result = sensitivity_by_hand()  # 100 images, 90 right unpruned; 0, 50 and 100 % of 4 and of 8 channels
    assert result.correct.tolist() == [[90, 90, 10], [90, 80, 30]]
    assert result.accuracy.tolist() == [[0.9, 0.9, 0.1], [0.9, 0.8, 0.3]]
    assert result.change.tolist() == [[0, 0, -80], [0, -10, -60]]
    assert result.ks.tolist() == [[0, 2, 4], [0, 4, 8]]
    assert np.array_equal(result.intervals, wilson(result.correct, 100))
    low, high = result.change_intervals
    assert low[:, 0].tolist() == high[:, 0].tolist() == [0, 0], "where nothing goes, nothing changes"
    assert (low[1, 1], high[1, 1]) == tuple(100 * end for end in change_interval(12, 2, 100))
    assert result.p_values[1].tolist() == [1, mcnemar(12, 2), mcnemar(60, 0)]


def test_what_a_layer_can_spare_is_what_surely_costs_little_at_every_smaller_share_too():
    result = sensitivity_by_hand()
    low = result.change_intervals[0]
    assert -4 < low[0, 1] < -3 and -20 < low[1, 1] < -15
    assert result.spare(1) == (0, 0) and result.spare(4) == (50, 0) and result.spare(20) == (50, 50)
    assert result.spare(100) == (100, 100) and result.spared(4) == {"a": 50, "b": 0}
    dips = sensitivity_by_hand(broken=[[0, 60, 0], [0, 0, 0]], repaired=[[0, 0, 0], [0, 0, 0]])
    assert dips.spare(3) == (0, 100), "what comes back after a fall is no gift"
    for points in (-1, 101, float("nan")):
        with pytest.raises(ValueError, match=f"{points} points are no loss of accuracy; give a number from 0 to 100"):
            result.spare(points)


def test_the_table_has_a_row_a_layer_and_share():
    table = sensitivity_by_hand().frame()
    assert table["layer"].tolist() == ["a"] * 3 + ["b"] * 3 and table["layers"].tolist() == ["a"] * 3 + ["b c"] * 3
    assert table["share"].tolist() == [0, 0.5, 1] * 2 and table["k"].tolist() == [0, 2, 4, 0, 4, 8]
    assert table["correct"].tolist() == [90, 90, 10, 90, 80, 30] and table["n"].unique().tolist() == [100]
    assert table["checkpoint"].unique().tolist() == ["net"] and table["mode"].unique().tolist() == ["filter"]


def test_it_says_what_it_comes_to():
    assert sensitivity_by_hand().summary() == (
        "90.00 % of 100 images right unpruned; at a cost of surely at most a point a can spare 0 % of its channels, "
        "a 0 %"
    )
    assert sensitivity_by_hand().names == ("a", "b + 1 more")


@pytest.mark.parametrize(
    ("channels", "ks"),
    [
        (1, (0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1)),
        (5, (0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5)),
        (16, (0, 2, 3, 5, 6, 8, 10, 11, 13, 14, 16)),
        (512, (0, 51, 102, 154, 205, 256, 307, 358, 410, 461, 512)),
    ],
)
def test_k_is_the_nearest_number_of_channels(channels, ks):
    assert ks_of(channels) == ks and len(SHARES) == 11


def test_shares_are_whole_percentages_with_zero_among_them():
    assert check_shares([50, 10]) == (0, 10, 50)
    for share in (-1, 101, 0.5):
        with pytest.raises(ValueError, match=f"share {share} is not a whole number of percent, 0…100"):
            check_shares([share])


# Against pruned copies


def data(n: int = 25, shape=(3, 8, 8), classes: int = 5):
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.randn(n, *shape, generator=generator), torch.randint(0, classes, (n,), generator=generator)
    return [(images[i : i + 10], labels[i : i + 10]) for i in range(0, n, 10)]


def some_orders(model: nn.Module, layers=None) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.permutation(conv_layer(model, name).out_channels) for name in layers or convolutions(model)}


def assert_logits_are_those_of_copies(
    model: nn.Module, inputs: Inputs, mode: str, orders=None, shares=SHARES
) -> LayerPlans:
    """Every layer at every share."""
    orders = orders or some_orders(model)
    ks = {name: sorted(set(ks_of(len(order), shares)) - {0}) for name, order in orders.items()}
    plans = LayerPlans(model, orders, mode, inputs)
    seen = {}
    for layer, (index, step) in plans.logits(inputs, orders, ks):
        for row, found in enumerate(step):
            k = ks[layer][index + row] if layer else 0
            copy = prune(model, layer, orders[layer][:k].tolist(), mode) if layer else model
            wanted = forward(copy, inputs)
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
            seen[layer, k] = True
    assert len(seen) == 1 + sum(len(ks[layer]) for layer in plans.plans), "each once"
    return plans


def residual(head: str) -> nn.Module:
    return warm_up_on(Residual(head), data()[0][0])


@pytest.mark.parametrize("mode", ["filter", "weights", "inputs", "channel"])
@pytest.mark.parametrize("head", ["linear", "conv", "both"])
def test_every_cell_of_a_residual_network_is_that_of_pruned_copies(head, mode):
    plans = assert_logits_are_those_of_copies(residual(head), data()[0][0], mode)
    assert not plans.slow and plans.shared is not None
    fitting = (
        {"conv"}
        if mode in ("inputs", "channel")
        else {"stem", "conv", "next"} - ({"next"} if head == "linear" else set())
    )
    assert fitting <= set(plans.plans)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["filter", "channel"])
@pytest.mark.parametrize(("name", "shape"), [("resnet18", (3, 32, 32)), ("lab-resnet", (3, 16, 16))])
def test_cells_of_the_labs_residual_networks_are_those_of_pruned_copies(name, shape, mode):
    inputs = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))
    model = warm_up_on(build(name, shape), torch.randn(8, *shape, generator=torch.Generator().manual_seed(2)))
    orders = some_orders(model, [row.layer for row in rows_of(model, convolutions(model), mode)])
    assert_logits_are_those_of_copies(model, inputs, mode, orders, (30, 80, 100))


def test_layers_that_lose_their_channels_together_are_one_row():
    rows = rows_of(build("resnet18"), convolutions(build("resnet18")), "channel")
    assert len(rows) == 12 and rows[0].layers == ("conv1", "layer1.0.conv2", "layer1.1.conv2")
    assert rows[0].name == "conv1 + 2 more" and rows[0].parameters == 3 * 64 * 9 + 2 * 64 * 64 * 9
    assert rows[1].layers == ("layer1.0.conv1",) and [row.position for row in rows[:3]] == [1, 2, 4]
    assert len(rows_of(build("resnet18"), ["layer1.1.conv2", "conv1"], "channel")) == 1
    assert len(rows_of(build("resnet18"), convolutions(build("resnet18")), "filter")) == 20


def test_a_layer_that_runs_twice_on_pairs():
    torch.manual_seed(0)
    model = build("siamese", (1, 28, 28), 2).eval()
    pair = (torch.randn(3, 1, 28, 28), torch.randn(3, 1, 28, 28))
    for mode in ("filter", "channel"):
        assert_logits_are_those_of_copies(model, pair, mode)


def test_untraceable_networks_run_copies_and_say_so():
    torch.manual_seed(0)
    model = Untraceable().eval()
    plans = assert_logits_are_those_of_copies(model, data()[0][0], "filter")
    assert plans.slow and plans.shared is None
    assert sensitivity(model, data(classes=3), some_orders(model)).slow


class Sized(nn.Module):
    """Asks for a size, so that its trace is right for one size alone."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        y = self.one(x)
        y = self.two(y) if x.shape[2] > 8 else self.two(-y)
        return self.fc(y.mean((2, 3)))


def test_images_of_another_size_than_the_trace_is_right_for():
    torch.manual_seed(0)
    model = Sized().eval()
    orders, ks = some_orders(model), {"one": [2], "two": [2]}
    plans = LayerPlans(model, orders, "filter", torch.randn(2, 3, 8, 8))
    for size in (8, 9):
        inputs = torch.randn(3, 3, size, size)
        found = {layer: step for layer, (_, step) in plans.logits(inputs, orders, ks)}
        torch.testing.assert_close(found[""][0], forward(model, inputs))
        for layer in ks:
            wanted = forward(prune(model, layer, orders[layer][:2].tolist()), inputs)
            torch.testing.assert_close(found[layer][0], wanted, rtol=1e-4, atol=1e-5)


def test_counts_are_those_of_pruned_copies_and_the_last_column_is_the_scan():
    model, batches = residual("both"), data()
    orders = some_orders(model)
    result = sensitivity(model, iter(batches), orders, run=None)
    labels = torch.cat([each for _, each in batches])
    before = predict(logits(model, batches)) == labels
    assert result.correct_before == int(before.sum()) and (result.done, result.total) == (25, 25)
    for place, row in enumerate(result.rows):
        for at, k in enumerate(result.ks[place].tolist()):
            after = predict(logits(prune(model, row.layer, orders[row.layer][:k].tolist()), batches)) == labels
            assert result.broken[place, at] == int((before & ~after).sum())
            assert result.repaired[place, at] == int((~before & after).sum())
    assert result.broken.any() and result.repaired.any()
    whole = scan(model, batches, convolutions(model))
    assert whole.names == result.names and whole.correct.tolist() == result.correct[:, -1].tolist()


# How it comes


def test_a_few_shares_over_a_few_images_come_first_and_then_all_over_more_and_more():
    model = residual("both")
    parts = list(sensitivity_stream(model, data(45), some_orders(model)))
    assert [(part.done, part.shares) for part in parts] == [
        (10, (0, 50, 100)), (10, SHARES), (20, SHARES), (30, SHARES), (40, SHARES), (45, SHARES),
    ]  # fmt: skip
    assert parts[0].progress == 0 and parts[-1].progress is None and all(part.total == 45 for part in parts)
    assert (parts[0].broken == parts[1].broken[:, [0, 5, 10]]).all()


def test_large_batches_come_in_parts_and_each_long_part_in_steps(monkeypatch):
    model = residual("both")
    whole = sensitivity(model, data(), some_orders(model))
    monkeypatch.setattr(layer_plans, "KEPT_BYTES", 30_000)
    monkeypatch.setattr("explorer.engine.sensitivity.BEAT", 0)
    parts = list(sensitivity_stream(model, data(), some_orders(model)))
    assert (parts[-1].broken == whole.broken).all() and (parts[-1].repaired == whole.repaired).all()
    said = [part.progress for part in parts if part.progress]
    assert len(set(part.done for part in parts)) > 3 and said == sorted(said) and said[-1] <= 1
    assert len(said) > len(set(part.done for part in parts))


def test_small_layers_run_no_k_twice(monkeypatch):
    model, asked = residual("linear"), []
    steps = layer_plans.CutNetwork.steps

    def watched(self, prepared, order, ks):
        asked.append(ks)
        return steps(self, prepared, order, ks)

    monkeypatch.setattr(layer_plans.CutNetwork, "steps", watched)
    result = sensitivity(model, data(10), some_orders(model, ["conv"]))
    assert asked[-1] == [1, 2, 3, 4, 5, 6] and result.ks.tolist() == [[0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6]]
    assert result.broken[0, 1] == result.broken[0, 2] and result.repaired[0, 6] == result.repaired[0, 7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"orders": {"conv3": [0]}}, "unknown layer 'conv3'; choose one of: conv1, conv2"),
        ({"orders": {"fc1": [0]}}, "layer 'fc1' is a Linear, not a Conv2d"),
        ({"orders": {"conv1": [0, 0]}}, "the order must name each of the channels 0…15 once"),
        ({"orders": {}}, "there is no layer to prune"),
        ({"mode": "none"}, "unknown mode 'none'"),
        ({"mode": "inputs"}, "there is no layer to prune: mode 'inputs' prunes the input channels"),
        ({"shares": (0, 120)}, "share 120 is not a whole number of percent, 0…100"),
        ({"batches": []}, "there are no images"),
        ({"device": "abacus"}, "device 'abacus' is not available"),
    ],
)
def test_bad_requests_are_named(change, message):
    model = build("simple-cnn", (3, 8, 8)).eval()
    asked = {"model": model, "batches": data(), "orders": some_orders(model), **change}
    with pytest.raises(ValueError, match=message):
        sensitivity(**asked)


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.never, self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def test_a_layer_that_never_runs_is_left_out():
    result = sensitivity(Idle().eval(), data(), {"never": range(4), "conv": range(4)})
    assert result.names == ("conv",) and "never called" in result.left_out["never"]
