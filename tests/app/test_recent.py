"""What a tab has looked at: an entry a view, and back to it as it was."""

from dataclasses import replace

import pytest
from app_test import BUNDLED, settle, visit

from explorer.app import recent

pytestmark = pytest.mark.usefixtures("shipped_answers")


def seen(at) -> list[str]:
    return [each.label for each in at.session_state[recent.SEEN]]


def go(at, place: int):
    """What choosing an entry of the list does."""
    at.session_state[recent.BACK] = at.session_state[recent.SEEN][place]
    return settle(at)


def test_a_view_is_an_entry_and_a_move_of_k_is_none():
    at = visit(criterion="l1", k="3")
    at.slider(key="k").set_value(7)
    at = settle(at)
    assert seen(at) == ["Prune: SimpleCNN on Fashion-MNIST, conv2, L1 norm, K = 7"]
    assert not at.get("menu_button"), "there is nothing to go back to"
    at.selectbox(key="criterion").select("mean")
    at = settle(at)
    assert seen(at)[0].endswith("conv2, Mean activation, K = 7") and len(seen(at)) == 2
    (menu,) = at.get("menu_button")
    assert menu.proto.label == "Recent" and list(menu.proto.options) == [f"1 · {seen(at)[1]}"]


def test_it_goes_back_to_the_page_and_everything_on_it():
    at = visit("sweep", criteria=["l1"], reversed="", ks=["0", "16"], axis="ratio", k="4", criterion="l1")
    before = dict(at.query_params)
    at.selectbox(key="criterion").select("mean")
    at = settle(at)
    at = settle(at.switch_page("explorer/app/pages/compare.py"))
    at = go(at, -1)
    assert at.query_params == before and not at.warning
    assert at.dataframe[0].value["criterion"].tolist() == ["l1"]


def test_it_comes_back_from_another_page_and_leaves_the_comparison():
    at = visit(criterion="l1", k="5")
    at = settle(at.switch_page("explorer/app/pages/compare.py"))
    at.session_state[recent.GATHERED] = [f"{BUNDLED}:conv2:l1"]
    at = settle(at)
    assert seen(at)[0] == "Compare: 1 answer, K = 5" and seen(at)[-1].startswith("Prune")
    at = go(at, -1)
    assert "Accuracy at K = 5" in [each.label for each in at.metric]
    assert at.session_state[recent.GATHERED] == [f"{BUNDLED}:conv2:l1"]


def test_there_are_twelve_at_most_and_one_that_is_gone_is_named():
    at = visit()
    (here,) = at.session_state[recent.SEEN]
    gone = [replace(here, query={"checkpoint": [f"gone-{place}"]}) for place in range(recent.MOST)]
    at.session_state[recent.SEEN] = gone
    at = settle(at)
    assert at.session_state[recent.SEEN] == [here, *gone[:-1]]
    at = go(at, 1)
    assert "“gone-0” is no trained network here" in at.warning[0].value and len(at.warning) == 1


def test_a_comparison_is_its_answers_whatever_the_sidebar_stands_at():
    query = {recent.GATHERED: ["a:b:c"]}
    one, other = (
        recent.Seen("compare.py", "Compare", {}, query | more) for more in ({}, {"layer": ["conv1"], "k": ["3"]})
    )
    assert one.way == other.way != recent.Seen("compare.py", "Compare", {}, {recent.GATHERED: ["a:b:d"]}).way


def test_words_from_elsewhere_are_no_markup():
    values = {"checkpoint": "x", "layer": "*a*[b](c)", "criterion": "l1", "mode": "weights", "k": 3}
    label = "Prune: x, \\*a\\*\\[b\\](c), L1 norm, zero its weights only, K = 3"
    assert recent.Seen("", "Prune", values, {}).label == label
