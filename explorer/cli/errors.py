"""What went wrong, in one sentence."""

import errno
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


def sentence(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        fix = "; free some space on the disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return f"{error.strerror}{where}{fix}"
    return " ".join(str(error).split()) or type(error).__name__
