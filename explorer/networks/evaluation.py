"""Logits and predictions of a network over batches, on a device."""

import copy
import re
import warnings
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from explorer.images.batches import Inputs
from explorer.language.saying import listed, say
from explorer.networks.graph import exclusive
from explorer.networks.operations import in_type

Batch = tuple[Inputs, Tensor]

AUDITED = "audited"  # float32's predictions, most of them computed in bfloat16: see engine/audit.py
DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    AUDITED: torch.bfloat16,
}

Device = str | torch.device | None  # None and "auto": the best there is


def to_device(inputs: Inputs, device: Device, dtype: torch.dtype | None = None) -> Inputs:
    """The inputs, moved; of several, as a tuple or as the list that a DataLoader makes of it, a tuple."""
    if not isinstance(inputs, Tensor):
        return tuple(part.to(device=device, dtype=dtype) for part in inputs)
    return inputs.to(device=device, dtype=dtype)


def resolve_device(device: Device) -> torch.device:
    """`None` or "auto": the best device there is (CUDA, MPS, CPU); else the device asked for, if it is there."""
    if device is None or str(device) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    unavailable = ValueError(
        say("device {name!r} is not available here; choose auto, cpu, cuda or mps", name=str(device))
    )
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", str(device)):
        raise unavailable
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise unavailable from error
    return torch.device(device)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16, rather than slowly making do without."""
    return device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported())


def resolve_dtype(dtype: str | torch.dtype | None) -> torch.dtype:
    """The type to compute in: a key or a value of DTYPES; None is float32, which is exact."""
    name = str(dtype or "float32").removeprefix("torch.")
    if name not in DTYPES:
        raise ValueError(say("unknown dtype {name!r}; choose one of: {known}", name=name, known=listed(DTYPES)))
    return DTYPES[name]


def precision_of(model: nn.Module) -> torch.dtype:
    """The type of the model's weights: of the first, where they differ."""
    return next((each.dtype for each in model.parameters() if each.is_floating_point()), torch.float32)


def tell_precision(model: nn.Module) -> None:
    """Warn where the model's weights are of another type than float32, which it is then run in."""
    found = precision_of(model)
    if found != torch.float32:
        name = str(found).removeprefix("torch.")
        warnings.warn(f"the network's weights are {name}; a copy of it runs in float32", stacklevel=2)


def forward(model: nn.Module, inputs: Inputs) -> Tensor:
    """Logits (N, classes) of one batch, without gradients, in the precision of the model's weights.

    Where a device cannot run a half model, a float32 copy of it runs.
    """
    found = precision_of(model)
    try:
        return _run(model, inputs, found)
    except RuntimeError:
        if found not in (torch.float16, torch.bfloat16):
            raise
        return _run(copy.deepcopy(model).float(), inputs, torch.float32)


def _run(model: nn.Module, inputs: Inputs, dtype: torch.dtype) -> Tensor:
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    with exclusive, torch.inference_mode():
        return model(*(in_type(part, dtype) for part in given))


def logits(model: nn.Module, batches: Iterable[Batch], device: torch.device | str = "cpu") -> Tensor:
    """Logits (N, classes) over all batches, on the CPU. The model must be in eval mode, and on `device`."""
    if model.training:
        raise ValueError(
            say("the model is in training mode; call .eval() first, or batch norm and dropout blur its logits")
        )
    return torch.cat([forward(model, to_device(inputs, device)).float().cpu() for inputs, _ in batches])


def predict(logits: Tensor) -> Tensor:
    """Predicted class (…,) of logits (…, classes). A single logit means yes (1) where its sigmoid is at least ½."""
    if logits.shape[-1] == 1:
        return (logits[..., 0] >= 0).long()
    return logits.argmax(-1)


class CountedBatches:
    """Batches that may be gone over more than once, without empty ones; `n` is how many images there are in all.

    ValueError where there is no image, and on the way where labels do not fit (see `check_labels`).
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = list(batches) if isinstance(batches, Iterator) else batches
        self.n: int = getattr(batches, "n", None) or sum(len(labels) for _, labels in self._batches)
        if not self.n:
            raise ValueError(say("there are no images to look at"))

    def __iter__(self) -> Iterator[Batch]:
        for inputs, labels in self._batches:
            check_labels(inputs, labels)
            if len(labels):
                yield inputs, labels


def in_parts(batches: Iterable[Batch], size: int) -> Iterator[Batch]:
    """The batches, those of more than `size` images in parts."""
    for inputs, labels in batches:
        for start in range(0, len(labels), size):
            part = slice(start, start + size)
            yield inputs[part] if isinstance(inputs, Tensor) else tuple(each[part] for each in inputs), labels[part]


def joined(batches: Iterable[Batch], size: int) -> Iterator[Batch]:
    """The batches, neighbouring ones as one where their images are of one size and no more than `size` together."""
    waiting: list[Batch] = []
    for batch in batches:
        there = sum(len(labels) for _, labels in waiting)
        if waiting and (there + len(batch[1]) > size or _sizes(batch) != _sizes(waiting[0])):
            yield _as_one(waiting)
            waiting = []
        waiting.append(batch)
    if waiting:
        yield _as_one(waiting)


def _sizes(batch: Batch) -> list[torch.Size]:
    inputs, _ = batch
    return [part.shape[1:] for part in ([inputs] if isinstance(inputs, Tensor) else inputs)]


def _as_one(batches: list[Batch]) -> Batch:
    inputs, labels = zip(*batches, strict=True)
    if isinstance(inputs[0], Tensor):
        return torch.cat(inputs), torch.cat(labels)
    return tuple(torch.cat(parts) for parts in zip(*inputs, strict=True)), torch.cat(labels)


def check_labels(inputs: Inputs, labels: Tensor) -> None:
    """ValueError unless the labels are whole numbers (N,) from 0 on, one for each of the N inputs."""
    images = len(inputs if isinstance(inputs, Tensor) else inputs[0])
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.shape != (images,):
        kind = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise ValueError(
            say("labels must be a tensor of {n} whole numbers, one for each image, not {kind}", n=images, kind=kind)
        )
    if images and int(labels.min()) < 0:
        raise ValueError(say("labels must be numbers of classes, from 0 on, not {least}", least=int(labels.min())))
