"""Trained networks on disk: NAME.safetensors holds the weights, NAME.json the card that says what they are.

The root is the environment variable `EXPLORER_CHECKPOINTS`, else `checkpoints/` in the project.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from explorer.files.json import read_json
from explorer.files.locks import PATIENCE, held
from explorer.files.names import check_plain
from explorer.files.places import PLAIN_NAME, checkpoints_root
from explorer.files.whole import part_of, write_part
from explorer.images.datasets import dataset_info
from explorer.networks.cards import Card, card_from_json, card_text
from explorer.networks.registry import build, model_info

SHIPPED = (  # come with the app: its pages and labs count on them
    "simple-cnn_fashion-mnist",
    "simple-cnn_cifar10",
    "siamese_mnist-pairs",
    "resnet18_cifar10",
    "lab-resnet_cifar10",
    "block-net_cifar10",
)
BESIDES = (".json", ".csv", ".resume.pt", ".json.part", ".csv.part", ".resume.pt.part")  # what lies with the weights

FEW = 3  # names that a complaint lists


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network, loaded and verified: `model` is in eval mode and, being shared, must not be changed.

    >>> import explorer as ex
    >>> ex.load("simple-cnn_fashion-mnist").card.dataset
    'fashion-mnist'
    """

    name: str
    path: Path
    card: Card
    model: nn.Module
    sha256: str


def list_checkpoints(root: Path | None = None) -> list[str]:
    """The names, sorted, of the trained networks here: those that have both weights and a card.

    >>> import explorer as ex
    >>> "simple-cnn_fashion-mnist" in ex.checkpoints()
    True
    """
    root = root or checkpoints_root()
    names = (path.stem for path in root.glob("*.safetensors") if path.with_suffix(".json").is_file())
    return sorted(name for name in names if PLAIN_NAME.fullmatch(name))


def load(name: str | Path, root: Path | None = None) -> Checkpoint:
    """The checkpoint called `name`, or the one whose weights are at a `Path`, checked against its card.

    Raises ValueError where it is unknown, has no card or a malformed one, or where its weights are truncated, are not
    safetensors, do not fit the network or are not the ones that the card describes. Weights become float32.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> net.card.shape, len(net.card.classes), net.model.training
    ((1, 28, 28), 10, False)
    """
    path = find(name, root)
    content = path.read_bytes()
    weights = parse(content, path)
    sha256 = hashlib.sha256(content).hexdigest()
    card = _card_of(path)
    if card.sha256 != sha256:
        raise ValueError(
            f"{path.name} is not the file its card describes (SHA-256 differs); restore both or train again"
        )
    model = build(card.model, shape=card.shape, classes=len(card.classes))
    fill(model, weights, card.model, path)
    return Checkpoint(path.stem, path, card, model.eval(), sha256)


def read_card(name: str | Path, root: Path | None = None) -> Card:
    """The card alone, without a look at the weights; ValueError as for `load`."""
    return _card_of(find(name, root))


def save(name: str, model: nn.Module, card: Card, root: Path | None = None, dtype: torch.dtype = torch.float32) -> Path:
    """Write a checkpoint, weights in `dtype`; the card's `sha256` is filled in. Returns the path of the weights.

    Both files are complete on disk before the first takes its place. A kill between the two replacements leaves new
    weights, an old card and the new card as NAME.json.part, which `load` then finds.
    """
    path = weights_path(name, root)
    weights = {key: rounded(value, dtype).contiguous().cpu() for key, value in model.state_dict().items()}
    content = safetensors.torch.save(weights)
    card_path = path.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_part(path, content)
    write_part(card_path, card_text(replace(card, sha256=hashlib.sha256(content).hexdigest())).encode())
    os.replace(part_of(path), path)
    os.replace(part_of(card_path), card_path)
    return path


def rename(name: str, new: str, root: Path | None = None) -> None:
    """Give a checkpoint of one's own another name; its training's records go with it.

    ValueError for one that comes with the app, an unknown one, or a new name that is not plain or is taken. The weights
    take their new place last, in one step: a kill before that leaves the checkpoint under its old name.
    """
    with writing(name, new, root=root):
        old, target = _own(name, root), weights_path(new, root)
        check_not_shipped(new)
        check_free(new, root)
        _write_card(target, _card_of(old))
        if old.with_suffix(".csv").exists():
            write_part(target.with_suffix(".csv"), old.with_suffix(".csv").read_bytes())
            os.replace(part_of(target.with_suffix(".csv")), target.with_suffix(".csv"))
        os.replace(old, target)
        for suffix in BESIDES:
            old.with_suffix(suffix).unlink(missing_ok=True)


def describe(name: str, description: str, root: Path | None = None) -> None:
    """Put words of one's own on the card of one's own checkpoint; ValueError as for `rename`."""
    with writing(name, root=root):
        path = _own(name, root)
        _write_card(path, replace(_card_of(path), description=description))


def delete(name: str, root: Path | None = None) -> None:
    """Delete one's own checkpoint with all that belongs to it; ValueError as for `rename`.

    The weights go first: a kill after that leaves files that no list shows and the next of that name writes over.
    """
    with writing(name, root=root):
        path = _own(name, root)
        path.unlink()
        for suffix in BESIDES:
            path.with_suffix(suffix).unlink(missing_ok=True)


def writing(*names: str, root: Path | None = None, wait: float = PATIENCE) -> AbstractContextManager[None]:
    """Nobody else writes, renames or deletes checkpoints of these names meanwhile; ValueError where somebody does."""
    for name in names:
        check_plain(name)
    return held(root or checkpoints_root(), *names, wait=wait)


def check_free(name: str, root: Path | None = None, fix: str = "delete that one first") -> None:
    """ValueError where there is a network of that name."""
    if weights_path(name, root).exists():
        raise ValueError(f"there is a network called {name!r} already; choose another name, or {fix}")


def check_not_shipped(name: str) -> None:
    """ValueError where the name belongs to a network that comes with the app."""
    if name in SHIPPED:
        raise ValueError(f"{name!r} is the name of a network that comes with the app and stays; choose another")


def _write_card(path: Path, card: Card) -> None:
    """Put the card of the weights at `path` beside them, whole or not at all."""
    card_path = path.with_suffix(".json")
    write_part(card_path, card_text(card).encode())
    os.replace(part_of(card_path), card_path)


def _own(name: str, root: Path | None) -> Path:
    """The weights of one's own checkpoint."""
    check_not_shipped(name)
    return find(name, root)


def rounded(weights: Tensor, dtype: torch.dtype) -> Tensor:
    """Weights in `dtype`; a tensor of whole numbers, such as batch norm's count of batches, stays as it is."""
    return weights.to(dtype) if weights.is_floating_point() else weights


def find(name: str | Path, root: Path | None = None) -> Path:
    """The weights file of a name, or of a `Path` to it; ValueError lists the known names where there is none."""
    path = name if isinstance(name, Path) else weights_path(name, root)
    if path.is_file():
        return path
    known = ", ".join(list_checkpoints(root)) or "none yet, see `python -m explorer train --help`"
    raise ValueError(f"unknown checkpoint {str(name)!r}; there are: {known}")


def weights_path(name: str, root: Path | None = None) -> Path:
    """Where the weights called `name` lie, whether or not they are there; ValueError unless the name is plain."""
    check_plain(name)
    return (root or checkpoints_root()) / f"{name}.safetensors"


def parse(content: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; ValueError says what the bytes are instead."""
    if content[:1] == b"\x80" or content[:2] == b"PK":
        raise ValueError(f"{path.name} is a pickle, which is never loaded here; save the weights as safetensors")
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        begun_well = len(content) < 9 or content[8:9] == b"{"  # eight bytes of length, then a JSON header
        trouble = "is truncated or damaged" if begun_well else "is not a safetensors file"
        raise ValueError(f"{path.name} {trouble}; copy it again, or train the network again") from error


def fill(model: nn.Module, weights: Mapping[str, Tensor], model_name: str, path: Path) -> None:
    """Put the weights, read from `path`, into the model; ValueError, which says why, where they do not fit it."""
    state = model.state_dict()  # knows the version of each module's format, as the weights alone do not
    _check_weights(weights, state, model_name, path)
    state.update(weights)
    model.load_state_dict(state)


def _check_weights(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], model_name: str, path: Path) -> None:
    missing, unexpected = expected.keys() - weights.keys(), weights.keys() - expected.keys()
    if missing or unexpected:
        lists = {"missing": missing, "unexpected": unexpected}
        differing = "; ".join(f"{what}: {_first_few(names)}" for what, names in lists.items() if names)
        raise ValueError(f"{path.name} does not fit {model_name}: these weights are {differing}")
    for key, value in weights.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_complex():
            raise ValueError(
                f"{path.name} holds {key} as something else than plain real numbers; save it dense, as float"
            )
        if value.shape != expected[key].shape:
            shapes = f"{tuple(value.shape)}, not {tuple(expected[key].shape)}"
            raise ValueError(f"{path.name} does not fit {model_name}: {key} is {shapes}")
        if not torch.isfinite(value.to(expected[key].dtype)).all():
            raise ValueError(
                f"{path.name} holds NaN or infinite weights in {key}; train the network again, or take other weights"
            )


def _first_few(names: Iterable[str]) -> str:
    first = sorted(names)
    more = f" and {len(first) - FEW:,} more" if len(first) > FEW else ""
    return f"{', '.join(first[:FEW])}{more}"


def _card_of(path: Path) -> Card:
    """The card of the weights at `path`: NAME.json, or NAME.json.part where `save` was killed before replacing it."""
    card_path = path.with_suffix(".json")
    waiting = part_of(card_path)
    if waiting.is_file():
        with contextlib.suppress(ValueError):  # half a card: killed before anything was replaced
            card = _read_card(waiting)
            if card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest():
                return card
    return _read_card(card_path)


def _read_card(path: Path) -> Card:
    if not path.is_file():
        raise ValueError(f"the card {path.name} is missing; restore it beside the weights, or train the network again")
    try:
        fields = read_json(path)
    except ValueError as error:
        raise ValueError(f"the card {path.name} {error}; restore it") from error
    try:
        card = card_from_json(fields)
    except ValueError as error:
        raise ValueError(f"the card {path.name} {error}") from error
    try:
        model, info = model_info(card.model), dataset_info(card.dataset)
    except ValueError as error:
        raise ValueError(f"the card {path.name} names something that is not here: {error}") from error
    if (card.shape, card.classes, model.inputs) != (info.shape, info.classes, info.inputs):
        raise ValueError(
            f"the card {path.name} does not fit its data set {card.dataset}, whose images are {info.shape} in "
            f"{len(info.classes)} classes, {info.inputs} an example; restore it"
        )
    return card
