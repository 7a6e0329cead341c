import pytest
import torch

from explorer.answers import benchmark, layer_benchmark
from explorer.answers.experiment import Experiment
from explorer.answers.store import Store
from explorer.networks import checkpoints


def test_benchmark_on_a_few_images():
    checkpoint = checkpoints.load("simple-cnn_fashion-mnist")
    seen = []
    experiment = Experiment(checkpoint.name, "conv2", limit=200, ks=(0, 7, 16, 32))
    result = benchmark.bench(checkpoint, experiment, repeats=2, progress=lambda done, total: seen.append((done, total)))
    assert (result.n, result.ks, result.lab_ks_timed) == (200, 4, 4)
    assert result.predictions_agree == 1 - result.disagreements / 800
    assert result.disagreements == result.ties
    assert result.max_logit_difference < 1e-4
    assert result.sweep_over_pass == result.sweep_seconds / result.pass_seconds
    assert result.speedup == result.lab_loop_seconds / result.sweep_seconds
    assert result.k_over_pass == pytest.approx(result.sweep_over_pass / 4)
    assert result.oracle_over_pass == result.oracle_seconds / result.pass_seconds
    assert seen[-1] == (10, 10)


def test_the_oracle_is_timed_only_where_it_looks_at_every_image():
    checkpoint = checkpoints.load("simple-cnn_fashion-mnist")
    result = benchmark.bench(checkpoint, Experiment(checkpoint.name, "conv1", limit=20, ks=(0, 16)), repeats=1)
    assert result.oracle_seconds is None and result.oracle_over_pass is None


def test_the_benchmark_never_looks_at_saved_results(monkeypatch, results):
    def refuse(*args):
        raise AssertionError("a benchmark must compute")

    monkeypatch.setattr(Store, "find", refuse)
    monkeypatch.setattr(Store, "save", refuse)
    checkpoint = checkpoints.load("simple-cnn_fashion-mnist")
    benchmark.bench(checkpoint, Experiment(checkpoint.name, "conv2", limit=20, ks=(0, 16)), repeats=1)
    assert not list(results.iterdir())


def test_benchmark_in_bfloat16_compares_with_float32():
    checkpoint = checkpoints.load("simple-cnn_fashion-mnist")
    experiment = Experiment(checkpoint.name, "conv2", limit=50, ks=(0, 16), dtype="bfloat16")
    result = benchmark.bench(checkpoint, experiment, repeats=1)
    assert result.dtype == "bfloat16" and 0.9 < result.predictions_agree <= 1
    assert 1e-4 < result.max_logit_difference < 1


def test_benchmark_of_an_audited_sweep_predicts_what_float32_does_in_batches_of_any_size():
    checkpoint = checkpoints.load("simple-cnn_fashion-mnist")
    experiment = Experiment(checkpoint.name, "conv1", limit=130, ks=(0, 5, 8), dtype="audited")
    result = benchmark.bench(checkpoint, experiment, repeats=1, device="cpu", batch_size=60)
    assert result.disagreements == result.ties and 1e-4 < result.max_logit_difference < 1
    assert (result.batch_size, result.device, result.peak_bytes) == (60, "cpu", None)
    with pytest.raises(ValueError, match="batch size 0 is not at least 1"):
        benchmark.bench(checkpoint, experiment, batch_size=0)
    with pytest.raises(ValueError, match="device 'abacus' is not available"):
        benchmark.bench(checkpoint, experiment, device="abacus")


def test_a_long_lab_loop_is_timed_on_ks_spread_over_the_range():
    assert benchmark._spread(tuple(range(33)), 5.9) == [0, 8, 16, 24, 32]
    assert benchmark._spread((0, 1), 100) == [0, 1]
    assert benchmark._spread((4,), 0.1) == [4]


def test_disagreements_and_ties_are_told_apart():
    wanted = torch.tensor([[[1.0, 1.0 + 5e-6], [0.0, 1.0]]])
    found = torch.tensor([[[1.1, 1.0], [1.0, 0.0]]])
    assert benchmark._compare(found, wanted)[:2] == (2, 1)


def test_the_analysis_of_layers_is_timed_against_one_run_a_cell():
    seen = []
    checkpoint = checkpoints.load("simple-cnn_fashion-mnist")
    result = layer_benchmark.bench_layers(checkpoint, limit=60, progress=lambda done, total: seen.append((done, total)))
    assert (result.n, result.rows, result.cells, seen[-1]) == (60, 2, 22, (5, 5)) and result.disagreements == 0
    assert result.analysis_over_pass == result.analysis_seconds / result.pass_seconds
    assert result.speedup == result.run_seconds / result.analysis_seconds
