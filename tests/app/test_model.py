"""The Model page: the card, and networks of one's own renamed, described and deleted."""

import pytest
from app_test import BUNDLED, change, labels, metrics, percent, settle, visit

from explorer.networks import checkpoints


def test_the_model_page_tells_what_the_card_says():
    at = visit("model")
    card = checkpoints.read_card(BUNDLED)
    assert metrics(at)["Test accuracy"] == percent(card.accuracy["test"].accuracy)
    layers = at.dataframe[0].value
    assert layers.loc[layers["layer"] == "conv2", "output"].tolist() == ["32 × 14 × 14"]
    assert layers["parameters"].sum() == 409_034


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


def test_a_name_that_is_taken_is_refused_in_one_sentence(own_folder):
    at = change(visit("model", checkpoint="mine"), "mine", name=BUNDLED)
    assert "is the name of a network that comes with the app" in at.error[0].value
    assert at.selectbox(key="checkpoint").value == "mine"


@pytest.mark.slow
def test_a_tab_on_a_network_that_another_tab_deletes_turns_to_one_that_is_there(own_folder):
    at = visit("prune", checkpoint="mine", k="3")
    checkpoints.delete("mine")
    settle(at)
    assert at.selectbox(key="checkpoint").value == BUNDLED and not at.error
