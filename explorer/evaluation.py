"""Logits, predictions, accuracies and their intervals."""

import re
from collections.abc import Iterable
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor, nn

from explorer.data import Inputs
from explorer.graph import exclusive

Batch = tuple[Inputs, Tensor]

Z95 = NormalDist().inv_cdf(0.975)  # 1.96: 95 % of a normal distribution lies within ± Z95 standard deviations


def to_device(inputs: Inputs, device: torch.device | str | None, dtype: torch.dtype | None = None) -> Inputs:
    """The inputs, moved; a tuple stays a tuple."""
    if isinstance(inputs, tuple):
        return tuple(part.to(device=device, dtype=dtype) for part in inputs)
    return inputs.to(device=device, dtype=dtype)


def resolve_device(device: str | torch.device | None) -> torch.device:
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
