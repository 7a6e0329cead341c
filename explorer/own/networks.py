"""Networks of one's own: torchvision's, with weights from a file, become checkpoints like any other."""

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from explorer.files.json import read_json
from explorer.files.names import check_description
from explorer.images.batches import Batches, batch_size_for, check_normalisation
from explorer.images.datasets import dataset_info
from explorer.images.reading import load_split
from explorer.images.registry import DatasetInfo, Shape
from explorer.networks import checkpoints
from explorer.networks.cards import IMPORTED, Card, Score, versions
from explorer.networks.evaluation import forward, predict, resolve_device, to_device
from explorer.networks.layers import last_conv
from explorer.networks.registry import TORCHVISION, build, model_info
from explorer.networks.weights import fill, parse
from explorer.own.folder import WEIGHTS, Progress, check_within, no_progress
from explorer.training import trainings

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which training scripts keep a state_dict
AUXILIARY = re.compile(r"(aux[12]|AuxLogits)\.")  # heads for training alone, of GoogLeNet and Inception
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")  # norm.1 in the official files, now norm1


def import_network(
    arch: str,
    weights: Path,
    dataset: str,
    name: str = "",
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    description: str = "",
    out: Path | None = None,
    device: str = "auto",
    within: Path | None = None,
    progress: Progress | None = None,
) -> str:
    """Make torchvision's network `arch`, with the weights in a file, a checkpoint; returns its name.

    The network has as many classes as the data set, in the same order, and looks at its images, normalised by `mean`
    and `std`: by default those of the card that lies beside the weights, else ImageNet's. Its accuracy on the test
    images is measured, of which `progress(images done, images in all)` tells; whatever it raises cancels. The file must
    lie `within` that folder, symbolic links resolved. The checkpoint is called `name`, or else "ARCH_DATASET", with a
    number where that is taken.

    Raises ValueError where network, weights, data set and normalisation do not fit each other, and says how.
    """
    info, model_name = dataset_info(dataset), TORCHVISION + arch
    model_info(model_name)
    check_within([weights], within)
    name = name or trainings.first_free(f"{arch}_{dataset}", out)
    trainings.check_name(name, out)
    check_description(description)
    tensors = read_weights(weights)
    model = build(model_name, info.shape, len(info.classes)).eval()
    beside = _card_beside(weights)
    _check_meant_for(beside, info, weights)
    mean = tuple(mean) or _numbers_on(beside, "mean") or IMAGENET_MEAN
    std = tuple(std) or _numbers_on(beside, "std") or IMAGENET_STD
    check_normalisation(mean, std, info.shape[0])
    tensors = _renamed(tensors, model)
    _check_classes(tensors, model, info, weights)
    fill(model, tensors, arch, weights)
    last_conv(model)
    _check_takes(model, arch, info.shape)
    batches = Batches(load_split(dataset, "test"), mean, std, batch_size_for(info.shape))
    score = _score(model, batches, device, progress or no_progress)
    with checkpoints.writing(name, root=out):
        checkpoints.check_free(name, out)
        checkpoints.save(name, model, _card(model_name, info, mean, std, score, description), out)
    return name


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state_dict that torch.save wrote, perhaps under a key or a prefix.

    Raises ValueError where the file holds something else; nothing in it is ever run.
    """
    if not path.is_file():
        raise ValueError(f"there is no weights file {path}")
    if path.suffix == ".safetensors":
        return parse(path.read_bytes(), path)
    if path.suffix not in WEIGHTS:
        raise ValueError(f"{path.name} ends in none of {', '.join(WEIGHTS)}")
    found = _unwrapped(_load(path))
    named = isinstance(found, Mapping) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items())
    if not named or not found:
        raise ValueError(f"{path.name} holds no state_dict, names with a tensor each; save model.state_dict() alone")
    prefix = "module." if all(key.startswith("module.") for key in found) else ""  # of nn.DataParallel
    return {key.removeprefix(prefix): value for key, value in found.items()}


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path.name} holds more than tensors, or is damaged, and unpickling it could run any code: "
            "save model.state_dict() alone, best as safetensors"
        ) from error
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch's unpickler trips over damaged bytes in ways of its own, such as IndexError
        raise ValueError(f"{path.name} is damaged, or torch.save did not write it; copy or save it again") from error


def _unwrapped(content: Any) -> Any:
    """The state_dict within what a training script saved."""
    keys = [key for key in WRAPPERS if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)]
    return content[keys[0]] if keys else content


def _renamed(tensors: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The weights under the names that torchvision uses now, without heads for training alone.

    Counts of batches, which files of old leave out and nothing here reads, are the model's own.
    """
    counts = {key: value for key, value in model.state_dict().items() if key.endswith("num_batches_tracked")}
    kept = {key: value for key, value in tensors.items() if not AUXILIARY.match(key)}
    return counts | {OLD_DENSENET.sub(r"\1\2", key): value for key, value in kept.items()}


def _check_classes(tensors: Mapping[str, Tensor], model: nn.Module, info: DatasetInfo, path: Path) -> None:
    """ValueError where the weights' last layer, which gives the logits, has another number of classes."""
    state = model.state_dict()
    last, expected = list(state.items())[-1]  # (classes,) or (classes, features)
    found = tensors[last] if tensors.keys() == state.keys() else expected
    if found.ndim and found.shape[0] != expected.shape[0]:
        raise ValueError(
            f"the weights in {path.name} are for {found.shape[0]} classes, but {info.title} has "
            f"{len(info.classes)}; take weights that were trained on these classes, or images of the weights' classes"
        )


def _check_takes(model: nn.Module, arch: str, shape: Shape) -> None:
    """ValueError unless the network takes images of this shape."""
    try:
        forward(model, torch.zeros(1, *shape))
    except (RuntimeError, ValueError, AssertionError) as error:
        size, reason = " × ".join(map(str, shape)), " ".join(str(error).split())
        raise ValueError(
            f"{arch} does not take images of {size} ({reason}); import the images at the size it was trained with"
        ) from error


def _score(model: nn.Module, batches: Batches, device: str, tell: Progress) -> Score:
    """How many of the images the model gets right; it is on the CPU before and after."""
    target, correct, done = resolve_device(device), 0, 0
    model.to(target)
    for inputs, labels in batches:
        correct += int((predict(forward(model, to_device(inputs, target))).cpu() == labels).sum())
        done += len(labels)
        tell(done, batches.n)
    model.cpu()
    return Score(correct, done)


def _card(
    model_name: str, info: DatasetInfo, mean: Sequence[float], std: Sequence[float], score: Score, description: str
) -> Card:
    return Card(
        model=model_name,
        dataset=info.name,
        shape=info.shape,
        classes=info.classes,
        mean=tuple(mean),
        std=tuple(std),
        split="",
        train_images=0,
        validation_images=0,
        origin=IMPORTED,
        recipe={},
        seed=0,
        epochs=0,
        kept_epoch=0,
        accuracy={"test": score},
        versions=versions(),
        sha256="",  # `save` fills it in
        description=description,
    )


# Normalisation


def numbers(text: str) -> tuple[float, ...]:
    """What "0.485, 0.456, 0.406" says; nothing for an empty text, ValueError for what is no list of numbers."""
    try:
        return tuple(float(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise ValueError(f"{text!r} is not a list of numbers such as 0.485, 0.456, 0.406") from None


def _card_beside(weights: Path) -> Mapping[str, Any]:
    """The card, NAME.json, that lies beside weights of this app; empty where there is none, or something else."""
    try:
        card = read_json(weights.with_suffix(".json"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def _numbers_on(card: Mapping[str, Any], what: str) -> tuple[float, ...]:
    """The mean, or the standard deviation, on a card; nothing where it does not say."""
    try:
        return tuple(map(float, card[what]))
    except (KeyError, TypeError, ValueError):
        return ()


def _check_meant_for(card: Mapping[str, Any], info: DatasetInfo, weights: Path) -> None:
    """ValueError where the card beside the weights is for images of another size, or other classes."""
    name = weights.with_suffix(".json").name
    if _is_list_of(card.get("shape"), int) and tuple(card["shape"]) != info.shape:
        size, ours = (" × ".join(map(str, shape)) for shape in (card["shape"], info.shape))
        raise ValueError(
            f"{name} says that {weights.name} takes images of {size}, but those of {info.title} are {ours}; import "
            f"the images at that size, or take {name} away"
        )
    theirs: Any = card.get("classes")
    if not _is_list_of(theirs, str) or len(theirs) != len(info.classes):  # other counts do not fit the weights anyway
        return
    for number, (one, other) in enumerate(zip(theirs, info.classes, strict=True), start=1):
        if one != other:
            raise ValueError(
                f"{name} says that class {number} of {weights.name} is {one!r}, but that of {info.title} is {other!r}; "
                f"name the folders of the images so that they come in the weights' order, or take {name} away"
            )


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(type(each) is kind for each in value)
