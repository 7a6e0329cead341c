"""What all networks of a process share, torch itself, and whether a student's code leaves it as it is."""

import contextlib
import inspect
import sys
from collections.abc import Iterator
from typing import Any

import torch

from explorer.language.saying import say

PARTS = ("torch.nn", "torchvision.models", "torchvision.ops", "timm.layers", "timm.models")
SETTINGS = {  # of torch, that what is built later goes by
    "torch.get_default_dtype": torch.get_default_dtype,
    "torch.get_default_device": torch.get_default_device,
    "torch.is_grad_enabled": torch.is_grad_enabled,
}


@contextlib.contextmanager
def left_alone(file: str) -> Iterator[None]:
    """ValueError where what runs within, the code of a file, changes what all networks share."""
    parts, settings = _parts(), {name: ask() for name, ask in SETTINGS.items()}
    yield
    after = _parts()
    changed = [name for name, ask in SETTINGS.items() if ask() != settings[name]]
    changed += [f"{place}.{name}" for place, known in parts.items() for name in _differing(known, after.get(place, {}))]
    if changed:
        words = "{file}: it changes {what}, which all networks here share; change it within a class of your own"
        raise ValueError(say(words, file=file, what=changed[0]))


def _parts() -> dict[str, dict[str, Any]]:
    """What can be called in each module, and each class, that networks are made of."""
    found = {}
    for name, module in list(sys.modules.items()):
        if module is torch or any(name == part or name.startswith(f"{part}.") for part in PARTS):
            found[name] = _callables(module)
            for value in (torch.Tensor, *found[name].values()):
                if inspect.isclass(value) and (value is torch.Tensor or value.__module__ == name):
                    found[f"{value.__module__}.{value.__qualname__}"] = _callables(value)
    return found


def _callables(owner: Any) -> dict[str, Any]:
    kinds = (property, staticmethod, classmethod)
    return {name: value for name, value in list(vars(owner).items()) if callable(value) or isinstance(value, kinds)}


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The callables that are others now; what came later, as modules that are imported then, is none of them."""
    return [name for name, value in before.items() if after.get(name) is not value]
