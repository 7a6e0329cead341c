import json
import os
import pickle
import shutil
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from PIL import Image
from test_torchvision import warm_up
from torchvision import models as tv
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import mnasnet

from explorer import checkpoints, data, experiment, imports, recipes, report, trainings
from explorer.checkpoints import Score
from explorer.data import Batches
from explorer.evaluation import logits, predict
from explorer.experiment import Experiment, sweep_of
from explorer.imports import import_images, import_network
from explorer.models import build, conv_layer, model_info, torchvision_networks

SIDE = 32


def write_png(image, path):
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)


def paint(folder, names=("cat", "dog"), each=4, size=(40, 50)):
    """Write a few random PNGs into a folder for each class; returns the folder that holds those."""
    generator = torch.Generator().manual_seed(len(str(folder)))
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(each):
            image = torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
            write_png(image, folder / name / f"{i}.png")
    return folder


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A data root, a folder of checkpoints and a folder to import from, all empty."""
    for variable, name in (("DATA", "data"), ("CHECKPOINTS", "checkpoints"), ("OWN", "own")):
        monkeypatch.setenv(f"EXPLORER_{variable}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def pets(places):
    """The data set "pets": 6 training images and 4 test images of 2 classes."""
    paint(places / "own" / "pets" / "train", each=3)
    paint(places / "own" / "pets" / "test", each=2)
    return import_images(places / "own" / "pets", "pets", SIDE, "Our pets")


def network(arch="squeezenet1_1", classes=2, seed=0, **options):
    torch.manual_seed(seed)
    return tv.get_model(arch, weights=None, num_classes=classes, **options).eval()


def keep(places, state, name="net.pth"):
    path = places / "own" / name
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return path


# Images


def test_both_splits_are_a_data_set_like_any_other(pets, places):
    assert data.dataset_info("pets") == pets and data.dataset_names()[-1] == "pets" and data.own_datasets() == ["pets"]
    assert (pets.title, pets.classes, pets.shape, pets.inputs) == ("Our pets", ("cat", "dog"), (3, SIDE, SIDE), 1)
    assert data.availability("pets") == "full"
    for name, n in (("train", 6), ("test", 4)):
        split = data.load_split("pets", name)
        assert split.inputs[0].shape == (n, 3, SIDE, SIDE) and split.inputs[0].dtype == torch.uint8
        assert split.labels.bincount().tolist() == [n // 2] * 2 and split.classes == pets.classes
    assert sorted(path.name for path in (places / "data").iterdir()) == ["pets"]


def test_images_are_torchvisions_resized_and_cropped_ones_in_one_order(places):
    folder = paint(places / "own" / "flat", each=10)
    usual = transforms.Compose([transforms.Resize(SIDE), transforms.CenterCrop(SIDE), transforms.PILToTensor()])
    want = ImageFolder(folder, usual)
    for name in ("one", "two"):
        import_images(folder, name, SIDE)
    split, again = (data.load_split(name, "test") for name in ("one", "two"))
    assert split.sha256 == again.sha256
    assert split.labels.tolist() != sorted(split.labels.tolist()), "the first N must be a fair sample"
    found = {(int(label), image.numpy().tobytes()) for image, label in zip(split.inputs[0], split.labels, strict=True)}
    assert found == {(label, image.numpy().tobytes()) for image, label in want}


def test_a_flat_folder_is_a_test_split_alone(places):
    info = import_images(paint(places / "own" / "flat"), "flat", SIDE)
    assert list(info.files) == ["test"] and info.title == "flat"
    with pytest.raises(ValueError, match="flat has no train split: choose test, or import both splits"):
        data.load_split("flat", "train")


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
    monkeypatch.setattr(imports, "MAX_BYTES", 8 * 3 * 20 * 20)
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
            data.load_split("pets", "test")
        path.touch()
    assert len(data.load_split("pets", "train")) == 6


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
    path = places / "data" / "pets" / data.OWN_INFO
    path.write_text("{" if changes is None else json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=f"images.json {words}.*delete the folder 'pets' there and import"):
        data.load_split("pets", "test")


@pytest.mark.parametrize(
    "changes", [{"shape": [3, 16, 64]}, {"images": 4, "classes": ["only", "two"], "shape": [1, 9, 9]}]
)
def test_tensors_that_are_not_what_the_description_says(pets, places, changes):
    path = places / "data" / "pets" / data.OWN_INFO
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match="does not hold what images.json says of it"):
        data.load_split("pets", "test")


def test_a_data_set_made_anew_is_read_anew(pets, places):
    before = data.load_split("pets", "test")
    imports.delete_images("pets")
    shutil.rmtree(places / "own" / "pets")
    import_images(paint(places / "own" / "pets", each=5), "pets", SIDE)
    assert len(data.load_split("pets", "test")) == 10 != len(before)


def test_what_is_downloaded_from_nowhere_says_so(pets):
    with pytest.raises(ValueError, match="'pets' is a data set of your own, not one to download"):
        data.download("pets")


def test_a_data_set_can_be_deleted_once_nothing_needs_it(pets, places):
    import_network("squeezenet1_1", keep(places, network().state_dict()), "pets", "net")
    with pytest.raises(ValueError, match="'pets' is needed by net; delete what needs it first"):
        imports.delete_images("pets")
    checkpoints.delete("net")
    imports.delete_images("pets")
    assert data.own_datasets() == [] and not list((places / "data").iterdir())
    for name in ("pets", "cifar10", "../own"):
        with pytest.raises(ValueError, match="is no data set of your own; there are: none"):
            imports.delete_images(name)


def test_a_network_here_can_be_trained_on_them(pets):
    trainings.check("resnet18", "pets", recipes.recipe_for("resnet18"), "mine", "")
    with pytest.raises(ValueError, match="torchvision/resnet18 has no recipe here"):
        recipes.recipe_for("torchvision/resnet18")


# Networks


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt", "net.pth"])
def test_an_imported_network_is_a_checkpoint_like_any_other(pets, places, name):
    net = warm_up(network("mobilenet_v2"), torch.randn(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
    told = []
    made = import_network(
        "mobilenet_v2", keep(places, net.state_dict(), name), "pets", progress=lambda *each: told.append(each)
    )
    point = checkpoints.load(made)
    assert made == "mobilenet_v2_pets" and checkpoints.list_checkpoints() == [made] and told == [(4, 4)]
    split = data.load_split("pets", "test")
    batches = Batches(split, imports.IMAGENET_MEAN, imports.IMAGENET_STD)
    want = int((predict(logits(net, batches)) == split.labels).sum())
    card = point.card
    assert card.imported and card.accuracy == {"test": Score(want, 4)} and card.recipe == {} and card.epochs == 0
    assert torch.equal(logits(point.model, batches), logits(net, batches))
    assert experiment.default_layer(point) == "features.18.0"
    assert experiment.splits_to_rank_on(point) == ["test", "train"]
    *_, result = sweep_of(Experiment(made, "features.18.0", ranked_on="train", ks=(0, 1280)), point)
    assert result.correct[0] == want and result.predictions.shape == (2, 4)
    assert report.layer_table(point)["parameters"].sum() == sum(p.numel() for p in net.parameters())
    assert import_network("mobilenet_v2", places / "own" / name, "pets") == "mobilenet_v2_pets-2"


def test_ranking_is_offered_where_there_are_images_for_it(places):
    import_images(paint(places / "own" / "flat"), "flat", SIDE)
    point = checkpoints.load(import_network("squeezenet1_1", keep(places, network().state_dict()), "flat"))
    assert experiment.splits_to_rank_on(point) == ["test"]
    layer = experiment.default_layer(point)
    for asked, words in (
        ({"ranked_on": "train"}, "flat has no train split"),
        ({"split": "train"}, "flat has no train split"),
        ({"ranked_on": "held-out"}, "was imported, so the images it was validated on are not known"),
    ):
        with pytest.raises(ValueError, match=words):
            experiment.check(Experiment(point.name, layer, **asked), point)


@pytest.mark.parametrize("key", [None, "state_dict", "model", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_what_training_scripts_wrap_around_weights(places, key, prefix):
    state = network().state_dict()
    kept = {prefix + name: value for name, value in state.items()}
    found = imports.read_weights(keep(places, {key: kept, "epoch": 3} if key else kept))
    assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)


class Trap:
    def __reduce__(self):
        return pytest.fail, ("the pickle was executed",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Trap(), "net.pth holds more than tensors, or is damaged, and unpickling it could run any code: save model.st"),
        ([torch.zeros(2)], "net.pth holds no state_dict"),
        ({"state_dict": {"a": 3}}, "net.pth holds no state_dict"),
        ({}, "net.pth holds no state_dict"),
        ({"a": 3}, "net.pth holds no state_dict"),
        ({3: torch.zeros(2)}, "net.pth holds no state_dict"),
    ],
)
def test_what_is_no_state_dict(places, content, words):
    with pytest.raises(ValueError, match=words):
        imports.read_weights(keep(places, content))


def test_a_whole_module_is_refused(places):
    with pytest.raises(ValueError, match="net.pth holds more than tensors"):
        imports.read_weights(keep(places, network()))


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"\x80\x02", b"<html>", b"\xff" * 999, pickle.dumps({"a": 1}), b"PK\3\4" * 50]
)
def test_damaged_files_are_one_sentence(places, content):
    for name in ("net.pth", "net.pt", "net.safetensors"):
        (places / "own" / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"^{name} "):
            imports.read_weights(places / "own" / name)


def test_truncated_weights_are_one_sentence(places):
    path = keep(places, network().state_dict())
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="net.pth .*damaged"):
        imports.read_weights(path)


def test_files_of_other_kinds_and_none(places):
    (places / "own" / "net.onnx").touch()
    with pytest.raises(ValueError, match=r"net.onnx ends in none of .safetensors, .pt, .pth"):
        imports.read_weights(places / "own" / "net.onnx")
    with pytest.raises(ValueError, match="there is no weights file .*no.pt"):
        imports.read_weights(places / "own" / "no.pt")


def edited(change):
    state = network().state_dict()
    change(state)
    return state


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (lambda: network(classes=1000).state_dict(), "weights in net.pth are for 1000 classes, but Our pets has 2;"),
        (
            lambda: network("alexnet").state_dict(),
            "does not fit squeezenet1_1: these weights are missing: .*unexpected: ",
        ),
        (lambda: edited(lambda s: s.pop("features.0.bias")), "these weights are missing: features.0.bias$"),
        (lambda: edited(lambda s: s.update(extra=torch.zeros(1))), "these weights are unexpected: extra$"),
        (
            lambda: edited(lambda s: s.update({"features.0.bias": torch.zeros(3)})),
            r"does not fit squeezenet1_1: features.0.bias is \(3,\), not \(64,\)",
        ),
        (
            lambda: edited(lambda s: s["features.0.bias"].fill_(torch.nan)),
            "holds NaN or infinite weights in features.0",
        ),
        (
            lambda: edited(lambda s: s.update({"features.0.bias": torch.full((64,), 1e300, dtype=torch.float64)})),
            "infinite",
        ),
        *(
            (lambda odd=odd: edited(lambda s: s.update({"features.0.bias": odd()})), "else than plain real numbers")
            for odd in (
                lambda: torch.zeros(64).to_sparse(),
                lambda: torch.zeros(64, device="meta"),
                lambda: torch.quantize_per_tensor(torch.zeros(64), 0.1, 0, torch.qint8),
                lambda: torch.zeros(64, dtype=torch.complex64),
            )
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:TypedStorage", "ignore:.*quantiz", "ignore:Validating sparse")
def test_weights_that_do_not_fit_say_why(pets, places, state, words):
    with pytest.raises(ValueError, match=words):
        import_network("squeezenet1_1", keep(places, state()), "pets")
    assert not list((places / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("arch", "given", "words"),
    [
        (
            "squeezenet",
            {},
            "torchvision has no classification network 'squeezenet'; did you mean one of: .*squeezenet1_0",
        ),
        ("fcn_resnet50", {}, "torchvision has no classification network 'fcn_resnet50'"),
        ("squeezenet1_1", {"dataset": "cats"}, "unknown data set 'cats'; choose one of: .*, pets"),
        ("squeezenet1_1", {"dataset": "fashion-mnist"}, "looks at images of 3 channels, not 1; use colour images"),
        ("squeezenet1_1", {"mean": (0.5, 0.5)}, "mean 0.5, 0.5 must be 1 or 3 numbers"),
        ("squeezenet1_1", {"std": (0.5, 0, 1)}, "std 0.5, 0, 1 must be 1 or 3 positive numbers"),
        ("squeezenet1_1", {"mean": (float("nan"),)}, "mean nan must be"),
        ("squeezenet1_1", {"name": "resnet18_cifar10"}, "is the name of a network that comes with the app"),
        ("squeezenet1_1", {"name": "A b"}, "checkpoint name 'A b' is not plain"),
        ("squeezenet1_1", {"description": "a\nb"}, "a description is one line"),
        ("squeezenet1_1", {"device": "abacus"}, "device 'abacus' is not available"),
    ],
)
def test_what_cannot_be_imported_says_why(pets, places, arch, given, words):
    with pytest.raises(ValueError, match=words):
        import_network(arch, keep(places, network().state_dict()), **{"dataset": "pets", **given})


@pytest.mark.parametrize(
    ("arch", "words"), [("alexnet", "Output size is too small"), ("vit_b_32", "Expected 224 but got 32")]
)
def test_images_of_a_size_that_the_network_does_not_take(pets, places, arch, words, monkeypatch):
    monkeypatch.setattr(checkpoints, "fill", lambda *_: None)  # neither has weights as small as this test
    monkeypatch.setattr(imports, "read_weights", lambda path: {})
    with pytest.raises(
        ValueError, match=rf"{arch} does not take images of 3 × 32 × 32 \(.*{words}.*\); import the images"
    ):
        import_network(arch, places, "pets")


def test_normalisation_is_given_or_on_the_card_or_imagenets(pets, places):
    path = keep(places, network().state_dict(), "net.safetensors")
    card = checkpoints.read_card(import_network("squeezenet1_1", path, "pets", "usual"))
    assert (card.mean, card.std) == (imports.IMAGENET_MEAN, imports.IMAGENET_STD)
    path.with_suffix(".json").write_text(json.dumps({"mean": [0.5], "std": [0.25, 0.25, 0.25]}))
    card = checkpoints.read_card(import_network("squeezenet1_1", path, "pets", "beside"))
    assert (card.mean, card.std) == ((0.5,), (0.25, 0.25, 0.25))
    card = checkpoints.read_card(import_network("squeezenet1_1", path, "pets", "given", (0, 0.1, 0.2)))
    assert (card.mean, card.std) == ((0, 0.1, 0.2), (0.25, 0.25, 0.25))


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (
            {"shape": [3, 224, 224]},
            "net.json says that net.safetensors takes images of 3 × 224 × 224, but those of Our pets",
        ),
        (
            {"classes": ["dog", "cat"]},
            "class 1 of net.safetensors is 'dog', but that of Our pets is 'cat'; name the fold",
        ),
    ],
)
def test_a_card_for_other_images_is_explained(pets, places, card, words):
    path = keep(places, network().state_dict(), "net.safetensors")
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=words):
        import_network("squeezenet1_1", path, "pets")
    assert not list((places / "checkpoints").iterdir())


@pytest.mark.parametrize("card", [[], {"shape": "big", "classes": [1, 2]}, {"classes": []}, {"mean": 3, "std": None}])
def test_a_card_that_says_nothing_is_passed_over(pets, places, card):
    path = keep(places, network().state_dict(), "net.safetensors")
    path.with_suffix(".json").write_text(json.dumps(card))
    assert checkpoints.read_card(import_network("squeezenet1_1", path, "pets")).mean == imports.IMAGENET_MEAN


def test_numbers_are_read_from_text():
    assert imports.numbers("0.5, -1,2e-1") == (0.5, -1.0, 0.2) and imports.numbers("  ") == ()
    with pytest.raises(ValueError, match="'a,b' is not a list of numbers such as"):
        imports.numbers("a,b")


def test_a_cancelled_import_leaves_nothing(pets, places):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_network("squeezenet1_1", keep(places, network().state_dict()), "pets", progress=stop)
    assert not list((places / "checkpoints").iterdir())


def test_weights_under_names_of_old_and_for_training_alone(places):
    dense = network("densenet121").state_dict()
    old = {key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value for key, value in dense.items()}
    old = {key: value for key, value in old.items() if not key.endswith("num_batches_tracked")}
    assert old.keys() != dense.keys()
    assert imports._renamed(old, network("densenet121")).keys() == dense.keys()
    google = network("googlenet", aux_logits=True, init_weights=False).state_dict()
    ours = build("torchvision/googlenet", (3, SIDE, SIDE), 2)
    assert any(key.startswith("aux1.") for key in google)
    checkpoints.fill(ours, imports._renamed(google, ours), "googlenet", places)


def test_networks_that_ask_for_the_version_of_their_weights(pets, places):
    """A file of tensors alone does not tell it."""
    assert mnasnet.MNASNet._version == 2
    path = keep(places, network("mnasnet0_5").state_dict(), "net.safetensors")
    assert checkpoints.load(import_network("mnasnet0_5", path, "pets")).card.imported


def test_torchvisions_networks_are_found_by_name():
    assert len(torchvision_networks()) >= 80
    assert not any(word in name for name in torchvision_networks() for word in ("quantized", "rcnn", "fcn", "r3d"))
    assert model_info("torchvision/resnet18").name == "torchvision/resnet18"
    stem = conv_layer(build("torchvision/resnet18", (3, SIDE, SIDE), 2), "conv1")
    assert stem.kernel_size == (7, 7), "lab C's resnet18 has another stem"


# The folder that pages import from


def test_what_lies_in_the_folder_can_be_chosen(pets, places):
    own = places / "own"
    paint(own / "deep" / "flat")
    keep(places, {"a": torch.zeros(1)}, "a.pt")
    keep(places, {"a": torch.zeros(1)}, "deep/b.safetensors")
    (own / "notes.txt").touch()
    assert imports.image_folders() == [os.path.join("deep", "flat"), "pets"]
    assert imports.weights_files() == ["a.pt", os.path.join("deep", "b.safetensors")]
    assert imports.image_folders(places / "nowhere") == imports.weights_files(places / "nowhere") == []


def test_links_that_lead_outside_are_refused(places):
    own, outside = places / "own", paint(places / "elsewhere")
    torch.save(network().state_dict(), outside / "net.pth")
    os.symlink(outside / "net.pth", own / "link.pth")
    os.symlink(outside, own / "linked")
    assert imports.weights_files() == [] and imports.image_folders() == []
    paint(own / "flat")
    os.symlink(outside / "cat" / "0.png", own / "flat" / "dog" / "9.png")
    for path in (own / "flat", own / "linked", own / ".." / "elsewhere"):
        with pytest.raises(ValueError, match="leads out of .*own; put what you import into that folder"):
            import_images(path, "x", SIDE, within=own)
    import_images(own / "flat", "flat", SIDE)
    with pytest.raises(ValueError, match="link.pth leads out of"):
        import_network("squeezenet1_1", own / "link.pth", "flat", within=own)


def test_the_folder_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("EXPLORER_OWN", raising=False)
    assert imports.own_root() == data.PROJECT / "own"


# Cards


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 3}, "has the origin 'imported', but tells of a training"),
        ({"recipe": {"lr": 1}}, "has the origin 'imported', but tells of a training"),
        ({"accuracy": {part: Score(1, 2) for part in checkpoints.PARTS}}, "has the .* but tells of a training"),
        ({"origin": "full"}, "has the accuracy of test alone, but the origin 'full'"),
        ({"dataset": "gone"}, "names something that is not here: unknown data set 'gone'"),
        ({"model": "torchvision/none"}, "names something that is not here: torchvision has no .* network 'none'"),
    ],
)
def test_a_card_tells_of_a_training_or_of_none(pets, places, changes, words):
    name = import_network("squeezenet1_1", keep(places, network().state_dict()), "pets")
    point = checkpoints.load(name)
    checkpoints.save(name, point.model, replace(point.card, **changes))
    with pytest.raises(ValueError, match=f"the card {name}.json {words}"):
        checkpoints.load(name)
