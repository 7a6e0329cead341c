"""Networks and images of one's own: torchvision's networks with weights from a file, and folders of images.

What is imported is a checkpoint or a data set like any other. The pages import from one folder alone, which is the
environment variable `EXPLORER_OWN`, else `own/` in the project; the command line takes any path.
"""

import json
import math
import os
import pickle
import re
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from explorer import checkpoints, trainings
from explorer.checkpoints import IMPORTED, Card, Score
from explorer.data import (
    DATASETS,
    OWN_INFO,
    PLAIN_NAME,
    PROJECT,
    Batches,
    DatasetInfo,
    data_root,
    dataset_info,
    import_torchvision,
    load_split,
    own_datasets,
)
from explorer.evaluation import forward, predict, resolve_device, to_device
from explorer.experiment import batch_size_for
from explorer.jobs import DONE
from explorer.models import TORCHVISION, Shape, build, last_conv, model_info

SIZES = (8, 1024)  # of an image's side, in pixels
MAX_BYTES = 4_000_000_000  # of all images of a data set, as they lie in memory
LONGEST_TITLE = 64
ORDER_SEED = 0  # of the order of the images
SQUARE_ENOUGH = 100  # how many times as long as wide an image may be
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WEIGHTS = (".safetensors", ".pt", ".pth")
SPLIT_FOLDERS = {"train": ("train",), "test": ("test", "val")}  # by split, where ImageFolder's layout has it
WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which training scripts keep a state_dict
AUXILIARY = re.compile(r"(aux[12]|AuxLogits)\.")  # heads for training alone, of GoogLeNet and Inception
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")  # norm.1 in the official files, now norm1

Progress = Callable[[int, int], None]


def _no_progress(done: int, total: int) -> None:
    """For callers who do not watch."""


# Images


@dataclass(frozen=True)
class _Found:
    """The images of a split on disk: path and class of each."""

    classes: tuple[str, ...]
    samples: list[tuple[str, int]]


def import_images(
    folder: Path,
    name: str,
    size: int,
    title: str = "",
    root: Path | None = None,
    within: Path | None = None,
    progress: Progress | None = None,
) -> DatasetInfo:
    """Make a folder of images in torchvision's ImageFolder layout the data set `name`, whole or not at all.

    FOLDER/CLASS/*.png, *.jpg … are test images. FOLDER/train/CLASS/… and FOLDER/test/CLASS/… (or val) give both splits.
    Every image becomes RGB, its short side is resized to `size` pixels (bilinear with antialias, as torchvision's usual
    transform for evaluation) and its middle square cut out. Images are shuffled, always in the same way, so that the
    first N are a fair sample; they must lie `within` that folder, symbolic links resolved. `progress(images done,
    images in all)` is called after each; whatever it raises cancels.

    Raises ValueError for a name that is not plain or is taken, a size outside SIZES, a folder of another layout, an
    image that cannot be read, and more than MAX_BYTES of images.
    """
    root = root or data_root()
    _check_images_name(name, root)
    if type(size) is not int or not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(f"image size {size} is outside {SIZES[0]}…{SIZES[1]} pixels")
    if len(title) > LONGEST_TITLE or not title.isprintable():
        raise ValueError(f"title {title[:80]!r} is not one line of at most {LONGEST_TITLE} characters; shorten it")
    splits = _splits(folder)
    total = sum(len(found.samples) for found in splits.values())
    _check_fits(total, size)
    _check_within((Path(path) for found in splits.values() for path, _ in found.samples), within)
    tell, done = progress or _no_progress, 0
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=f"{name}-", suffix=".part") as place:
        staging = Path(place) / name
        staging.mkdir()
        files = {}
        for split, found in splits.items():
            order = torch.randperm(len(found.samples), generator=torch.Generator().manual_seed(ORDER_SEED))
            samples = [found.samples[i] for i in order.tolist()]
            images = torch.empty(len(samples), 3, size, size, dtype=torch.uint8)
            for i, (path, _) in enumerate(samples):
                images[i] = _read_image(Path(path), size)
                done += 1
                tell(done, total)
            labels = torch.tensor([label for _, label in samples])
            files[split] = _write_split(staging / f"{split}.safetensors", images, labels)
        about = {"title": title or name, "classes": splits["test"].classes, "shape": (3, size, size), "files": files}
        (staging / OWN_INFO).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        _check_images_name(name, root)  # somebody else may have been faster
        os.replace(staging, root / name)
    return dataset_info(name, root)


def delete_images(name: str, root: Path | None = None, out: Path | None = None) -> None:
    """Delete a data set of one's own; ValueError for one that is not, and while a network or a training needs it."""
    root = root or data_root()
    if name not in own_datasets(root):
        raise ValueError(f"{name!r} is no data set of your own; there are: {', '.join(own_datasets(root)) or 'none'}")
    if users := users_of(name, out):
        raise ValueError(f"{name!r} is needed by {', '.join(users)}; delete what needs it first")
    with tempfile.TemporaryDirectory(dir=root, prefix=f"{name}-", suffix=".part") as place:
        os.replace(root / name, Path(place) / name)


def users_of(dataset: str, out: Path | None = None) -> list[str]:
    """The names of the networks, and of the trainings that are not done, that need a data set."""
    networks = [name for name in checkpoints.list_checkpoints(out) if _dataset_of(name, out) == dataset]
    trained = [each.name for each in trainings.list_trainings(out) if each.dataset == dataset and each.state != DONE]
    return sorted({*networks, *trained})


def _dataset_of(name: str, out: Path | None) -> str:
    """The data set of a checkpoint; empty where its card cannot be read."""
    try:
        return checkpoints.read_card(name, out).dataset
    except (ValueError, OSError):
        return ""


def _check_images_name(name: str, root: Path) -> None:
    """ValueError unless a new data set can have the name."""
    if not PLAIN_NAME.fullmatch(name) or len(name) > LONGEST_TITLE:
        rule = f"use at most {LONGEST_TITLE} of a-z, 0-9, dot, hyphen and underscore"
        raise ValueError(f"data set name {name[:80]!r} is not plain; {rule}")
    if name in {*DATASETS, *(info.folder.lower() for info in DATASETS.values())}:
        raise ValueError(f"{name!r} is the name of a data set that comes with the app; choose another")
    if (root / name).exists():
        raise ValueError(f"there is a data set called {name!r} already in {root}; choose another name, or delete it")


def _check_fits(total: int, size: int) -> None:
    needed = total * 3 * size * size
    if needed > MAX_BYTES:
        side = math.isqrt(MAX_BYTES // (3 * total))
        raise ValueError(
            f"{total:,} images of {size} × {size} are {needed / 1e9:.1f} GB, more than the {MAX_BYTES / 1e9:.0f} GB "
            f"that fit; choose a size of at most {side}, or fewer images"
        )


def _splits(folder: Path) -> dict[str, _Found]:
    """What is found in a folder, by split; ValueError unless it has ImageFolder's layout."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; name one that holds a folder of images for each class")
    folders = {split: _split_folder(folder, names) for split, names in SPLIT_FOLDERS.items()}
    if folders["train"] and not folders["test"]:
        raise ValueError(f"{folder} has a train folder but none called test or val, on which accuracy is measured")
    splits = {split: _find(place) for split, place in folders.items() if place} or {"test": _find(folder)}
    train, test = splits.get("train", splits["test"]).classes, splits["test"].classes
    if train != test:
        only = {"train": set(train) - set(test), "test": set(test) - set(train)}
        differing = "; ".join(f"only in {split}: {', '.join(sorted(some))}" for split, some in only.items() if some)
        raise ValueError(f"the classes of {folder} differ between its splits ({differing}); give both the same folders")
    if len(test) < 2:
        raise ValueError(f"{folder} has the class {test[0]!r} alone; there must be at least 2 to tell apart")
    return splits


def _split_folder(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these folders that holds others; a class may be called test, too, but holds images."""
    places = (folder / name for name in names)
    return next((place for place in places if place.is_dir() and any(each.is_dir() for each in place.iterdir())), None)


def _find(folder: Path) -> _Found:
    """The images of a folder of classes, as torchvision's ImageFolder finds them."""
    try:
        found = import_torchvision("datasets").ImageFolder(folder, allow_empty=True)
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no class folders; give the images of each class one of their own") from error
    filled = {label for _, label in found.samples}
    empty = [name for label, name in enumerate(found.classes) if label not in filled]
    if empty:
        kinds = ", ".join(import_torchvision("datasets.folder").IMG_EXTENSIONS)
        raise ValueError(f"the class folder {folder / empty[0]} holds no images ({kinds}); fill it or delete it")
    return _Found(tuple(found.classes), found.samples)


def _read_image(path: Path, size: int) -> Tensor:
    """One image, uint8 (3, size, size): short side resized, middle cut out."""
    from PIL import Image  # comes with torchvision, and is imported as late

    functional = import_torchvision("transforms.functional")
    try:
        image = import_torchvision("datasets.folder").default_loader(path)  # RGB
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the image {path} cannot be read ({reason}); replace it or delete it") from error
    if max(image.size) > SQUARE_ENOUGH * min(image.size):
        width, height = image.size
        raise ValueError(f"the image {path} is {width} × {height}, too long to cut a square from; crop it or delete it")
    return functional.pil_to_tensor(functional.center_crop(functional.resize(image, size, antialias=True), size))


def _write_split(path: Path, images: Tensor, labels: Tensor) -> dict[str, Any]:
    """Write a split; returns what the data set's description says of the file."""
    safetensors.torch.save_file({"images": images, "labels": labels}, path)
    path.chmod(0o644)  # safetensors keeps it from other users, who may share the folder
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
        digest = file_digest(file, "sha256").hexdigest()
    return {"images": len(images), "size": path.stat().st_size, "sha256": digest}


# Networks


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
    _check_within([weights], within)
    name = name or trainings.first_free(f"{arch}_{dataset}", out)
    trainings.check_name(name, out)
    trainings.check_description(description)
    tensors = read_weights(weights)
    model = build(model_name, info.shape, len(info.classes)).eval()
    beside = _card_beside(weights)
    _check_meant_for(beside, info, weights)
    mean = tuple(mean) or _numbers_on(beside, "mean") or IMAGENET_MEAN
    std = tuple(std) or _numbers_on(beside, "std") or IMAGENET_STD
    _check_normalisation(mean, std, info.shape[0])
    tensors = _renamed(tensors, model)
    _check_classes(tensors, model, info, weights)
    checkpoints.fill(model, tensors, arch, weights)
    last_conv(model)
    _check_takes(model, arch, info.shape)
    batches = Batches(load_split(dataset, "test"), mean, std, batch_size_for(info.shape))
    score = _score(model, batches, device, progress or _no_progress)
    checkpoints.save(name, model, _card(model_name, info, mean, std, score, description), out)
    return name


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state_dict that torch.save wrote, perhaps under a key or a prefix.

    Raises ValueError where the file holds something else; nothing in it is ever run.
    """
    if not path.is_file():
        raise ValueError(f"there is no weights file {path}")
    if path.suffix == ".safetensors":
        return checkpoints.parse(path.read_bytes(), path)
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
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, AttributeError, struct.error) as error:
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
        versions=checkpoints.versions(),
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
        card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
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


def _check_normalisation(mean: Sequence[float], std: Sequence[float], channels: int) -> None:
    for what, values, lowest in (("mean", mean, -math.inf), ("std", std, 0)):
        if len(values) not in (1, channels) or not all(lowest < value < math.inf for value in values):
            kind = "numbers" if what == "mean" else "positive numbers"
            raise ValueError(f"{what} {', '.join(map(str, values))} must be 1 or {channels} {kind}, of values in 0…1")


# The folder that pages import from


def own_root() -> Path:
    """The folder that pages import from: the environment variable EXPLORER_OWN, else `own/` in the project."""
    return Path(os.environ.get("EXPLORER_OWN") or PROJECT / "own")


def image_folders(root: Path | None = None) -> list[str]:
    """The paths, from the root, of the folders in it that hold class folders, or splits of them."""
    root = root or own_root()
    kinds = import_torchvision("datasets.folder").IMG_EXTENSIONS
    found = set()
    for folder, names in _inside(root):
        if any(name.lower().endswith(kinds) for name in names):
            splits = {name for choices in SPLIT_FOLDERS.values() for name in choices}
            whole = folder.parent.parent if folder.parent.name in splits else folder.parent
            found.add(whole)
    return sorted(str(folder.relative_to(root)) for folder in found if root in folder.parents)


def weights_files(root: Path | None = None) -> list[str]:
    """The paths, from the root, of the files in it that may hold weights."""
    root = root or own_root()
    paths = (folder / name for folder, names in _inside(root) for name in names if name.endswith(WEIGHTS))
    return sorted(str(path.relative_to(root)) for path in paths if _is_within(path, root))


def _inside(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder in the root with the names of its files; links to folders are not followed."""
    return ((Path(folder), names) for folder, _, names in os.walk(root))


def _is_within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _check_within(paths: Sequence[Path] | Iterator[Path], folder: Path | None) -> None:
    """ValueError for the first path that leads out of the folder, symbolic links resolved; None is no limit."""
    for path in paths if folder else ():
        assert folder is not None
        if not _is_within(path, folder):
            raise ValueError(f"{path} leads out of {folder}; put what you import into that folder")
