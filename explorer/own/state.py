"""The weights in any file that a training script may have written, without what it wrapped around them."""

import argparse
import errno
import pathlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import scalar
from safetensors import SafetensorError, safe_open
from torch import Tensor

from explorer.language.saying import english, listed, say

LARGEST = 4_000_000_000  # bytes of a weights file, and of what is packed in it
USUAL = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params", "module")
DEPTH = 6  # of containers within containers
COMPILED = re.compile(r"(^|\.)_orig_mod\.")  # torch.compile's, before any part of a network
SCRIPTS = "code/"  # a folder in a TorchScript archive
EXPORTED = ("archive_format", "serialized_exported_program.json", "models/model.json")


class _Settings(dict[str, Any]):
    """What a script's own settings become: nothing that it defines is loaded."""


# What scripts keep beside weights, and what it becomes; each only holds values.
SAFE: list[Any] = [
    argparse.Namespace,
    np.dtype,
    scalar,
    *{type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"},
    (pathlib.PurePosixPath, "pathlib.PosixPath"),
    (pathlib.PureWindowsPath, "pathlib.WindowsPath"),
    (_Settings, "pytorch_lightning.utilities.parsing.AttributeDict"),
    (_Settings, "lightning.pytorch.utilities.parsing.AttributeDict"),
    (_Settings, "lightning.fabric.utilities.data.AttributeDict"),
    (_Settings, "lightning_fabric.utilities.data.AttributeDict"),
]
OTHERS = {
    ".onnx": english("an ONNX graph"),
    ".h5": english("Keras weights"),
    ".keras": english("a Keras model"),
    ".tflite": english("a TensorFlow Lite model"),
    ".pb": english("a TensorFlow graph"),
    ".npz": english("NumPy arrays"),
    ".zip": english("an archive"),
    ".gguf": english("a quantised language model"),
}


@dataclass(frozen=True)
class State:
    """Weights by name, and in words what was undone to come by them."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()


def read_states(path: Path) -> list[tuple[str, State]]:
    """The sets of weights in a file, each by its place in it; "" is the whole file. Nothing in it is ever run.

    Raises ValueError where the file is missing, too large, damaged, or holds something else.
    """
    if not path.is_file():
        raise ValueError(say("there is no weights file {path}", path=path))
    if path.stat().st_size > LARGEST:
        words = "{file} has {size:.1f} GB, more than the {most:.0f} GB of weights that fit"
        raise ValueError(say(words, file=path.name, size=path.stat().st_size / 1e9, most=LARGEST / 1e9))
    if path.stat().st_size == 0:
        raise ValueError(say("{file} is empty; copy it again", file=path.name))
    if path.suffix == ".safetensors":
        return [("", _folded(_safetensors(path)))]
    if path.suffix in OTHERS:
        words = "{file} looks like {kind}; save PyTorch's state_dict"
        raise ValueError(say(words, file=path.name, kind=say(OTHERS[path.suffix])))
    content = _load(path)
    found = [(place, _folded(tensors)) for place, tensors in _states_in(content, "", DEPTH)]
    if not found:
        words = "{file} holds no state_dict, names with a tensor each; save model.state_dict() alone"
        raise ValueError(say(words, file=path.name))
    return sorted(found, key=lambda each: rank(each[0]))


def rank(place: str) -> int:
    """Where scripts usually keep the weights comes first."""
    last = place.rpartition(".")[2]
    return USUAL.index(last) if last in USUAL else (-1 if not place else len(USUAL))


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in list(file.keys())}
    except (SafetensorError, OSError) as error:
        with open(path, "rb") as file:
            start = file.read(9)
        if start[:1] == b"\x80" or start[:2] == b"PK":
            words = "{file} is a pickle by another name; rename it to end in .pt"
        elif len(start) < 9 or start[8:] == b"{":
            words = "{file} is truncated or damaged; copy it again"
        else:
            words = "{file} is not a safetensors file; copy it again"
        raise ValueError(say(words, file=path.name)) from error


def _load(path: Path) -> Any:
    _check_archive(path)
    try:
        safely = torch.serialization.safe_globals(SAFE)
        with safely, warnings.catch_warnings(action="ignore"):  # of old pickles, which are read all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(_refused(path) if _is_saved(path) else _damaged(path)) from error
    except (OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno == errno.EINVAL:  # what torch says of an archive that ends early
            raise ValueError(_damaged(path)) from error
        raise
    except Exception as error:  # torch's unpickler trips over damaged bytes in ways of its own, such as IndexError
        raise ValueError(_damaged(path)) from error


def _is_saved(path: Path) -> bool:
    """Whether a file begins as torch.save writes them; a web page or a Git LFS pointer does not."""
    with open(path, "rb") as file:
        return file.read(2).startswith((b"PK", b"\x80"))


def _damaged(path: Path) -> str:
    return say("{file} is damaged, or torch.save did not write it; copy or save it again", file=path.name)


def _refused(path: Path) -> str:
    """What is said of a pickle that holds more than tensors, with the lines that fix it."""
    plain = _weights_beside(path)
    kind, model, state = say("a whole model"), "model", "model.state_dict()"
    if path.suffix == ".ckpt":
        kind, model, state = say("a script's own objects"), "saved", "saved['state_dict']"
    return say(
        "{file} holds more than tensors ({kind}), or is damaged, and unpickling it could run any code. Where it was "
        "saved, run these two lines and take {plain}:\n{lines}",
        file=path.name,
        kind=kind,
        plain=plain,
        lines=f"{model} = torch.load({path.name!r}, weights_only=False)\ntorch.save({state}, {plain!r})",
    )


def _weights_beside(path: Path) -> str:
    """What a file for the weights alone is called."""
    return path.with_name(f"{path.stem}-weights.pt").name


def _check_archive(path: Path) -> None:
    """ValueError for an archive that holds a program, or unpacks to more than it should."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ValueError(say("{file} is damaged; copy it again", file=path.name)) from error
    names = [entry.filename.partition("/")[2] or entry.filename for entry in entries]
    if sum(entry.file_size for entry in entries) > LARGEST:
        words = "{file} unpacks to more than {most:.0f} GB; save model.state_dict() alone"
        raise ValueError(say(words, file=path.name, most=LARGEST / 1e9))
    if any(name.startswith(SCRIPTS) for name in names):
        words = "{file} is TorchScript, which is a program; save model.state_dict() and name its code"
        raise ValueError(say(words, file=path.name))
    weights = _weights_beside(path)
    if any(name in EXPORTED or entry.filename in EXPORTED for name, entry in zip(names, entries, strict=True)):
        raise ValueError(
            say(
                "{file} is an exported program, whose layers can no longer be told apart, and loading it could run any "
                "code. Where it was saved, run these two lines, take {plain} and name the network's code:\n{lines}",
                file=path.name,
                plain=weights,
                lines=f"program = torch.export.load({path.name!r})\ntorch.save(dict(program.state_dict), {weights!r})",
            )
        )


def _states_in(content: Any, place: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The mappings of names to tensors within what a script saved, and where they are."""
    if not isinstance(content, Mapping) or not depth:
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    rest = {key: value for key, value in content.items() if isinstance(value, Mapping)}
    if tensors:
        yield place, tensors
    for key, value in rest.items():
        yield from _states_in(value, f"{place}.{key}" if place else str(key), depth - 1)


# What wraps a weight


def _folded(tensors: Mapping[str, Tensor]) -> State:
    """Plain float32 weights under plain names, and what was undone."""
    kept, notes = {COMPILED.sub(r"\1", key): value for key, value in tensors.items()}, []
    if kept.keys() != tensors.keys():
        notes.append(say("names without torch.compile's _orig_mod"))
    for undo in (_unmasked, _unnormed, _unspectral):
        kept, note = undo(kept)
        notes += [note] if note else []
    kinds = {value.dtype for value in kept.values() if value.is_floating_point()} - {torch.float32}
    if kinds:
        names = listed(sorted(str(kind).removeprefix("torch.") for kind in kinds))
        notes.append(say("weights of {kinds} as float32", kinds=names))
    plain = {key: value.float() if value.is_floating_point() else value for key, value in kept.items()}
    return State(plain, tuple(notes))


def _unmasked(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Weights that `torch.nn.utils.prune` masks: what they are with the mask."""
    masked = [key.removesuffix("_mask") for key in tensors if key.endswith("_mask")]
    masked = [
        key for key in masked if f"{key}_orig" in tensors and _fit(tensors[f"{key}_orig"], tensors[f"{key}_mask"])
    ]
    for key in masked:
        tensors = tensors | {key: tensors[f"{key}_orig"] * tensors[f"{key}_mask"]}
    gone = {f"{key}{end}" for key in masked for end in ("_orig", "_mask")}
    return _without(tensors, gone), say("masks of torch.nn.utils.prune applied") if masked else ""


def _unnormed(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Weights under weight norm, of today (`parametrizations.weight.original0`) or of old (`weight_g`)."""
    pairs = {}  # name: those of magnitude and direction
    for key in tensors:
        if key.endswith("_g") and f"{key[:-1]}v" in tensors:
            pairs[key.removesuffix("_g")] = (key, f"{key[:-1]}v")
        elif key.endswith(".original0") and f"{key[:-1]}1" in tensors:
            pairs[_parametrized(key)] = (key, f"{key[:-1]}1")
    pairs = {name: pair for name, pair in pairs.items() if _fit(tensors[pair[1]], tensors[pair[0]])}
    for name, (magnitude, direction) in pairs.items():
        size, value = tensors[magnitude].float(), tensors[direction].float()
        over = [axis for axis in range(value.ndim) if size.ndim != value.ndim or size.shape[axis] == 1]
        tensors = tensors | {name: value * (size / torch.linalg.vector_norm(value, dim=over, keepdim=True))}
    gone = {each for pair in pairs.values() for each in pair}
    return _without(tensors, gone), say("weight norm folded") if pairs else ""


def _unspectral(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Weights under spectral norm: divided by the norm that the file's own vectors give, as in eval mode."""
    found = {}  # name: weight, u, v
    for key in tensors:
        name = key.removesuffix("_u")
        if key.endswith("_u") and f"{name}_orig" in tensors and f"{name}_v" in tensors:
            found[name] = (f"{name}_orig", key, f"{name}_v")
        elif key.endswith(".0._u") and f"{key.removesuffix('.0._u')}.original" in tensors:
            place = key.removesuffix(".0._u")
            found[_parametrized(f"{place}.original")] = (f"{place}.original", key, f"{place}.0._v")
    found = {name: parts for name, parts in found.items() if _are_vectors_of(*(tensors.get(part) for part in parts))}
    for name, (weight, u, v) in found.items():
        value = tensors[weight].float()
        sigma = tensors[u].float() @ value.flatten(1) @ tensors[v].float()
        tensors = tensors | {name: value / sigma}
    gone = {each for parts in found.values() for each in parts}
    return _without(tensors, gone), say("spectral norm folded") if found else ""


def _fit(weight: Tensor, other: Tensor) -> bool:
    """Whether a mask or a magnitude is of a weight: dense, as both are, and along each axis as long, or 1."""
    sizes = zip(other.shape, weight.shape, strict=False)
    whole = weight.ndim > 1 and other.ndim in (0, weight.ndim) and all(one in (1, size) for one, size in sizes)
    return whole and weight.layout == other.layout == torch.strided


def _are_vectors_of(weight: Tensor | None, u: Tensor | None, v: Tensor | None) -> bool:
    """Whether u and v are the vectors by which spectral norm knows a weight."""
    if weight is None or u is None or v is None or weight.ndim < 2 or weight.layout != torch.strided:
        return False
    return u.shape == weight.shape[:1] and v.shape == weight.flatten(1).shape[1:]


def _parametrized(key: str) -> str:
    """The plain name of a parametrized weight: of conv.parametrizations.weight.original0, conv.weight."""
    owner, _, rest = key.partition("parametrizations.")
    return f"{owner}{rest.partition('.')[0]}"


def _without(tensors: Mapping[str, Tensor], gone: set[str]) -> dict[str, Tensor]:
    return {key: value for key, value in tensors.items() if key not in gone}
