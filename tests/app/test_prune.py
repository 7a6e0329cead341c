"""The Prune page, and what all pages have in common: they open without a click, K moves, tables read alike."""

import pandas as pd
import pytest
from app_test import BUNDLED, PAGES, captions, metrics, percent, settle, visit

from explorer.app import drawing, views
from explorer.images import datasets
from explorer.networks import checkpoints


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_without_a_click(page):
    at = visit(page)
    assert not at.error and not at.warning
    assert at.get("vega_lite_chart")
    assert at.selectbox(key="checkpoint").value == BUNDLED
    addresses = [picture.url for image in at.get("image") for picture in image.proto.imgs]
    # a file would be gone once the page is left, and be logged as missing where it is still being loaded
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert bool(addresses) == (page in ("prune", "activations", "model"))


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


def test_k_moves_in_the_steps_of_the_ranking():
    at = visit(schedule="rerank", step="5", mode="weights", k="7")
    assert at.slider(key="k").value == 5 and at.slider(key="k").step == 5
    assert at.button(key="more").label == "+5"


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


def test_flips_can_be_turned_to_the_repaired_ones():
    at = visit(k="20", flips="repaired")
    captions = [image.proto.imgs[0].caption for image in at.get("image")]
    assert captions
    for caption in captions:
        truth, flip = caption.removeprefix("true ").split("  \n")
        assert flip.endswith(f"→ **{truth}**") and not flip.startswith(f"{truth} →")


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


def test_the_network_is_drawn_where_it_is_asked_for():
    at = visit(details="network")
    drawn = [chart.proto.alt for chart in at.get("vega_lite_chart")]
    assert len(drawn) == 3, "the curve, the network, the classes"


def test_a_channel_can_be_removed_which_leaves_no_more_than_a_zeroed_filter_where_no_batch_norm_follows(truth):
    at = visit(mode="channel", k="20")
    assert metrics(at)["Accuracy at K = 20"] == percent(truth["accuracy"][20])
    assert "layers at once" not in captions(at)


def test_the_page_says_which_layers_lose_a_channel_together():
    point = checkpoints.load("resnet18_cifar10")
    layers = "layer2.0.conv2, layer2.0.downsample.0 and layer2.1.conv2"
    words = f":material/link: Each channel goes from 3 layers at once: {layers} are added to the same stream."
    assert views.going_together(point, "layer2.1.conv2", "channel") == words
    assert views.partners(point, "layer2.1.conv2", "channel") == ("layer2.0.conv2", "layer2.0.downsample.0")
    assert not views.going_together(point, "layer2.1.conv2", "filter")
    assert not views.going_together(point, "layer2.1.conv1", "channel")


def test_the_tour_has_five_steps_and_stays_away_once_it_was_left():
    at = visit()
    tour = "of 5. "
    assert not any(tour in text.value for text in at.markdown)
    next(button for button in at.button if button.label == "Tour").click()
    for step in range(1, 6):
        settle(at)
        assert [text.value.split(tour)[0] for text in at.markdown if tour in text.value] == [f":material/tour: {step} "]
        at.button(key="tour next").click()
    settle(at)
    assert not any(tour in text.value for text in at.markdown)
