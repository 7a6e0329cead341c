"""Every page, run in process on the bundled network, on links full of nonsense, and where things are missing."""

import itertools
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib import parse

import pandas as pd
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer.answers import computing, door
from explorer.answers.computing import ranking_of, sweep_of
from explorer.answers.experiment import Experiment
from explorer.answers.labs import LABS
from explorer.app import cache, drawing, presets, sweeps, work
from explorer.background import locks
from explorer.background.jobs import CANCELLED, DONE, FAILED, Job, Jobs
from explorer.background.processes import Queue
from explorer.background.records import Request
from explorer.engine import scan
from explorer.engine.curves import Sweep
from explorer.files.places import checkpoints_root, data_root
from explorer.images import datasets, downloads, reading, registry
from explorer.networks import checkpoints
from explorer.networks.registry import MODELS, build
from explorer.own import images as own_images
from explorer.own import networks as own_networks
from explorer.training import trainings
from explorer.training.recipes import RECIPES, Recipe, recipe_for

ENTRY = str(Path(__file__).parent.parent.parent / "streamlit_app.py")
BUNDLED = "simple-cnn_fashion-mnist"
PAGES = ["prune", "activations", "sweep", "scan", "model"]
PATIENCE = 300  # seconds


def settle(at: AppTest) -> AppTest:
    """Run until no background work shows: what the browser's polling does."""
    end = time.monotonic() + PATIENCE
    at.run()
    while at.progress and time.monotonic() < end:
        time.sleep(0.3)
        at.run()
    assert not at.exception, at.exception[0].message
    assert not at.progress, "still working"
    return at


def visit(page: str = "prune", **link: str | list[str]) -> AppTest:
    """Open a page by a link to it."""
    at = AppTest.from_file(ENTRY, default_timeout=PATIENCE)
    for name, value in link.items():
        at.query_params[name] = value
    if page != "prune":
        at.switch_page(f"explorer/app/pages/{page}.py")
    return settle(at)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """The accuracies of the default view, from the core alone."""
    point = checkpoints.load(BUNDLED)
    *_, whole = sweep_of(Experiment(BUNDLED, "conv2"), point)
    return whole.frame()


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def metrics(at: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_without_a_click(page):
    at = visit(page)
    assert not at.error and not at.warning
    assert at.get("vega_lite_chart")
    assert at.selectbox(key="checkpoint").value == BUNDLED


def test_prune_shows_the_exact_accuracy_at_every_k_it_is_moved_to(truth):
    at = visit()
    assert metrics(at)["Accuracy at K = 16"] == percent(truth["accuracy"][16])
    for k in (0, 5, 32):
        at.slider(key="k").set_value(k)
        settle(at)
        assert metrics(at)[f"Accuracy at K = {k}"] == percent(truth["accuracy"][k])
        assert metrics(at)["Channels left"] == f"{32 - k} of 32"


def test_the_buttons_step_stop_at_the_ends_and_find_the_cliff(truth):
    at = visit(k="31")
    for _ in range(2):
        at.button(key="more").click()
        settle(at)
    assert at.slider(key="k").value == 32
    at.button(key="fewer").click()
    settle(at)
    assert at.slider(key="k").value == 31
    at.button(key="cliff").click()
    settle(at)
    k = at.slider(key="k").value
    assert truth["accuracy"][k] >= truth["accuracy"][0] - 0.01 > truth["accuracy"][k + 1]


def test_a_link_reproduces_a_view():
    at = visit(layer="conv1", criterion="random", seed="7", mode="weights", k="3")
    assert not at.warning
    assert at.selectbox(key="layer").value == "conv1"
    assert at.selectbox(key="criterion").value == "random"
    assert at.number_input(key="seed").value == 7
    assert at.selectbox(key="mode").value == "weights"
    assert at.slider(key="k").value == 3 and at.slider(key="k").max == 16


def prune_link(at: AppTest) -> dict[str, str]:
    """What the pickers of the sidebar stand at."""
    return {box.key: box.value for box in at.sidebar.selectbox} | {
        box.key: box.value for box in at.sidebar.button_group
    }


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


def test_a_lab_opens_the_same_whichever_was_open_before(monkeypatch):
    state = {"dtype": "bfloat16"}
    monkeypatch.setattr(presets, "st", SimpleNamespace(session_state=state))
    for name in "ADEBCDA":
        presets.open_lab(LABS[name])
        layout = {key: value for key, value in LABS[name].maps.items() if key not in presets.RANKING}
        assert {key: state[key] for key in presets.PLAIN} == {**presets.PLAIN, **layout}
        assert (state["layer"], state["criterion"], state["dtype"]) == (LABS[name].layer, "mean", "float32")
    presets._open_maps(LABS["C"])
    asked = {"layer": "layer4.1.conv2", "criterion": "block-mean", "output": "block", "columns": 11, "most": 64, "k": 0}
    assert asked.items() <= state.items() and state["colouring"] == "colour"


def test_a_link_to_a_lab_opens_it_as_assigned_with_both_curves(real_cifar10):
    at = visit(lab="A")
    picked = prune_link(at)
    assert (picked["checkpoint"], picked["layer"], picked["mode"]) == ("simple-cnn_cifar10", "conv2", "filter")
    assert picked["schedule"] == "once" and metrics(at)["Accuracy at K = 16"] == "43.27 %"
    assert at.main.button_group(key="variant").value == "As assigned"
    assert any("zeroes weights alone" in text.value for text in at.markdown)
    assert "As scripted" in at.get("vega_lite_chart")[0].proto.spec


@pytest.mark.parametrize(
    ("lab", "checkpoint", "layer", "curves"),
    [
        ("B", "siamese_mnist-pairs", "encoder.features.3", ["As assigned"]),
        ("D", "lab-resnet_cifar10", "res2.feature2.0", ["As assigned", "As scripted"]),
        ("E", "block-net_cifar10", "conv2", ["As assigned", "By L1 norm", "By L2 norm"]),
    ],
)
def test_a_lab_opens_with_its_curves_its_maps_and_its_table(real_cifar10, lab, checkpoint, layer, curves):
    if datasets.availability(checkpoints.read_card(checkpoint).dataset) == "missing":
        pytest.skip(f"the images of {checkpoint} are not under the data root")
    at = visit(lab=lab)
    picked = prune_link(at)
    assert (picked["checkpoint"], picked["layer"]) == (checkpoint, layer) and not at.error and not at.warning
    spec = at.get("vega_lite_chart")[0].proto.spec
    assert all(curve in spec for curve in curves[1:]) and at.main.button_group(key="variant").value == curves[0]
    settle(at.switch_page("explorer/app/pages/activations.py"))
    layout = LABS[lab].maps
    columns = [field.value for field in at.number_input if field.key == "columns"]
    assert columns == [layout.get("columns")] and len(at.dataframe) == 1 and not at.error and not at.warning
    settle(at.switch_page("explorer/app/pages/sweep.py"))
    assert at.main.button_group(key="axis").value == LABS[lab].axis
    assert set(curves) <= set(at.dataframe[0].value["criterion"]) and not at.error and not at.warning


def test_the_sweep_of_a_lab_is_on_its_own_k_with_a_curve_for_each_way(real_cifar10):
    at = visit("sweep", lab="A")
    assert at.slider(key="ks").value == (0, 30) and at.number_input(key="step").value == 2
    spec = at.get("vega_lite_chart")[0].proto.spec
    assert "As assigned" in spec and "As scripted" in spec
    at.sidebar.button_group(key="lab").select("E")
    at = settle(at)
    assert at.slider(key="ks").value == (0, 64) and "By L2 norm" in at.get("vega_lite_chart")[0].proto.spec


def test_a_labs_other_way_that_failed_says_so(real_cifar10):
    at = visit(lab="A")
    other = LABS["A"].experiment(LABS["A"].variants[1], 32)
    job = work.jobs().get(("sweep", cache.identity(checkpoints.load("simple-cnn_cifar10")), other))
    assert job is not None
    job.status, job.error = FAILED, "it broke"
    at.run()
    assert [each.value for each in at.error] == ["it broke"]
    (again,) = [button for button in at.button if button.label == "Try again"]
    again.click()
    settle(at)
    assert not at.error and work.jobs().get(job.key) is not job


def test_a_labs_other_way_is_one_click_away(real_cifar10):
    at = visit(lab="A")
    at.main.button_group(key="variant").select("As scripted")
    at = settle(at)
    picked = prune_link(at)
    assert (picked["mode"], picked["schedule"], picked["lab"]) == ("weights", "rerank", "A")
    label, value = next(iter((each.label, each) for each in at.metric if each.label == "Channels left"))
    assert value.value == "0 of 32" and "32 gone at K = 16" in value.delta, label
    at.sidebar.selectbox(key="mode").select("filter")
    at = settle(at)
    assert at.main.button_group(key="variant").value is None
    assert any("something else than the lab's own ways" in text.value for text in at.caption)


def test_a_lab_chosen_in_the_sidebar_sets_every_picker(real_cifar10):
    at = visit(criterion="random", layer="conv1")
    at.sidebar.button_group(key="lab").select("A")
    at = settle(at)
    picked = prune_link(at)
    assert (picked["checkpoint"], picked["layer"], picked["criterion"]) == ("simple-cnn_cifar10", "conv2", "mean")


def test_what_else_a_link_to_a_lab_says_stands(real_cifar10):
    assert prune_link(visit(lab="A", mode="weights"))["mode"] == "weights"


def test_a_lab_whose_network_is_not_here_says_how_to_train_it(monkeypatch):
    monkeypatch.setattr("explorer.app.presets.list_checkpoints", lambda: [BUNDLED])
    at = visit(lab="C")
    assert "python -m explorer train resnet18 --data cifar10" in at.info[0].value
    assert prune_link(at)["checkpoint"] == BUNDLED


def test_k_moves_in_the_steps_of_the_ranking():
    at = visit(schedule="rerank", step="5", mode="weights", k="7")
    assert at.slider(key="k").value == 5 and at.slider(key="k").step == 5
    assert at.button(key="more").label == "+5"


def test_what_was_chosen_stays_from_page_to_page(real_cifar10):
    at = visit(lab="A", k="5")
    at = settle(at.switch_page("explorer/app/pages/activations.py"))
    assert prune_link(at)["checkpoint"] == "simple-cnn_cifar10" and at.slider(key="k").value == 5
    at.sidebar.selectbox(key="layer").select("conv1")
    at = settle(at)
    at = settle(at.switch_page("explorer/app/pages/prune.py"))
    assert (prune_link(at)["layer"], prune_link(at)["lab"], at.slider(key="k").value) == ("conv1", "A", 5)


def test_k_stays_when_the_layer_changes():
    at = visit()
    at.slider(key="k").set_value(5)
    settle(at)
    at.selectbox(key="layer").select("conv1")
    settle(at)
    assert at.slider(key="k").value == 5 and "Accuracy at K = 5" in metrics(at)


def test_a_k_too_large_for_the_new_layer_is_cut_to_all_its_channels():
    at = visit(k="30")
    at.selectbox(key="layer").select("conv1")
    settle(at)
    assert at.slider(key="k").value == 16


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ({"checkpoint": "no-such"}, "The link's checkpoint “no-such” is no trained network here: choose one of"),
        (
            {"layer": "fc1"},
            f"The link's layer “fc1” is no layer of {BUNDLED}: choose one of conv1, conv2; showing conv2.",
        ),
        (
            {"criterion": "best"},
            "The link's criterion “best” is no ranking that fits: choose one of mean, l1, random,",
        ),
        ({"ranked_on": "all"}, "The link's ranked on “all” is not known: choose one of test, train, held-out; showing"),
        (
            {"mode": "🙂"},
            "The link's mode “🙂” is no mode that fits conv2: choose one of filter, weights; showing filter.",
        ),
        (
            {"k": "33"},
            "The link's K “33” is no number of channels to prune: give a whole number from 0 to 32; showing 16.",
        ),
        ({"k": "-1"}, "The link's K “-1” is no number"),
        (
            {"k": "3.7"},
            "The link's K “3.7” is no number of channels to prune: give a whole number from 0 to 32; showing 3.",
        ),
        ({"k": "many"}, "The link's K “many” is no number"),
        ({"k": ""}, "The link's K “” is no number"),
        (
            {"criterion": "random", "seed": "x"},
            "The link's seed “x” is no seed: give a whole number from 0 to 2147483647; showing 0.",
        ),
    ],
)
def test_a_nonsense_link_gets_one_sentence_and_a_good_default(link, sentence, truth):
    at = visit(**link)
    assert len(at.warning) == 1 and not at.error
    assert at.warning[0].value.startswith(sentence)
    assert at.slider(key="k").value == (3 if link.get("k") == "3.7" else 16)
    if "k" not in link and link.get("criterion") != "random":
        assert metrics(at)["Accuracy at K = 16"] == percent(truth["accuracy"][16])


@pytest.mark.parametrize(
    ("page", "link", "words"),
    [
        ("activations", {"output": "magic"}, "“magic” is not known: choose one of raw, activation; showing raw."),
        ("activations", {"channel": "99"}, "“99” is not in conv2"),
        (
            "activations",
            {"columns": "2"},
            "The link's columns “2” does not fit: give a whole number from 4 to 64; showing automatic.",
        ),
        ("activations", {"most": "33"}, "“33” does not fit: give a whole number from 1 to 32; showing all."),
        ("activations", {"numbers": "roman"}, "choose one of from 0, from 1, none; showing from 0."),
        ("sweep", {"zoom": "7"}, "“7” is not known: choose one of none, 0.1, 0.25, 0.5; showing none."),
        ("prune", {"details": "all"}, "choose one of flips, class table, confusion matrix; showing flips."),
        (
            "sweep",
            {"criteria": ["mean", "best"]},
            "“mean, best” is not known: choose among mean, l1, random, l2, mean-abs",
        ),
        ("sweep", {"criteria": "bn-scale"}, "“bn-scale” is not known: choose among mean, l1, random, l2, mean-abs"),
        ("sweep", {"reversed": "random"}, "“random” is not known: choose among mean, l1, l2, mean-abs"),
        ("sweep", {"oracle": "speed"}, "“speed” is not known: choose among accuracy, loss."),
        ("sweep", {"also": "val"}, "“val” is not known: choose among test, train, held-out."),
        (
            "sweep",
            {"orders": "3"},
            "“3” is no number of random orders: give a whole number from 20 to 200; showing 20.",
        ),
        ("sweep", {"at": ["3", "99"]}, "“3, 99” is not known: choose among 0, 1, 2,"),
        (
            "sweep",
            {"ks": ["3", "99"]},
            "“3, 99” are no first and last K: give two whole numbers from 0 to 32; showing all.",
        ),
        ("sweep", {"step": "0"}, "“0” is no step: give a whole number from 1 to 32; showing 1."),
        (
            "scan",
            {"layers": "some"},
            "The link's layers “some” is not known: choose one of blocks, all; showing blocks.",
        ),
        ("scan", {"layer": "fc1"}, "“fc1” is not among the layers scanned: choose one of conv1, conv2; showing conv2."),
        ("scan", {"mode": "inputs"}, "“inputs” is no mode that fits these layers: choose one of filter, weights;"),
        ("model", {"checkpoint": "../../etc/passwd"}, "“../../etc/passwd” is no trained network here"),
    ],
)
def test_nonsense_for_the_other_pages_is_named_too(page, link, words):
    at = visit(page, **link)
    assert len(at.warning) == 1 and words in at.warning[0].value


@pytest.mark.parametrize("link", [{"step": "inf"}, {"ks": ["9" * 5000, "1"]}, {"seed": "inf"}, {"most": "inf"}])
def test_links_to_infinity_are_named_too(link):
    page = "activations" if "most" in link else "sweep"
    assert any("The link's" in warning.value for warning in visit(page, **link).warning)


def test_a_note_goes_once_the_user_chooses():
    at = visit(k="99")
    assert at.warning
    at.slider(key="k").set_value(4)
    settle(at)
    assert not at.warning


def test_flips_can_be_turned_to_the_repaired_ones():
    at = visit(k="20", flips="repaired")
    captions = [image.proto.imgs[0].caption for image in at.get("image")]
    assert captions
    for caption in captions:
        truth, flip = caption.removeprefix("true ").split("  \n")
        assert flip.endswith(f"→ **{truth}**") and not flip.startswith(f"{truth} →")


def test_the_sweep_page_shows_the_numbers_of_each_ranking(truth):
    at = visit("sweep")
    worth, table = at.dataframe[0].value, at.dataframe[1].value
    assert list(table.columns) == ["mean", "l1", "random"]
    assert table["mean"].tolist() == truth["accuracy"].tolist()
    assert table.loc[0].tolist() == pytest.approx([truth["accuracy"][0]] * 3), "K = 0 is the same network for all"
    assert worth["criterion"].tolist() == ["mean", "l1", "random"]
    assert worth["title"].tolist() == ["Mean activation", "L1 norm", "Random, 20 orders"]
    assert worth.loc[0, ["K = 8", "K = 16", "K = 24"]].tolist() == truth["accuracy"][[8, 16, 24]].tolist()
    mean = truth["accuracy"].to_numpy()
    assert worth["area"][0] == pytest.approx((mean[0] / 2 + mean[1:-1].sum() + mean[-1] / 2) / 32)


def test_the_random_orders_are_those_of_the_core():
    at = visit("sweep", criteria="random", seed="3", ks=["0", "32"], step="8")
    point = checkpoints.load(BUNDLED)
    *_, band = computing.band_of(Experiment(BUNDLED, "conv2", "random", seed=3, ks=(0, 8, 16, 24, 32)), point, 20)
    assert at.dataframe[1].value["random"].tolist() == pytest.approx(band.mean.tolist())
    assert any("Of 20 random orders the mean, and where 95 % of further ones fall" in each.value for each in at.caption)


def test_curves_of_every_kind_are_named_for_what_they_are():
    at = visit("sweep", criteria=["mean", "l1"], reversed="mean", oracle="loss", also="held-out", step="8")
    worth = at.dataframe[0].value
    assert worth["criterion"].tolist() == [
        "mean on test", "mean on held-out", "l1", "mean-reversed on test", "mean-reversed on held-out",
        "oracle-loss on test", "oracle-loss on held-out",
    ]  # fmt: skip
    areas = dict(zip(worth["criterion"], worth["area"], strict=True))
    assert areas["oracle-loss on test"] > areas["mean on test"] > areas["mean-reversed on test"]
    (said,) = [text.value for text in at.markdown if "flatter" in text.value]
    assert said.count("choosing on the very test images that it is measured on, instead of the held-out images") == 3
    assert "tried 528 pruned networks on 10,000 test images" in said and "on 1,000 held-out images" in said


def test_a_curve_opens_on_prune_with_all_that_makes_it():
    at = visit("sweep", criteria="mean", reversed="l1", mode="weights", ks=["0", "32"], step="8")
    at.selectbox(key="open curve").select("l1-reversed")
    settle(at)
    at.selectbox(key="open k").select(24)
    settle(at)
    (link,) = at.get("page_link")
    asked = dict(parse.parse_qsl(link.proto.query_string))
    assert link.proto.label == "Open l1-reversed at K = 24 on Prune"
    wanted = {"checkpoint": BUNDLED, "layer": "conv2", "criterion": "l1-reversed", "mode": "weights", "k": "24"}
    assert wanted.items() <= asked.items()
    there = visit(**asked)
    accuracy = at.dataframe[1].value["l1-reversed"][24]
    assert not there.warning and metrics(there)["Accuracy at K = 24"] == percent(accuracy)


def test_a_range_without_a_k_says_so():
    at = visit("sweep", criteria=["mean"], schedule="rerank", step="16", ks=["1", "5"])
    assert "none of those lies in this range: widen it" in at.info[0].value and not at.error and not at.dataframe


def test_what_takes_a_while_starts_on_a_click():
    at = visit("sweep", layer="conv1", criteria="l1", oracle="accuracy", ks=["0", "16"], step="8")
    assert at.dataframe[0].value["criterion"].tolist() == ["l1"]
    (start,) = [button for button in at.button if button.label == "Start"]
    costs = "**Greedy oracle (accuracy)**: 136 pruned networks on 1,000 test images, which takes a while."
    assert any(costs in text.value for text in at.markdown)
    assert not work.is_known(checkpoints.load(BUNDLED), Experiment(BUNDLED, "conv1", "oracle-accuracy", ks=(0, 8, 16)))
    assert start.key.startswith("start ")


def test_more_curves_than_can_be_told_apart_are_cut_with_a_word():
    every = ["mean", "l1", "l2", "fpgm", "mean-abs", "relu", "apoz", "variance", "taylor"]
    at = visit("sweep", criteria=every, reversed=["mean", "l1", "l2", "fpgm"], ks=["0", "32"], step="32")
    assert "the first 12 of 13 curves" in at.info[0].value and len(at.dataframe[0].value) == 12


@pytest.mark.parametrize("criterion", ["mean-reversed", "taylor", "oracle-accuracy"])
def test_every_way_to_order_the_channels_is_on_every_page(criterion):
    at = visit(criterion=criterion, ranked_on="held-out", k="8")
    point = checkpoints.load(BUNDLED)
    *_, whole = sweep_of(Experiment(BUNDLED, "conv2", criterion, ranked_on="held-out", ks=(0, 8)), point)
    assert not at.warning and metrics(at)["Accuracy at K = 8"] == percent(whole.accuracy[1])
    assert any("held-out images" in caption.value for caption in at.caption)
    assert not visit("activations", criterion=criterion, ranked_on="held-out").warning


def test_the_sweep_page_keeps_to_the_k_asked_for():
    at = visit("sweep", ks=["4", "20"], step="8", criteria="l1")
    assert at.dataframe[1].value.index.tolist() == [4, 12, 20]
    assert list(at.dataframe[1].value.columns) == ["l1"]
    assert at.dataframe[0].value["area"].isna().all(), "an area needs the whole curve"


def test_ranking_again_keeps_to_its_own_k():
    at = visit("sweep", criteria=["mean", "taylor"], schedule="rerank", step="16")
    table = at.dataframe[1].value
    assert table.index.tolist() == [0, 16, 32] and not at.error, "taylor, which cannot be ranked again, is ranked once"


def test_no_ranking_chosen_is_an_invitation_not_an_error():
    at = visit("sweep")
    at.pills(key="criteria").set_value([])
    settle(at)
    assert "Choose at least one ranking" in at.info[0].value and not at.get("vega_lite_chart")


def test_activations_follow_their_options():
    at = visit("activations", output="activation", order="original", colouring="grey", scale="per map", channel="3")
    assert not at.warning
    assert at.selectbox(key="channel").value == "3"
    assert any("after" in caption.value for caption in at.caption)


def captions(at: AppTest) -> str:
    return " ".join(caption.value for caption in at.caption)


def test_a_link_sets_the_whole_layout_of_the_maps():
    link = {"k": "0", "most": "5", "columns": "4", "numbers": "from 1", "order": "original", "scale": "per map"}
    at = visit("activations", **link)
    assert not at.warning
    assert "The 5 most active channels over 10,000 test images: raw output" in captions(at)
    assert "nothing is pruned" in captions(at)
    assert at.number_input(key="columns").value == 4 and at.number_input(key="most").value == 5


def test_no_more_of_the_most_active_than_there_are_channels():
    at = visit("activations", most="20")
    at.selectbox(key="layer").select("conv1")
    settle(at)
    assert at.number_input(key="most").value is None and "The 16 channels" in captions(at)


def test_the_means_of_all_channels_stand_sorted_on_the_page():
    table = visit("activations", k="3").dataframe[0].value
    assert len(table) == 32 and table["importance"].is_monotonic_increasing
    assert table["state"].tolist() == ["pruned"] * 3 + ["kept"] * 29
    assert table["mean"].tolist() == table["importance"].tolist(), "ranked by the mean of what is shown"


def test_tables_show_numbers_as_the_rest_of_the_page_does():
    table = pd.DataFrame({"accuracy": [0.1, 0.0943], "change": [-78.08, 0.0], "mean": [-0.5533847, 1.0], "n": [1, 2]})
    shown = drawing.in_words(table, ["accuracy"], ["change"]).to_string(delimiter="|").splitlines()
    assert shown[1:] == ["0|10.00 %|−78.08|−0.5534|1", "1|9.43 %|+0.00|1.0000|2"]


def test_the_classes_stand_in_a_table(truth):
    table = visit(k="20", details="class table").dataframe[0].value
    assert table["n"].sum() == 10_000
    assert table["correct"].sum() == truth["correct"][20]
    assert table["before"].mean() == pytest.approx(truth["accuracy"][0]), "as many images of each class"


def test_the_confusion_matrix_is_drawn_only_when_asked_for():
    assert len(visit(k="20").get("vega_lite_chart")) == 2
    for against, rows in (("true", "the true class"), ("unpruned", "predicted at K = 0")):
        at = visit(k="20", details="confusion matrix", against=against)
        assert not at.warning and len(at.get("vega_lite_chart")) == 3
        assert f"Rows: {rows}; columns: predicted at K = 20; 10,000 test images." in captions(at)


def test_a_second_chart_shows_the_first_channels_closely():
    at = visit("sweep", axis="ratio", zoom="0.1", criteria="l1")
    assert len(at.get("vega_lite_chart")) == 2
    assert "The first 10 % of the channels" in [head.value for head in at.subheader]


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_a_network_for_pairs_speak_of_pairs(page):
    if datasets.availability("mnist-pairs") == "missing":
        pytest.skip("MNIST is not under the data root")
    at = visit(page, checkpoint="siamese_mnist-pairs", criteria="mean")
    words = captions(at)
    assert "2,000 test pairs" in words and "test images" not in words
    if page == "model":
        assert [metric.delta for metric in at.metric][-1] == "1,970 of 2,000 pairs"
        layers = at.dataframe[0].value
        assert layers["layer"].is_unique, "the encoder runs twice, but is there once"
    if page == "activations":
        classes = [image.proto.imgs[0].caption for image in at.get("image") if image.proto.imgs[0].caption]
        assert classes == ["different"] * 4 + ["same"] * 4


# Scan


def layer_link(at: AppTest):
    """The link that leads from a layer to Prune."""
    (link,) = (link.proto for link in at.get("page_link") if "channel by channel" in link.proto.label)
    return link


def test_the_scan_page_shows_what_each_layer_costs(truth):
    at = visit("scan")
    *_, whole = door.scan(checkpoints.load(BUNDLED))
    table = at.dataframe[0].value
    assert table["layer"].tolist() == ["unpruned", "conv1", "conv2"]
    assert table["accuracy"].tolist() == whole.frame()["accuracy"].tolist()
    assert table["accuracy"].tolist()[::2] == [truth["accuracy"][0], truth["accuracy"][32]]
    assert any("Over 10,000 test images" in caption.value for caption in at.caption)
    assert any("no residual additions" in caption.value for caption in at.sidebar.caption)
    assert {button.label for button in at.get("download_button")} == {"PNG", "SVG", "PDF", "Download CSV"}


def test_a_layer_of_the_scan_opens_on_prune():
    at = visit("scan", mode="weights")
    assert "layer=conv2" in layer_link(at).query_string and "mode=weights" in layer_link(at).query_string
    at.selectbox(key="layer").select("conv1")
    settle(at)
    assert layer_link(at).label == "Prune conv1 channel by channel"
    assert f"checkpoint={BUNDLED}&layer=conv1&mode=weights" in layer_link(at).query_string
    assert visit(checkpoint=BUNDLED, layer="conv1", mode="weights").selectbox(key="layer").value == "conv1"


@pytest.fixture
def large(monkeypatch, tmp_path) -> str:
    """A network so large that its scan begins with a sample, on the bundled data; untrained."""
    card = checkpoints.read_card(BUNDLED)
    torch.manual_seed(0)
    model = build("lab-resnet", card.shape, len(card.classes)).eval()
    checkpoints.save("large", model, replace(card, model="lab-resnet"), tmp_path)
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(scan, "SAMPLES", (20, 40))
    return "large"


def test_a_large_network_is_scanned_on_a_sample_and_says_how_long_all_would_take(large):
    at = visit("scan", checkpoint=large)
    assert at.dataframe[0].value["layer"].tolist() == ["unpruned", "res1.feature2.0", "res2.feature2.0"]
    (about,) = (caption.value for caption in at.caption if "test images, with" in caption.value)
    assert about.startswith("Over 20 test images") and "All 10,000 images would take about" in about
    assert any("before the addition" in caption.value for caption in at.sidebar.caption)
    at.segmented_control(key="images").set_value("40")
    at.segmented_control(key="layers").set_value("all")
    settle(at)
    assert len(at.dataframe[0].value) == 10
    at.segmented_control(key="layers").set_value("blocks")
    settle(at)
    blocks = work.jobs().get(("scan", cache.identity(checkpoints.load(large)), large, "blocks", "filter", 40))
    assert blocks is not None and blocks.elapsed == 0, "they were there already"
    assert len(at.dataframe[0].value) == 3


def test_a_scan_that_was_cancelled_keeps_what_it_has(large, monkeypatch):
    at = visit("scan", checkpoint=large, mode="weights")
    job = work.jobs().get(("scan", cache.identity(checkpoints.load(large)), large, "blocks", "weights", 20))
    assert job is not None
    job.status = CANCELLED
    settle(at)
    assert "Pruning one layer at a time was cancelled" in at.warning[0].value
    assert len(at.dataframe[0].value) == 3 and at.get("vega_lite_chart")
    (again,) = [button for button in at.button if button.label == "Start again"]
    again.click()
    settle(at)
    assert not at.warning and work.jobs().get(job.key) is not job


def test_layers_that_a_mode_does_not_fit_are_named(large):
    at = visit("scan", checkpoint=large, mode="inputs", layers="all")
    assert at.dataframe[0].value["layer"].tolist()[1:] == [
        "res1.feature1.0", "res1.feature1.3", "res2.feature1.0", "res2.feature1.3",
    ]  # fmt: skip
    left_out = [caption.value for caption in at.caption if "is left out" in caption.value]
    assert len(left_out) == 5 and "stem.0 is left out: mode 'inputs' prunes" in left_out[0]


def test_the_model_page_tells_what_the_card_says():
    at = visit("model")
    card = checkpoints.read_card(BUNDLED)
    assert metrics(at)["Test accuracy"] == percent(card.accuracy["test"].accuracy)
    layers = at.dataframe[0].value
    assert layers.loc[layers["layer"] == "conv2", "output"].tolist() == ["32 × 14 × 14"]
    assert layers["parameters"].sum() == 409_034


@pytest.mark.parametrize("page", PAGES)
def test_a_network_that_cannot_be_traced_is_on_every_page(page, fickle):
    at = visit(page)
    assert not at.error and not at.warning
    assert at.get("vega_lite_chart")
    said = any("cannot be traced" in caption.value for caption in at.caption)
    assert said == (page != "model")


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


def restart():
    """Forget what this process has computed."""
    work.jobs.clear()


def test_a_restarted_server_finds_the_curve(truth, monkeypatch):
    restart()
    visit()
    restart()
    monkeypatch.setattr("explorer.answers.computing.sweep_orders_stream", None)  # nothing is computed
    monkeypatch.setattr("explorer.answers.door.collect_stream", None)
    at = visit()
    assert not at.warning and metrics(at)["Accuracy at K = 16"] == percent(truth["accuracy"][16])


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


@pytest.mark.parametrize(("page", "key"), [("prune", "bfloat16"), ("sweep", "float32")])
def test_bfloat16_is_offered_where_the_device_has_it_with_how_far_it_agrees(page, key, monkeypatch):
    monkeypatch.setattr(cache, "BFLOAT16", False)
    assert "dtype" not in visit(page).session_state
    monkeypatch.setattr(cache, "BFLOAT16", True)
    at = visit(page, dtype=key, criterion="l1", criteria="l1")
    assert not at.warning and at.session_state["dtype"] == key
    said = any("Computed in bfloat16, which agrees with float32 on" in caption.value for caption in at.caption)
    assert said == (key == "bfloat16")


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


@pytest.mark.parametrize(("criterion", "orders", "ranks"), [("relu", 1, True), ("l1", 1, False), ("random", 20, False)])
def test_a_job_that_looks_at_no_images_to_rank_never_says_that_it_ranks(criterion, orders, ranks, monkeypatch):
    restart()
    monkeypatch.setattr(Jobs, "submit", lambda self, key, start, heavy=True: Job(key, start))  # and does not begin
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


# What is missing or broken


def without_data(monkeypatch, tmp_path) -> None:
    """A machine that has a CIFAR-10 network but not CIFAR-10."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in (BUNDLED, "simple-cnn_cifar10"):
        for suffix in (".safetensors", ".json"):
            shutil.copy(checkpoints_root() / f"{name}{suffix}", folder)
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))


@pytest.mark.parametrize("page", PAGES)
def test_a_network_without_its_data_says_so_and_offers_the_download(page, monkeypatch, tmp_path):
    without_data(monkeypatch, tmp_path)
    at = visit(page, checkpoint="simple-cnn_cifar10")
    assert len(at.warning) == 1 and not at.error
    assert "trained on CIFAR-10, which is not on this machine" in at.warning[0].value
    assert "`python -m explorer data cifar10`" in at.warning[0].value
    assert at.button(key="download cifar10").label == "Download CIFAR-10 (170 MB)"


def test_a_failed_download_says_why_and_can_be_tried_again(monkeypatch, tmp_path):
    without_data(monkeypatch, tmp_path)
    tries = []

    def fails(name, root=None, progress=None):
        tries.append(name)
        raise ValueError("the download of CIFAR-10 failed (no network); try again")

    monkeypatch.setattr(downloads, "download", fails)
    at = visit("prune", checkpoint="simple-cnn_cifar10")
    at.button(key="download cifar10").click()
    settle(at)
    assert at.error[0].value == "the download of CIFAR-10 failed (no network); try again"
    (again,) = [button for button in at.button if button.label == "Try again"]
    again.click()
    settle(at)
    assert tries == ["cifar10", "cifar10"]


def test_a_folder_without_networks_says_how_to_train_one(monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    at = visit()
    assert "python -m explorer train simple-cnn --data fashion-mnist" in at.error[0].value


@pytest.mark.parametrize("page", PAGES)
def test_a_truncated_network_is_one_sentence_and_others_stay_in_reach(page, monkeypatch, tmp_path):
    without_data(monkeypatch, tmp_path)
    weights = tmp_path / "checkpoints" / f"{BUNDLED}.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    at = visit(page)
    assert len(at.error) == 1 and at.error[0].value.startswith(f"{BUNDLED} cannot be opened: ")
    assert "simple-cnn_cifar10" in at.selectbox(key="checkpoint").options


def test_corrupt_data_is_one_sentence(monkeypatch, tmp_path):
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for source in (reading.BUNDLED / "FashionMNIST" / "raw").iterdir():
        (folder / source.name).write_bytes(source.read_bytes()[:100])
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    at = visit()
    assert len(at.error) == 1 and at.error[0].value.startswith("Fashion-MNIST cannot be read: ")


# Training


@pytest.fixture
def own_folder(monkeypatch, tmp_path) -> Iterator[Path]:
    """A folder of checkpoints with the bundled network and a copy that is one's own; nothing trains there any more."""
    for name in (BUNDLED, "mine"):
        for suffix in (".safetensors", ".json"):
            shutil.copy(checkpoints_root() / f"{BUNDLED}{suffix}", tmp_path / f"{name}{suffix}")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    yield tmp_path
    for each in trainings.list_trainings():
        trainings.queue().cancel(each.name)
    until(lambda: not any(each.state in ("running", "queued") for each in trainings.list_trainings()))


needs_queue = pytest.mark.skipif(locks.fcntl is None, reason="the queue needs the locks of Linux or macOS")


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)


def look(at: AppTest | None = None) -> AppTest:
    """The Train page as it is now, whether or not something trains."""
    if at is None:
        at = AppTest.from_file(ENTRY, default_timeout=PATIENCE)
        at.switch_page("explorer/app/pages/train.py")
    at.run()
    assert not at.exception, at.exception[0].message
    return at


def stand_in(name: str, program: str = "", recipe: Recipe | None = None, **run) -> None:
    """A training of that name: a process that runs a Python program, or one that ended as `run` says."""
    about = {"model": "simple-cnn", "dataset": "fashion-mnist", "description": ""}
    about["recipe"] = asdict(recipe or RECIPES["simple-cnn"])
    queue = trainings.queue()
    if program:
        Queue(queue.folder, (sys.executable, "-c")).submit(name, Request([program], about, "x"))
        return
    (queue.folder / name).mkdir(parents=True)
    request = {"arguments": [], "about": about, "result": "x"}
    for file, content in (("request", request), ("run", {"queued": time.time(), "started": 1.0, **run})):
        (queue.folder / name / f"{file}.json").write_text(json.dumps(content))


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def badges(at: AppTest) -> list[str]:
    return [text.value for text in at.markdown if "badge" in text.value]


@needs_queue
def test_a_training_from_the_page_ends_in_every_picker(own_folder):
    at = visit("train", train_epochs="1", train_validation="0.9", train_batch_size="256")
    assert not at.error and not at.warning
    assert "None yet" in at.caption[-1].value
    at.text_input(key="train description").set_value("a quick one")
    at.button[0].click()
    look(at)
    until(lambda: trainings.list_trainings()[0].state == "done")
    look(at)
    name = f"{BUNDLED}-2"
    score = checkpoints.read_card(name).accuracy["test"]
    said = f"Test accuracy **{percent(score.accuracy)}** ({score.correct:,} of 10,000 test images)"
    assert said in [text.value for text in at.markdown]
    assert at.get("vega_lite_chart") and "Done" in badges(at)[0]
    assert at.text_input(key="train description").value == "", "the form is ready for the next"
    at.switch_page("explorer/app/pages/model.py")
    settle(at)
    at.selectbox(key="checkpoint").select(name)
    settle(at)
    assert metrics(at)["Test accuracy"] == percent(score.accuracy)
    assert any("a quick one" in text.value for text in at.markdown)


@needs_queue
def test_the_form_follows_the_network_and_its_own_recipe(own_folder):
    at = visit("train")
    for model in MODELS:
        at.selectbox(key="network").select(model)
        at.run()
        assert not at.exception, at.exception[0].message
        own = RECIPES[model]
        assert at.number_input(key="train_epochs").value == own.epochs
        assert at.number_input(key="train_lr").value == own.lr
        assert at.selectbox(key="train_schedule").value == own.schedule
        assert at.number_input(key="train_crop").value == own.crop
        fits = {info.name for info in registry.DATASETS.values() if info.inputs == MODELS[model].inputs}
        assert set(at.selectbox(key="data").options) == fits and at.selectbox(key="data").value in fits


@needs_queue
def test_what_the_form_says_is_what_is_asked(own_folder, monkeypatch):
    asked = []
    monkeypatch.setattr(trainings, "submit", lambda *request: asked.append(request))
    at = visit(
        "train", network="block-net", train_optimizer="sgd", train_clamp="0.5", train_flip="0.25", train_seed="7"
    )
    assert not at.error
    at.number_input(key="train_lr").set_value(0.05)
    at.text_input(key="train name").set_value("wide")
    at.button[0].click()
    look(at)
    recipe = replace(recipe_for("block-net", "fashion-mnist"), optimizer="sgd", clamp=0.5, flip=0.25, seed=7, lr=0.05)
    assert asked == [("block-net", "fashion-mnist", recipe, "wide", "")]


@needs_queue
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine", "there is a network called 'mine' already; choose another name, or delete that one first."),
        (BUNDLED, "is the name of a network that comes with the app and stays; choose another."),
        ("My net", "checkpoint name 'My net' is not plain; use a-z, 0-9, dot, hyphen and underscore."),
    ],
)
def test_a_name_that_cannot_be_had_is_refused_before_the_start(own_folder, name, words):
    at = visit("train")
    at.text_input(key="train name").set_value(name)
    look(at)
    assert len(at.error) == 1 and words in at.error[0].value.replace("\\", "")
    assert at.button[0].disabled


@needs_queue
def test_missing_data_offers_the_download(own_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "nowhere"))
    at = visit("train", data="mnist")
    assert at.warning[0].value.startswith("This training needs MNIST, which is not on this machine: download it here")
    assert at.button(key="download mnist").label == "Download MNIST (12 MB)"
    assert next(button for button in at.button if button.label == "Start training").disabled


@needs_queue
@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"network": "vgg"}, "“vgg” is no network: choose one of simple-cnn, "),
        (
            {"data": "mnist-pairs"},
            "“mnist-pairs” is no data set that fits simple-cnn: choose one of cifar10, mnist, ",
        ),
        ({"train_epochs": "0"}, "epochs “0” does not fit: give a whole number from 1 to 1000; showing 10."),
        (
            {"train_lr": "fast"},
            "learning rate “fast” does not fit: give a number from 1e-08 to 100; showing 0.001.",
        ),
        ({"train_lr": "inf"}, "learning rate “inf” does not fit"),
        ({"train_epochs": "inf"}, "epochs “inf” does not fit"),
        ({"train_crop": "99"}, "“99” does not fit: give a whole number from 0 to 16; showing 0."),
        ({"train_schedule": "steps"}, "“steps” is no schedule: choose one of constant, cosine, late-cosine, one-cycle"),
    ],
)
def test_nonsense_for_the_form_gets_one_sentence_and_the_usual_value(own_folder, link, words):
    at = visit("train", **link)
    assert len(at.warning) == 1 and words in at.warning[0].value
    assert not at.error and not at.button[0].disabled


@needs_queue
def test_two_tabs_see_the_same_queue_and_either_may_cancel(own_folder):
    for name in ("first", "second"):
        stand_in(name, "import time; time.sleep(600)")
    until(lambda: trainings.list_trainings()[0].job.state == "running")
    one, other = look(), look()
    for at in (one, other):
        assert [bar.value for bar in at.get("progress")] or at.progress
        assert [words.split(" ")[-1].rstrip("]") for words in badges(at)] == ["Running", "Queued"]
        assert any(text.value == "Waits for 1 other training." for text in at.markdown)
    other.button(key="cancel first").click()
    look(other)
    until(lambda: [each.state for each in trainings.list_trainings()] == ["running", "cancelled"])
    look(one)
    assert [words.split(" ")[-1].rstrip("]") for words in badges(one)] == ["Running", "Cancelled"]
    assert "Resume" in labels(one)


@needs_queue
def test_what_stopped_says_why_and_can_be_resumed_or_removed(own_folder):
    stand_in("lost")
    stand_in("wild", code=2)
    (own_folder / "trainings" / "wild" / "log.txt").write_text("epoch 1\nerror: the *loss* is no longer finite\n")
    (own_folder / "trainings" / "strange").mkdir()
    (own_folder / "lost.resume.pt").write_bytes(b"x" * 2_000_000)
    at = look()
    assert [error.value for error in at.error] == [
        "The \\*loss\\* is no longer finite.",
        "Its files are corrupt, or this app did not write them.",
    ]
    assert [warning.value for warning in at.warning] == ["Its process was killed, or the machine stopped."]
    assert any("2 MB are free again" in text.value for text in at.markdown)
    for name in ("lost", "wild", "strange"):
        at.button(key=f"delete_forever {name}").click()
        look(at)
    assert trainings.list_trainings() == [] and not (own_folder / "lost.resume.pt").exists()
    assert not at.error


@needs_queue
def test_a_button_that_comes_too_late_says_so(own_folder):
    stand_in("gone", cancelled=True)
    at = look()
    trainings.remove("gone")
    at.button(key="resume gone").click()
    look(at)
    assert at.error[0].value == "That did not work: there is no job 'gone' any more."
    assert not look(at).error


@needs_queue
def test_a_folder_that_cannot_be_used_is_one_sentence(own_folder):
    (own_folder / "trainings").mkdir()
    (own_folder / "trainings" / "mutex").mkdir()
    at = look()
    (own_folder / "trainings" / "mutex").rmdir()
    assert at.error[0].value.startswith("Nothing can be trained here: ")


# Networks of one's own


def change(at: AppTest, point: str, **values: str) -> AppTest:
    """Fill in the form of a network and save."""
    for field, value in values.items():
        at.text_input(key=f"{field} of {point}").set_value(value)
    next(button for button in at.button if button.label == "Save").click()
    return settle(at)


@needs_queue
def test_a_network_of_ones_own_is_renamed_described_and_deleted(own_folder):
    at = change(visit("model", checkpoint="mine"), "mine", name="yours", description="the best")
    assert not at.error and not at.warning
    assert at.selectbox(key="checkpoint").value == "yours"
    assert checkpoints.list_checkpoints() == [BUNDLED, "yours"]
    assert checkpoints.read_card("yours").description == "the best"
    at.button(key="delete yours").click()
    settle(at)
    assert checkpoints.list_checkpoints() == [BUNDLED] and not at.error and not at.warning
    assert at.selectbox(key="checkpoint").value == BUNDLED
    assert "Save" not in labels(at), "what comes with the app stays as it is"


@needs_queue
def test_a_name_that_is_taken_is_refused_in_one_sentence(own_folder):
    at = change(visit("model", checkpoint="mine"), "mine", name=BUNDLED)
    assert "is the name of a network that comes with the app" in at.error[0].value
    assert at.selectbox(key="checkpoint").value == "mine"


@needs_queue
def test_a_tab_on_a_network_that_another_tab_deletes_turns_to_one_that_is_there(own_folder):
    at = visit("prune", checkpoint="mine", k="3")
    checkpoints.delete("mine")
    settle(at)
    assert at.selectbox(key="checkpoint").value == BUNDLED and not at.error


# A network and images of one's own


@pytest.fixture
def own_things(own_folder, monkeypatch, tmp_path) -> Path:
    """A folder to import from, with images of two classes and the weights of a small network for them."""
    own = tmp_path / "to import"
    for split, name, i in itertools.product(("train", "test"), ("cat", "dog"), range(4)):
        path = own / "pets" / split / name / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 36), (60 * i, 20, 200 if name == "cat" else 90)).save(path)
    torch.manual_seed(0)
    torch.save(build("torchvision/squeezenet1_1", (3, 32, 32), 2).state_dict(), own / "net.pth")
    for variable, folder in (("OWN", own), ("DATA", tmp_path / "data")):
        monkeypatch.setenv(f"EXPLORER_{variable}", str(folder))
    work.jobs.clear()  # whose failed downloads, of other tests, the Model page would show
    return own


def import_form(at: AppTest, submit: str, **fields: Any) -> AppTest:
    """Fill the fields of a form in the expander and submit it."""
    at.session_state["own"] = True
    settle(at)
    for name, value in fields.items():
        key = f"own {name.replace('_', ' ')}"
        (widget,) = [each for kind in FIELDS for each in at.get(kind) if each.key == key]
        widget.set_value(value)
    next(button for button in at.button if button.label == submit).click()
    return settle(at)


FIELDS = ("selectbox", "text_input", "number_input")


@needs_queue
def test_images_and_a_network_of_ones_own_are_on_every_page(own_things):
    at = import_form(visit("model"), "Import images", size=32, title="Our pets")
    assert not at.error and datasets.dataset_info("pets").title == "Our pets"
    assert any("**Our pets** (pets), 3 × 32 × 32" in text.value for text in at.markdown)
    at = import_form(at, "Import network", arch="squeezenet1_1", mean="0.5", std="0.25, 0.25, 0.25")
    assert not at.error and not at.warning
    assert at.selectbox(key="checkpoint").value == "squeezenet1_1_pets"
    card = checkpoints.read_card("squeezenet1_1_pets")
    assert (card.mean, card.std) == ((0.5,), (0.25, 0.25, 0.25))
    assert metrics(at) == {"Test accuracy": percent(card.accuracy["test"].accuracy)}
    table = at.get("table")[0].value
    assert "Imported" in str(table) and not any(row in str(table) for row in ("Trained on", "Recipe", "Seed"))
    for page in ("prune", "activations", "sweep", "scan"):
        at.switch_page(f"explorer/app/pages/{page}.py")
        settle(at)
        assert not [*at.error, *at.warning], [page, *(each.value for each in (*at.error, *at.warning))]
        assert at.get("vega_lite_chart")
        assert at.selectbox(key="checkpoint").value == "squeezenet1_1_pets"


@needs_queue
def test_images_are_deleted_once_nothing_needs_them(own_things):
    own_images.import_images(own_things / "pets", "pets", 32)
    own_networks.import_network("squeezenet1_1", own_things / "net.pth", "pets", "net")
    at = visit("model")
    assert at.button(key="delete data pets").disabled
    assert any("Needed by net." in text.value for text in at.markdown)
    checkpoints.delete("net")
    settle(at)
    at.button(key="delete data pets").click()
    settle(at)
    assert datasets.own_datasets() == [] and not at.error


@needs_queue
@pytest.mark.parametrize(
    ("submit", "fields", "words"),
    [
        ("Import images", {"images_name": "cifar10"}, "'cifar10' is the name of a data set that comes with the app"),
        ("Import images", {"images_name": "My pets"}, "data set name 'My pets' is not plain"),
        ("Import images", {}, "there is a data set called 'pets' already"),
        ("Import network", {"arch": "alexnet"}, "these weights are missing"),
        ("Import network", {}, "choose the architecture first"),
        ("Import network", {"arch": "alexnet", "mean": "grey"}, "'grey' is not a list of numbers"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(own_things, submit, fields, words):
    own_images.import_images(own_things / "pets", "pets", 32)
    at = import_form(visit("model"), submit, **fields)
    assert len(at.error) == 1 and words in at.error[0].value.replace("\\", "")
    assert checkpoints.list_checkpoints() == ["mine", BUNDLED] and datasets.own_datasets() == ["pets"]


@needs_queue
def test_an_empty_folder_says_what_to_put_there(own_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_OWN", str(tmp_path / "nowhere"))
    at = visit("model")
    assert not any("nowhere" in text.value for text in at.caption), "nobody looks into it while the expander is closed"
    at.session_state["own"] = True
    settle(at)
    said = [text.value for text in at.caption if "nowhere" in text.value]
    assert len(said) == 2 and "a folder of images for each class" in said[0] and ".safetensors, .pt, .pth" in said[1]


@needs_queue
def test_a_damaged_data_set_is_one_line_and_can_be_deleted(own_things):
    own_images.import_images(own_things / "pets", "pets", 32)
    (data_root() / "pets" / datasets.OWN_INFO).write_text("{")
    for page in ("train", "model"):
        at = visit(page)
        assert not at.error
    assert any("images.json is damaged" in text.value for text in at.markdown)
    at.button(key="delete data pets").click()
    settle(at)
    assert datasets.own_datasets() == []


@needs_queue
def test_ones_own_images_can_be_trained_on(own_things):
    own_images.import_images(own_things / "pets", "pets", 32)
    at = visit("train", network="simple-cnn", data="pets")
    assert at.selectbox(key="data").value == "pets" and not at.error or "a batch of" in at.error[0].value
