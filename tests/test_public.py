"""One import for a notebook: the public names, what they cost, and their examples."""

import doctest
import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import explorer as ex


def test_the_names_are_those_that_a_type_checker_sees():
    assert dir(ex) == sorted(ex.__all__) and all(getattr(ex, name) is not None for name in ex.__all__)
    with pytest.raises(AttributeError, match="no attribute 'magic'; its public names: Band, .*sweep_stream"):
        ex.magic  # noqa: B018


def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys, explorer; print([name for name in ('torch', 'numpy', 'altair', 'typing') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ex.__all__)
def test_each_has_an_example_that_runs(name):
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    (found,) = finder.find(getattr(ex, name), name)
    assert found.examples, f"{name} has no example"
    assert runner.run(found).failed == 0


def test_a_plain_data_loader_will_do():
    net = ex.load("simple-cnn_fashion-mnist")
    images = torch.cat([inputs for inputs, _ in ex.batches(net, limit=300)])
    labels = ex.batches(net, limit=300).labels
    order = ex.rank(net.model, "conv2", criterion="l1").order
    found = ex.sweep(net.model, "conv2", DataLoader(TensorDataset(images, labels), batch_size=64), order, ks=[0, 8])
    wanted = ex.sweep(net.model, "conv2", ex.batches(net, limit=300), order, ks=[0, 8])
    assert (found.predictions == wanted.predictions).all() and found.done == 300


def results():
    net = ex.load("simple-cnn_fashion-mnist")
    asked = [ex.Experiment(net.name, "conv2", "random", seed=seed, limit=100) for seed in range(3)]
    sweeps = tuple(map(ex.ask, asked))
    batches = ex.batches(net, limit=100)
    return {
        "sweep": sweeps[0],
        "band": ex.Band(sweeps),
        "scan": ex.scan(net.model, batches),
        "sensitivity": ex.sensitivity(net.model, batches, {"conv1": range(16), "conv2": range(32)}),
    }


@pytest.mark.parametrize("kind", ["sweep", "band", "scan", "sensitivity"])
def test_a_result_shows_itself_in_a_notebook(kind):
    result = results()[kind]
    chart = result.chart().to_dict()
    assert chart["title"]["subtitle"] == result.summary() and "100 images" in result.summary()
    bundle = result._repr_mimebundle_()
    assert bundle["text/plain"] == result.summary() and len(bundle) > 1
    assert len(result.frame()) == {"sweep": 33, "band": 99, "scan": 3, "sensitivity": 22}[kind]


def test_an_answer_is_found_again_and_what_came_up_is_a_warning(results, monkeypatch):
    asked = ex.Experiment("simple-cnn_fashion-mnist", "conv2", "l1", ks=(0, 8), limit=50)
    first = ex.ask(asked)
    with monkeypatch.context() as patch:
        patch.setattr("explorer.answers.here.sweep_of", None)  # nothing is computed
        assert (ex.ask(asked).predictions == first.predictions).all()
    (kept,) = results.iterdir()
    kept.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is computed anew"):
        ex.ask(asked)
