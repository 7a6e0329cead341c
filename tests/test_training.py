from dataclasses import replace

import pytest
import safetensors.torch
import torch

from explorer import checkpoints, training
from explorer.models import MODELS
from explorer.training import Recipe, hold_out, learning_rate, random_crop, random_flip, recipe_for, state_path, train

RECIPE = Recipe(epochs=4, batch_size=16, lr=5e-3, seed=3)
NAME = "simple-cnn_tiny"


def run(out, recipe=RECIPE, epochs=None, **options):
    """The records of a training, stopped after so many epochs."""
    records = []
    for record in train("simple-cnn", "tiny", recipe, out, device="cpu", **options):
        records.append(record)
        if len(records) == epochs:
            break
    return records


def saved_weights(out):
    return safetensors.torch.load_file(out / f"{NAME}.safetensors")


def assert_same_weights(one, other):
    one, other = saved_weights(one), saved_weights(other)
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# A training from start to end


def test_trains_and_saves_a_checkpoint_with_its_card(tiny, tmp_path):
    records = run(tmp_path)
    assert [(r.epoch, r.epochs) for r in records] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert records[-1].train_loss < records[0].train_loss and all(r.seconds > 0 for r in records)
    found = checkpoints.load(NAME, tmp_path)
    card = found.card
    assert (card.model, card.dataset, card.shape, card.classes) == ("simple-cnn", "tiny", (1, 8, 8), tiny.classes)
    assert (card.split, card.origin, card.train_images, card.validation_images) == ("train", "full", 72, 8)
    assert (card.seed, card.epochs, card.recipe["lr"]) == (3, 4, 5e-3)
    assert {part: score.n for part, score in card.accuracy.items()} == {"train": 72, "validation": 8, "test": 40}
    assert card.accuracy["test"].accuracy > 0.9
    assert set(card.versions) == {"python", "torch", "torchvision"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{NAME}.json", f"{NAME}.safetensors"]


def test_keeps_the_epoch_that_is_best_on_held_out_images(tiny, tmp_path):
    records = run(tmp_path, replace(RECIPE, epochs=6, lr=3e-2, validation=0.3))
    best = max(records, key=lambda record: record.validation_accuracy)  # the first of equals
    card = checkpoints.read_card(NAME, tmp_path)
    assert card.kept_epoch == best.epoch
    assert card.accuracy["validation"].accuracy == best.validation_accuracy


def test_the_same_seed_gives_the_same_weights(tiny, tmp_path):
    state = torch.get_rng_state()
    run(tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), state)  # global randomness is left alone
    torch.rand(5)
    run(tmp_path / "b")
    run(tmp_path / "c", replace(RECIPE, seed=4))
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "a", tmp_path / "c")


def test_progress_counts_every_image(tiny, tmp_path):
    seen = []
    run(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen[:5] == [(16, 288), (32, 288), (48, 288), (64, 288), (72, 288)]
    assert seen[-1] == (288, 288) and len(seen) == 20


def test_shipped_recipe_is_lab_as():
    recipe = recipe_for("simple-cnn")
    assert (recipe.optimizer, recipe.lr, recipe.batch_size, recipe.epochs) == ("adam", 1e-3, 64, 10)
    assert (recipe.mean, recipe.std, recipe.flip, recipe.crop) == ((0.5,), (0.5,), False, 0)
    assert set(training.RECIPES) == set(MODELS)


# Stopping and resuming

EVERYTHING_RANDOM = replace(RECIPE, flip=True, crop=2)


@pytest.mark.parametrize(
    "recipe",
    [
        EVERYTHING_RANDOM,
        replace(EVERYTHING_RANDOM, optimizer="sgd", lr=0.05, weight_decay=1e-3),
        replace(EVERYTHING_RANDOM, schedule="cosine"),
        replace(EVERYTHING_RANDOM, optimizer="sgd", schedule="one-cycle"),
    ],
    ids=["adam", "sgd", "cosine", "one-cycle"],
)
def test_resuming_ends_with_the_same_weights_bit_for_bit(tiny, tmp_path, recipe):
    whole = run(tmp_path / "whole", recipe)
    first = run(tmp_path / "parts", recipe, epochs=2)
    assert state_path("simple-cnn", "tiny", tmp_path / "parts").is_file()
    second = run(tmp_path / "parts", recipe, resume=True)
    timeless = [replace(record, seconds=0) for record in first + second]
    assert timeless == [replace(record, seconds=0) for record in whole]
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    cards = [checkpoints.read_card(NAME, tmp_path / part) for part in ("whole", "parts")]
    assert cards[0] == cards[1]


@pytest.mark.parametrize("batch", [1, 7, 12])
def test_killed_inside_an_epoch_it_resumes_from_the_last_finished_one(tiny, tmp_path, batch):
    def kill(done, total):
        calls.append(done)
        if len(calls) == batch:
            raise KeyboardInterrupt

    calls = []
    run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", progress=kill)
    records = run(tmp_path / "parts", resume=True)
    assert records[0].epoch == (batch - 1) // 5 + 1
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_killed_after_the_last_epoch_only_the_checkpoint_is_left_to_write(tiny, tmp_path):
    run(tmp_path, epochs=4)
    assert not (tmp_path / f"{NAME}.safetensors").exists()
    assert run(tmp_path, resume=True) == []
    assert checkpoints.load(NAME, tmp_path).card.epochs == 4


def test_resume_without_a_state_starts_afresh(tiny, tmp_path):
    assert len(run(tmp_path, resume=True)) == 4


def test_without_resume_a_state_is_not_used(tiny, tmp_path):
    run(tmp_path, epochs=2)
    assert run(tmp_path, epochs=1)[0].epoch == 1


def test_a_state_is_written_whole_or_not_at_all(tiny, tmp_path, monkeypatch):
    run(tmp_path, epochs=1)
    path = state_path("simple-cnn", "tiny", tmp_path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path, resume=True)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_corrupt_state(tiny, tmp_path):
    run(tmp_path, epochs=1)
    path = state_path("simple-cnn", "tiny", tmp_path)
    good = path.read_bytes()
    torch.save({"epoch": 1}, path)
    for content in (b"", good[:1000], good[:-30], b"junk" * 300, path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="resume.pt is corrupt; train without --resume"):
            run(tmp_path, resume=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"lr": 1e-2}, "lr 0.005, not 0.01"), ({"epochs": 5}, "epochs 4, not 5"), ({"seed": 9}, "seed 3, not 9")],
)
def test_state_of_another_recipe(tiny, tmp_path, change, words):
    run(tmp_path, epochs=1)
    with pytest.raises(ValueError, match=rf"from another training \({words}\)"):
        run(tmp_path, replace(RECIPE, **change), resume=True)


def test_a_state_cannot_smuggle_code(tiny, tmp_path):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("the pickle was executed",)

    torch.save({"identity": Trap()}, state_path("simple-cnn", "tiny", tmp_path))
    with pytest.raises(ValueError, match="is corrupt"):
        run(tmp_path, resume=True)


# What goes wrong


def test_nan_loss_stops_the_run_and_keeps_the_last_good_epoch(tiny, tmp_path, monkeypatch):
    calls = []

    def cross_entropy(outputs, labels, really=training.F.cross_entropy):
        calls.append(len(labels))
        return really(outputs, labels) * (float("nan") if len(calls) == 9 else 1)

    run(tmp_path / "good", epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(training.F, "cross_entropy", cross_entropy)
        words = r"no longer finite in epoch 2; try a learning rate smaller than 0.005 \(the state of epoch 1 is kept\)"
        with pytest.raises(ValueError, match=words):
            run(tmp_path / "bad")
    good, bad = (torch.load(state_path("simple-cnn", "tiny", tmp_path / part)) for part in ("good", "bad"))
    assert bad["epoch"] == 1 and torch.equal(bad["model"]["fc1.weight"], good["model"]["fc1.weight"])
    assert run(tmp_path / "bad", resume=True)[0].epoch == 2


def test_a_huge_learning_rate_diverges_with_advice(tiny, tmp_path):
    with pytest.raises(ValueError, match="no longer finite in epoch .*; try a learning rate smaller than 100"):
        run(tmp_path, replace(RECIPE, optimizer="sgd", lr=100.0, epochs=20))


def test_a_batch_larger_than_the_data(tiny, tmp_path):
    with pytest.raises(ValueError, match="a batch of 73 is more than the 72 images to train on"):
        run(tmp_path, replace(RECIPE, batch_size=73))


def test_a_folder_that_cannot_be_written_fails_before_training(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot write to .*file \(.*\); choose another folder"):
        run(tmp_path / "file", progress=lambda done, total: pytest.fail("it trained"))


def test_a_data_set_that_does_not_fit_the_network(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(training.checkpoints.DATASETS, "tiny", replace(tiny, shape=(1, 30, 30)))
    with pytest.raises(ValueError, match="simple-cnn needs square images"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("model", "dataset", "words"),
    [("vgg", "tiny", "unknown model 'vgg'; choose"), ("simple-cnn", "svhn", "unknown data set 'svhn'; choose")],
)
def test_unknown_names(tiny, tmp_path, model, dataset, words):
    with pytest.raises(ValueError, match=words):
        next(train(model, dataset, RECIPE, tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs 0 is not a whole number in 1…1000"),
        ({"epochs": 10**9}, "epochs 1000000000"),
        ({"epochs": 1.5}, "epochs 1.5"),
        ({"epochs": True}, "epochs True"),
        ({"batch_size": 0}, "batch size 0"),
        ({"batch_size": -64}, "batch size -64"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; choose one of: adam, sgd"),
        ({"lr": 0.0}, "learning rate 0.0 is outside 1e-08…100"),
        ({"lr": -1e-3}, "learning rate -0.001"),
        ({"lr": float("nan")}, "learning rate nan"),
        ({"weight_decay": -1.0}, "weight decay -1.0"),
        ({"momentum": 1.0}, "momentum 1.0 is outside 0…0.9999"),
        ({"schedule": "steps"}, "unknown schedule 'steps'"),
        ({"seed": -1}, "seed -1"),
        ({"validation": 0.0}, "validation share 0.0"),
        ({"validation": 1.0}, "validation share 1.0"),
        ({"mean": (2.0,)}, "mean 2.0"),
        ({"std": (0.5, 0.0)}, "std 0.0"),
        ({"crop": 99}, "crop 99"),
    ],
)
def test_absurd_recipes(change, words):
    with pytest.raises(ValueError, match=words):
        Recipe(**change)


# The parts


def test_hold_out_splits_by_the_seed(tiny):
    split = training.load_split("tiny", "train")
    fit, held_out = hold_out(split, RECIPE)
    images = torch.cat([fit.inputs[0], held_out.inputs[0]]).flatten(1)
    assert (len(fit), len(held_out)) == (72, 8)
    assert sorted(map(tuple, images.tolist())) == sorted(map(tuple, split.inputs[0].flatten(1).tolist()))
    assert torch.equal(hold_out(split, RECIPE)[1].inputs[0], held_out.inputs[0])
    assert not torch.equal(hold_out(split, replace(RECIPE, seed=4))[1].inputs[0], held_out.inputs[0])


def test_schedules():
    assert learning_rate(Recipe(lr=0.1), 0.7) == 0.1
    cosine, cycle = Recipe(lr=0.1, schedule="cosine"), Recipe(lr=0.1, schedule="one-cycle")
    assert [learning_rate(cosine, done) for done in (0, 0.5, 1)] == pytest.approx([0.1, 0.05, 0])
    assert [learning_rate(cycle, done) for done in (0, 0.15, 0.3, 0.65, 1)] == pytest.approx(
        [0.004, 0.052, 0.1, 0.05, 0]
    )


def test_random_flip_mirrors_about_half():
    images = torch.arange(4, dtype=torch.uint8).view(1, 1, 1, 4).expand(400, 3, 2, 4)
    flipped = random_flip(images, torch.Generator().manual_seed(0))
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert ((flipped == images).flatten(1).all(1) ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_random_crop_takes_every_window_of_the_padded_image():
    image = torch.arange(1, 13, dtype=torch.uint8).view(1, 3, 2, 2)
    crops = random_crop(image.expand(500, 3, 2, 2), 1, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(image[0], [1] * 4)
    windows = {tuple(padded[:, y : y + 2, x : x + 2].flatten().tolist()) for y in range(3) for x in range(3)}
    assert crops.shape == (500, 3, 2, 2) and crops.dtype == torch.uint8
    assert set(map(tuple, crops.flatten(1).tolist())) == windows
