"""A server with a password: whoever has not given it may look at everything and change nothing."""

import pytest
from app_test import BUNDLED, labels, look, settle, visit

from explorer.app import guard
from explorer.app.guard import MOST_WRONG, Tries
from explorer.background.board import Jobs
from explorer.files.places import checkpoints_root
from explorer.networks import checkpoints
from explorer.training import trainings

WORD = "pässword"


@pytest.fixture
def password(monkeypatch, own_folder):
    monkeypatch.setenv(guard.VARIABLE, WORD)
    monkeypatch.setattr(guard, "_address", lambda: "here")
    guard._tries.clear()


def give(at, word: str, key: str):
    at.text_input(key=f"password {key}").set_value(word)
    next(button for button in at.button if button.label == "Unlock").click()
    return settle(at)


def test_without_a_password_nothing_asks_for_one(monkeypatch):
    monkeypatch.delenv(guard.VARIABLE, raising=False)
    assert not visit("model").text_input or "Password" not in [each.label for each in visit("model").text_input]


def test_who_may_not_touch_sees_no_way_to_change_the_server_and_may_look(password):
    at = visit("model", checkpoint="mine")
    assert not at.error and {"Save", "Delete for good"}.isdisjoint(labels(at))
    assert not [label for label in labels(at) if label.startswith("Download ")]
    assert "Start training" not in labels(look())
    assert visit("prune").metric, "looking needs no password"


def test_the_password_opens_this_tab_and_no_other(password):
    at = give(visit("model", checkpoint="mine"), WORD, "mine")
    assert {"Save", "Delete for good"} <= set(labels(at))
    at.button(key="delete mine").click()
    settle(at)
    assert checkpoints.list_checkpoints() == [BUNDLED]
    assert "Start training" not in labels(look())


def test_a_wrong_password_is_said_and_too_many_are_no_longer_looked_at(password):
    at = visit("model", checkpoint="mine")
    for _ in range(MOST_WRONG):
        at = give(at, "wrong", "mine")
        assert at.error[0].value == "That is not the password."
    at = give(at, WORD, "mine")
    assert at.error[0].value == "Too many wrong passwords: try again in 60 s." and "Save" not in labels(at)


def test_tries_count_by_address_and_for_a_while(monkeypatch):
    clock, tries = [0.0], Tries()
    monkeypatch.setattr(guard.time, "monotonic", lambda: clock[0])
    assert [tries.are_right("a", "x", WORD) for _ in range(MOST_WRONG + 1)] == [False] * MOST_WRONG + [None]
    assert tries.are_right("b", WORD, WORD) is True
    clock[0] = guard.PERIOD
    assert tries.are_right("a", WORD, WORD) is True and not tries._wrong


@pytest.mark.parametrize(
    ("callback", "arguments"),
    [
        ("explorer.app.pages.model.delete", ("mine",)),
        ("explorer.app.own.delete", ("pets",)),
        ("explorer.app.downloads.start_download", ("cifar10",)),
        ("explorer.app.importing.start", ("images", "pets", lambda told: None)),
    ],
)
def test_every_way_to_change_the_server_asks(password, monkeypatch, callback, arguments):
    """As a forged message would call it, whatever is on the page."""
    import importlib

    import streamlit as st

    state: dict = {}
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr(Jobs, "submit", lambda *args, **options: pytest.fail("it was started"))
    monkeypatch.setattr(trainings, "delete", lambda name: pytest.fail("it was deleted"))
    before = sorted(checkpoints_root().iterdir())
    module, name = callback.rsplit(".", 1)
    if ".pages." in module:
        from explorer.app import waiting

        assert not waiting.attempt(trainings.delete, *arguments)
    else:
        getattr(importlib.import_module(module), name)(*arguments)
    assert "changed with its password only" in next(iter(state.values()))
    assert sorted(checkpoints_root().iterdir()) == before
