"""The Model page: the card, and networks of one's own renamed, described and deleted."""

import json

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
    pools = layers[layers["layer"] == "pool"]
    assert pools["output"].tolist() == ["16 × 14 × 14", "32 × 7 × 7"] and pools["stride"].tolist() == ["2", "2"]
    (fc1,) = layers.loc[layers["layer"] == "fc1", "weights"]
    assert fc1 == "256 × 1,568 + 256" and 256 * 32 * 7 * 7 + 256 == 401_664


def test_the_network_is_drawn_and_its_data_have_their_makers():
    at = visit("model", checkpoint="siamese_mnist-pairs")
    drawn = at.get("vega_lite_chart")[0].proto.alt
    assert drawn == "The network: 2 convolutions, 4 linear layers, 0 residual additions"
    said = [text.value for text in (*at.markdown, *at.caption)]
    makers = "Yann LeCun, Corinna Cortes and Christopher Burges, CC BY-SA 3.0"
    assert sum(makers in text for text in said) == 3, "beside the pictures, and at both data sets"
    assert any("© Zalando SE, MIT licence" in text for text in said)


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


HOSTILE = "![x](http://evil.example/x.png) [y](http://evil.example) <b>http://evil.example</b> # \ud800 :red[z] $x$"


def test_what_a_card_says_is_text(own_folder):
    path = own_folder / "mine.json"
    fields = json.loads(path.read_text())
    fields |= {
        "description": HOSTILE,
        "recipe": {HOSTILE: HOSTILE},
        "versions": {HOSTILE: HOSTILE, "long": "x" * 900_000},
    }
    path.write_text(json.dumps(fields))
    at = visit("model", checkpoint="mine")
    said = [each.value for each in (*at.markdown, *at.caption, *at.subheader, *at.error, *at.warning)]
    assert any("evil" in text for text in said), "it is shown"
    assert not [text for text in said if "http://evil" in text or "![x]" in text or "\ud800" in text]
    assert max(map(len, said)) < 10_000


def test_what_a_broken_card_says_is_text(own_folder):
    path = own_folder / "mine.json"
    fields = json.loads(path.read_text())
    for edit in ({"model": HOSTILE}, {"dataset": HOSTILE}):
        path.write_text(json.dumps(fields | edit))
        at = visit("model", checkpoint="mine")
        assert len(at.error) == 1 and "http://evil" not in at.error[0].value and "![x]" not in at.error[0].value
