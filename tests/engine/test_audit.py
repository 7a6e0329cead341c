"""Float32's predictions at the speed of a faster type: all equal, and only what is far from a tie is trusted."""

import numpy as np
import pytest
import torch
from nets import Fickle, Residual, warm_up

from explorer.answers.images import batches_of
from explorer.engine import audit
from explorer.engine.audit import Audited, Auditor, DistrustError, _by_layer
from explorer.engine.layer_plans import LayerPlans
from explorer.engine.plan import make_plan
from explorer.engine.sensitivity import rows_of, sensitivity
from explorer.engine.steps import in_order
from explorer.engine.sweep import Course, sweep, sweep_orders_stream, sweep_stream
from explorer.networks import checkpoints
from explorer.networks.evaluation import predict
from explorer.networks.registry import build
from explorer.pruning.ranking import rank

FASHION = "simple-cnn_fashion-mnist"


def test_the_difference_is_that_of_how_far_two_logits_are_apart():
    auditor = Auditor()
    auditor.learn(torch.tensor([[[5.0, 1.0, 0.0]]]), torch.tensor([[[6.0, 2.0, 0.5]]]))
    assert auditor.difference == 0.5, "5 − 0 became 6 − 0.5; 5 − 1 stayed"
    auditor.learn(torch.tensor([[[0.25]]]), torch.tensor([[[-1.0]]]))
    assert auditor.difference == 1.25, "a single logit is compared with 0"
    auditor.learn(torch.tensor([[[0.0, float("nan")]]]), torch.tensor([[[0.0, 1.0]]]))
    assert auditor.difference == float("inf")


def test_what_is_not_far_enough_apart_is_run_again_and_nothing_else_but_what_is_checked(monkeypatch):
    monkeypatch.setattr(audit, "EVERY", 5)
    auditor, asked = Auditor(), []
    auditor.difference = 0.1  # so that logits have to be more than 0.3 apart
    lead = torch.tensor([2.0, 0.29, 0.31, 2.0, float("nan"), 2.0, 2.0])
    fast = torch.stack([lead, torch.zeros(7)], -1)[None]
    exact = fast.nan_to_num(0.05) * torch.tensor([0.96, 1.0])

    def run_again(rows):
        asked.append(rows.tolist())
        return exact[:, rows]

    with pytest.raises(DistrustError):
        auditor.settle(fast, run_again)
    assert asked == [[0, 1, 4, 5]], "0 and 5 are checked; 1 is too near to a tie, and 4 is not known"
    fast = fast.nan_to_num(0.2)
    auditor = Auditor()
    auditor.difference = 0.1
    exact = fast * torch.tensor([0.96, 1.0])
    settled = auditor.settle(fast, run_again)
    assert torch.equal(settled[:, [0, 1, 4, 5]], exact[:, [0, 1, 4, 5]])
    assert torch.equal(settled[:, [2, 3, 6]], fast[:, [2, 3, 6]])
    found = auditor.audit
    assert (found.settled, found.again, found.compared) == (7, 4, 2) and found.difference == 0.1


def test_a_difference_that_what_was_trusted_does_not_allow_for_is_told():
    auditor = Auditor()
    auditor.difference = 0.1
    fast, same = torch.tensor([[[0.35, 0.0], [9.0, 0.0]]]), torch.tensor([[[0.35, 0.0]]])
    auditor.settle(fast, lambda rows: same)
    assert auditor.least == pytest.approx(0.35)
    with pytest.raises(DistrustError) as told:
        auditor.settle(torch.tensor([[[5.0, 0.0]]]), lambda rows: torch.tensor([[[4.6, 0.0]]]))
    assert told.value.audit.again == told.value.audit.settled


@pytest.mark.parametrize(("name", "layer", "step"), [(FASHION, "conv1", 3), (FASHION, "conv2", 1)])
@pytest.mark.parametrize("coarse_first", [False, True])
def test_on_real_images_all_predictions_are_those_of_float32(name, layer, step, coarse_first, monkeypatch):
    monkeypatch.setattr("explorer.engine.sweep.COARSE", 2)
    point = checkpoints.load(name)
    batches = batches_of(point, "test", 600)
    order = rank(point.model, layer, criterion="l1").order
    ks = range(0, len(order) + 1, step)
    exact = sweep(point.model, layer, batches, order, ks, device="cpu")
    plain = sweep(point.model, layer, batches, order, ks, dtype="bfloat16", device="cpu")
    *_, got = sweep_stream(
        point.model, layer, batches, order, ks, dtype="audited", device="cpu", coarse_first=coarse_first
    )
    assert (plain.predictions != exact.predictions).any(), "else there is nothing to mend"
    assert np.array_equal(got.predictions, exact.predictions)
    assert got.run.dtype == "audited" and got.agreement is None and exact.audit is None
    found = got.audit
    assert found.sampled == 50 and found.settled == exact.predictions.size and 0 < found.difference < 0.5
    assert 0.01 * found.settled < found.again < found.settled and found.compared > 0
    assert "0 disagreements" in str(found)


def test_only_images_outside_of_the_margin_are_trusted():
    point = checkpoints.load(FASHION)
    inputs, _ = next(iter(batches_of(point, "test", 250)))
    order, ks = np.arange(32), [0, 8, 16, 24]
    fast = make_plan(point.model, "conv2", "filter", inputs, dtype=torch.bfloat16)
    exact = make_plan(point.model, "conv2", "filter", inputs)
    plan = Audited(fast, exact)
    settled = in_order(plan.logits(inputs, order, ks))
    quick, true = in_order(fast.logits(inputs, order, ks)), in_order(exact.logits(inputs, order, ks))
    trusted = (settled == quick).all(-1)
    best = quick.topk(2).values
    apart = best[..., 0] - best[..., 1]
    assert (apart[trusted] > audit.SAFE * plan.auditor.difference / 2).all() and trusted.float().mean() > 0.5
    torch.testing.assert_close(settled[~trusted], true[~trusted], rtol=1e-4, atol=1e-4)
    assert torch.equal(predict(settled), predict(true))


def test_where_an_audit_fails_float32_does_all_of_it(monkeypatch):
    torch.manual_seed(0)
    model = build("simple-cnn").eval()
    images, labels = torch.randn(120, 3, 32, 32), torch.arange(120) % 10
    batches = [(images[:60], labels[:60]), (images[60:], labels[60:])]
    monkeypatch.setattr(audit, "SAFE", 0)  # trusts all but ties, which cannot be right
    exact = sweep(model, "conv2", batches, range(32))
    got = sweep(model, "conv2", batches, range(32), dtype="audited")
    assert np.array_equal(got.predictions, exact.predictions)
    assert got.audit.again == got.audit.settled and "float32 itself" in str(got.audit)


def test_several_orders_pairs_and_networks_that_cannot_be_traced():
    torch.manual_seed(0)
    model, images, labels = Fickle().eval(), torch.randn(60, 3, 4, 4), torch.arange(60) % 2
    courses = [Course(order) for order in ([0, 1, 2, 3], [3, 1, 0, 2])]
    *_, found = sweep_orders_stream(model, "conv", [(images, labels)], courses, dtype="audited")
    *_, exact = sweep_orders_stream(model, "conv", [(images, labels)], courses)
    assert all(np.array_equal(one.predictions, other.predictions) for one, other in zip(found, exact, strict=True))
    pairs = build("siamese", (1, 28, 28), 2).eval()
    inputs = torch.randn(2, 60, 1, 28, 28).unbind()
    layer = "encoder.features.3"
    order = rank(pairs, layer, criterion="l1").order
    asked = (pairs, layer, [(inputs, labels)], order, [0, 5, 9])
    assert np.array_equal(sweep(*asked, dtype="audited").predictions, sweep(*asked).predictions)


def test_a_sensitivity_analysis_counts_what_float32_does():
    point = checkpoints.load(FASHION)
    batches = batches_of(point, "test", 400)
    orders = {layer: rank(point.model, layer, criterion="l1").order for layer in ("conv1", "conv2")}
    exact = sensitivity(point.model, batches, orders, device="cpu")
    got = sensitivity(point.model, batches, orders, dtype="audited", device="cpu")
    assert np.array_equal(got.broken, exact.broken) and np.array_equal(got.repaired, exact.repaired)
    assert got.correct_before == exact.correct_before and got.run.dtype == "audited"
    assert exact.audit is None and 0 < got.audit.again < got.audit.settled and got.audit.compared


@pytest.mark.parametrize("mode", ["filter", "channel"])
@pytest.mark.parametrize("head", ["linear", "conv", "both"])
def test_plans_of_several_layers_are_close_in_another_type(head, mode):
    torch.manual_seed(0)
    model, inputs = warm_up(Residual(head)), torch.randn(3, 3, 6, 6)
    orders = {row.layer: np.arange(row.channels) for row in rows_of(model, ["stem", "conv", "next"], mode)}
    exact = LayerPlans(model, orders, mode, inputs)
    ks = {layer: list(range(1, len(orders[layer]) + 1)) for layer in exact.plans}
    steps = exact.logits(inputs, orders, ks), exact.lowered(torch.bfloat16).logits(inputs, orders, ks)
    wanted, found = map(_by_layer, steps)
    assert found.keys() == wanted.keys() and len(found) > 1
    for layer, logits in found.items():
        assert logits.dtype == torch.float32
        largest = wanted[layer].abs().max()
        assert (logits - wanted[layer]).abs().max() < 0.05 * largest
    assert any(not torch.equal(found[layer], wanted[layer]) for layer in found)


def test_where_the_audit_of_a_layer_fails_float32_analyses_all(monkeypatch):
    monkeypatch.setattr(audit, "SAFE", 0)
    point = checkpoints.load(FASHION)
    orders = {layer: rank(point.model, layer, criterion="l1").order for layer in ("conv1", "conv2")}
    batches = batches_of(point, "test", 300)
    got = sensitivity(point.model, batches, orders, dtype="audited", device="cpu")
    exact = sensitivity(point.model, batches, orders, device="cpu")
    assert np.array_equal(got.broken, exact.broken) and "float32 itself" in str(got.audit)
