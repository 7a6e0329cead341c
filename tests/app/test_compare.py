"""Answers side by side: how one gets there, what is said of them, and what a link may hold."""

import numpy as np
import pytest
from app_test import BUNDLED, labels, percent, settle, visit

from explorer.answers.computing import sweep_of
from explorer.answers.experiment import Experiment
from explorer.app import comparing
from explorer.engine.contrasts import contrast
from explorer.engine.curves import Band
from explorer.networks import checkpoints
from explorer.show.words import points

pytestmark = pytest.mark.usefixtures("shipped_answers")

MEAN, L1, CIFAR = f"{BUNDLED}:conv2:mean", f"{BUNDLED}:conv2:l1", "simple-cnn_cifar10:conv2:mean"
BAND = f"{BUNDLED}:conv2:random:orders=20"


def curve(**more):
    point = checkpoints.load(BUNDLED)
    *_, whole = sweep_of(Experiment(BUNDLED, "conv2", **more), point)
    return whole


def said(at) -> str:
    return next(text.value for text in at.markdown if text.value.startswith("At "))


def full(at) -> list[str]:
    """The answers as the page lists them."""
    return [text.value for text in at.markdown if text.value.startswith("**") and text.value[2].isdecimal()]


def linked(at) -> list[str]:
    """The answers in the address."""
    found = at.query_params["answer"]
    return found if isinstance(found, list) else [found]


def click(at, label: str, place: int = 0):
    [button for button in at.button if button.label == label][place].click()
    return settle(at)


def test_it_opens_with_an_example_whose_numbers_are_those_of_the_core():
    at = visit("compare", k="8")
    one, other = curve(ks=(0, 8)), curve(criterion="l1", ks=(0, 8))
    found = contrast(one, 8, other, 8)
    table, figures = (frame.value for frame in at.dataframe)
    assert table["Answer"].tolist() == ["1 · Mean activation", "2 · L1 norm"] == figures["Answer"].tolist()
    assert [cell.split(" (")[0] for cell in table["Accuracy"]] == [percent(one.accuracy[1]), percent(other.accuracy[1])]
    interval = f"{points(found.change_low)} to {points(found.change_high)}"
    assert table["Points more"].tolist() == ["–", f"{points(found.change)} ({interval})"]
    assert table["Compared"].tolist() == ["–", "image by image"]
    assert percent(other.accuracy[1]) in said(at) and points(found.change) in said(at)
    assert comparing.ANSWERS not in at.query_params and len(at.get("vega_lite_chart")) == 1


def test_what_one_looks_at_on_prune_joins_with_a_click():
    at = click(visit(criterion="l1"), "Compare")
    assert "answer" not in at.query_params, "the address of Prune is about Prune"
    (button,) = [button for button in at.button if button.label == "Compare"]
    assert button.disabled and at.toast[0].value.startswith("1 answer in the comparison")
    at.selectbox(key="criterion").select("mean")
    at = click(settle(at), "Compare")
    at = settle(at.switch_page(comparing.PAGE))
    assert linked(at) == [L1, MEAN]
    assert at.dataframe[0].value["Answer"].tolist() == ["1 · L1 norm", "2 · Mean activation"]


def test_the_curves_of_sweep_join_at_once_and_the_band_with_them():
    at = click(visit("sweep", criteria=["mean", "l1", "random"]), "Compare")
    at = settle(at.switch_page(comparing.PAGE))
    assert linked(at) == [MEAN, L1, BAND]


def test_a_band_is_compared_by_its_mean_and_without_mcnemars_test():
    at = visit("compare", answer=[MEAN, BAND], k="16")
    orders = [curve(criterion="random", seed=seed, ks=(0, 16)) for seed in range(20)]
    one = curve(ks=(0, 16))
    found = contrast(one, 16, Band(tuple(orders)), 16)
    table, figures = (frame.value for frame in at.dataframe)
    assert table["Answer"].tolist() == ["1 · Mean activation", "2 · 20 random orders"]
    assert table["Accuracy"][1].split(" (")[0] == percent(np.mean([each.accuracy[1] for each in orders]))
    assert table["Points more"][1].startswith(points(found.change)) and table["p"].tolist() == ["–", "–"]
    assert table["Compared"][1] == f"{found.below} of 20 orders lower" and table["Compared"][1] in said(at)
    assert figures["Steepest drop, from K"][1] == "–" and not at.exception
    (chart,) = at.get("vega_lite_chart")
    assert "2 · 20 random orders" in chart.proto.alt
    assert len([button for button in at.get("page_link") if button.label == "Open"]) == 1, "a band has no one curve"


def test_there_is_room_for_six():
    at = visit("compare", answer=[f"{MEAN}:k=0-{last}-1" for last in range(20, 28)], k="8")
    assert at.warning[0].value.endswith("there are 8, and at most 6 stand side by side.")
    assert len(at.dataframe[0].value) == comparing.MOST
    (button,) = [button for button in at.button if button.label == "Add an answer"]
    assert button.disabled and "remove one" in button.help
    assert not click(at, "Remove").warning and "Add an answer" in labels(at)


def test_a_link_holds_the_comparison_and_answers_move_and_go():
    at = visit("compare", answer=[MEAN, L1], k="8")
    assert not at.warning and full(at)[0].startswith("**1** SimpleCNN on Fashion-MNIST, conv2, Mean activation")
    at = click(at, "Up", 1)
    assert linked(at) == [L1, MEAN] and full(at)[0].startswith("**1** SimpleCNN on Fashion-MNIST, conv2, L1")
    at = click(at, "Remove", 0)
    assert linked(at) == [MEAN] and "gets" in said(at)
    at = click(at, "Remove", 0)
    assert "answer" not in at.query_params and at.dataframe[0].value["Answer"].tolist()[1] == "2 · L1 norm"


def test_networks_on_other_images_are_two_samples():
    at = visit("compare", answer=[CIFAR + ":k=0-30-2", MEAN], k="9")
    table = at.dataframe[0].value
    assert table["Compared"].tolist() == ["–", "as two samples"] and table["K"].tolist() == [8, 9], (
        "the nearest there is"
    )
    assert [name.split(" · ")[1] for name in table["Answer"]] == ["SimpleCNN on CIFAR-10", "SimpleCNN on Fashion-MNIST"]


def test_layers_of_other_sizes_are_compared_by_share():
    large = "resnet18_cifar10:layer2.1.conv2:mean:k=1-127-2"
    at = visit("compare", answer=[MEAN, large], axis="ratio", at_share="50")
    assert at.dataframe[0].value["K"].tolist() == [16, 63] and said(at).startswith("At 50 %")
    at = visit("compare", answer=[MEAN, large], k="41")
    assert at.dataframe[0].value["K"].tolist() == [41], "the other has 32 channels"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (["<b>*x*"], "“\\<b\\>\\*x\\*” is not CHECKPOINT"),
        (["no-such:conv2:mean"], "“no-such” is no network: choose one of"),
        ([f"{BUNDLED}:fc1:mean"], f"“fc1” is no layer of {BUNDLED}: choose one of conv1, conv2."),
        ([f"{BUNDLED}:conv2:best"], "“best” is no ranking that fits conv2: choose one of mean, l1"),
        ([f"{MEAN}:mode=inputs"], "“inputs” is no mode that fits conv2: choose one of filter, weights, channel."),
        ([f"{MEAN}:on=all"], "“all” is no split to rank on: choose one of test, train, held-out."),
        ([f"{MEAN}:schedule=never"], "“never” is no schedule that fits: choose one of once, rerank."),
        ([f"{MEAN}:dtype=int4"], "“int4” is no type to compute in on this machine: choose one of float32"),
        ([f"{MEAN}:k=0-33-1"], "conv2 has 32 channels, so that there is no K = 33."),
        ([f"{L1}:seed=x", "no:x:y"], "is no whole number from 0 to 2147483647 (and 1 more)."),
    ],
)
def test_what_a_link_cannot_have_gets_one_sentence(answers, words):
    at = visit("compare", answer=[*answers, L1], k="8")
    (warning,) = at.warning
    assert warning.value.startswith("Not every answer of the link can be compared: ") and not at.error
    assert words in warning.value.replace("\\_", "_").replace("\\:", ":")
    assert linked(at) == [L1]


def test_an_answer_twice_is_one():
    at = visit("compare", answer=[MEAN, MEAN, L1], k="8")
    assert linked(at) == [MEAN, L1] and not at.warning


def test_going_back_on_another_page_leaves_the_comparison():
    at = visit("compare", answer=[MEAN, L1])
    at = settle(at.switch_page("explorer/app/pages/prune.py"))
    at.selectbox(key="criterion").select("l1")
    at = settle(at)
    at.query_params.clear()  # as the browser says it
    at = settle(at)
    assert at.selectbox(key="criterion").value == "mean" and at.session_state["answer"] == [MEAN, L1]


def test_an_answer_whose_images_are_missing_says_so_beside_the_others(monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    at = visit("compare", answer=[MEAN, "simple-cnn_cifar10:conv2:fpgm", "simple-cnn_cifar10:conv2:l2"], k="8")
    (warning,) = at.warning
    assert (
        "2 · " in warning.value and "3 · " in warning.value and "would have to be computed on CIFAR-10" in warning.value
    )
    assert at.dataframe[0].value["Answer"].tolist() == ["1 · SimpleCNN on Fashion-MNIST, Mean activation"]


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        ([MEAN], ["1 · Mean activation"]),
        ([MEAN, f"{MEAN}:mode=weights"], ["1 · zero the filter", "2 · zero its weights only"]),
        ([MEAN, f"{L1}:mode=weights"], ["1 · Mean activation", "2 · L1 norm, zero its weights only"]),
        ([MEAN, f"{MEAN}:k=0-32-2"], ["1 · every K", "2 · K = 0, 2, 4 … 32"]),
        (
            [f"{BUNDLED}:conv2:random", f"{BUNDLED}:conv2:random:seed=1"],
            ["1 · seed 0", "2 · seed 1"],
        ),
        ([MEAN, f"{MEAN}:on=train"], ["1 · ranked on test images", "2 · ranked on training images"]),
    ],
)
def test_names_tell_answers_apart(texts, names):
    assert list(comparing.named([comparing.view_of(text) for text in texts])) == names


def test_what_is_said_to_beat_surely_does_on_the_images_that_both_saw():
    """L1's curve ships over 2,000 images, that of the mean over all: more right over fewer is no more of the same."""
    at = visit("compare", checkpoint="resnet18_cifar10")
    (said,) = [text.value for text in at.markdown if text.value.startswith("At K = ")]
    assert "**2 · L1 norm** cannot be told from **1 · Mean activation**" in said
