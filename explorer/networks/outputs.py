"""What a network returns, and which part of it are the logits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from explorer.language.saying import listed, say

WHOLE = ""  # the key of an output that is one tensor


def tensors_of(output: Any, key: str = WHOLE) -> Iterator[tuple[str, Tensor]]:
    """The tensors in what a network returns, by their keys: of nested ones "a.0"; of one tensor alone `WHOLE`."""
    if isinstance(output, Tensor):
        yield key, output
        return
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(output, Mapping):
        parts = output.items()
    elif is_dataclass(output):
        parts = [(each.name, getattr(output, each.name)) for each in fields(output)]
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        parts = zip(output._fields, output, strict=True)
    elif isinstance(output, tuple | list):
        parts = enumerate(output)
    for name, part in parts:
        if str(name) != WHOLE:  # which nobody could ask for
            yield from tensors_of(part, f"{key}.{name}" if key else str(name))


def find_logits(shapes: Mapping[str, Sequence[int]], classes: int, images: int, asked: str = WHOLE) -> str:
    """The key of the logits among a network's outputs, whose shapes over so many images are given.

    Logits are (images, classes), or one number an image where there are two classes. Raises ValueError where none fits,
    or more than one does and none is `asked` for.
    """
    if asked and asked not in shapes:
        known = listed(map(str, shapes)) or say("none")
        raise ValueError(say("it has no output {name!r}; choose one of: {known}", name=asked, known=known))
    fitting = [key for key, shape in shapes.items() if _fits(shape, classes, images) and asked in (WHOLE, key)]
    if not fitting:
        outputs = [_in_words(key, shape) for key, shape in shapes.items()]
        few = min((shape[1] for shape in shapes.values() if len(shape) == 2), default=None)
        raise ValueError(
            say(
                "its classifier has {few} outputs, the images have {classes} classes (outputs for {images} images: "
                "{there})"
                if len(shapes) == 1 and few is not None
                else "the images have {classes} classes (outputs for {images} images: {there})",
                few=few,
                classes=classes,
                images=images,
                there=listed(outputs) or say("none"),
            )
        )
    if len(fitting) > 1:
        raise ValueError(
            say(
                "it has {n} outputs that could be the logits ({names}); choose with --output",
                n=len(fitting),
                names=listed(fitting),
            )
        )
    return fitting[0]


def _fits(shape: Sequence[int], classes: int, images: int) -> bool:
    one = tuple(shape) in ((images,), (images, 1)) and classes == 2
    return one or tuple(shape) == (images, classes)


def _in_words(key: str, shape: Sequence[int]) -> str:
    """An output and its sizes."""
    sizes = " × ".join(map(str, shape)) or say("no size")
    return say("{key} of {sizes}" if key else "one of {sizes}", key=key, sizes=sizes)


def with_logits(model: nn.Module, key: str, form: str = "") -> nn.Module:
    """The network, changed so that it returns the logits alone, (N, classes): what it has at `key`, in a form of FORMS.

    Names of layers and weights stay as they are.
    """
    if key == WHOLE and not form:
        return model
    kind = type(model)

    def forward(self: nn.Module, images: Tensor) -> Tensor:  # of no *inputs, which cannot be traced
        found = at_key(kind.forward(self, images), key)
        column = found.reshape(-1, 1) if form else found
        return torch.logit(column, eps=1e-7) if form == "share" else column

    model.__class__ = type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})
    return model


def at_key(output: Any, key: str) -> Any:
    """What lies at a key of an output, as `tensors_of` names it. Works on what is traced, too."""
    while key:
        part, _, rest = key.partition(".")
        if isinstance(output, Mapping):
            names = {str(name): name for name in output}
            part = max((name for name in names if f"{key}.".startswith(f"{name}.")), key=len)  # one may hold a dot
            output, rest = output[names[part]], key[len(part) + 1 :]
        elif isinstance(output, tuple | list) and not hasattr(output, "_fields"):
            output = output[int(part)]
        else:
            output = getattr(output, part)
        key = rest
    return output
