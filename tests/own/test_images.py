import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors import SafetensorError
from torchvision import transforms
from torchvision.datasets import ImageFolder
from user_files import SIDE, keep, network, paint, write_png

from explorer.files.errors import sentence
from explorer.images import datasets, downloads, reading
from explorer.images import pictures as shown
from explorer.networks import checkpoints
from explorer.own import images as own_images
from explorer.own import pictures
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


@pytest.mark.parametrize(
    ("train", "test"),
    [("train", "val"), ("Training", "TESTING"), ("train", "valid"), ("TRAIN", "Validation"), ("training", "dev")],
)
def test_splits_go_by_several_names(places, train, test):
    for split in (train, test):
        paint(places / "own" / "v" / split)
    info = import_images(places / "own" / "v", "v", SIDE)
    assert list(info.files) == ["train", "test"] and info.notes == ()


def test_the_test_folder_comes_before_val_which_is_said(places):
    for split in ("train", "val", "test"):
        paint(places / "own" / "v" / split, each=1 + len(split))
    info = import_images(places / "own" / "v", "v", SIDE)
    assert len(reading.load_split("v", "test")) == 10 and info.notes == ("left out: val; only train and test taken",)


def test_what_is_nobodys_image_is_skipped_and_counted(places):
    folder = paint(places / "own" / "flat")
    for hidden in (folder / ".ipynb_checkpoints", folder / "cat" / ".ipynb_checkpoints", folder / "__MACOSX" / "cat"):
        shutil.copytree(folder / "dog", hidden)
    shutil.copy(folder / "cat" / "0.png", folder)
    for name in (".DS_Store", "cat/._0.png", "dog/._1.png", "dog/Thumbs.db", "dog/4.HEIC", "README"):
        (folder / name).write_bytes(b"no image")
    info = import_images(folder, "flat", SIDE)
    assert info.classes == ("cat", "dog") and len(reading.load_split("flat", "test")) == 8
    assert info.notes == (
        "skipped: 3 hidden files, 2 folders .ipynb_checkpoints, 1 file Thumbs.db, 1 file ending in .heic, "
        "1 file without an ending, 1 folder __MACOSX, 1 more",
    )


def test_images_may_lie_as_deep_as_a_zip_puts_them(places):
    inner = places / "own" / "zipped" / "pets" / "pets"
    for split in ("train", "test"):
        paint(inner / split)
    (places / "own" / "zipped" / "__MACOSX").mkdir()
    info = import_images(places / "own" / "zipped", "pets", SIDE)
    assert list(info.files) == ["train", "test"] and info.classes == ("cat", "dog")
    assert info.notes == ("taken from the folder pets/pets within", "skipped: 1 folder __MACOSX")


def test_a_folder_deeper_than_that_or_beside_images_is_a_class(places):
    paint(places / "own" / "a" / "b" / "c" / "d")
    with pytest.raises(ValueError, match="has the class 'd' alone"):
        import_images(places / "own" / "a", "x", SIDE)
    paint(places / "own" / "e" / "f")
    shutil.copy(places / "own" / "e" / "f" / "cat" / "0.png", places / "own" / "e")
    with pytest.raises(ValueError, match="has the class 'f' alone"):
        import_images(places / "own" / "e", "x", SIDE)


# What becomes of each image


def found_in(name):
    """The images of a data set's test split, as a set."""
    return {image.numpy().tobytes() for image in reading.load_split(name, "test").inputs[0]}


def test_images_are_turned_as_their_exif_data_say(places):
    folder, want = paint(places / "own" / "flat", each=8, size=(SIDE, SIDE)), set()
    for path in folder.glob("*/*.png"):
        exif = Image.Exif()
        exif[pictures.ORIENTATION] = 1 + int(path.stem)
        Image.open(path).save(path, exif=exif)
        want.add(transforms.functional.pil_to_tensor(ImageOps.exif_transpose(Image.open(path))).numpy().tobytes())
    info = import_images(folder, "flat", SIDE, resize="none")
    assert found_in("flat") == want and len(want) == 16
    assert info.notes == ("turned upright by their EXIF data: 14 images",)


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}])
def test_a_tiff_which_pillow_turns_is_not_turned_twice(places, options):
    folder = paint(places / "own" / "flat", each=1, size=(SIDE, SIDE))
    path = folder / "cat" / "0.tif"
    with Image.open(folder / "cat" / "0.png") as image:
        image.save(path, tiffinfo={pictures.ORIENTATION: 6}, **options)
        want = transforms.functional.pil_to_tensor(image.transpose(Image.Transpose.ROTATE_270))
    assert torch.equal(pictures.read_picture(path, pictures.Form(SIDE))[0], want)


def test_exif_data_that_cannot_be_read_turn_nothing(places):
    folder = paint(places / "own" / "flat", each=1)
    Image.open(folder / "cat" / "0.png").save(folder / "cat" / "0.png", exif=b"Exif\x00\x00no TIFF at all")
    assert import_images(folder, "flat", SIDE).notes == ()


def test_both_sides_are_resized_to_the_size(places):
    folder = paint(places / "own" / "flat")
    want = ImageFolder(folder, transforms.Compose([transforms.Resize((SIDE, SIDE)), transforms.PILToTensor()]))
    info = import_images(folder, "flat", SIDE, resize="exact")
    assert found_in("flat") == {image.numpy().tobytes() for image, _ in want}
    assert info.transform == "both sides to 32 pixels (bilinear), whatever their ratio"
    spoil(places, "long")
    import_images(places / "own" / "long", "long", SIDE, resize="exact")


def test_images_that_have_the_size_stay_as_they_are(places):
    folder = paint(places / "own" / "flat", size=(SIDE, SIDE))
    info = import_images(folder, "flat", SIDE, resize="none")
    assert found_in("flat") == {image.numpy().tobytes() for image, _ in ImageFolder(folder, transforms.PILToTensor())}
    assert info.transform == "none: 32 × 32 pixels as they came"
    paint(folder, ("emu",))
    words = "the image .*emu.*png is 50 × 40 pixels, not 32 × 32, and nothing is to be resized; give the size that all"
    with pytest.raises(ValueError, match=words):
        import_images(folder, "other", SIDE, resize="none")
    with pytest.raises(ValueError, match="unknown resize 'magic'; choose one of: short, exact, none"):
        import_images(folder, "other", SIDE, resize="magic")


def test_grey_images_have_one_channel_where_it_is_asked_for(places):
    folder = paint(places / "own" / "flat", each=3)
    for path in folder.glob("*/*.png"):
        Image.open(path).convert(("1", "L", "LA")[int(path.stem)]).save(path)
    colour = import_images(folder, "rgb", SIDE)
    grey = import_images(folder, "grey", SIDE, grey=True, mean=[0.5], std=[1])
    assert (colour.shape, grey.shape) == ((3, SIDE, SIDE), (1, SIDE, SIDE))
    assert torch.equal(reading.load_split("rgb", "test").inputs[0][:, :1], reading.load_split("grey", "test").inputs[0])
    assert shown.pictures("grey", "test", [0, 1])[0].shape == (2, 1, SIDE, SIDE)
    trainings.check("resnet18", "grey", recipes.recipe_for("resnet18", "grey"), "mine", "")
    paint(folder, ("emu",))
    with pytest.raises(ValueError, match=r"the image .*emu.*png is in colour \(mode RGB\); save it as grey, or import"):
        import_images(folder, "other", SIDE, grey=True)


@pytest.mark.parametrize(
    ("mean", "std", "words"),
    [
        ((0.5,), (), "a mean alone is no normalisation; give both mean and std, or neither"),
        ((), (0.5,), "a std alone is no normalisation"),
        ((0.5, 0.5), (0.5,), "mean 0.5, 0.5 must be one number, or one for each of 3 channels"),
        ((0.5,), (0.0,), "std 0.0 must be one positive number"),
    ],
)
def test_a_normalisation_that_cannot_be(places, mean, std, words):
    with pytest.raises(ValueError, match=words):
        import_images(places, "x", SIDE, mean=mean, std=std)


def test_the_description_keeps_how_it_was_made_and_older_ones_are_read(places):
    folder = paint(places / "own" / "flat")
    info = import_images(folder, "flat", SIDE, mean=(0.1, 0.2, 0.3), std=(0.5,))
    assert (info.mean, info.std) == ((0.1, 0.2, 0.3), (0.5,))
    assert info.transform == "short side to 32 pixels (bilinear), middle square cut out"
    path = places / "data" / "flat" / datasets.OWN_INFO
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({key: fields[key] for key in ("title", "classes", "shape", "files")}))
    old = datasets.dataset_info("flat")
    assert (old.mean, old.std, old.notes, old.transform) == ((), (), (), info.transform)
    assert len(reading.load_split("flat", "test")) == 8


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
        (
            "untested",
            "untested has a folder of classes called train, but none called test, testing, val, .* or dev; put",
        ),
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
        ({"resize": "magic"}, "is damaged"),
        ({"resize": []}, "is damaged"),
        ({"mean": "grey"}, "is damaged"),
        ({"std": [10**400]}, "is damaged"),
        ({"notes": 3}, "is damaged"),
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
