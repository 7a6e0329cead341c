"""Data sets that torchvision put on the machine, in its own formats: small ones, and what its classes make of them."""

import gzip
import io
import pickle
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from archives import idx, md5, write_all
from torchvision import datasets as tv

from explorer.images import datasets, downloads, reading
from explorer.images.registry import DATASETS, DataFile

SETS = ("cifar100", "kmnist", "emnist-balanced", "stl10", "svhn")
LABELS = [0, 4, 9]


def pixels(split, *shape):
    return np.random.default_rng(len(split)).integers(0, 256, (len(LABELS), *shape), dtype=np.uint8)


def cifar100(monkeypatch):
    """What is official, by split, what else torchvision's class wants, and that class."""
    meta = {"cifar-100-python/meta": pickle.dumps({"fine_label_names": list(DATASETS["cifar100"].classes)})}
    batch = {
        f"cifar-100-python/{split}": pickle.dumps({"data": pixels(split, 3072), "fine_labels": LABELS})
        for split in ("train", "test")
    }
    for split in ("train", "test"):
        content = batch[f"cifar-100-python/{split}"]
        monkeypatch.setattr(tv.CIFAR100, f"{split}_list", [[split, md5(content)]])
    (about,) = meta.values()
    monkeypatch.setattr(tv.CIFAR100, "meta", tv.CIFAR100.meta | {"md5": md5(about)})
    files = {split: {path: batch[path]} | meta for split in ("train", "test") for path in batch if path.endswith(split)}
    return files, {}, lambda root, split: tv.CIFAR100(root, train=split == "train")


def idx_pair(split):
    return {"images-idx3-ubyte": idx(pixels(split, 28, 28)), "labels-idx1-ubyte": idx(np.array(LABELS, np.uint8))}


def kmnist(monkeypatch):
    plain = {
        split: {f"KMNIST/raw/{prefix}-{kind}": content for kind, content in idx_pair(split).items()}
        for split, prefix in (("train", "train"), ("test", "t10k"))
    }
    files = {split: {f"{path}.gz": gzip.compress(each) for path, each in plain[split].items()} for split in plain}
    return files, plain["train"] | plain["test"], lambda root, split: tv.KMNIST(root, train=split == "train")


def emnist(monkeypatch):
    plain = {
        f"emnist-balanced-{split}-{kind}": content
        for split in ("train", "test")
        for kind, content in idx_pair(split).items()
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in plain.items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content))
    whole = {"EMNIST/raw/gzip.zip": packed.getvalue()}
    beside = {f"EMNIST/raw/{name}": content for name, content in plain.items()}
    return (
        {"train": whole, "test": whole},
        beside,
        lambda root, split: tv.EMNIST(root, "balanced", train=split == "train"),
    )


def stl10(monkeypatch):
    files = {
        split: {
            f"stl10_binary/{split}_X.bin": pixels(split, 3, 96, 96).tobytes(),
            f"stl10_binary/{split}_y.bin": bytes(label + 1 for label in LABELS),
        }
        for split in ("train", "test")
    }
    unlabelled = {"stl10_binary/unlabeled_X.bin": b"as large as all others together"}
    for split, others in (("train", unlabelled), ("test", {})):
        listed = [[path.split("/")[1], md5(content)] for path, content in (files[split] | others).items()]
        monkeypatch.setattr(tv.STL10, f"{split}_list", listed)
    return files, unlabelled, tv.STL10


def svhn(monkeypatch):
    files = {}
    for split in ("train", "test"):
        packed = io.BytesIO()
        labels = np.array([[label or 10] for label in LABELS], np.uint8)  # the digit 0 is class 10 there
        scipy_io = pytest.importorskip("scipy.io")
        scipy_io.savemat(packed, {"X": pixels(split, 32, 32, 3).transpose(1, 2, 3, 0), "y": labels})
        files[split] = {f"{split}_32x32.mat": packed.getvalue()}
    listed = {split: ["", *each, *map(md5, each.values())] for split, each in files.items()}
    monkeypatch.setattr(tv.SVHN, "split_list", listed)
    return files, {}, tv.SVHN


MAKERS = dict(zip(SETS, (cifar100, kmnist, emnist, stl10, svhn), strict=True))


@pytest.fixture
def small(request, monkeypatch, tmp_path):
    """A small one of these data sets where the data set is looked for: its name, its folder, torchvision's class."""
    files, beside, theirs = MAKERS[request.param](monkeypatch)
    listed = {
        split: tuple(DataFile(path, 0, md5(content)) for path, content in each.items()) for split, each in files.items()
    }
    monkeypatch.setitem(DATASETS, request.param, replace(DATASETS[request.param], files=listed))
    write_all(tmp_path, files["train"] | files["test"] | beside)
    return request.param, tmp_path, theirs


@pytest.mark.parametrize("small", SETS, indirect=True)
def test_what_is_read_is_what_torchvision_reads(small):
    name, root, theirs = small
    assert datasets.availability(name, root) == "full"
    for which in ("train", "test"):
        split, reference = reading.load_split(name, which, root), theirs(root, which)
        (images,) = split.inputs
        assert images.shape == (3, *DATASETS[name].shape) and images.dtype == torch.uint8 and images.is_contiguous()
        assert split.labels.tolist() == LABELS and split.labels.dtype == torch.int64
        assert len(reference) == len(split)
        for i, image in enumerate(images):
            picture, label = reference[i]
            assert np.array_equal(image.permute(1, 2, 0).squeeze(2).numpy(), np.asarray(picture))
            assert label == split.labels[i]


@pytest.mark.parametrize("small", ["stl10"], indirect=True)
def test_unlabelled_images_are_not_needed(small):
    name, root, theirs = small
    (root / "stl10_binary/unlabeled_X.bin").unlink()
    with pytest.raises(RuntimeError):
        theirs(root, "test")
    assert len(reading.load_split(name, "test", root)) == 3


@pytest.mark.parametrize("small", ["svhn"], indirect=True)
def test_a_reader_without_its_package_says_what_to_install(small, monkeypatch):
    name, root, _ = small
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ValueError, match="^scipy, which reads SVHN's .mat files, is not installed; run: pip install"):
        reading.load_split(name, "test", root)


@pytest.mark.parametrize("small", ["kmnist"], indirect=True)
def test_a_file_of_unknown_size_is_checked_by_its_md5(small):
    name, root, _ = small
    path = root / "KMNIST/raw/t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1])
    words = (
        r"t10k-images-idx3-ubyte.gz is corrupt \(not the official MD5\); let torchvision.datasets.KMNIST put it into"
    )
    with pytest.raises(ValueError, match=words):
        reading.load_split(name, "test", root)
    with pytest.raises(ValueError, match="KMNIST is not whole in .*, and is not downloaded here; let torchvision"):
        downloads.download(name, root)


@pytest.mark.parametrize("small", ["stl10"], indirect=True)
def test_what_is_there_needs_no_download(small):
    name, root, _ = small
    assert downloads.download(name, root) == root / "stl10_binary"


@pytest.mark.parametrize("name", SETS)
def test_pages_offer_what_is_here_and_the_rest_says_how_to_get_it(name, tmp_path):
    assert name not in [info.name for info in datasets.readable_datasets(tmp_path)]
    assert name in datasets.dataset_names(tmp_path) and not DATASETS[name].downloadable
    with pytest.raises(
        ValueError, match=r"is not in .*; let torchvision.datasets.\w+ put it into the data folder, with"
    ):
        reading.load_split(name, "test", tmp_path)
    path = tmp_path / DATASETS[name].files["test"][0].path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert name in [info.name for info in datasets.readable_datasets(tmp_path)]


def listed(name):
    """The MD5 of each file of a data set, by its name."""
    return {file.path.rpartition("/")[2]: file.md5 for split in DATASETS[name].files.values() for file in split}


def test_the_official_files_and_classes_are_torchvisions():
    meta = {tv.CIFAR100.meta["filename"]: tv.CIFAR100.meta["md5"]}
    assert listed("cifar100") == dict(tv.CIFAR100.train_list + tv.CIFAR100.test_list) | meta
    assert listed("kmnist") == dict(tv.KMNIST.resources)
    assert listed("emnist-balanced") == {"gzip.zip": tv.EMNIST.md5}
    labelled = [each for each in tv.STL10.train_list + tv.STL10.test_list if "unlabeled" not in each[0]]
    assert listed("stl10") == dict(labelled)
    assert listed("svhn") == {name: md5 for _, name, md5 in tv.SVHN.split_list.values() if "extra" not in name}
    assert list(DATASETS["kmnist"].classes) == tv.KMNIST.classes
    assert list(DATASETS["emnist-balanced"].classes) == tv.EMNIST.classes_split_dict["balanced"]
    classes = DATASETS["cifar100"].classes
    assert len(classes) == 100 and list(classes) == sorted(classes), "as its meta file has them"
    assert {DATASETS["cifar100"].folder, DATASETS["stl10"].folder} == {tv.CIFAR100.base_folder, tv.STL10.base_folder}
