"""Trained networks on disk: NAME.safetensors holds the weights, NAME.json the card that says what they are.

The root is the environment variable `EXPLORER_CHECKPOINTS`, else `checkpoints/` in the project.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.files.errors import sentence
from explorer.files.json import read_json
from explorer.files.locks import PATIENCE, held
from explorer.files.names import check_plain
from explorer.files.places import PLAIN_NAME, checkpoints_root
from explorer.files.whole import part_of, write_part
from explorer.images.datasets import dataset_info
from explorer.language.saying import listed, say
from explorer.networks.cards import Card, card_from_json, card_text
from explorer.networks.registry import model_info

if TYPE_CHECKING:
    import torch
    from torch import nn

SHIPPED = (  # come with the app: its pages and labs count on them
    "simple-cnn_fashion-mnist",
    "simple-cnn_cifar10",
    "siamese_mnist-pairs",
    "resnet18-report_cifar10",
    "resnet18_cifar10",
    "lab-resnet_cifar10",
    "block-net_cifar10",
    "resnet18-half_cifar10",
)
CODE = ".code.json"  # the code of a network that users wrote themselves
BESIDES = tuple(f"{end}{part}" for end in (".json", ".csv", ".resume.pt", CODE) for part in ("", ".part"))  # of weights


class Weights:
    """The weights in a file, which become a network when it is first asked for, whichever thread asks."""

    def __init__(self, path: Path, card: Card) -> None:
        self._path, self._card = path, card
        self._lock = threading.Lock()
        self._model: nn.Module | None = None

    def network(self) -> nn.Module:
        """The network with these weights; ValueError where they do not fit it, or are no longer those of the card."""
        with self._lock:
            if self._model is None:
                self._model = self._loaded()
            return self._model

    def forget(self) -> None:
        """Let go of the network; it is loaded anew when it is next asked for."""
        with self._lock:
            self._model = None

    def _loaded(self) -> nn.Module:
        from explorer.networks import sources, weights  # import torch, which takes seconds

        content = self._path.read_bytes()
        tensors = weights.parse(content, self._path)
        check_same(content, self._card, self._path)
        model = sources.network_of(self._card, self._path.with_suffix(CODE))
        weights.fill(model, tensors, self._card.model, self._path)
        model.eval()
        return model


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network, verified: `model` is in eval mode and, being shared, must not be changed.

    >>> import explorer as ex
    >>> ex.load("simple-cnn_fashion-mnist").card.dataset
    'fashion-mnist'
    """

    name: str
    path: Path
    card: Card
    sha256: str
    weights: Weights

    @property
    def model(self) -> nn.Module:
        """The network; of a checkpoint that was only looked up, it is loaded and verified now: see `Weights`."""
        return self.weights.network()


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
    found = look_up(name, root)
    found.weights.network()
    return found


def look_up(name: str | Path, root: Path | None = None) -> Checkpoint:
    """The checkpoint as `load` finds it, but for its `model`, which is loaded when it is first used: needs no torch.

    ValueError as for `load`, but for what is wrong with weights that are those of their card.
    """
    path = find(name, root)
    card, content = _card_of(path), path.read_bytes()
    weights = Weights(path, card)
    try:
        check_same(content, card, path)
    except ValueError:
        weights.network()  # which says better what the file is instead
        raise
    return Checkpoint(path.stem, path, card, card.sha256, weights)


def check_same(content: bytes, card: Card, path: Path) -> None:
    """ValueError unless these are the weights, read from `path`, that the card describes."""
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise ValueError(
            say(
                "{file} is not the file its card describes (SHA-256 differs); restore both or train again",
                file=path.name,
            )
        )


def read_card(name: str | Path, root: Path | None = None) -> Card:
    """The card alone, without a look at the weights; ValueError as for `load`."""
    return _card_of(find(name, root))


def save(
    name: str,
    model: nn.Module,
    card: Card,
    root: Path | None = None,
    dtype: torch.dtype | None = None,
    code: str = "",
) -> Path:
    """Write a checkpoint, weights in `dtype` (float32); the card's `sha256` is filled in. Returns the weights' path.

    `code` is the text of a network that users wrote themselves; it comes first, as nothing else shows without weights.
    Both files are complete on disk before the first takes its place. A kill between the two replacements leaves new
    weights, an old card and the new card as NAME.json.part, which `load` then finds.
    """
    from explorer.networks import weights

    path, content = weights_path(name, root), weights.pack(model, dtype)
    card_path = path.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    if code:
        _replace(path.with_suffix(CODE), code.encode())
    write_part(path, content)
    write_part(card_path, card_text(replace(card, sha256=hashlib.sha256(content).hexdigest())).encode())
    os.replace(part_of(path), path)
    os.replace(part_of(card_path), card_path)
    return path


def code_beside(point: Checkpoint) -> str:
    """The code of a checkpoint's network, as `save` takes it; empty where it needs none."""
    path = point.path.with_suffix(CODE)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


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
        for suffix in (".csv", CODE):
            if old.with_suffix(suffix).exists():
                _replace(target.with_suffix(suffix), old.with_suffix(suffix).read_bytes())
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


def check_free(name: str, root: Path | None = None, fix: str = "") -> None:
    """ValueError where there is a network of that name; `fix` says what to do but for deleting that one."""
    if weights_path(name, root).exists():
        fix = fix or say("delete that one first")
        raise ValueError(
            say("there is a network called {name!r} already; choose another name, or {fix}", name=name, fix=fix)
        )


def check_not_shipped(name: str) -> None:
    """ValueError where the name belongs to a network that comes with the app."""
    if name in SHIPPED:
        raise ValueError(
            say("{name!r} is the name of a network that comes with the app and stays; choose another", name=name)
        )


def _write_card(path: Path, card: Card) -> None:
    """Put the card of the weights at `path` beside them, whole or not at all."""
    _replace(path.with_suffix(".json"), card_text(card).encode())


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    write_part(path, content)
    os.replace(part_of(path), path)


def _own(name: str, root: Path | None) -> Path:
    """The weights of one's own checkpoint."""
    check_not_shipped(name)
    return find(name, root)


def find(name: str | Path, root: Path | None = None) -> Path:
    """The weights file of a name, or of a `Path` to it; ValueError lists the known names where there is none."""
    path = name if isinstance(name, Path) else weights_path(name, root)
    if path.is_file():
        return path
    known = listed(list_checkpoints(root)) or say("none yet, see `python -m explorer train --help`")
    raise ValueError(say("unknown checkpoint {name!r}; there are: {known}", name=str(name), known=known))


def weights_path(name: str, root: Path | None = None) -> Path:
    """Where the weights called `name` lie, whether or not they are there; ValueError unless the name is plain."""
    check_plain(name)
    return (root or checkpoints_root()) / f"{name}.safetensors"


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
        raise ValueError(
            say("the card {card} is missing; restore it beside the weights, or train the network again", card=path.name)
        )
    try:
        fields = read_json(path)
    except ValueError as error:
        raise ValueError(say("the card {card} {fault}; restore it", card=path.name, fault=sentence(error))) from error
    try:
        card = card_from_json(fields)
    except ValueError as error:
        raise ValueError(say("the card {card} {fault}", card=path.name, fault=sentence(error))) from error
    try:
        model, info = model_info(card.model), dataset_info(card.dataset)
    except ValueError as error:
        raise ValueError(
            say("the card {card} names something that is not here: {fault}", card=path.name, fault=sentence(error))
        ) from error
    if (card.shape, card.classes, model.inputs) != (info.shape, info.classes, info.inputs):
        raise ValueError(
            say(
                "the card {card} does not fit its data set {dataset}, whose images are {shape} in {classes} classes, "
                "{inputs} an example; restore it",
                card=path.name,
                dataset=card.dataset,
                shape=str(info.shape),
                classes=len(info.classes),
                inputs=info.inputs,
            )
        )
    return card
