"""The loss that networks are trained with, and that rankings look at."""

from torch import Tensor
from torch.nn import functional as F


def loss_of(outputs: Tensor, labels: Tensor, smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    """Cross-entropy of logits (N, classes), or binary cross-entropy of single logits (N, 1), at labels (N,).

    Its mean or its sum over the examples, or with `reduction` "none" that of each (N,).
    """
    if outputs.shape[1] == 1:
        targets = labels * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype), reduction=reduction)
    return F.cross_entropy(outputs, labels, label_smoothing=smoothing, reduction=reduction)
