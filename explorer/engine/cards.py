"""What a graphics card needs to be quick: few large operations, for it is idle between many small ones."""

from collections.abc import Collection

import torch
from torch import Tensor

NEAR_FLOATS = 2**21  # partial sums of a few K at once, 8 MiB, which stay in the processor's cache
CARD_FLOATS = 2**26  # the same on a graphics card, 256 MiB


def is_card(device: torch.device) -> bool:
    """Whether a device is a graphics card, of whatever make."""
    return device.type != "cpu"


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a graphics card that tells; None elsewhere."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def at_once(sums: Collection[Tensor]) -> int:
    """At how many K such outputs of layers are best there together, one at least."""
    device, floats = next(iter(sums)).device, sum(value.numel() for value in sums)
    return max(1, (CARD_FLOATS if is_card(device) else NEAR_FLOATS) // floats)
