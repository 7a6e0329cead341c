"""Links reproduce a view, and what in them is not valid gets one sentence."""

from urllib import parse

import pytest
import streamlit as st
from app_test import BUNDLED, metrics, percent, prune_link, settle, visit

from explorer.app import links


def test_a_link_reproduces_a_view():
    at = visit(layer="conv1", criterion="random", seed="7", mode="weights", k="3")
    assert not at.warning
    assert at.selectbox(key="layer").value == "conv1"
    assert at.selectbox(key="criterion").value == "random"
    assert at.number_input(key="seed").value == 7
    assert at.selectbox(key="mode").value == "weights"
    assert at.slider(key="k").value == 3 and at.slider(key="k").max == 16


@pytest.mark.slow
def test_what_was_chosen_stays_from_page_to_page(real_cifar10):
    at = visit(lab="A", k="6")
    at = settle(at.switch_page("explorer/app/pages/activations.py"))
    assert prune_link(at)["checkpoint"] == "simple-cnn_cifar10" and at.slider(key="k").value == 6
    at.sidebar.selectbox(key="layer").select("conv1")
    at = settle(at)
    at = settle(at.switch_page("explorer/app/pages/prune.py"))
    assert (prune_link(at)["layer"], prune_link(at)["lab"], at.slider(key="k").value) == ("conv1", None, 6)


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
            "The link's mode “🙂” is no mode that fits conv2: choose one of filter, weights, channel; showing filter.",
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
        ("prune", {"details": "all"}, "choose one of flips, class table, confusion matrix, network; showing flips."),
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
            {"show": "layers", "layers": "some", "checkpoint": "lab-resnet_cifar10"},
            "The link's layers “some” is not known: choose one of blocks, all; showing blocks.",
        ),
        ("scan", {"show": "all"}, "“all” is not known: choose one of map, curves, layers; showing map."),
        ("scan", {"loss": "3"}, "“3” is no loss to choose: choose one of 0.5, 1, 2, 5; showing 1."),
        ("scan", {"layer": "fc1"}, "“fc1” is not among the layers scanned: choose one of conv1, conv2; showing conv2."),
        (
            "scan",
            {"mode": "inputs"},
            "“inputs” is no mode that fits these layers: choose one of filter, weights, channel;",
        ),
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


def test_a_curve_opens_on_prune_with_all_that_makes_it():
    at = visit("sweep", criteria="mean", reversed="l1", criterion="l1-reversed", mode="weights", step="8", k="24")
    link = next(link.proto for link in at.get("page_link") if "on Prune" in link.proto.label)
    asked = dict(parse.parse_qsl(link.query_string))
    assert link.label == "Look closer at L1 norm, reversed at K = 24 on Prune"
    wanted = {"checkpoint": BUNDLED, "layer": "conv2", "criterion": "l1-reversed", "mode": "weights", "k": "24"}
    assert wanted.items() <= asked.items()
    there = visit(**asked)
    accuracy = at.dataframe[1].value["l1-reversed"][24]
    assert not there.warning and metrics(there)["Accuracy at K = 24"] == percent(accuracy)


def test_the_address_says_in_short_names_what_is_not_as_usual():
    at = visit(criterion="l1")
    assert at.query_params == {"criterion": "l1"}
    at.slider(key="k").set_value(5)
    at.selectbox(key="mode").select("weights")
    settle(at)
    assert at.query_params == {"criterion": "l1", "mode": "weights", "k": "5"}
    at.slider(key="k").set_value(16)
    settle(at)
    assert "k" not in at.query_params


def test_what_the_user_goes_back_to_is_shown_again():
    at = visit(k="5")
    at.selectbox(key="criterion").select("l1")
    settle(at)
    at.query_params.clear()
    at.query_params["k"] = "5"  # as the browser says it
    settle(at)
    assert at.selectbox(key="criterion").value == "mean" and at.slider(key="k").value == 5


def test_two_steps_back_at_once_end_at_the_second(monkeypatch):
    """The second cuts the run of the first, which took its address over and has not written it yet."""
    at = visit(k="5", lang="zh")
    at.slider(key="k").set_value(6)
    settle(at)
    write, cuts = links.write, [True]

    def cut_once(whole):
        if cuts and cuts.pop():
            st.query_params.from_dict({"k": "4"})
            st.rerun()
        write(whole)

    monkeypatch.setattr(links, "write", cut_once)
    at.query_params["k"] = "5"
    settle(at)
    assert not cuts and at.slider(key="k").value == 4 and metrics(at)["Accuracy at K = 4"]
    assert at.query_params == {"k": "4"}


def test_lists_switches_and_what_is_empty_come_back_from_an_address():
    at = visit("sweep", criteria=["l1", "l2"], ks=["2", "9"])
    assert at.query_params["criteria"] == ["l1", "l2"] and at.query_params["ks"] == ["2", "9"]
    at = visit("sweep", criteria="", reversed="l1")
    assert at.query_params["criteria"] == "" and not at.warning
