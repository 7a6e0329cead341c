import json
import pickle
from dataclasses import replace

import pytest
import torch
from nets import warm_up_on
from torchvision.models import mnasnet
from user_files import SIDE, keep, network, paint

from explorer.answers import checking, choices
from explorer.answers.computing import sweep_of
from explorer.answers.experiment import Experiment
from explorer.images import reading
from explorer.images.batches import Batches
from explorer.networks import checkpoints, layers, weights
from explorer.networks.cards import PARTS, Score
from explorer.networks.evaluation import logits, predict
from explorer.networks.layers import conv_layer
from explorer.networks.registry import build, model_info, torchvision_networks
from explorer.own import networks as own_networks
from explorer.own.images import import_images
from explorer.own.networks import import_network
from explorer.own.state import read_states


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt", "net.pth"])
def test_an_imported_network_is_a_checkpoint_like_any_other(pets, places, name):
    net = warm_up_on(network("mobilenet_v2"), torch.randn(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
    told = []
    made = import_network(
        "mobilenet_v2", keep(places, net.state_dict(), name), "pets", progress=lambda *each: told.append(each)
    ).name
    point = checkpoints.load(made)
    assert made == "mobilenet_v2_pets" and checkpoints.list_checkpoints() == [made] and told == [(4, 4)]
    split = reading.load_split("pets", "test")
    batches = Batches(split, own_networks.IMAGENET_MEAN, own_networks.IMAGENET_STD)
    want = int((predict(logits(net, batches)) == split.labels).sum())
    card = point.card
    assert card.imported and card.accuracy == {"test": Score(want, 4)} and card.recipe == {} and card.epochs == 0
    assert torch.equal(logits(point.model, batches), logits(net, batches))
    assert choices.default_layer(point) == "features.18.0"
    assert choices.splits_to_rank_on(point) == ["test", "train"]
    *_, result = sweep_of(Experiment(made, "features.18.0", ranked_on="train", ks=(0, 1280)), point)
    assert result.correct[0] == want and result.predictions.shape == (2, 4)
    assert layers.layer_table(point)["parameters"].sum() == sum(p.numel() for p in net.parameters())
    assert import_network("mobilenet_v2", places / "own" / name, "pets").name == "mobilenet_v2_pets-2"


def test_ranking_is_offered_where_there_are_images_for_it(places):
    import_images(paint(places / "own" / "flat"), "flat", SIDE)
    point = checkpoints.load(import_network("squeezenet1_1", keep(places, network().state_dict()), "flat").name)
    assert choices.splits_to_rank_on(point) == ["test"]
    layer = choices.default_layer(point)
    for asked, words in (
        ({"ranked_on": "train"}, "flat has no train split"),
        ({"split": "train"}, "flat has no train split"),
        ({"ranked_on": "held-out"}, "was imported, so the images it was validated on are not known"),
    ):
        with pytest.raises(ValueError, match=words):
            checking.check(Experiment(point.name, layer, **asked), point)


class Trap:
    def __reduce__(self):
        return pytest.fail, ("the pickle was executed",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            Trap(),
            "net.pth holds more than tensors .*, and unpickling it could run any code. Where it was saved",
        ),
        ([torch.zeros(2)], "net.pth holds no state_dict"),
        ({"state_dict": {"a": 3}}, "net.pth holds no state_dict"),
        ({}, "net.pth holds no state_dict"),
        ({"a": 3}, "net.pth holds no state_dict"),
        ({3: torch.zeros(2)}, "net.pth holds no state_dict"),
    ],
)
def test_what_is_no_state_dict(places, content, words):
    with pytest.raises(ValueError, match=words):
        read_states(keep(places, content))


def test_a_whole_module_is_refused(places):
    with pytest.raises(ValueError, match="net.pth holds more than tensors"):
        read_states(keep(places, network()))


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"\x80\x02", b"<html>", b"\xff" * 999, pickle.dumps({"a": 1}), b"PK\3\4" * 50]
)
def test_damaged_files_are_one_sentence(places, content):
    for name in ("net.pth", "net.pt", "net.safetensors"):
        (places / "own" / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"^{name} "):
            read_states(places / "own" / name)


def test_truncated_weights_are_one_sentence(places):
    path = keep(places, network().state_dict())
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="net.pth .*damaged"):
        read_states(path)


def test_files_of_other_kinds_and_none(places):
    (places / "own" / "net.onnx").touch()
    with pytest.raises(ValueError, match="net.onnx is empty"):
        read_states(places / "own" / "net.onnx")
    with pytest.raises(ValueError, match="there is no weights file .*no.pt"):
        read_states(places / "own" / "no.pt")


def edited(change):
    state = network().state_dict()
    change(state)
    return state


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (lambda: network(classes=1000).state_dict(), "its classifier has 1000 outputs, the images have 2 classes"),
        (
            lambda: network("alexnet").state_dict(),
            "net.pth holds the weights of another network: .* missing: .*and .* more; unexpected: ",
        ),
        (lambda: edited(lambda s: s.pop("features.0.bias")), "these weights are missing: features.0.bias$"),
        (lambda: edited(lambda s: s.update(extra=torch.zeros(1))), "these weights are unexpected: extra$"),
        (
            lambda: edited(lambda s: s.update({"features.0.bias": torch.zeros(3)})),
            "does not fit squeezenet1_1: features.0.bias is 64 here and 3 in the file",
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
            "torchvision has no classification network 'squeezenet'; the closest are: squeezenet1_1, squeezenet1_0",
        ),
        ("fcn_resnet50", {}, "torchvision has no classification network 'fcn_resnet50'"),
        ("squeezenet1_1", {"dataset": "cats"}, "unknown data set 'cats'; choose one of: .*, pets"),
        ("squeezenet1_1", {"dataset": "fashion-mnist"}, "looks at images of 3 channels, not 1; use colour images"),
        ("squeezenet1_1", {"mean": (0.5, 0.5)}, "mean 0.5, 0.5 must be one number, or one for each of 3 channels"),
        ("squeezenet1_1", {"std": (0.5, 0, 1)}, "std 0.5, 0, 1 must be one positive number, or one"),
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
    monkeypatch.setattr(own_networks, "read_states", lambda path: [])  # neither has weights as small as this test
    with pytest.raises(
        ValueError, match=rf"{arch} does not take images of 3 × 32 × 32 \(.*{words}.*\); import the images"
    ):
        import_network(arch, places, "pets")


def test_normalisation_is_given_or_on_the_card_or_imagenets(pets, places):
    path = keep(places, network().state_dict(), "net.safetensors")
    card = checkpoints.read_card(import_network("squeezenet1_1", path, "pets", "usual").name)
    assert (card.mean, card.std) == (own_networks.IMAGENET_MEAN, own_networks.IMAGENET_STD)
    path.with_suffix(".json").write_text(json.dumps({"mean": [0.5], "std": [0.25, 0.25, 0.25]}))
    card = checkpoints.read_card(import_network("squeezenet1_1", path, "pets", "beside").name)
    assert (card.mean, card.std) == ((0.5,), (0.25, 0.25, 0.25))
    card = checkpoints.read_card(import_network("squeezenet1_1", path, "pets", "given", mean=(0, 0.1, 0.2)).name)
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
    assert checkpoints.read_card(import_network("squeezenet1_1", path, "pets").name).mean == own_networks.IMAGENET_MEAN


def test_numbers_are_read_from_text():
    assert own_networks.numbers("0.5, -1,2e-1") == (0.5, -1.0, 0.2) and own_networks.numbers("  ") == ()
    with pytest.raises(ValueError, match="'a,b' is not a list of numbers such as"):
        own_networks.numbers("a,b")


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
    assert own_networks._renamed(old, network("densenet121")).keys() == dense.keys()
    google = network("googlenet", aux_logits=True, init_weights=False).state_dict()
    ours = build("torchvision/googlenet", (3, SIDE, SIDE), 2)
    assert any(key.startswith("aux1.") for key in google)
    weights.fill(ours, own_networks._renamed(google, ours), "googlenet", places)


def test_networks_that_ask_for_the_version_of_their_weights(pets, places):
    """A file of tensors alone does not tell it."""
    assert mnasnet.MNASNet._version == 2
    path = keep(places, network("mnasnet0_5").state_dict(), "net.safetensors")
    assert checkpoints.load(import_network("mnasnet0_5", path, "pets").name).card.imported


def test_torchvisions_networks_are_found_by_name():
    assert len(torchvision_networks()) >= 80
    assert not any(word in name for name in torchvision_networks() for word in ("quantized", "rcnn", "fcn", "r3d"))
    assert model_info("torchvision/resnet18").name == "torchvision/resnet18"
    stem = conv_layer(build("torchvision/resnet18", (3, SIDE, SIDE), 2), "conv1")
    assert stem.kernel_size == (7, 7), "lab C's resnet18 has another stem"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 3}, "has the origin 'imported', but tells of a training"),
        ({"recipe": {"lr": 1}}, "has the origin 'imported', but tells of a training"),
        ({"accuracy": {part: Score(1, 2) for part in PARTS}}, "has the .* but tells of a training"),
        ({"origin": "full"}, "has the accuracy of test alone, but the origin 'full'"),
        ({"dataset": "gone"}, "names something that is not here: unknown data set 'gone'"),
        ({"model": "torchvision/none"}, "names something that is not here: torchvision has no .* network 'none'"),
    ],
)
def test_a_card_tells_of_a_training_or_of_none(pets, places, changes, words):
    name = import_network("squeezenet1_1", keep(places, network().state_dict()), "pets").name
    point = checkpoints.load(name)
    checkpoints.save(name, point.model, replace(point.card, **changes))
    with pytest.raises(ValueError, match=f"the card {name}.json {words}"):
        checkpoints.load(name)
