"""One split of a data set, whole, as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a dataset, whole, as tensors: every entry of `inputs` is uint8 (N, C, H, W), `labels` int64 (N,)."""

    name: str
    split: str
    inputs: tuple[Tensor, ...]
    labels: Tensor
    classes: tuple[str, ...]
    origin: str  # "full" or "bundled"

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sha256(self) -> str:
        """Of the images and labels themselves: no two different splits have the same."""
        content = sha256()
        for tensor in (*self.inputs, self.labels):
            content.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
            content.update(tensor.contiguous().numpy().data)
        return content.hexdigest()

    def take(self, which: int | Sequence[int] | Tensor) -> "Split":
        """The first `which` images, or those at the indices `which`, as a Split of its own."""
        chosen = slice(which) if isinstance(which, int) else torch.as_tensor(which)
        return replace(self, inputs=tuple(x[chosen] for x in self.inputs), labels=self.labels[chosen])
