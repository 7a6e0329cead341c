"""The Train page."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from app_test import BUNDLED, badges, labels, look, metrics, percent, settle, stand_in, until, visit

from explorer.answers.labs import LABS
from explorer.images import datasets
from explorer.networks import checkpoints
from explorer.networks.registry import MODELS
from explorer.training import trainings
from explorer.training.finetuning import finetuning_recipe
from explorer.training.recipes import RECIPES, recipe_for


def start_of(at):
    return next(button for button in at.button if button.label == "Start training")


@pytest.mark.slow
def test_a_training_from_the_page_ends_in_every_picker(own_folder):
    at = visit("train", train_epochs="1", train_validation="0.9", train_batch_size="256")
    assert not at.error and not at.warning
    assert "None yet" in at.caption[-1].value
    at.text_input(key="train description").set_value("a quick one")
    start_of(at).click()
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
        fits = {info.title for info in datasets.readable_datasets() if info.inputs == MODELS[model].inputs}
        assert set(at.selectbox(key="data").options) == fits and at.selectbox(key="data").value


def test_what_the_form_says_is_what_is_asked(own_folder, monkeypatch):
    asked = []
    monkeypatch.setattr(trainings, "submit", lambda *request, start: asked.append((*request, start)))
    at = visit(
        "train", network="block-net", train_optimizer="sgd", train_clamp="0.5", train_flip="0.25", train_seed="7"
    )
    assert not at.error
    at.number_input(key="train_lr").set_value(0.05)
    at.text_input(key="train name").set_value("wide")
    start_of(at).click()
    look(at)
    recipe = replace(recipe_for("block-net", "fashion-mnist"), optimizer="sgd", clamp=0.5, flip=0.25, seed=7, lr=0.05)
    assert asked == [("block-net", "fashion-mnist", recipe, "wide", "", "")]


def test_a_network_is_fine_tuned_by_its_recipe_in_smaller_steps(own_folder, monkeypatch):
    asked = []
    monkeypatch.setattr(trainings, "submit", lambda *request, start: asked.append((*request, start)))
    at = visit("train")
    assert at.selectbox(key="train start").value == "Random weights"
    at.selectbox(key="train start").select(BUNDLED)
    at.run()
    assert not at.error, at.error[0].value
    assert at.number_input(key="train_lr").value == 1e-4
    start_of(at).click()
    look(at)
    recipe = finetuning_recipe(checkpoints.read_card(BUNDLED))
    assert asked == [("simple-cnn", "fashion-mnist", recipe, f"{BUNDLED}-tuned", "", BUNDLED)]
    at.selectbox(key="network").select("block-net")
    at.run()
    assert at.selectbox(key="train start").value == "Random weights"
    assert at.number_input(key="train_epochs").value == RECIPES["block-net"].epochs
    at.selectbox(key="network").select("simple-cnn")
    at.run()
    assert at.number_input(key="train_lr").value == RECIPES["simple-cnn"].lr


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
    assert start_of(at).disabled


def test_missing_data_offers_the_download(own_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "nowhere"))
    at = visit("train", data="mnist")
    assert at.warning[0].value.startswith("This training needs MNIST, which is not on this machine: download it here")
    assert at.button(key="download mnist").label == "Download MNIST (12 MB)"
    assert next(button for button in at.button if button.label == "Start training").disabled


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
    assert not at.error and not start_of(at).disabled


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


def test_a_button_that_comes_too_late_says_so(own_folder):
    stand_in("gone", cancelled=True)
    at = look()
    trainings.remove("gone")
    at.button(key="resume gone").click()
    look(at)
    assert at.error[0].value == "That did not work: there is no job 'gone' any more."
    assert not look(at).error


def test_a_folder_that_cannot_be_used_is_one_sentence(own_folder):
    (own_folder / "trainings").mkdir()
    (own_folder / "trainings" / "mutex").mkdir()
    at = look()
    (own_folder / "trainings" / "mutex").rmdir()
    assert at.error[0].value.startswith("Nothing can be trained here: ")


@pytest.mark.parametrize("lab", list(LABS))
def test_a_click_fills_in_the_recipe_of_a_labs_network(own_folder, monkeypatch, lab):
    card = checkpoints.read_card(LABS[lab].checkpoint, checkpoints_of_the_app())
    monkeypatch.setattr(checkpoints, "read_card", lambda name: card)
    at = visit("train", train_epochs="3")
    at.button(key=f"as in lab {lab}").click()
    look(at)
    assert at.selectbox(key="network").value == card.model and at.selectbox(key="data").value == card.dataset
    for name in ("epochs", "batch_size", "lr", "validation", "crop"):
        assert at.number_input(key=f"train_{name}").value == pytest.approx(card.recipe[name])
    assert at.selectbox(key="train_schedule").value == card.recipe["schedule"] and not at.error


def checkpoints_of_the_app() -> Path:
    return Path(__file__).parent.parent.parent / "checkpoints"


def test_how_long_it_takes_is_measured_on_a_click_and_said_with_what_it_is_based_on(own_folder):
    at = visit("train", train_batch_size="128", train_epochs="3")
    at.number_input(key="train_batch_size").set_value(256)  # leaving the field is the click on the button
    next(button for button in at.button if "How long" in button.label).click()
    settle(at)
    (said,) = [text.value for text in at.caption if "on this machine" in text.value]
    assert re.search(
        r"About \*\*.+\*\* on this machine: 3 epochs of at most .+, going by [\d,]+ images that were timed", said
    )
    assert not trainings.list_trainings() and not list(own_folder.glob("*.resume.pt")), "nothing is kept of it"


def test_the_title_says_what_is_training(own_folder):
    assert any("Nothing is training now" in text.value for text in look().markdown)
    stand_in("first", "import time; time.sleep(600)")
    until(lambda: trainings.list_trainings()[0].job.state == "running")
    assert any("Now **first** is training." in text.value for text in look().markdown)
    trainings.queue().cancel("first")
