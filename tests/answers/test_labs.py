"""The labs' presets: each is for its network, each way equals a naive evaluation, and the shapes are the reports'."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.answers import door
from explorer.answers.checking import check
from explorer.answers.choices import default_layer
from explorer.answers.computing import sweep_of
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.answers.labs import ASSIGNED, LABS
from explorer.networks import checkpoints
from explorer.networks.evaluation import logits, predict
from explorer.networks.layers import conv_layer
from explorer.pruning.prune import prune

pytestmark = pytest.mark.slow  # real networks on real images


NAIVE_LIMIT = {"C": 200, "D": 500, "E": 2000}  # images for the naive way, where all 10,000 would take minutes
WAYS = [(lab, variant) for lab in LABS.values() for variant in lab.variants]


def load(lab, variant=ASSIGNED):
    return checkpoints.load(variant.checkpoint or lab.checkpoint)


def last(steps):
    *_, end = steps
    return end


def channels_of(lab, point):
    return conv_layer(point.model, lab.layer).out_channels


@pytest.mark.parametrize("lab", LABS.values(), ids=LABS)
def test_a_lab_prunes_its_networks_own_layer(lab):
    point = load(lab)
    assert lab.layer == default_layer(point)
    assert lab.variants[0] == ASSIGNED == lab.variant(Experiment(lab.checkpoint, lab.layer))
    for variant in lab.variants:
        check(lab.experiment(variant), load(lab, variant))
        assert lab.variant(lab.experiment(variant)) == lab.variant(lab.experiment(variant, every=True)) == variant
    assert lab.variant(replace(lab.experiment(lab.variants[0]), ks=(0, 5))) is None
    assert lab.variant(Experiment(lab.checkpoint, lab.layer, dtype="bfloat16")) == ASSIGNED
    assert lab.variant(Experiment(lab.checkpoint, lab.layer, "random")) is None


def means(model, place, batches):
    """Mean of each channel (P,) of what a module puts out, over images and positions of all its calls."""
    seen = []
    hook = model.get_submodule(place).register_forward_hook(
        lambda *call: seen.append(call[-1].double().mean((0, 2, 3)))
    )
    sizes = []
    with torch.inference_mode():
        for inputs, labels in batches:
            before = len(seen)
            model(*inputs) if isinstance(inputs, tuple) else model(inputs)
            sizes += [len(labels)] * (len(seen) - before)
    hook.remove()
    return torch.stack(seen).T @ torch.tensor(sizes, dtype=torch.float64) / sum(sizes)


def lowest(lab, variant, model, batches, k):
    """The K channels that the lab would prune first in this network."""
    filters = model.get_submodule(lab.layer).weight.flatten(1)
    importance = {
        "mean": lambda: means(model, lab.layer, batches),
        "block-mean": lambda: means(model, lab.layer.split(".")[0], batches),
        "l1": lambda: filters.abs().sum(1),
        "l2": lambda: filters.square().sum(1),
    }[variant.criterion]()
    return importance.argsort(stable=True)[:k].tolist()


def naive(lab, variant, model, batches, ks):
    """The network pruned at each K, as the lab goes about it: ranked once, or over and over as it is pruned."""
    if variant.schedule == "once":
        order = lowest(lab, variant, model, batches, ks[-1])
        return {k: prune(model, lab.layer, order[:k], variant.mode) for k in ks}
    gone, pruned, steps = set(), model, {}
    for k in ks:
        gone |= set(lowest(lab, variant, pruned, batches, k))
        pruned = steps[k] = prune(model, lab.layer, sorted(gone), variant.mode)
    return steps


@pytest.mark.parametrize(("lab", "variant"), WAYS, ids=[f"{lab.name} {variant.title}" for lab, variant in WAYS])
def test_every_way_equals_a_naive_evaluation(lab, variant, real_cifar10):
    """Ranked with hooks and evaluated on pruned copies: nothing of the engine is used, but `prune`."""
    point = load(lab, variant)
    channels = channels_of(lab, point)
    experiment = replace(lab.experiment(variant, every=True), limit=NAIVE_LIMIT.get(lab.name))
    ks = experiment.ks or tuple(np.linspace(0, channels, 7).round().astype(int).tolist())
    *_, result = sweep_of(replace(experiment, ks=ks), point)
    batches = batches_of(point, "test", experiment.limit)
    steps = naive(lab, variant, point.model, batches, ks)
    for i in range(0, len(ks), len(ks) // 4):
        right = int((predict(logits(steps[ks[i]], batches)).numpy() == result.labels).sum())
        assert abs(right - result.correct[i]) <= 1  # one tie of two logits within 1e-5


@pytest.mark.parametrize(
    ("name", "way", "share", "least", "most"),
    [
        ("B", 0, 0.5, 0, 5),  # half the channels cost a few points
        ("B", 0, 0.75, 0, 12),  # the cliff comes after that
        ("B", 0, 31 / 32, 35, 50),
        ("D", 1, 0.05, -2, 2),  # flat in the first percents
        ("D", 1, 0.8, 5, 40),  # then a decline
    ],
)
def test_a_lab_has_the_shape_that_its_report_has(real_cifar10, name, way, share, least, most):
    lab = LABS[name]
    point = load(lab)
    k = round(share * channels_of(lab, point))
    experiment = replace(lab.experiment(lab.variants[way]), ks=(0, k), limit=1000)
    *_, sweep = sweep_of(experiment, point)
    assert least <= -sweep.change(k) <= most, "points"


def test_the_recipe_decides_what_the_last_block_of_lab_c_is_worth(shipped_answers):
    """Trained by the report's recipe it matters least of all, one in the middle more; ours needs it."""
    scans = [last(door.scan(checkpoints.look_up(name))) for name in LABS["C"].checkpoints]
    report, ours = (dict(zip(scan.names, scan.change, strict=True)) for scan in scans)
    assert all(scan.made for scan in scans)
    assert max(report, key=report.get) == "layer4.1.conv2" and report["layer4.1.conv2"] > -5
    assert report["layer2.1.conv2"] < -15
    assert ours["layer4.1.conv2"] < -20
