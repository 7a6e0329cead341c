"""The page of lessons: at once and without a data set, each by its link."""

import pytest
from app_test import settle, visit, without_data

from explorer.answers.lessons import LESSONS


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_opens_from_what_ships_on_a_machine_without_images(shipped_answers, monkeypatch, tmp_path, name):
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    at = visit("lessons", lesson=name)
    (chart,) = at.get("vega_lite_chart")
    said = " ".join(text.value for text in at.markdown)
    assert not at.warning and not at.error and not at.progress
    assert LESSONS[name].expected in said and "95 % interval" in said
    assert all(title in chart.proto.alt for title in LESSONS[name].curves)
    assert len(at.dataframe) == (name != "norms")


def test_the_table_of_lab_a_says_what_is_really_gone(shipped_answers):
    table = visit("lessons", lesson="bias").dataframe[0].value.set_index("k")
    assert table["other_gone"][10] == 30 and "one_gone" not in table, "as assigned, K channels are gone at K"


def test_a_lesson_is_chosen_and_stands_in_the_link(shipped_answers):
    at = visit("lessons")
    at.main.button_group(key="lesson").set_value("inputs")
    settle(at)
    assert at.query_params["lesson"] == "inputs" and "weight" in " ".join(text.value for text in at.markdown)
    assert len(visit("lessons", lesson="magic").warning) == 1


def test_where_a_network_has_no_answers_its_images_are_asked_for(monkeypatch, tmp_path):
    without_data(monkeypatch, tmp_path)
    at = visit("lessons", lesson="bias")
    assert "CIFAR-10, which is not on this machine" in at.warning[0].value and not at.exception
