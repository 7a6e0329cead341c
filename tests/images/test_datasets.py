import threading
from dataclasses import replace

import pytest
import torch
from archives import write_all
from torchvision import datasets as tv
from torchvision import transforms

from explorer.files.places import PROJECT, data_root
from explorer.images import datasets, reading
from explorer.images.batches import Batches
from explorer.images.datasets import BUNDLED
from explorer.images.integrity import remedy
from explorer.images.pairs import draw_pairs
from explorer.images.registry import BUNDLED_FILES, DATASETS, Pairing
from explorer.images.split import Split
from explorer.language.catalogue import catalogue
from explorer.language.saying import speaking

# What is bundled, and what torchvision knows


def test_bundled_fashion_mnist_is_the_default(tmp_path):
    assert datasets.availability("fashion-mnist", tmp_path) == "bundled"
    train, test = (reading.load_split("fashion-mnist", split, tmp_path) for split in ("train", "test"))
    for split in (train, test):
        assert len(split) == 10_000 and split.origin == "bundled"
        assert split.inputs[0].shape == (10_000, 1, 28, 28) and split.inputs[0].dtype == torch.uint8
        assert split.labels.dtype == torch.int64
    assert test.labels.bincount().tolist() == [1000] * 10
    reference = tv.FashionMNIST(BUNDLED, train=False)
    assert torch.equal(test.inputs[0][:, 0], reference.data) and torch.equal(test.labels, reference.targets)


def test_the_licence_lies_beside_the_bundled_data():
    text = (BUNDLED / "FashionMNIST" / "LICENSE").read_text(encoding="utf-8")
    assert "Zalando SE" in text and "MIT License" in text


def test_classes_are_torchvisions():
    assert list(DATASETS["fashion-mnist"].classes) == tv.FashionMNIST.classes
    assert [name.split(" - ")[0] for name in tv.MNIST.classes] == list(DATASETS["mnist"].classes)


def test_cifar10_files_are_torchvisions():
    files = {file.path.split("/")[1]: file.md5 for split in DATASETS["cifar10"].files.values() for file in split}
    reader = tv.CIFAR10
    listed = dict(reader.train_list + reader.test_list) | {reader.meta["filename"]: reader.meta["md5"]}
    assert files == listed


def test_real_cifar10(real_cifar10):
    assert real_cifar10.inputs[0].shape == (10_000, 3, 32, 32)
    assert real_cifar10.labels.bincount().tolist() == [1000] * 10
    reference = tv.CIFAR10(data_root(), train=False)
    picture, label = reference[7]
    assert torch.equal(real_cifar10.inputs[0][7], transforms.functional.pil_to_tensor(picture))
    assert real_cifar10.labels[7] == label


# Pairs


@pytest.fixture
def pairs(monkeypatch):
    """60 images of 3 classes whose pixels say which image it is, and 40 pairs of 30 of them."""
    labels = torch.arange(60) % 3
    images = torch.arange(60, dtype=torch.uint8)[:, None, None, None].expand(60, 1, 2, 2)
    return draw_pairs(
        Split("mnist-pairs", "test", (images,), labels, ("different", "same"), "full"), Pairing(30, 40, 60)
    )


def test_pairs_are_balanced_and_labelled_by_what_they_show(pairs):
    first, second = (images[:, 0, 0, 0].long() for images in pairs.inputs)
    assert pairs.inputs[0].shape == pairs.inputs[1].shape == (40, 1, 2, 2) and len(pairs) == 40
    assert torch.equal(pairs.labels, (first % 3 == second % 3).long())
    assert pairs.labels.sum() == 20
    assert (first != second).all()
    assert 20 < len({*first.tolist(), *second.tolist()}) <= 30
    assert not torch.equal(pairs.labels, pairs.labels.sort().values)  # shuffled


def test_pairs_take_the_place_of_mnists_files(tmp_path):
    assert datasets.availability("mnist-pairs", tmp_path) == "bundled"
    with pytest.raises(ValueError, match="the train split of MNIST pairs is not on .*`python -m explorer data mnist-p"):
        reading.load_split("mnist-pairs", "train", tmp_path)
    assert DATASETS["mnist-pairs"].files == DATASETS["mnist"].files
    assert (DATASETS["mnist"].examples, DATASETS["mnist-pairs"].examples) == ("images", "pairs")
    assert [name for name, info in DATASETS.items() if info.inputs == 2] == ["mnist-pairs"]


def test_the_pairs_to_test_on_come_with_the_app_and_are_those_of_the_full_files(tmp_path):
    bundled = reading.load_split("mnist-pairs", "test", tmp_path)
    assert (len(bundled), bundled.origin, datasets.splits_of("mnist-pairs", tmp_path)) == (2_000, "bundled", ["test"])
    licence = (datasets.BUNDLED / "MNIST" / "LICENSE").read_text()
    assert "Attribution-ShareAlike 3.0" in licence and "LeCun" in licence
    if datasets.availability("mnist-pairs") == "full":
        full = reading.load_split("mnist-pairs", "test")
        assert torch.equal(bundled.labels, full.labels)
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(bundled.inputs, full.inputs, strict=True))


def test_real_pairs():
    if datasets.availability("mnist-pairs") != "full":
        pytest.skip("MNIST is not under the data root")
    mnist = reading.load_split("mnist", "test")
    digits = {image.numpy().tobytes(): int(label) for image, label in zip(mnist.inputs[0], mnist.labels, strict=True)}
    split = reading.load_split("mnist-pairs", "test")
    shown = [[digits[image.numpy().tobytes()] for image in images] for images in split.inputs]
    assert split.labels.tolist() == [int(one == other) for one, other in zip(*shown, strict=True)]
    assert (len(split), int(split.labels.sum()), split.classes) == (2_000, 1_000, ("different", "same"))
    assert len({image.numpy().tobytes() for images in split.inputs for image in images}) <= 1_000
    train = reading.load_split("mnist-pairs", "train")
    assert len(train) == 10_000 and train.labels.sum() == 5_000


# Reading


def test_root_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("EXPLORER_DATA")
    assert data_root() == PROJECT / "data"


def test_a_full_copy_takes_precedence(monkeypatch, tmp_path):
    files = {file.path: file for split in BUNDLED_FILES["fashion-mnist"].values() for file in split}
    write_all(tmp_path, {path: (BUNDLED / path).read_bytes() for path in files})
    info = replace(DATASETS["fashion-mnist"], files=BUNDLED_FILES["fashion-mnist"])
    monkeypatch.setitem(DATASETS, "fashion-mnist", info)
    assert datasets.availability("fashion-mnist", tmp_path) == "full"
    assert reading.load_split("fashion-mnist", "test", tmp_path).origin == "full"


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_reads_a_copy(name, request, tmp_path):
    files, _ = request.getfixturevalue(name)
    assert datasets.availability(name, tmp_path) == "missing"
    write_all(tmp_path, files)
    assert datasets.availability(name, tmp_path) == "full"
    split = reading.load_split(name, "test", tmp_path)
    assert split.inputs[0].shape == (2, *DATASETS[name].shape) and split.inputs[0].is_contiguous()
    assert split.labels.tolist() == ([7, 3] if name == "mnist" else [1, 9])


def test_missing_data_set_says_how_to_get_it(tmp_path):
    with pytest.raises(ValueError, match=r"CIFAR-10 is not in .*; run `python -m explorer data cifar10`"):
        reading.load_split("cifar10", "test", tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"is truncated \(1,583 of 1,584 bytes\)"),
        (lambda path: path.write_bytes(b"\1" + path.read_bytes()[1:]), "is corrupt"),
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), "is corrupt"),
    ],
)
def test_damaged_file_is_named(mnist, tmp_path, damage, words):
    write_all(tmp_path, mnist[0])
    damage(tmp_path / "MNIST/raw/t10k-images-idx3-ubyte")
    fix = "run `python -m explorer data mnist`"
    with pytest.raises(ValueError, match=f"t10k-images-idx3-ubyte {words}.*{fix}"):
        reading.load_split("mnist", "test", tmp_path)


def test_the_other_splits_damage_is_named_where_torchvision_minds(cifar10, tmp_path):
    write_all(tmp_path, cifar10[0])
    (tmp_path / "cifar-10-batches-py/data_batch_3").unlink()
    with pytest.raises(ValueError, match="data_batch_3 is missing"):
        reading.load_split("cifar10", "test", tmp_path)


@pytest.mark.parametrize(("name", "split"), [("imagenet", "test"), ("mnist", "validation")])
def test_unknown_names_list_the_choices(name, split):
    with pytest.raises(ValueError, match="unknown .*; choose one of: "):
        reading.load_split(name, split)


def test_a_split_is_read_once_however_many_ask(mnist, tmp_path, monkeypatch):
    write_all(tmp_path, mnist[0])
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(reading.load_split("mnist", "test", tmp_path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len({id(split) for split in found}) == 1


# Batches


def two_colours():
    images = torch.arange(5 * 3 * 2 * 2, dtype=torch.uint8).view(5, 3, 2, 2)
    return Split("cifar10", "test", (images,), torch.arange(5), tuple("abcde"), "full")


def test_batches_are_what_torchvisions_transforms_give():
    split, mean, std = two_colours(), (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    batches = Batches(split, mean, std, batch_size=2)
    assert (len(batches), batches.n, batches.labels.tolist()) == (3, 5, [0, 1, 2, 3, 4])
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    expected = torch.stack([transform(image.permute(1, 2, 0).numpy()) for image in split.inputs[0]])
    for _ in range(2):  # reiterable
        inputs, labels = zip(*batches, strict=True)
        assert [len(part) for part in labels] == [2, 2, 1]
        assert torch.equal(torch.cat(inputs), expected)


def test_one_mean_serves_every_channel():
    ((inputs, _),) = Batches(two_colours(), (0.5,), (0.5,))
    ((same, _),) = Batches(two_colours(), (0.5,) * 3, (0.5,) * 3)
    assert torch.equal(inputs, same)


def test_several_inputs_come_as_a_tuple():
    split = two_colours()
    pairs = replace(split, inputs=split.inputs * 2)
    ((inputs, labels),) = Batches(pairs, (0.5,), (0.5,))
    assert isinstance(inputs, tuple) and len(inputs) == 2 and len(labels) == 5


def test_limit_and_take():
    split = two_colours()
    assert Batches(split, (0.5,), (0.5,), limit=3).labels.tolist() == [0, 1, 2]
    assert split.take([4, 0]).labels.tolist() == [4, 0]
    assert torch.equal(split.take(torch.tensor([4])).inputs[0][0], split.inputs[0][4])
    assert len(split) == 5 and len(split.take(2)) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limit": 0}, "limit 0 is outside 1…5"),
        ({"limit": 6}, "limit 6 is outside 1…5"),
        ({"batch_size": 0}, "batch size 0"),
    ],
)
def test_bad_batches(options, words):
    with pytest.raises(ValueError, match=words):
        Batches(two_colours(), (0.5,), (0.5,), **options)


def test_means_must_fit_the_channels():
    with pytest.raises(ValueError, match="one number, or one for each of 3 channels"):
        list(Batches(two_colours(), (0.5, 0.5), (0.5,)))


def test_what_data_sets_are_called_and_how_they_are_mended_has_its_words_in_chinese():
    names = {"cifar10", "mnist", "fashion-mnist", "cifar100", "kmnist", "emnist-balanced", "stl10", "svhn"}
    titles = [info.title for name, info in DATASETS.items() if name not in names]
    missing = [text for text in [*titles, *datasets.RESIZES.values()] if text not in catalogue("zh")]
    assert not missing, f"put these into explorer/language/zh/images.toml: {missing}"
    with speaking("zh"):
        assert all("请" in remedy(name) for name in [*DATASETS, "my-own"])
