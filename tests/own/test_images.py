import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import SafetensorError
from torchvision import transforms
from torchvision.datasets import ImageFolder
from user_files import SIDE, keep, network, paint, write_png

from explorer.files.errors import sentence
from explorer.images import datasets, downloads, reading
from explorer.networks import checkpoints
from explorer.own import images as own_images
from explorer.own.images import import_images
from explorer.own.networks import import_network
from explorer.training import recipes, trainings


def test_both_splits_are_a_data_set_like_any_other(pets, places):
    assert (
        datasets.dataset_info("pets") == pets
        and datasets.dataset_names()[-1] == "pets"
        and datasets.own_datasets() == ["pets"]
    )
    assert (pets.title, pets.classes, pets.shape, pets.inputs) == ("Our pets", ("cat", "dog"), (3, SIDE, SIDE), 1)
    assert datasets.availability("pets") == "full"
    for name, n in (("train", 6), ("test", 4)):
        split = reading.load_split("pets", name)
        assert split.inputs[0].shape == (n, 3, SIDE, SIDE) and split.inputs[0].dtype == torch.uint8
        assert split.labels.bincount().tolist() == [n // 2] * 2 and split.classes == pets.classes
    assert sorted(path.name for path in (places / "data").iterdir()) == ["pets"]


def test_images_are_torchvisions_resized_and_cropped_ones_in_one_order(places):
    folder = paint(places / "own" / "flat", each=10)
    usual = transforms.Compose([transforms.Resize(SIDE), transforms.CenterCrop(SIDE), transforms.PILToTensor()])
    want = ImageFolder(folder, usual)
    for name in ("one", "two"):
        import_images(folder, name, SIDE)
    split, again = (reading.load_split(name, "test") for name in ("one", "two"))
    assert split.sha256 == again.sha256
    assert split.labels.tolist() != sorted(split.labels.tolist()), "the first N must be a fair sample"
    found = {(int(label), image.numpy().tobytes()) for image, label in zip(split.inputs[0], split.labels, strict=True)}
    assert found == {(label, image.numpy().tobytes()) for image, label in want}


def test_a_flat_folder_is_a_test_split_alone(places):
    info = import_images(paint(places / "own" / "flat"), "flat", SIDE)
    assert list(info.files) == ["test"] and info.title == "flat"
    with pytest.raises(ValueError, match="flat has no train split: choose test, or import both splits"):
        reading.load_split("flat", "train")


def test_val_is_the_test_split_where_there_is_no_test(places):
    for split in ("train", "val"):
        paint(places / "own" / "v" / split)
    assert list(import_images(places / "own" / "v", "v", SIDE).files) == ["train", "test"]


def test_classes_may_be_called_train_and_test(places):
    info = import_images(paint(places / "own" / "odd", ("test", "train")), "odd", SIDE)
    assert info.classes == ("test", "train") and list(info.files) == ["test"]


def test_progress_tells_of_every_image_and_cancels(places):
    told = []
    folder = paint(places / "own" / "flat")
    import_images(folder, "flat", SIDE, progress=lambda *each: told.append(each))
    assert told == [(i, 8) for i in range(1, 9)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_images(folder, "other", SIDE, progress=stop)
    assert sorted(path.name for path in (places / "data").iterdir()) == ["flat"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cifar10", "'cifar10' is the name of a data set that comes with the app"),
        ("fashionmnist", "'fashionmnist' is the name of a data set that comes with the app"),
        ("pets", "there is a data set called 'pets' already"),
        ("../x", "data set name '../x' is not plain"),
        ("Pets", "data set name 'Pets' is not plain"),
        ("a" * 65, "is not plain; use at most 64 of a-z"),
    ],
)
def test_names_that_cannot_be_had(pets, places, name, words):
    with pytest.raises(ValueError, match=words):
        import_images(places / "own" / "pets", name, SIDE)


@pytest.mark.parametrize("size", [0, 7, 1025, -3, 10**9, 32.0, True])
def test_absurd_sizes(places, size):
    with pytest.raises(ValueError, match=rf"image size {size} is outside 8…1024 pixels"):
        import_images(places, "x", size)


def test_more_than_fits_is_refused_with_what_would(places, monkeypatch):
    monkeypatch.setattr(own_images, "MAX_BYTES", 8 * 3 * 20 * 20)
    with pytest.raises(ValueError, match="8 images of 32 × 32 are .* choose a size of at most 20, or fewer"):
        import_images(paint(places / "own" / "flat"), "flat", SIDE)
    import_images(places / "own" / "flat", "flat", 20)


def spoil(places, what):
    """A folder that cannot be imported."""
    folder = places / "own" / what
    if what == "differing":
        paint(folder / "train", ("cat", "cow")), paint(folder / "test", ("cat", "dog"))
    elif what == "untested":
        paint(folder / "train")
    elif what == "alone":
        paint(folder, ("cat",))
    elif what == "classless":
        folder.mkdir()
        write_png(torch.zeros(3, 9, 9, dtype=torch.uint8), folder / "0.png")
    elif what != "nowhere":
        paint(folder)
    if what == "empty":
        (folder / "emu").mkdir()
        (folder / "emu" / "readme.txt").write_text("later")
    elif what == "broken":
        (folder / "cat" / "1.png").write_bytes((folder / "cat" / "1.png").read_bytes()[:200])
    elif what == "text":
        (folder / "cat" / "1.png").write_text("no image")
    elif what == "deep":
        Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(folder / "cat" / "1.png")
    elif what == "long":
        write_png(torch.zeros(3, 1, 2000, dtype=torch.uint8), folder / "dog" / "9.png")
    return folder


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nowhere", "nowhere is not a folder; name one that holds a folder of images for each class"),
        ("classless", "classless holds no class folders"),
        ("empty", "the class folder .*emu holds no images .*; fill it or delete it"),
        ("alone", "alone has the class 'cat' alone; there must be at least 2"),
        ("untested", "untested has a train folder but none called test or val"),
        ("differing", r"differ between its splits \(only in train: cow; only in test: dog\)"),
        ("broken", r"the image .*1.png cannot be read \(.*truncated.*\); replace it or delete it"),
        ("text", r"the image .*1.png cannot be read \(cannot identify.*\); replace it or delete it"),
        ("deep", "the image .*1.png cannot be read .its mode is I;16, more than 8 bits a channel: save it with 8"),
        ("long", "the image .*9.png is 2000 × 1, too long to cut a square from"),
    ],
)
def test_folders_that_cannot_be_imported_leave_nothing_behind(places, what, words):
    with pytest.raises(ValueError, match=words):
        import_images(spoil(places, what), "x", SIDE)
    assert not list((places / "data").iterdir())


def test_titles_are_short_lines(places):
    for title in ("a" * 65, "a\nb"):
        with pytest.raises(ValueError, match="is not one line of at most 64 characters"):
            import_images(places, "x", SIDE, title)


def test_damage_is_one_sentence(pets, places):
    path = places / "data" / "pets" / "test.safetensors"
    whole = path.read_bytes()
    for content, words in ((whole[:-5], "truncated"), (whole[:-1] + b"\7", "SHA-256"), (None, "missing")):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match=f"test.safetensors is .*{words}.*; delete the folder 'pets' there and"):
            reading.load_split("pets", "test")
        path.touch()
    assert len(reading.load_split("pets", "train")) == 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": [3, 0, 8]}, "describes no data set"),
        ({"classes": ["cat"]}, "describes no data set"),
        ({"files": {}}, "describes no data set"),
        ({"files": []}, "is damaged"),
        ({"shape": 3}, "is damaged"),
        (None, "is damaged"),
    ],
)
def test_a_damaged_description_is_one_sentence(pets, places, changes, words):
    path = places / "data" / "pets" / datasets.OWN_INFO
    path.write_text("{" if changes is None else json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=f"images.json {words}.*delete the folder 'pets' there and import"):
        reading.load_split("pets", "test")


@pytest.mark.parametrize(
    "changes", [{"shape": [3, 16, 64]}, {"images": 4, "classes": ["only", "two"], "shape": [1, 9, 9]}]
)
def test_tensors_that_are_not_what_the_description_says(pets, places, changes):
    path = places / "data" / "pets" / datasets.OWN_INFO
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match="does not hold what images.json says of it"):
        reading.load_split("pets", "test")


def test_a_data_set_made_anew_is_read_anew(pets, places):
    before = reading.load_split("pets", "test")
    own_images.delete_images("pets")
    shutil.rmtree(places / "own" / "pets")
    import_images(paint(places / "own" / "pets", each=5), "pets", SIDE)
    assert len(reading.load_split("pets", "test")) == 10 != len(before)


def test_what_is_downloaded_from_nowhere_says_so(pets):
    with pytest.raises(ValueError, match="'pets' is a data set of your own, not one to download"):
        downloads.download("pets")


def test_a_data_set_can_be_deleted_once_nothing_needs_it(pets, places):
    import_network("squeezenet1_1", keep(places, network().state_dict()), "pets", "net")
    with pytest.raises(ValueError, match="'pets' is needed by net; delete what needs it first"):
        own_images.delete_images("pets")
    checkpoints.delete("net")
    own_images.delete_images("pets")
    assert datasets.own_datasets() == [] and not list((places / "data").iterdir())
    for name in ("pets", "cifar10", "../own"):
        with pytest.raises(ValueError, match="is no data set of your own; there are: none"):
            own_images.delete_images(name)


def test_a_network_here_can_be_trained_on_them(pets):
    trainings.check("resnet18", "pets", recipes.recipe_for("resnet18", "pets"), "mine", "")
    with pytest.raises(ValueError, match="torchvision/resnet18 has no recipe here"):
        recipes.recipe_for("torchvision/resnet18", "pets")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(places, monkeypatch):
    def full(tensors, path):
        Path(path).write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    paint(places / "own" / "pets")
    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError) as raised:
        own_images.import_images(places / "own" / "pets", "pets", SIDE)
    assert sentence(raised.value).endswith("test.safetensors; free some space on the disk")
    assert not list((places / "data").iterdir())
