import hashlib
import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from explorer.files.places import PROJECT, checkpoints_root
from explorer.images import datasets, reading, registry
from explorer.images.batches import Batches
from explorer.images.registry import DATASETS
from explorer.networks import checkpoints, sources
from explorer.networks.cards import PARTS, Card, Score
from explorer.networks.evaluation import logits, predict
from explorer.networks.registry import build
from explorer.training import loop

CARD = Card(
    model="simple-cnn",
    dataset="mnist",
    shape=(1, 8, 8),
    classes=("no", "yes"),
    mean=(0.5,),
    std=(0.25,),
    split="train",
    train_images=90,
    validation_images=10,
    origin="full",
    recipe={"epochs": 3, "mean": [0.5]},
    seed=7,
    epochs=3,
    kept_epoch=2,
    accuracy={"train": Score(80, 90), "validation": Score(8, 10), "test": Score(31, 40)},
    versions={"python": "3", "torch": "2", "torchvision": "0"},
    sha256="",
    description="a test",
)


def network(seed=0):
    torch.manual_seed(seed)
    return build("simple-cnn", shape=(1, 8, 8), classes=2)


@pytest.fixture(autouse=True)
def small_images(monkeypatch):
    """The card's data set has small images and two classes, for the sake of small networks."""
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], shape=(1, 8, 8), classes=("no", "yes")))


@pytest.fixture
def root(tmp_path):
    """A folder with the checkpoint "mine"."""
    checkpoints.save("mine", network(), CARD, tmp_path)
    return tmp_path


def rewrite_card(root, **changes):
    """Change fields of the card; None takes a field away."""
    path = root / "mine.json"
    fields = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in fields.items() if value is not None}), encoding="utf-8")


def replace_weights(root, content):
    """Other weights, which the card vouches for."""
    (root / "mine.safetensors").write_bytes(content)
    rewrite_card(root, sha256=hashlib.sha256(content).hexdigest())


def same_weights(one, other):
    return all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())


def test_round_trip(root):
    found = checkpoints.load("mine", root)
    assert same_weights(found.model, network()) and not found.model.training
    assert found.card == replace(CARD, sha256=found.sha256)
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert (found.name, found.path) == ("mine", root / "mine.safetensors")
    assert checkpoints.read_card("mine", root) == found.card
    assert sorted(path.name for path in root.iterdir()) == ["mine.json", "mine.safetensors"]


def test_a_path_is_loaded_from_where_it_is(root):
    assert checkpoints.load(root / "mine.safetensors").name == "mine"


def test_card_spells_out_the_accuracies(root):
    fields = json.loads((root / "mine.json").read_text(encoding="utf-8"))
    assert fields["accuracy"]["test"] == {"correct": 31, "n": 40, "accuracy": 0.775}
    assert CARD.accuracy["test"].accuracy == 0.775


def test_float16_weights_become_float32(root):
    half = network().half().state_dict()
    replace_weights(root, safetensors.torch.save(half))
    model = checkpoints.load("mine", root).model
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert torch.equal(model.conv1.weight, half["conv1.weight"].float())


def test_list_names_those_with_both_files(root):
    (root / "lonely.safetensors").write_bytes(b"")
    (root / "card-only.json").write_text("{}")
    (root / "Odd Name.safetensors").write_bytes(b"")
    (root / "Odd Name.json").write_text("{}")
    checkpoints.save("another-1.0_x", network(), CARD, root)
    assert checkpoints.list_checkpoints(root) == ["another-1.0_x", "mine"]
    assert checkpoints.list_checkpoints(root / "nowhere") == []


def test_root_comes_from_the_environment(monkeypatch, root):
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(root))
    assert checkpoints.list_checkpoints() == ["mine"]
    monkeypatch.delenv("EXPLORER_CHECKPOINTS")
    assert checkpoints_root() == PROJECT / "checkpoints"


def test_unknown_checkpoint_lists_the_known(root):
    with pytest.raises(ValueError, match="unknown checkpoint 'yours'; there are: mine"):
        checkpoints.load("yours", root)


@pytest.mark.parametrize("name", ["", "../mine", "a/b", "/etc/passwd", "Mine", ".mine", "mine\n", "a b", "..", "C:\\x"])
def test_names_are_plain(root, name):
    with pytest.raises(ValueError, match="is not plain"):
        checkpoints.load(name, root)
    with pytest.raises(ValueError, match="is not plain"):
        checkpoints.save(name, network(), CARD, root)


def test_missing_card(root):
    (root / "mine.json").unlink()
    with pytest.raises(ValueError, match="card mine.json is missing"):
        checkpoints.load("mine", root)


@pytest.mark.parametrize("text", ["", "{", '{"model": }', "\xff\xfe"])
def test_card_that_is_not_json(root, text):
    (root / "mine.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="card mine.json is not valid JSON"):
        checkpoints.load("mine", root)


def test_card_that_is_not_an_object(root):
    (root / "mine.json").write_text("[1]")
    with pytest.raises(ValueError, match="card mine.json is not a JSON object"):
        checkpoints.load("mine", root)


@pytest.mark.parametrize(
    "field", sorted(set(Card.__dataclass_fields__) - {"description", "figures", "source", "widths", "parent"})
)
def test_card_that_lacks_a_field(root, field):
    rewrite_card(root, **{field: None})
    with pytest.raises(ValueError, match=f"card mine.json lacks the field '{field}'"):
        checkpoints.load("mine", root)


def test_optional_and_foreign_fields(root):
    rewrite_card(root, description=None, figures=None, colour="red")
    assert checkpoints.load("mine", root).card.description == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", 3),
        ("shape", [1, 8]),
        ("shape", [1, 8, -8]),
        ("shape", "1x8x8"),
        ("shape", 8),
        ("classes", "noyes"),
        ("classes", [1, 2]),
        ("mean", 0.5),
        ("mean", ["grey"]),
        ("std", [0]),
        ("std", [float("nan")]),
        ("train_images", -1),
        ("train_images", True),
        ("epochs", 1.5),
        ("recipe", []),
        ("accuracy", {}),
        ("accuracy", 0.7),
        ("accuracy", {part: {"correct": 5, "n": 4} for part in PARTS}),
        ("accuracy", {part: {"correct": 0, "n": 0} for part in PARTS}),
        ("sha256", "abc"),
        ("sha256", 5),
        ("figures", "none"),
    ],
)
def test_malformed_field_is_named(root, field, value):
    rewrite_card(root, **{field: value})
    with pytest.raises(ValueError, match=f"card mine.json has .* in the field '{field}', which must be "):
        checkpoints.load("mine", root)


@pytest.mark.parametrize(
    ("field", "words"), [("model", "unknown model 'other'; choose one of: "), ("dataset", "unknown data set 'other'")]
)
def test_card_that_names_something_unknown(root, field, words):
    rewrite_card(root, **{field: "other"})
    with pytest.raises(ValueError, match=words):
        checkpoints.load("mine", root)


@pytest.mark.parametrize("length", [0, 4, 8, 60, -1])
def test_truncated_weights(root, length):
    path = root / "mine.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="mine.safetensors is truncated"):
        checkpoints.load("mine", root)


def test_a_pickle_is_never_loaded(root):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("the pickle was executed",)

    (root / "mine.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="mine.safetensors is a pickle"):
        checkpoints.load("mine", root)
    torch.save(network().state_dict(), root / "mine.safetensors")
    with pytest.raises(ValueError, match="mine.safetensors is a pickle"):
        checkpoints.load("mine", root)


@pytest.mark.parametrize("content", [b"<html>not what you wanted</html>", b"\xff" * 100])
def test_something_else_altogether(root, content):
    (root / "mine.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="mine.safetensors is not a safetensors file"):
        checkpoints.load("mine", root)


def test_weights_of_another_shape(root):
    replace_weights(root, safetensors.torch.save(build("simple-cnn", shape=(1, 12, 12), classes=2).state_dict()))
    with pytest.raises(ValueError, match=r"does not fit simple-cnn: fc1.weight is \(256, 288\), not \(256, 128\)"):
        checkpoints.load("mine", root)


def test_weights_of_another_network(root):
    replace_weights(root, safetensors.torch.save({"layer1.weight": torch.zeros(3)}))
    words = "does not fit simple-cnn: these weights are missing: conv1.bias, .* and 5 more; unexpected: layer1.weight"
    with pytest.raises(ValueError, match=words):
        checkpoints.load("mine", root)


def test_weights_that_are_not_finite(root):
    state = network().state_dict()
    state["conv2.bias"][3] = float("nan")
    replace_weights(root, safetensors.torch.save(state))
    with pytest.raises(ValueError, match="holds NaN or infinite weights in conv2.bias"):
        checkpoints.load("mine", root)


def test_weights_that_are_not_the_cards(root):
    (root / "mine.safetensors").write_bytes(safetensors.torch.save(network(seed=1).state_dict()))
    with pytest.raises(ValueError, match="mine.safetensors is not the file its card describes"):
        checkpoints.load("mine", root)


@pytest.mark.parametrize(("replacements", "seed"), [(0, 0), (1, 1), (2, 1)])
def test_save_killed_between_its_steps_leaves_one_whole_checkpoint(root, monkeypatch, replacements, seed):
    """Killed before its first replacement the old one stands; after it, the new one does."""
    done = []

    def replace_some(source, target, really=os.replace):
        if len(done) == replacements:
            raise SystemExit
        done.append(really(source, target))

    monkeypatch.setattr(checkpoints.os, "replace", replace_some)
    try:
        checkpoints.save("mine", network(seed=1), replace(CARD, seed=1), root)
    except SystemExit:
        assert replacements < 2
    found = checkpoints.load("mine", root)
    assert found.card.seed == checkpoints.read_card("mine", root).seed == {0: 7, 1: 1}[seed]
    assert same_weights(found.model, network(seed))


def test_half_a_card_part_is_ignored(root):
    (root / "mine.json.part").write_text('{"model": "simp')
    assert checkpoints.load("mine", root).card.seed == 7


def test_failed_write_leaves_the_old_checkpoint(root, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save("mine", network(seed=1), CARD, root)
    assert same_weights(checkpoints.load("mine", root).model, network())
    assert sorted(path.name for path in root.iterdir()) == ["mine.json", "mine.safetensors"]


# Renaming, describing, deleting


def test_a_renamed_checkpoint_is_the_same_under_its_new_name(root):
    (root / "mine.csv").write_text("epoch\n1\n")
    before = checkpoints.load("mine", root)
    checkpoints.rename("mine", "yours", root)
    after = checkpoints.load("yours", root)
    assert (after.card, after.sha256) == (before.card, before.sha256)
    assert sorted(path.name for path in root.iterdir()) == ["yours.csv", "yours.json", "yours.safetensors"]
    assert (root / "yours.csv").read_text() == "epoch\n1\n"


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_rename_killed_at_any_step_leaves_one_whole_checkpoint(root, monkeypatch, steps):
    (root / "mine.csv").touch()
    done = []

    def replace_some(source, target, really=os.replace):
        if len(done) == steps:
            raise SystemExit
        done.append(really(source, target))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.os, "replace", replace_some)
        try:
            checkpoints.rename("mine", "yours", root)
        except SystemExit:
            assert steps < 3
    (name,) = checkpoints.list_checkpoints(root)
    assert name == ("mine" if steps < 3 else "yours") and checkpoints.load(name, root).card.seed == 7
    if name == "mine":
        checkpoints.rename("mine", "yours", root)  # what was left does not stand in the way
        assert checkpoints.load("yours", root).card.seed == 7


def test_a_rename_killed_before_the_old_card_went_leaves_one_checkpoint(root, monkeypatch):
    def dies(self, missing_ok=False):
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(checkpoints.Path, "unlink", dies)
        checkpoints.rename("mine", "yours", root)
    assert checkpoints.list_checkpoints(root) == ["yours"]


def test_a_name_that_is_taken_or_not_plain_changes_nothing(root):
    checkpoints.save("other", network(seed=1), CARD, root)
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    for new, words in (("other", "there is a network called 'other'"), ("../x", "is not plain"), ("mine", "there is")):
        with pytest.raises(ValueError, match=words):
            checkpoints.rename("mine", new, root)
    assert {path.name: path.read_bytes() for path in root.iterdir()} == before


def test_a_description_stands_on_the_card_alone(root):
    before = checkpoints.load("mine", root)
    checkpoints.describe("mine", "for “me”", root)
    after = checkpoints.load("mine", root)
    assert after.card == replace(before.card, description="for “me”") and after.sha256 == before.sha256


def test_a_description_is_written_whole_or_not_at_all(root, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(checkpoints.os, "fsync", full)
        checkpoints.describe("mine", "long", root)
    assert checkpoints.load("mine", root).card.description == "a test"


def test_a_description_goes_to_the_card_that_holds(root):
    """Saving was killed with the new card still waiting: it is the one that is described."""
    (root / "mine.json").rename(root / "mine.json.part")
    (root / "mine.json").write_text("{}")
    checkpoints.describe("mine", "new", root)
    assert checkpoints.load("mine", root).card.description == "new"


def test_deleting_takes_everything_of_the_name_and_nothing_else(root):
    checkpoints.save("mine.two", network(seed=1), CARD, root)
    for suffix in checkpoints.BESIDES:
        (root / f"mine{suffix}").touch()
    checkpoints.delete("mine", root)
    assert sorted(path.name for path in root.iterdir()) == ["mine.two.json", "mine.two.safetensors"]


def test_a_damaged_checkpoint_can_be_deleted(root):
    (root / "mine.json").write_text("{")
    checkpoints.delete("mine", root)
    assert not list(root.iterdir())


def test_a_deletion_killed_half_way_is_a_deletion(root, monkeypatch):
    gone = []

    def unlink(self, missing_ok=False, really=checkpoints.Path.unlink):
        if gone:
            raise SystemExit
        gone.append(really(self, missing_ok))

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(checkpoints.Path, "unlink", unlink)
        checkpoints.delete("mine", root)
    assert checkpoints.list_checkpoints(root) == []
    checkpoints.save("mine", network(seed=1), CARD, root)
    assert same_weights(checkpoints.load("mine", root).model, network(seed=1))


def test_what_comes_with_the_app_stays(root):
    (name, *_) = checkpoints.SHIPPED
    checkpoints.save(name, network(), CARD, root)
    words = f"'{name}' is the name of a network that comes with the app and stays; choose another"
    for change in (
        lambda: checkpoints.delete(name, root),
        lambda: checkpoints.describe(name, "mine now", root),
        lambda: checkpoints.rename(name, "yours", root),
        lambda: checkpoints.rename("mine", name, root),
    ):
        with pytest.raises(ValueError, match=words):
            change()
    assert checkpoints.list_checkpoints(root) == ["mine", name]
    assert checkpoints.read_card(name, root).description == "a test"


@pytest.mark.parametrize("change", [checkpoints.delete, lambda name, root: checkpoints.describe(name, "x", root)])
def test_what_is_not_there_cannot_be_changed(root, change):
    with pytest.raises(ValueError, match="unknown checkpoint 'none'; there are: mine"):
        change("none", root)


# The checkpoints that come with the project


SHIPPED = {
    "simple-cnn_fashion-mnist": 0.86,
    "simple-cnn_cifar10": 0.68,
    "siamese_mnist-pairs": 0.96,
    "block-net_cifar10": 0.76,
    "lab-resnet_cifar10": 0.9058,
    "resnet18_cifar10": 0.93,
    "resnet18-report_cifar10": 0.91,
    "resnet18-half_cifar10": 0.9239,  # at most a point less than the network that it was made from, at half the MACs
}


@pytest.mark.parametrize(("name", "at_least"), SHIPPED.items())
def test_shipped_checkpoints_are_as_good_as_asked(name, at_least):
    assert checkpoints.read_card(name, PROJECT / "checkpoints").accuracy["test"].accuracy >= at_least


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_checkpoints_are_as_good_as_their_cards_say(name, monkeypatch):
    monkeypatch.undo()  # MNIST as it is
    root = PROJECT / "checkpoints"
    card = checkpoints.read_card(name, root)
    score = card.accuracy["test"]
    assert card.accuracy["train"].n in (card.train_images, loop.MOST_SCORED)
    assert card.accuracy["validation"].n == card.validation_images
    if datasets.availability(card.dataset) == "missing":
        pytest.skip(f"{registry.DATASETS[card.dataset].title} is not under the data root")
    split = reading.load_split(card.dataset, "test")
    outputs = logits(checkpoints.load(name, root).model, Batches(split, card.mean, card.std))
    correct = int((predict(outputs) == split.labels).sum())
    assert abs(correct - score.correct) <= 2  # another machine may round a tie the other way
    assert score.n == len(split)


def test_the_app_knows_what_it_comes_with():
    assert set(checkpoints.SHIPPED) == set(SHIPPED)


def test_shipped_fashion_mnist_network_was_trained_on_the_bundled_images():
    card = checkpoints.read_card("simple-cnn_fashion-mnist", PROJECT / "checkpoints")
    assert card.origin == "bundled" and card.train_images + card.validation_images == 10_000


def test_shipped_checkpoints_fit_in_64_mb():
    files = (PROJECT / "checkpoints").glob("*.safetensors")
    assert sum(path.stat().st_size for path in files) <= 64e6


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "cifar10"},
        {"dataset": "mnist-pairs"},
        {"shape": [1, 400000, 400000]},
        {"classes": ["no", "maybe"]},
    ],
)
def test_card_that_does_not_fit_its_data_set(root, changes):
    rewrite_card(root, **changes)
    with pytest.raises(ValueError, match="card mine.json does not fit its data set"):
        checkpoints.load("mine", root)


@pytest.mark.parametrize("value", [[10**400], [True], ["0.5"], [float("inf")]])
def test_means_that_are_no_numbers(root, value):
    rewrite_card(root, mean=value)
    with pytest.raises(ValueError, match="in the field 'mean'"):
        checkpoints.load("mine", root)


def test_card_nested_too_deep(root):
    (root / "mine.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="card mine.json is not valid JSON"):
        checkpoints.load("mine", root)


# Looked up, and loaded when they are used


def test_a_checkpoint_that_was_looked_up_is_loaded_once_however_many_threads_ask(root, monkeypatch):
    built = []
    monkeypatch.setattr(sources, "build", lambda *args, **options: built.append(1) or build(*args, **options))
    point = checkpoints.look_up("mine", root)
    assert not built and point.sha256 == point.card.sha256
    with ThreadPoolExecutor(4) as pool:
        models = set(pool.map(lambda _: id(point.model), range(8)))
    assert len(models) == len(built) == 1 and not point.model.training


def test_weights_that_changed_since_they_were_looked_up_are_not_taken(root):
    point = checkpoints.look_up("mine", root)
    checkpoints.save("mine", network(seed=1), CARD, root)
    with pytest.raises(ValueError, match="is not the file its card describes"):
        _ = point.model
