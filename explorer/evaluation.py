"""Logits, predictions, accuracies and their intervals."""

import re
from collections.abc import Iterable, Iterator
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor, nn

from explorer.data import Inputs
from explorer.graph import exclusive

Batch = tuple[Inputs, Tensor]

DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}

Device = str | torch.device | None  # None and "auto": the best there is

Z95 = NormalDist().inv_cdf(0.975)  # 1.96: 95 % of a normal distribution lies within ± Z95 standard deviations


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
    unavailable = ValueError(f"device {str(device)!r} is not available here; choose auto, cpu, cuda or mps")
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
        raise ValueError(f"unknown dtype {name!r}; choose one of: {', '.join(DTYPES)}")
    return DTYPES[name]


def forward(model: nn.Module, inputs: Inputs) -> Tensor:
    """Logits (N, classes) of one batch, without gradients."""
    with exclusive, torch.inference_mode():
        return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def logits(model: nn.Module, batches: Iterable[Batch], device: torch.device | str = "cpu") -> Tensor:
    """Logits (N, classes) over all batches, on the CPU. The model must be in eval mode, and on `device`."""
    if model.training:
        raise ValueError("the model is in training mode; call .eval() first, or batch norm and dropout blur its logits")
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
            raise ValueError("there are no images to look at")

    def __iter__(self) -> Iterator[Batch]:
        for inputs, labels in self._batches:
            check_labels(inputs, labels)
            if len(labels):
                yield inputs, labels


def check_labels(inputs: Inputs, labels: Tensor) -> None:
    """ValueError unless the labels are whole numbers (N,) from 0 on, one for each of the N inputs."""
    images = len(inputs if isinstance(inputs, Tensor) else inputs[0])
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.shape != (images,):
        kind = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise ValueError(f"labels must be a tensor of {images} whole numbers, one for each image, not {kind}")
    if images and int(labels.min()) < 0:
        raise ValueError(f"labels must be numbers of classes, from 0 on, not {int(labels.min())}")


def wilson(correct: np.ndarray | int, n: np.ndarray | int, z: float = Z95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval (low, high) of an accuracy, `correct` of `n` right; NaN where n is 0.

    Wilson (1927), *Probable inference, the law of succession, and statistical inference*, J. Am. Stat. Assoc. 22.
    """
    correct, n = np.asarray(correct, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = correct / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def mcnemar(broken: int, repaired: int) -> float:
    """Two-sided exact p-value that a change breaks as many images as it repairs.

    McNemar (1947), *Note on the sampling error of the difference between correlated proportions*.
    """
    n = broken + repaired
    term, tail = 1, 0  # term is C(n, i): integers, so exact
    for i in range(min(broken, repaired) + 1):
        tail += term
        term = term * (n - i) // (i + 1)
    return min(1.0, 2 * tail / 2**n)


def change_interval(broken: np.ndarray, repaired: np.ndarray, n: int, z: float = Z95) -> tuple[np.ndarray, np.ndarray]:
    """Interval (low, high) of the change of accuracy, −1…1, where `broken` and `repaired` of the same n images changed.

    Agresti and Min (2005), *Simple improved confidence intervals for comparing matched proportions*, Stat. Med. 24:
    the normal interval after half an image is added to each of the four counts.
    """
    lost, won, total = np.asarray(broken) + 0.5, np.asarray(repaired) + 0.5, n + 2
    centre = (won - lost) / total
    half = z * np.sqrt(lost + won - (won - lost) ** 2 / total) / total
    return np.clip(centre - half, -1, 1), np.clip(centre + half, -1, 1)


def student_t(freedom: int, z: float = Z95) -> float:
    """The value that Student's t stays within as often as a normal one stays within ± z.

    Abramowitz and Stegun (1964), *Handbook of mathematical functions*, equation 26.7.5: to 0.001 from 5 degrees of
    freedom on.
    """
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
