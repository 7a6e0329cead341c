"""The Compress page."""

from dataclasses import replace

import pytest
from app_test import BUNDLED, captions, metrics, percent, settle, visit, without_data

from explorer.answers import compressing, queueing
from explorer.answers.compressing import Compression
from explorer.answers.removing import carry_out, groups_of
from explorer.app import gains, tuning
from explorer.compression.plans import Plan
from explorer.compression.saving import card_of
from explorer.images import datasets
from explorer.networks import checkpoints
from explorer.networks.cards import Parent, Score
from explorer.training.finetuning import finetuning_recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def half():
    """What half of every layer comes to, from the core alone."""
    *_, found = compressing.compressed(checkpoints.load(BUNDLED), Compression(share=0.5))
    return found


def test_the_page_shows_what_half_of_every_layer_comes_to(half):
    at = visit("compress")
    shown, merits = metrics(at), half.merits.frame().iloc[-1]
    assert shown["Accuracy"] == percent(merits["accuracy"])
    assert (shown["Parameters"], shown["Multiply-adds"], shown["File"]) == ("205 k", "486 k", "820 kB")
    said = " ".join(text.value for text in at.markdown)
    assert "24 channels of 2 groups of layers" in said and f"**{percent(merits['flops_reduction'])} less**" in said
    assert "Removed or masked, all 10,000 predictions are the same" in said
    assert "adding up what each changes alone" in captions(at)
    tuned, ways, totals, layers = (each.value for each in at.dataframe)
    assert tuned["After pruning"].tolist()[0].startswith(percent(merits["accuracy"])), "and nothing is fine-tuned yet"
    assert ways["network"].tolist() == ["unpruned", "block"]
    assert totals["Quantity"][:2].tolist() == ["Parameters", "MACs (multiply-adds)"]
    assert totals["Before"][:2].tolist() == ["409,034", "1,420,032"]
    assert layers["layer"].tolist() == ["conv1", "relu", "pool", "conv2", "fc1", "fc2"]
    assert at.slider(key=f"k of {BUNDLED} conv2").value == 16
    assert not [text.value for text in at.warning], "nothing is wrong"


def test_a_plan_is_made_layer_by_layer_and_stays_in_the_link():
    at = visit("compress", share="20")
    at.slider(key=f"k of {BUNDLED} conv1").set_value(0)
    settle(at)
    assert at.query_params["plan"] == "conv2:6"
    assert "6 channels of 1 group of layers" in " ".join(text.value for text in at.markdown)
    again = visit("compress", share="20", plan="conv2:6")
    assert again.slider(key=f"k of {BUNDLED} conv2").value == 6
    at.button_group(key="way").set_value("share")
    settle(at)
    at.select_slider(key="share").set_value("40")
    settle(at)
    assert "plan" not in at.query_params and at.query_params["share"] == "40"


def test_a_plan_is_chosen_by_a_threshold_or_for_a_target_and_goes_on_by_hand():
    at = visit("compress", way="threshold", threshold="1.1")
    plan = compressing.plan_of(point := checkpoints.load(BUNDLED), Compression(threshold=1.1), groups_of(point))
    with pytest.raises(StopIteration) as found:
        next(plan)
    gone = sum(found.value.value.ks.values())
    assert f"{gone} channels of" in " ".join(text.value for text in at.markdown)
    at.button_group(key="way").set_value("target")
    settle(at)
    assert at.query_params["way"] == "target" and "threshold" not in at.query_params
    at.button_group(key="target").set_value("macs")
    at.run()
    at.select_slider(key="macs_left").set_value("60")
    settle(at)
    assert at.query_params["target"] == "macs" and at.query_params["macs_left"] == "60"
    said = " ".join(text.value for text in at.markdown)
    assert "At most 60 % of the multiply-adds were to be left" in said
    ks = {layer: at.slider(key=f"k of {BUNDLED} {layer}").value for layer in ("conv1", "conv2")}
    at.button_group(key="way").set_value("hand")
    settle(at)
    assert at.query_params["plan"] == ",".join(f"{layer}:{k}" for layer, k in ks.items() if k), "it begins there"
    assert not at.warning and not at.error


def test_a_target_that_cannot_be_met_is_one_sentence_with_the_nearest():
    at = visit("compress", way="target", target="macs", macs_left="10", minimum="64")
    assert "no layer of this network can lose a channel" in at.error[0].value
    at = visit("compress", way="target", target="macs", macs_left="10", minimum="12")
    assert "10.00 % of the MACs cannot be reached; the nearest that can is" in at.error[0].value


def test_steps_stand_beside_all_at_once():
    at = visit("compress", steps="2", minimum="8")
    assert at.dataframe[1].value["network"].tolist() == ["unpruned", "block", "2 steps"]


def test_what_is_wrong_with_a_link_is_said():
    at = visit("compress", share="55", plan="conv1", minimum="0", compress_by="mean", way="magic")
    said = " ".join(text.value for text in at.warning)
    assert "The link's share “55” is not one of 10, 20" in said
    assert "The link's way “magic” is not known: choose one of share, threshold, target, hand" in said
    assert "The link's plan “conv1” is not LAYER" in said
    assert "The link's minimum “0” is outside the range" in said
    assert "is no criterion that ranks by weights alone" in said
    assert metrics(at)["Multiply-adds"] == "486 k"


@pytest.mark.parametrize(
    ("plan", "said"),
    [("conv9:1", "'conv9', which is no convolution here"), ("conv1:16", "K = 16 leaves layer 'conv1' empty")],
)
def test_a_plan_that_does_not_fit_is_one_sentence(plan, said):
    at = visit("compress", plan=plan)
    assert said in at.error[0].value


def test_a_network_that_cannot_be_traced_cannot_be_compressed(fickle):
    at = visit("compress")
    assert "Fickle cannot be traced" in at.error[0].value and not at.exception


def test_without_its_images_the_page_offers_the_download(monkeypatch, tmp_path):
    without_data(monkeypatch, tmp_path)
    at = visit("compress", checkpoint="simple-cnn_cifar10")
    assert len(at.warning) == 1 and not at.error
    assert at.button(key="download cifar10").label == "Download CIFAR-10 (170 MB)"


def test_pairs_are_called_pairs():
    if datasets.availability("mnist-pairs") == "missing":
        pytest.skip("MNIST is not under the data root")
    at = visit("compress", checkpoint="siamese_mnist-pairs")
    words = captions(at)
    assert "2,000 test pairs" in words and "test images" not in words


def test_what_is_left_is_kept_as_a_network(own_folder):
    at = visit("compress", share="90")
    at.text_input(key=f"name of compressed {BUNDLED}").set_value("tiny-one")
    at.button(key="keep compressed").click()
    settle(at)
    assert not at.error
    point = checkpoints.load("tiny-one")
    assert point.model.conv2.weight.shape == (4, 2, 3, 3)  # 14 of 16 and 28 of 32 channels are gone
    assert point.card.parent.name == BUNDLED


def test_what_is_left_is_fine_tuned_on_the_train_page(own_folder):
    at = visit("compress", share="90")
    at.text_input(key=f"name of compressed {BUNDLED}").set_value("tiny-one")
    at.button(key="tune compressed").click()
    settle(at)
    assert not at.error and at.selectbox(key="train start").value == "tiny-one"
    recipe = finetuning_recipe(checkpoints.read_card("tiny-one"))
    assert at.number_input(key="train_lr").value == recipe.lr
    assert at.number_input(key="train_epochs").value == recipe.epochs


def test_what_fine_tuning_wins_back_stands_side_by_side_and_more_is_queued(own_folder, monkeypatch):
    point = checkpoints.load(BUNDLED)
    plan = Plan.of({"conv2": 28})
    *_, step = carry_out(point, plan, groups_of(point))
    card = card_of(step.model, point, plan, Score(8_000, 10_000), epochs=3, steps=2, pruned=Score(6_000, 10_000))
    checkpoints.save("tuned", step.model, card, own_folder)
    asked = []
    monkeypatch.setattr(queueing, "queue", lambda *given, **more: asked.append((*given[1:], more)))
    at = visit("compress", plan="conv2:28")
    (table,) = (each.value for each in at.dataframe if "Fine-tuned" in each.value)
    assert table["Network"].tolist() == ["tuned", "this plan, block"]
    assert table["After pruning"][0].startswith("60.00 % (") and table["Fine-tuned"][0].startswith("80.00 % (")
    assert table["Fine-tuned"][1] == "–", "without fine-tuning"
    whole = 28 * 28 * 16 * 9 + 14 * 14 * 32 * 16 * 9 + 49 * 32 * 256 + 2560
    left = 28 * 28 * 16 * 9 + 14 * 14 * 4 * 16 * 9 + 49 * 4 * 256 + 2560
    assert table["Multiply-adds"].tolist() == [f"{left / 1000:.0f} k ({percent(left / whole)})"] * 2
    (drawn,) = (each.proto.alt for each in at.get("vega_lite_chart") if "against multiply-adds" in each.proto.alt)
    assert f"tuned 80.00 % at {percent(left / whole)}" in drawn, "no plan beats it"
    assert "Diamonds: fine-tuned, over 10,000 test images." in captions(at)
    at.button(key="finetune here").click()
    at.run()
    assert not at.exception and not at.error
    more = {"steps": 1, "minimum": 1, "limit": None}
    assert asked == [(plan, f"{BUNDLED}-finetuned", finetuning_recipe(point.card).epochs, more)]


def test_a_network_that_was_compressed_is_the_first_example(own_folder):
    point = checkpoints.load("mine")
    made = Parent("mine", point.sha256, "conv2:8", "l2", epochs=3, pruned=Score(60, 100))
    card = replace(point.card, parent=made, accuracy={**point.card.accuracy, "test": Score(85, 100)})
    checkpoints.save(tuning.EXAMPLE, point.model, card, own_folder)
    at = visit("compress", share="90")
    assert at.button(key="example").label.endswith("fine-tuned to 85.00 %")
    at.button(key="example").click()
    settle(at)
    assert at.query_params["checkpoint"] == "mine" and at.query_params["plan"] == "conv2:8"
    assert at.query_params["compress_by"] == "l2" and not at.error
    assert "example" not in [button.key for button in at.button], "one is there already"


def test_what_fine_tuning_won_back_stands_there_without_the_images(monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    card = checkpoints.read_card(tuning.EXAMPLE)
    at = visit("compress", checkpoint=card.parent.name)
    (table,) = (each.value for each in at.dataframe)
    assert table["Network"].tolist() == [tuning.EXAMPLE]
    assert table["Before"][0].startswith("93.39 % (") and table["Fine-tuned"][0].startswith("93.10 % (")
    assert "CIFAR-10, which is not on this machine" in at.warning[0].value


def test_a_metric_has_a_number_that_fits_it():
    assert [gains.short("latency", ms) for ms in (0.0771, 1, 6.94)] == ["77.1 µs", "1 ms", "6.94 ms"]
    assert gains.short("file", 1_636_736) == "1.64 MB" and gains.short("MACs", 485_504) == "486 k"
