"""What the command line says where memory ran out."""

import re

import torch


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; on the CPU, PyTorch has no type of its own for that."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def out_of_memory(error: Exception) -> str:
    """The sentence for it, with how much was asked for, where PyTorch says so."""
    asked = re.search(r"[Tt]ried to allocate ([\d.]+ \w+)", str(error))
    need = f": {asked[1]} at once" if asked else ""
    return f"there is too little memory{need}; train with a smaller --batch-size, look at fewer images with --limit"
