import numpy as np
import pytest
import torch

from explorer.networks import evaluation, intervals
from explorer.networks.registry import build


def test_wilson_equals_a_worked_example():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611
    low, high = intervals.wilson(np.array([81, 0]), np.array([263, 20]))
    assert low == pytest.approx([0.2553, 0.0], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1611], abs=5e-5)


def test_wilson_of_nothing_is_unknown():
    low, high = intervals.wilson(0, 0)
    assert np.isnan(low) and np.isnan(high)


def test_predict_takes_the_largest_logit_and_the_sign_of_a_single_one():
    assert evaluation.predict(torch.tensor([[1.0, 3.0, 2.0], [5.0, 3.0, 2.0]])).tolist() == [1, 0]
    assert evaluation.predict(torch.tensor([[-0.1], [0.0], [0.1]])).tolist() == [0, 1, 1]


def test_logits_of_all_batches_are_those_of_one():
    model, x = build("simple-cnn").eval(), torch.randn(5, 3, 32, 32)
    labels = torch.zeros(5)
    split = evaluation.logits(model, [(x[:2], labels[:2]), (x[2:], labels[2:])])
    torch.testing.assert_close(split, evaluation.logits(model, [(x, labels)]))


def test_logits_refuse_a_model_in_training_mode():
    with pytest.raises(ValueError, match="training mode"):
        evaluation.logits(build("simple-cnn").train(), [])


def test_unknown_device_is_named():
    with pytest.raises(ValueError, match="'abacus'"):
        evaluation.resolve_device("abacus")
    assert evaluation.resolve_device("cpu").type == "cpu"


def test_change_interval_equals_a_worked_example():
    # `diffpropci.mp(b = 40, c = 20, n = 160)` of the R package PropCIs, which cites the same paper
    low, high = intervals.change_interval(np.array([40]), np.array([20]), 160)
    assert (low[0], high[0]) == pytest.approx((-0.21601726, -0.03089632), abs=1e-7)


@pytest.mark.parametrize("n", [1, 7, 500])
def test_change_interval_holds_the_change_and_stays_in_range(n):
    broken, repaired = (counts.ravel() for counts in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    broken, repaired = broken[broken + repaired <= n], repaired[broken + repaired <= n]
    low, high = intervals.change_interval(broken, repaired, n)
    change = (repaired - broken) / n
    assert (low <= change).all() and (change <= high).all()
    assert low.min() >= -1 and high.max() <= 1 and (low < high).all()


def test_mcnemar_by_hand():
    # 2 · C(10, 0…1) / 2¹⁰ for one repaired and nine broken, and the same the other way round
    assert intervals.mcnemar(9, 1) == intervals.mcnemar(1, 9) == 2 * 11 / 2**10
    assert intervals.mcnemar(0, 0) == intervals.mcnemar(3, 3) == 1


def test_images_are_counted_and_none_are_lost():
    batches = [(torch.zeros(n, 1), torch.zeros(n, dtype=torch.int64)) for n in (2, 0, 3)]
    for given in (batches, iter(batches)):
        counted = evaluation.CountedBatches(given)
        for _ in range(2):
            assert counted.n == 5 and [len(labels) for _, labels in counted] == [2, 3]
    for none in ([], batches[1:2]):
        with pytest.raises(ValueError, match="no images"):
            evaluation.CountedBatches(none)


def test_change_interval_covers_as_often_as_it_says():
    generator = np.random.default_rng(0)
    n, broken, repaired = 1000, 0.03, 0.01
    counts = generator.multinomial(n, [broken, repaired, 1 - broken - repaired], size=4000)
    low, high = intervals.change_interval(counts[:, 0], counts[:, 1], n)
    assert 0.94 <= ((low <= repaired - broken) & (repaired - broken <= high)).mean() <= 0.965


@pytest.mark.parametrize(("freedom", "expected"), [(5, 2.5706), (9, 2.2622), (19, 2.0930), (99, 1.9842)])
def test_students_t_equals_the_table(freedom, expected):
    assert intervals.student_t(freedom) == pytest.approx(expected, abs=1e-3)


def test_bfloat16_is_asked_of_the_device(monkeypatch):
    for answer in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda answer=answer: answer)
        assert evaluation.has_bfloat16(torch.device("cpu")) is answer
    assert evaluation.has_bfloat16(torch.device("cuda")) and not evaluation.has_bfloat16(torch.device("mps"))


def test_neighbouring_batches_are_joined_where_they_fit_and_are_of_one_size():
    images, labels = torch.arange(9.0).view(9, 1), torch.arange(9)
    batches = [(images[a:b], labels[a:b]) for a, b in ((0, 2), (2, 4), (4, 5), (5, 9))]
    found = list(evaluation.joined(batches, 5))
    assert [each.tolist() for _, each in found] == [[0, 1, 2, 3, 4], [5, 6, 7, 8]]
    assert all(torch.equal(inputs[:, 0], each) for inputs, each in found)
    assert [len(each) for _, each in evaluation.joined(batches, 1)] == [2, 2, 1, 4], "a batch is not cut"
    wide = [(torch.zeros(2, 1), labels[:2]), (torch.zeros(2, 3), labels[:2]), (torch.zeros(2, 3), labels[:2])]
    assert [tuple(inputs.shape) for inputs, _ in evaluation.joined(wide, 9)] == [(2, 1), (4, 3)]
    pairs = [((images[:2], images[2:4]), labels[:2]), ((images[4:5], images[5:6]), labels[:1])]
    (((one, other), both),) = evaluation.joined(pairs, 9)
    assert one[:, 0].tolist() == [0, 1, 4] and other[:, 0].tolist() == [2, 3, 5] and both.tolist() == [0, 1, 0]
