"""The work behind the pages: done once, kept, streamed, cancelled and found again."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from app_test import BUNDLED, PATIENCE, metrics, percent, restart, visit

from explorer.answers import computing, door
from explorer.answers.computing import ranking_of
from explorer.answers.experiment import Experiment
from explorer.app import cache, sweeps, work
from explorer.background.board import Jobs
from explorer.background.jobs import CANCELLED, DONE, Job
from explorer.engine.curves import Sweep
from explorer.images import registry
from explorer.networks import checkpoints, evaluation


def test_the_same_weights_on_other_images_or_normalised_otherwise_are_another_network(own_folder):
    point = checkpoints.load("simple-cnn_fashion-mnist")
    changes = {
        "one": {},
        "two": {"mean": (0.2,)},
        "three": {"dataset": "mnist", "classes": registry.DATASETS["mnist"].classes},
        "four": {"description": "the same"},
    }
    for name, change in changes.items():
        checkpoints.save(name, point.model, replace(point.card, **change), own_folder)
    one, two, three, four = (checkpoints.load(name) for name in changes)
    assert one.sha256 == two.sha256 == three.sha256 == four.sha256
    assert cache.identity(one) == cache.identity(four) and len({*map(cache.identity, (one, two, three, four))}) == 3
    jobs = [work.statistics(each, "conv2", "test") for each in (one, two, four)]
    asked = Experiment("any", "conv2")
    assert jobs[0] is jobs[2] is work.measure(one, asked) and work.measure(two, asked) is jobs[1]
    end = time.monotonic() + PATIENCE
    while not all(job.finished for job in jobs) and time.monotonic() < end:
        time.sleep(0.1)
    assert abs(jobs[0].result.mean - jobs[1].result.mean).max() > 0.01
    scans = [work.scan(each, "all", "filter", 10) for each in (one, four)]
    assert scans[0] is not scans[1], "a scan's rows name the network"


def test_k_that_are_not_there_yet_show_the_nearest_that_is(truth, monkeypatch):
    def stops(*args, coarse_first, real=computing.sweep_orders_stream, **options):
        assert coarse_first
        layer_order_ks = (*args[:4], (0, 10, 32), *args[5:])
        yield from real(*layer_order_ks, **options)
        raise ValueError("stopped")

    monkeypatch.setattr(computing, "sweep_orders_stream", stops)
    restart()
    at = visit(k="14")
    assert "stopped" in at.error[0].value and metrics(at)["Accuracy at K = 10"] == percent(truth["accuracy"][10])
    assert any("K = 14 is not there; this is K = 10, the nearest" in caption.value for caption in at.caption)
    restart()


def test_a_restarted_server_finds_the_curve(truth, monkeypatch):
    restart()
    visit()
    restart()
    monkeypatch.setattr("explorer.answers.computing.sweep_orders_stream", None)  # nothing is computed
    monkeypatch.setattr("explorer.answers.here.collect_stream", None)
    at = visit()
    assert not at.warning and metrics(at)["Accuracy at K = 16"] == percent(truth["accuracy"][16])


@pytest.mark.slow
@pytest.mark.parametrize(("page", "kind"), [("prune", "sweep"), ("sweep", "sweep"), ("activations", "statistics")])
def test_a_damaged_result_is_a_warning_and_computed_anew(page, kind, truth, results):
    restart()
    visit(page)
    for path in results.glob(f"{kind}-*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    restart()
    at = visit(page)
    assert at.warning and all("is damaged, or no saved result, so it is computed" in each.value for each in at.warning)
    assert list(results.glob(f"{kind}-*.bad")) and not at.error
    restart()
    assert not visit(page).warning


@pytest.mark.slow
@pytest.mark.parametrize(("page", "key"), [("prune", "bfloat16"), ("prune", "audited"), ("sweep", "float32")])
def test_bfloat16_is_offered_where_the_device_has_it_with_how_far_it_agrees(page, key, monkeypatch):
    monkeypatch.setattr(evaluation, "has_bfloat16", lambda device: False)
    assert "dtype" not in visit(page).session_state
    monkeypatch.setattr(evaluation, "has_bfloat16", lambda device: True)
    at = visit(page, dtype=key, criterion="l1", criteria="l1")
    assert not at.warning and at.session_state["dtype"] == key
    said = any("Computed in bfloat16, which agrees with float32 on" in caption.value for caption in at.caption)
    assert said == (key == "bfloat16")
    audited = any(
        "trusted predictions that were compared with float32 had 0" in caption.value for caption in at.caption
    )
    assert audited == (key == "audited")


def test_a_ranking_that_takes_long_does_not_keep_the_first_curve():
    restart()
    point = checkpoints.load(BUNDLED)
    shared = {"measuring": work._shared_measure, "preview_after": 0.0, "coarse_first": True}  # as work.sweep asks
    parts = list(door.curve(Experiment(BUNDLED, "conv2"), point, **shared))
    previews = [part for part in parts if isinstance(part, Sweep) and part.preview]
    assert isinstance(parts[0], Sweep) and parts[0].preview == 250 and parts[0].progress == pytest.approx(0.025)
    assert all(part is previews[place] for place, part in enumerate(parts[: len(previews)])), "and never none again"
    assert all(one.order is previews[0].order for one in previews) and previews[-1].progress == 1
    assert (parts[-1].preview, parts[-1].done, parts[-1].run.ranked_on) == (None, 10_000, "test")
    assert parts[-1].order.tolist() == ranking_of(Experiment(BUNDLED, "conv2"), point).order.tolist()


@pytest.mark.slow
@pytest.mark.parametrize(("criterion", "orders", "ranks"), [("relu", 1, True), ("l1", 1, False), ("random", 20, False)])
def test_a_job_that_looks_at_no_images_to_rank_never_says_that_it_ranks(criterion, orders, ranks, monkeypatch):
    restart()
    monkeypatch.setattr(Jobs, "submit", lambda self, key, start, *look, **more: Job(key, start))  # and does not begin
    point, asked = checkpoints.load(BUNDLED), Experiment(BUNDLED, "conv2", criterion, ks=(0, 16, 32))
    job = work.sweep(point, asked) if orders == 1 else work.band(point, asked, orders)
    seen = [work.is_ranking(job)]
    while not job.finished:
        job.advance()
        seen.append(work.is_ranking(job))
    assert job.status == DONE, job.error
    assert seen[0] == ranks and not seen[-1]
    assert seen == sorted(seen, reverse=True), "first it ranks, then it prunes"


def test_curves_that_stream_say_how_far_they_are_and_what_takes_less():
    curves = [SimpleNamespace(done=50, ks=(0, 4)), SimpleNamespace(done=1750, ks=(0, 2, 4))]
    quick, slow = SimpleNamespace(left=None), SimpleNamespace(left=3600.0)
    assert "So far over 50 images, at 2 of 3 K" in (said := sweeps.so_far(curves[:1], (0, 2, 4), "images", [quick]))
    assert "larger step" not in said
    said = sweeps.so_far(curves, (0, 2, 4), "images", [quick, slow])
    assert "So far over 50 to 1,750 images (curves over different images differ at K = 0, too), at 2 of 3 K" in said
    assert said.endswith("a larger step on Sweep takes less.")


def test_the_axes_that_wait_for_the_first_curve_go_once_it_is_there():
    visit()
    restart()  # the curve is found in a moment, and no later run of the page clears them away
    charts = visit().get("vega_lite_chart")
    assert len(charts) == 2, "the curve and the classes"


@pytest.mark.slow
def test_a_ranking_cancelled_on_its_way_leaves_no_curve():
    restart()
    visit()
    (key,) = [key for key in work.jobs()._jobs if key[0] == "sweep"]
    job = work.jobs().get(key)
    assert job is not None
    job.status, job.latest = CANCELLED, replace(job.latest, preview=250, progress=0.12)
    for page in ("prune", "sweep"):
        at = visit(page)
        assert "was cancelled at 12%" in at.warning[0].value
        assert page == "sweep" or not at.get("vega_lite_chart") and not at.metric
    restart()


def test_what_ships_waits_for_nothing_that_is_computed(shipped_answers):
    going_on, end = threading.Event(), threading.Event()

    def long():
        going_on.set()
        yield end.wait(PATIENCE)

    work.jobs.clear()
    held_up = work.jobs().submit("long", long)
    try:
        assert going_on.wait(PATIENCE)
        point = checkpoints.load(BUNDLED)
        asked = Experiment(BUNDLED, "conv2", ks=(0, 1))
        there = [
            work.sweep(point, asked),
            work.band(point, replace(asked, criterion="random"), 20),
            work.measure(point, asked),
            work.unpruned(point),
            work.statistics(point, "conv2", "test", "activation"),
            work.scan(point, "blocks", "filter", None),
            work.sensitivity(point, "mean", "filter", None),
        ]
        assert all(job.wait(PATIENCE / 2) and job.status == DONE for job in there) and not held_up.finished
    finally:
        end.set()


def test_what_ships_is_computed_again_although_every_k_of_it_is_there_already(shipped_answers):
    point = checkpoints.load(BUNDLED)
    asked = Experiment(BUNDLED, "conv2", ks=(0, 16, 32))
    every = work.sweep(point, replace(asked, ks=None))
    assert every.wait(PATIENCE) is None or every.finished
    assert work.sweep(point, asked) is every and work.ships(point, asked)
    work.compute_again(point, asked)
    again = work.sweep(point, asked)
    assert again is not every and not work.ships(point, asked)
    again.wait(PATIENCE)
    assert again.result.made == "" and again.result.correct.tolist() == every.result.at(asked.ks).correct.tolist()
    work.jobs.clear()
    work._afresh.clear()
