from dataclasses import fields, replace

import pytest

from explorer.cli import main, train
from explorer.images.augmentation import AUGMENTATIONS
from explorer.language.catalogue import catalogue
from explorer.language.saying import speaking
from explorer.networks.registry import MODELS
from explorer.training.recipes import OPTIONS, RECIPES, Recipe, command_line, difference, recipe_for


def test_every_network_has_a_recipe():
    assert set(RECIPES) <= set(MODELS)
    assert all(isinstance(recipe_for(name, "cifar10"), Recipe) for name in MODELS)
    with pytest.raises(ValueError, match="unknown model 'vgg'"):
        recipe_for("vgg", "cifar10")


def test_simple_cnns_recipe_is_lab_as():
    recipe = recipe_for("simple-cnn", "cifar10")
    assert (recipe.optimizer, recipe.lr, recipe.batch_size, recipe.epochs) == ("adam", 1e-3, 64, 10)
    assert (recipe.mean, recipe.std, recipe.schedule) == ((0.5,), (0.5,), "constant")
    assert not any(recipe.augmentations.values())


@pytest.mark.parametrize("model", ["resnet18", "lab-resnet", "block-net"])
def test_normalisation_fits_images_of_one_channel_too(model):
    own, grey = RECIPES[model], recipe_for(model, "mnist")
    assert (len(own.mean), len(own.std)) == (3, 3)
    assert grey == replace(own, mean=(0.5,), std=(0.5,)) and recipe_for(model, "cifar10") == own
    assert difference(grey, model, "mnist") == ""
    args = main._parser().parse_args(["train", model, "--data", "mnist", *command_line(grey)])
    assert train._recipe(args, None) == grey


def test_every_field_is_an_option_an_augmentation_or_normalisation():
    assert {field.name for field in fields(Recipe)} == {*OPTIONS, *AUGMENTATIONS, "mean", "std"}


@pytest.mark.parametrize("model", MODELS)
def test_the_command_line_gives_the_recipe_back(model):
    own = recipe_for(model, "cifar10")
    changed = replace(
        own, epochs=3, lr=1 / 3, skip_below=1e-6, clamp=0.01, seed=7, crop=3, rotate=1.5, flip=0.25, occlusion=0
    )
    for recipe in (own, changed):
        args = main._parser().parse_args(["train", model, "--data", "cifar10", *command_line(recipe)])
        assert train._recipe(args, None) == recipe


def test_the_difference_to_the_networks_own_recipe_in_words():
    own = recipe_for("block-net", "cifar10")
    assert difference(own, "block-net", "cifar10") == ""
    changed = replace(own, epochs=3, lr=1e-5, optimizer="sgd", crop=4, flip=0)
    assert difference(changed, "block-net", "cifar10") == "epochs 3, optimizer sgd, learning rate 1e-05, flip 0, crop 4"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs 0 is not a whole number in 1…1000"),
        ({"epochs": 10**9}, "epochs 1000000000"),
        ({"epochs": 1.5}, "epochs 1.5"),
        ({"epochs": True}, "epochs True"),
        ({"batch_size": 0}, "batch size 0"),
        ({"batch_size": -64}, "batch size -64"),
        ({"accumulate": 0}, "accumulation 0 is not a whole number in 1…1024"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; choose one of: adam, sgd"),
        ({"lr": 0.0}, "learning rate 0.0 is outside 1e-08…100"),
        ({"lr": -1e-3}, "learning rate -0.001"),
        ({"lr": float("nan")}, "learning rate nan"),
        ({"lr": "fast"}, "learning rate 'fast'"),
        ({"weight_decay": -1.0}, "weight decay -1.0"),
        ({"momentum": 1.0}, "momentum 1.0 is outside 0…0.9999"),
        ({"schedule": "steps"}, "unknown schedule 'steps'; choose one of: constant, cosine, late-cosine, one-cycle"),
        ({"label_smoothing": 1.0}, "label smoothing 1.0 is outside 0…0.9"),
        ({"skip_below": -1.0}, "gradient threshold -1.0 is outside 0…1"),
        ({"clamp": float("inf")}, "clamp inf is outside 0…1000"),
        ({"small": 1.0}, "small share 1.0 is outside 0…0.9"),
        ({"precision": "int8"}, "unknown precision 'int8'"),
        ({"layout": "rows"}, "unknown layout 'rows'"),
        ({"stored": "int8"}, "unknown stored precision 'int8'"),
        ({"seed": -1}, "seed -1"),
        ({"validation": 0.0}, "validation share 0.0"),
        ({"validation": 1.0}, "validation share 1.0"),
        ({"mean": (2.0,)}, "mean 2.0"),
        ({"std": (0.5, 0.0)}, "std 0.0"),
        ({"flip": 1.5}, r"flip 1.5 is not a number in 0…1 \(share of the images\)"),
        ({"flip": True}, "flip True"),
        ({"crop": 99}, "crop 99 is not a whole number in 0…16"),
        ({"crop": 1.5}, "crop 1.5 is not a whole number"),
        ({"noise": float("nan")}, "noise nan"),
        ({"occlusion": -8}, "occlusion -8"),
    ],
)
def test_absurd_recipes(change, words):
    with pytest.raises(ValueError, match=words):
        Recipe(**change)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("cosine", [1, 0.853553, 0.5, 0.146447, 0]),
        ("late-cosine", [1, 1, 1, 0.5, 0]),
        ("one-cycle", [0.04, 0.84, 0.811745, 0.283058, 0]),
    ],
)
def test_schedules(schedule, expected):
    recipe = Recipe(lr=0.1, schedule=schedule)
    rates = [recipe.learning_rate(done) for done in (0, 0.25, 0.5, 0.75, 1)]
    assert rates == pytest.approx([0.1 * share for share in expected], rel=1e-5, abs=1e-12)


def test_one_cycle_peaks_at_three_tenths():
    assert Recipe(lr=0.1, schedule="one-cycle").learning_rate(0.3) == pytest.approx(0.1)


def test_small_epochs_count_for_less():
    assert Recipe(epochs=10).whole_epochs == 10
    assert Recipe(epochs=10, small=0.3).whole_epochs == pytest.approx(7 + 3 * 0.57)


def test_options_and_augmentations_have_their_words_in_chinese():
    said = [text for each in OPTIONS.values() for text in (each.title, each.help)]
    said += [text for each in AUGMENTATIONS.values() for text in (each.title, each.unit)]
    said += list(Recipe.__dataclass_fields__)  # as cards and lists of trainings name them
    missing = [text for text in said if text not in catalogue("zh")]
    assert not missing, f"put these into explorer/language/zh/train.toml: {missing}"
    with speaking("zh"):
        changed = replace(recipe_for("simple-cnn", "mnist"), epochs=3, flip=0.5)
        assert difference(changed, "simple-cnn", "mnist") == "轮数 3、翻转 0.5"
