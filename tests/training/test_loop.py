import csv
from dataclasses import asdict, replace

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from explorer.images.batches import Batches, normalise
from explorer.images.registry import DATASETS
from explorer.images.split import Split
from explorer.networks import checkpoints
from explorer.networks.evaluation import logits, predict
from explorer.networks.registry import MODELS, build
from explorer.training import loop, loss
from explorer.training.held_out import held_out_of, hold_out
from explorer.training.loop import train
from explorer.training.loss import loss_of
from explorer.training.recipes import Recipe, recipe_for
from explorer.training.state import State, history_path, state_path

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
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{NAME}.csv", f"{NAME}.json", f"{NAME}.safetensors"]


@pytest.mark.parametrize("batch_size", [16, 72])
def test_an_epoch_is_timed_on_a_few_batches_without_a_trace(tiny, tmp_path, monkeypatch, batch_size):
    monkeypatch.setattr(loop, "TIMED", 0.0)
    timing = loop.time_epoch("simple-cnn", "tiny", replace(RECIPE, batch_size=batch_size), device="cpu")
    assert timing.seconds > 0 and timing.images == batch_size + 8 and not list(tmp_path.iterdir())
    monkeypatch.setattr(loop, "TIMED", 1e9)
    assert loop.time_epoch("simple-cnn", "tiny", RECIPE, device="cpu").images == 72 + 8, "all there are"


def test_a_card_says_over_how_many_images_it_was_measured(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "MOST_SCORED", 30)
    run(tmp_path)
    scores = checkpoints.load(NAME, tmp_path).card.accuracy
    assert {part: score.n for part, score in scores.items()} == {"train": 30, "validation": 8, "test": 30}


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


# Stopping and resuming

EVERYTHING_RANDOM = replace(
    RECIPE, flip=0.5, crop=2, scale=0.1, rotate=10, jitter=0.2, noise=0.05, occlusion=2, label_smoothing=0.1
)


@pytest.mark.parametrize(
    "recipe",
    [
        EVERYTHING_RANDOM,
        replace(EVERYTHING_RANDOM, optimizer="sgd", lr=0.05, weight_decay=1e-3),
        replace(EVERYTHING_RANDOM, schedule="cosine"),
        replace(EVERYTHING_RANDOM, optimizer="sgd", schedule="one-cycle", layout="channels-last"),
        replace(EVERYTHING_RANDOM, accumulate=2, skip_below=1e-4, clamp=0.2, stored="float16"),
    ],
    ids=["adam", "sgd", "cosine", "one-cycle", "limits"],
)
def test_resuming_ends_with_the_same_weights_bit_for_bit(tiny, tmp_path, recipe):
    whole = run(tmp_path / "whole", recipe)
    first = run(tmp_path / "parts", recipe, epochs=2)
    assert state_path(NAME, tmp_path / "parts").is_file()
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
    path = state_path(NAME, tmp_path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path, resume=True)
    assert path.read_bytes() == before
    assert set(tmp_path.iterdir()) == {path, history_path(NAME, tmp_path)}


def test_corrupt_state(tiny, tmp_path):
    run(tmp_path, epochs=1)
    path = state_path(NAME, tmp_path)
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

    torch.save({"identity": Trap()}, state_path(NAME, tmp_path))
    with pytest.raises(ValueError, match="is corrupt"):
        run(tmp_path, resume=True)


# What goes wrong


def test_nan_loss_stops_the_run_and_keeps_the_last_good_epoch(tiny, tmp_path, monkeypatch):
    calls = []

    def cross_entropy(outputs, labels, really=loss.F.cross_entropy, **options):
        calls.append(len(labels))
        return really(outputs, labels, **options) * (float("nan") if len(calls) == 9 else 1)

    run(tmp_path / "good", epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(loss.F, "cross_entropy", cross_entropy)
        words = r"no longer finite in epoch 2; try a learning rate smaller than 0.005 \(the state of epoch 1 is kept\)"
        with pytest.raises(ValueError, match=words):
            run(tmp_path / "bad")
    good, bad = (torch.load(state_path(NAME, tmp_path / part)) for part in ("good", "bad"))
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
    monkeypatch.setitem(DATASETS, "tiny", replace(tiny, shape=(1, 30, 30)))
    with pytest.raises(ValueError, match="simple-cnn needs square images"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("model", "dataset", "words"),
    [("vgg", "tiny", "unknown model 'vgg'; choose"), ("simple-cnn", "imagenet", "unknown data set 'imagenet'; choose")],
)
def test_unknown_names(tiny, tmp_path, model, dataset, words):
    with pytest.raises(ValueError, match=words):
        next(train(model, dataset, RECIPE, tmp_path))


# The parts


def test_hold_out_splits_by_the_seed(tiny):
    split = loop.load_split("tiny", "train")
    fit, held_out = hold_out(split, RECIPE)
    images = torch.cat([fit.inputs[0], held_out.inputs[0]]).flatten(1)
    assert (len(fit), len(held_out)) == (72, 8)
    assert sorted(map(tuple, images.tolist())) == sorted(map(tuple, split.inputs[0].flatten(1).tolist()))
    assert torch.equal(hold_out(split, RECIPE)[1].inputs[0], held_out.inputs[0])
    assert not torch.equal(hold_out(split, replace(RECIPE, seed=4))[1].inputs[0], held_out.inputs[0])


def test_the_held_out_images_are_known_from_the_card(tiny, tmp_path, monkeypatch):
    run(tmp_path)
    point = checkpoints.load(NAME, tmp_path)
    monkeypatch.setattr("explorer.training.provenance.availability", lambda name, root=None: "full")
    held_out = held_out_of(point.card)
    expected = hold_out(loop.load_split("tiny", "train"), RECIPE)[1]
    assert torch.equal(held_out.inputs[0], expected.inputs[0]) and torch.equal(held_out.labels, expected.labels)
    score = point.card.accuracy["validation"]
    assert loop._evaluate(point.model, held_out, RECIPE, torch.device("cpu"))[1] == score
    with pytest.raises(ValueError, match="trained and validated on 79 images of tiny, but 80 are here"):
        held_out_of(replace(point.card, train_images=point.card.train_images - 1))
    monkeypatch.setattr("explorer.training.provenance.availability", lambda name, root=None: "bundled")
    with pytest.raises(ValueError, match="trained on the full tiny, but the one here is bundled, so its held-out"):
        held_out_of(point.card)


def test_every_epoch_is_a_row_of_a_csv_also_after_a_resume(tiny, tmp_path):
    records = run(tmp_path, epochs=2) + run(tmp_path, resume=True)
    with open(history_path(NAME, tmp_path), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{key: float(value) for key, value in row.items()} for row in rows] == [asdict(r) for r in records]


@pytest.mark.parametrize("write", ["save_history", "save_state"])
@pytest.mark.parametrize("epoch", [2, 4])
def test_killed_between_the_two_files_of_an_epoch_no_row_is_missing(tiny, tmp_path, monkeypatch, write, epoch):
    honest = getattr(loop, write)

    def kill(state, *where):
        honest(state, *where)
        if (state[-1] if isinstance(state, list) else state).epoch == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, write, kill)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    monkeypatch.setattr(loop, write, honest)
    run(tmp_path, resume=True)
    with open(history_path(NAME, tmp_path), newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]


def test_a_name_and_a_description_of_ones_own(tiny, tmp_path):
    run(tmp_path, epochs=1, name="mine", description="for the report")
    run(tmp_path, resume=True, name="mine", description="for the report")
    assert checkpoints.list_checkpoints(tmp_path) == ["mine"]
    assert checkpoints.read_card("mine", tmp_path).description == "for the report"
    with pytest.raises(ValueError, match="checkpoint name 'My own' is not plain"):
        run(tmp_path, name="My own")


def test_the_loss_of_each_example_adds_up():
    outputs, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    each = loss_of(outputs, labels, reduction="none")
    assert each.shape == (5,) and torch.isclose(each.sum(), loss_of(outputs, labels, reduction="sum"))
    assert torch.isclose(each.mean(), loss_of(outputs, labels))
    assert torch.isclose(
        loss_of(outputs[:, :1], labels % 2, reduction="none").mean(), loss_of(outputs[:, :1], labels % 2)
    )


def test_the_loss_of_single_logits_is_binary(tiny):
    outputs, labels = torch.tensor([[2.0], [-1.0]]), torch.tensor([1, 1])
    two = torch.cat([torch.zeros(2, 1), outputs], dim=1)  # the same odds as two logits
    for smoothing in (0.0, 0.2):
        assert torch.allclose(loss_of(outputs, labels, smoothing), loss_of(two, labels, smoothing))
    assert loss_of(two, labels) == F.cross_entropy(two, labels)


@pytest.fixture
def one_step(tiny):
    """(weights before, gradients, weights after) of one optimiser step under a recipe's limits."""

    def take(**limits):
        recipe = replace(RECIPE, optimizer="sgd", lr=0.1, momentum=0.0, **limits)
        model = loop._new_model("simple-cnn", "tiny", recipe)
        model(torch.ones(2, 1, 8, 8)).square().sum().backward()
        before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
        gradients = torch.cat([p.grad.flatten() for p in model.parameters()])
        run = State(model, loop._optimizer(model, recipe))
        loop._step(run, recipe, recipe.lr)
        assert all(p.grad is None for p in model.parameters())
        return before, gradients, torch.cat([p.detach().flatten() for p in model.parameters()])

    return take


def test_parameters_with_tiny_gradients_are_skipped(one_step):
    before, gradients, after = one_step(skip_below=1e-3)
    tiny_ones = gradients.abs() < 1e-3
    assert 0 < tiny_ones.sum() < len(tiny_ones)
    assert torch.equal(after[tiny_ones], before[tiny_ones])
    torch.testing.assert_close(after[~tiny_ones], (before - 0.1 * gradients)[~tiny_ones])


def test_parameters_are_clamped(one_step):
    before, gradients, after = one_step(clamp=0.01)
    torch.testing.assert_close(after, (before - 0.1 * gradients).clamp(-0.01, 0.01))


def test_accumulated_gradients_are_those_of_one_large_batch(tiny, tmp_path):
    recipe = replace(RECIPE, epochs=1, optimizer="sgd", lr=0.1, validation=0.2)  # 64 images to fit
    run(tmp_path / "large", replace(recipe, batch_size=32))
    run(tmp_path / "small", replace(recipe, batch_size=8, accumulate=4))
    large, small = saved_weights(tmp_path / "large"), saved_weights(tmp_path / "small")
    for key, value in large.items():
        torch.testing.assert_close(small[key], value, rtol=1e-4, atol=1e-6)


def test_the_first_epochs_go_over_cut_outs():
    images = torch.arange(2 * 64, dtype=torch.uint8).view(2, 1, 8, 8)
    recipe = replace(RECIPE, epochs=4, small=0.5)
    generator = torch.Generator().manual_seed(0)
    sizes = [loop._prepare(images, recipe, epoch, generator).shape[-2:] for epoch in (1, 2, 3, 4)]
    assert sizes == [(6, 6), (6, 6), (8, 8), (8, 8)]
    whole = normalise(images, recipe.mean, recipe.std)
    windows = [whole[..., top : top + 6, left : left + 6] for top in range(3) for left in range(3)]
    cut = [loop._prepare(images, recipe, 1, generator) for _ in range(100)]
    assert {place for part in cut for place in range(9) if torch.equal(part, windows[place])} == set(range(9))
    assert all(any(torch.equal(part, window) for window in windows) for part in cut)


def test_a_network_of_one_image_size_cannot_start_with_small_images(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"simple-cnn takes images of one size only, so small share 0\.5 must be 0"):
        run(tmp_path, replace(RECIPE, small=0.5))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", [name for name, info in MODELS.items() if info.any_size])
def test_networks_of_any_size_take_three_quarters_of_it(model):
    with torch.inference_mode():
        assert build(model, (3, 32, 32)).eval()(torch.zeros(1, 3, 24, 24)).shape == (1, 10)


def test_weights_stored_as_float16_are_those_that_the_card_measures(tiny, tmp_path):
    run(tmp_path, replace(RECIPE, stored="float16"))
    assert {value.dtype for value in saved_weights(tmp_path).values()} == {torch.float16}
    found = checkpoints.load(NAME, tmp_path)
    test = loop.load_split("tiny", "test")
    outputs = logits(found.model, Batches(test, found.card.mean, found.card.std))
    assert int((predict(outputs) == test.labels).sum()) == found.card.accuracy["test"].correct


def test_bfloat16_trains_too(tiny, tmp_path):
    run(tmp_path, replace(RECIPE, precision="bfloat16"))
    assert checkpoints.read_card(NAME, tmp_path).accuracy["test"].accuracy > 0.9


# Every network, with its own recipe


@pytest.fixture
def synthetic(monkeypatch):
    """The data sets replaced by a few small examples, whose brightness tells two classes."""
    for name in ("cifar10", "mnist", "fashion-mnist", "mnist-pairs"):
        info = DATASETS[name]
        monkeypatch.setitem(DATASETS, name, replace(info, shape=(info.shape[0], 16, 16)))

    def load(name, split, root=None):
        info = DATASETS[name]
        generator = torch.Generator().manual_seed({"train": 1, "test": 2}[split])
        labels = torch.arange(16) % 2
        images = torch.randint(0, 60, (info.inputs, 16, *info.shape), generator=generator, dtype=torch.uint8)
        images += 150 * labels.to(torch.uint8)[:, None, None, None]
        return Split(name, split, tuple(images), labels, info.classes, "full")

    monkeypatch.setattr(loop, "load_split", load)


def test_resnet18_trains_with_its_own_recipe(synthetic, tmp_path):
    """Only one tiny epoch, since its state is large."""
    recipe = replace(recipe_for("resnet18", "cifar10"), epochs=1, batch_size=8, validation=0.1)
    assert len(list(train("resnet18", "cifar10", recipe, tmp_path, device="cpu"))) == 1
    weights = tmp_path / "resnet18_cifar10.safetensors"
    assert weights.stat().st_size < 23e6  # stored as float16
    assert checkpoints.load("resnet18_cifar10", tmp_path).card.recipe["stored"] == "float16"


@pytest.mark.parametrize("model", sorted(set(MODELS) - {"resnet18"}))
def test_every_network_trains_with_its_own_recipe(synthetic, tmp_path, model):
    """Two tiny epochs, the second after a resume: same weights as in one go."""
    name = "mnist-pairs" if MODELS[model].inputs == 2 else "cifar10"
    recipe = replace(recipe_for(model, name), epochs=2, batch_size=8, validation=0.1)
    for part in ("whole", "parts"):
        for record in train(model, name, recipe, tmp_path / part, device="cpu"):
            assert record.epochs == 2
            if part == "parts":
                break
    assert [r.epoch for r in train(model, name, recipe, tmp_path / "parts", resume=True, device="cpu")] == [2]
    one, other = (checkpoints.load(f"{model}_{name}", tmp_path / part) for part in ("whole", "parts"))
    assert one.sha256 == other.sha256 and one.card == other.card


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("model", sorted(model for model in MODELS if MODELS[model].inputs == 1))
def test_every_network_that_takes_one_image_takes_grey_ones(synthetic, tmp_path, model, dataset):
    recipe = replace(recipe_for(model, dataset), epochs=1, batch_size=8, validation=0.1)
    loop.check(model, dataset, recipe)
    if model == "resnet18":
        return  # whose training is slow, and tested above
    assert len(list(train(model, dataset, recipe, tmp_path, device="cpu"))) == 1
    assert len(checkpoints.read_card(f"{model}_{dataset}", tmp_path).mean) == 1


def test_normalisation_for_other_images_is_refused_before_anything_starts(tmp_path):
    words = "mean 0.1, 0.2, 0.3 must be one number, for values in 0…1"
    with pytest.raises(ValueError, match=words):
        next(train("block-net", "mnist", replace(RECIPE, mean=(0.1, 0.2, 0.3)), tmp_path))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_resnet18_trains_on_cuda(synthetic, tmp_path):
    recipe = replace(recipe_for("resnet18", "cifar10"), epochs=2, batch_size=8, validation=0.1)
    assert len(list(train("resnet18", "cifar10", recipe, tmp_path, device="cuda"))) == 2
    assert checkpoints.load("resnet18_cifar10", tmp_path).card.epochs == 2


@pytest.mark.parametrize(
    ("model", "dataset", "words"),
    [
        ("siamese", "mnist", "siamese looks at pairs of images, but mnist holds single images; choose one of: mnist-"),
        ("block-net", "mnist-pairs", "single images, but mnist-pairs holds pairs of images; choose one of: cifar10"),
    ],
)
def test_pairs_are_for_networks_that_compare(tmp_path, model, dataset, words):
    with pytest.raises(ValueError, match=words):
        next(train(model, dataset, RECIPE, tmp_path))
