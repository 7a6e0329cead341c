"""Answers put together from units: as one process gives them, and kept as they finish; what a worker refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.answers import door
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.answers.store import Store
from explorer.background.jobs import Progress
from explorer.engine.curves import Band
from explorer.networks import checkpoints
from explorer.workers import requests
from explorer.workers.curves import band, curves
from explorer.workers.layers import LayersByWorkers
from explorer.workers.pools import pool_of
from explorer.workers.requests import Load
from explorer.workers.work import work

FASHION = "simple-cnn_fashion-mnist"
IMAGES = 560  # two batches and a piece of a third


@pytest.fixture(scope="module")
def point():
    return checkpoints.load(FASHION)


class Here:
    """A worker in this process, which takes the last call first, and stops for good after `most` of them."""

    def __init__(self, most=10**6, threads=1):
        self.log, self.most, self.threads, self.calls = [], most, threads, 0

    def run(self, calls):
        threads = torch.get_num_threads()
        try:
            for place in reversed(range(len(calls))):
                if self.calls == self.most:
                    raise KeyboardInterrupt
                self.calls += 1
                yield place, work(calls[place].request, self.threads, *calls[place].arrays)
        finally:
            torch.set_num_threads(threads)


def last(steps):
    *_, found = steps
    return found


def assert_same_curve(one, other):
    for name in ("predictions", "labels", "order", "importance"):
        first, second = getattr(one, name), getattr(other, name)
        assert first is second is None or (np.array_equal(first, second) and first.dtype == second.dtype), name
    for name in ("ks", "classes", "run", "total", "slow", "gone"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "asked",
    [
        {"criterion": "mean"},
        {"criterion": "l1", "mode": "channel", "ks": (0, 3, 32)},
        {"criterion": "mean", "schedule": "rerank", "ks": (0, 8, 16)},
        {"layer": "conv1", "criterion": "oracle-accuracy", "limit": 300},
        {"layer": "conv1", "criterion": "random", "seed": 3, "ranked_on": "train"},
    ],
)
def test_a_curve_is_that_of_one_process_bit_for_bit(point, tmp_path, asked, threads):
    plan = replace(Experiment(FASHION, "conv2", limit=IMAGES), **asked)
    alone = last(door.curve(plan, point, store=Store(tmp_path / "alone")))
    pool = Here(threads=threads)
    (merged,) = last(curves([plan], {FASHION: point}, pool, store=Store(tmp_path / "units")))
    assert_same_curve(merged, alone)
    slices = -(-(plan.limit or 0) // 250)
    assert [told.kind for told in pool.log].count("sweeps") == slices


def test_many_curves_share_their_rankings_and_are_kept_each(point, tmp_path):
    plans = [
        Experiment(FASHION, layer, criterion, limit=300, ks=(0, 8))
        for layer in ("conv1", "conv2")
        for criterion in ("mean", "mean-reversed", "l1")
    ]
    pool, store = Here(), Store(tmp_path)
    found = last(curves(plans, {FASHION: point}, pool, store=store))
    kinds = [told.kind for told in pool.log]
    assert (kinds.count("statistics"), kinds.count("sweeps")) == (2, 12)
    for plan, one in zip(plans, found, strict=True):
        assert_same_curve(one, last(door.curve(plan, point, store=Store(tmp_path / "alone"))))
    again = Here()
    last(curves(plans, {FASHION: point}, again, store=store))
    assert again.calls == 0


def test_the_orders_of_a_band_share_a_look_where_that_gives_every_k(point, tmp_path):
    plan = Experiment(FASHION, "conv2", "random", limit=300, ks=(0, 16, 32))
    pool = Here()
    merged = last(band(plan, point, 20, pool, store=Store(tmp_path / "units")))
    alone = last(door.band(plan, point, 20, store=Store(tmp_path / "alone")))
    assert isinstance(merged, Band) and pool.calls == 2
    for one, other in zip(merged.sweeps, alone.sweeps, strict=True):
        assert_same_curve(one, other)


def test_bfloat16_agrees_with_float32_on_the_same_images_as_without_workers(point, tmp_path):
    plan = Experiment(FASHION, "conv2", "l1", limit=300, ks=(0, 16), dtype="bfloat16")
    pool = Here()
    (merged,) = last(curves([plan], {FASHION: point}, pool, store=Store(tmp_path / "units")))
    alone = last(door.curve(plan, point, store=Store(tmp_path / "alone")))
    assert_same_curve(merged, alone)
    assert pool.calls == 1 and merged.agreement.images == alone.agreement.images
    assert np.array_equal(merged.agreement.shares, alone.agreement.shares)


@pytest.mark.parametrize("mode", ["filter", "channel"])
def test_a_sensitivity_analysis_and_a_scan_are_those_of_one_process(point, tmp_path, monkeypatch, mode):
    monkeypatch.setattr("explorer.workers.layers.ROWS", 1)
    layers = LayersByWorkers(point, Here(), Store(tmp_path / "units"))
    alone = last(door.sensitivity(point, "mean", mode, limit=IMAGES, store=Store(tmp_path / "alone")))
    merged = last(
        door.sensitivity(point, "mean", mode, limit=IMAGES, store=Store(tmp_path / "all"), analyse=layers.analyse)
    )
    assert merged.frame().equals(alone.frame()) and merged.rows == alone.rows and len(layers.pool.log) == 6
    one, other = (last(door.scan(point, "all", mode, limit=IMAGES, scanning=each)) for each in (layers.scan, None))
    assert one.frame().equals(other.frame()) and np.array_equal(one.predictions, other.predictions)
    assert one.layers == other.layers and one.run == other.run and len(layers.pool.log) == 9


def test_a_run_that_is_cut_off_goes_on_where_it_was(point, tmp_path):
    plan, store = Experiment(FASHION, "conv2", "l1", limit=IMAGES, ks=(0, 16)), Store(tmp_path)
    cut_off, steps = Here(most=2), []
    with pytest.raises(KeyboardInterrupt):
        for step in curves([plan], {FASHION: point}, cut_off, store=store):
            steps.append(step)
    assert [(step.done, step.total) for step in steps] == [(0, 3), (1, 3), (2, 3)]
    rest = Here()
    first, *_ = gone_on = list(curves([plan], {FASHION: point}, rest, store=store))
    assert rest.calls == 1 and first == Progress(2, 3, 2)
    assert_same_curve(gone_on[-1][0], last(door.curve(plan, point, store=Store(tmp_path / "alone"))))


def test_a_damaged_unit_is_set_aside_and_computed_again(point, tmp_path):
    plan, store = Experiment(FASHION, "conv2", "l1", limit=300, ks=(0, 16)), Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        list(curves([plan], {FASHION: point}, Here(most=1), store=store))
    (unit,) = tmp_path.glob("unit-*.safetensors")
    unit.write_bytes(unit.read_bytes()[:-1])
    pool = Here()
    steps = list(curves([plan], {FASHION: point}, pool, store=store))
    assert pool.calls == 2 and any(isinstance(step, str) and "computed anew" in step for step in steps)


def test_units_make_way_for_answers(tmp_path):
    store = Store(tmp_path, limit=3000)
    store.save({"kind": "sweep"}, {"a": np.zeros(500, np.uint8)})
    for number in range(5):
        store.save({"kind": "unit", "number": number}, {"a": np.zeros(500, np.uint8)})
    assert len(list(tmp_path.glob("sweep-*"))) == 1
    assert 0 < len(list(tmp_path.glob("unit-*"))) < 5


# What a worker refuses


@pytest.fixture
def call(point):
    return Load(point, batches_of(point, "test", 20)).call(
        "scan", {"layers": ["conv2"], "mode": "filter", "device": "cpu"}, [0]
    )


def changed(call, **fields):
    return json.dumps(json.loads(call.request) | fields)


def test_a_worker_computes_in_as_many_threads_as_it_is_told(call):
    before = torch.get_num_threads()
    try:
        told, arrays = work(call.request, 1, *call.arrays)
        assert torch.get_num_threads() == 1 and arrays["predictions"].shape == (1, 20) and told.kind == "scan"
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("package", "words"),
    [("torch", r"has torch \S+, and 0\.1 is needed"), ("code", "another version of Pruning Explorer")],
)
def test_a_worker_of_another_version_says_so(call, package, words):
    made_with = json.loads(call.request)["made_with"] | {package: "0.1"}
    with pytest.raises(ValueError, match=words):
        work(changed(call, made_with=made_with), 1, *call.arrays)


def test_a_worker_without_a_network_of_ones_own_says_what_to_copy(call, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    network = json.loads(call.request)["network"]
    card = json.dumps(json.loads(network["card"]) | {"model": "own/Net"})
    asked = {"name": "net_photos", "card": card, "sha256": "0" * 64}
    with pytest.raises(ValueError, match=r"lacks the network net_photos.*copy net_photos.safetensors, .*code.json"):
        work(changed(call, network=asked), 1, *call.arrays)


def test_weights_that_were_damaged_on_the_way_are_refused(call):
    network = json.loads(call.request)["network"] | {"sha256": "0" * 64}  # none that the worker knows already
    weights = np.frombuffer(b"\x80" + call.arrays[0].tobytes()[1:], np.uint8)
    with pytest.raises(ValueError, match=r"cannot build simple-cnn_fashion-mnist: .*pickle, which is never loaded"):
        work(changed(call, network=network), 1, weights, *call.arrays[1:])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"jobs": 0}, "--jobs 0 is not at least 1"),
        ({"jobs": -2}, "--jobs -2 is not at least 1"),
        ({"jobs": 2, "engine": "dask"}, "unknown engine 'dask'; choose one of: joblib, ray"),
        ({"jobs": 2, "address": "10.0.0.1:6379"}, "is for --engine ray"),
    ],
)
def test_workers_that_cannot_be_had(asked, words):
    with pytest.raises(ValueError, match=words):
        pool_of(**asked)


def test_slices_are_whole_batches(point):
    load = Load(point, batches_of(point, "test", IMAGES))
    assert [len(labels) for *_, labels in load.slices] == [250, 250, 60]
    load.batches.batch_size = 100
    assert load.size == 200
    load.batches.batch_size = requests.SLICE + 1
    assert load.size == requests.SLICE + 1
