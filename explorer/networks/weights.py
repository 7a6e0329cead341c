"""A network's weights as the bytes of a safetensors file, and back."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from explorer.language.saying import listed, say

FEW = 3  # names that a complaint lists


def pack(model: nn.Module, dtype: torch.dtype | None = None) -> bytes:
    """The model's weights in `dtype` (None is float32), as a file holds them."""
    kept = {key: rounded(value, dtype or torch.float32) for key, value in model.state_dict().items()}
    # Copies, as weights that layers share would not be saved twice.
    return safetensors.torch.save({key: value.contiguous().cpu().clone() for key, value in kept.items()})


def rounded(weights: Tensor, dtype: torch.dtype) -> Tensor:
    """Weights in `dtype`; a tensor of whole numbers, such as batch norm's count of batches, stays as it is."""
    return weights.to(dtype) if weights.is_floating_point() else weights


def parse(content: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; ValueError says what the bytes are instead."""
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        if content[:1] == b"\x80" or content[:2] == b"PK":  # with which a length may begin, too
            raise ValueError(
                say("{file} is a pickle, which is never loaded here; save the weights as safetensors", file=path.name)
            ) from error
        begun_well = len(content) < 9 or content[8:9] == b"{"  # eight bytes of length, then a JSON header
        raise ValueError(
            say(
                "{file} is truncated or damaged; copy it again, or train the network again"
                if begun_well
                else "{file} is not a safetensors file; copy it again, or train the network again",
                file=path.name,
            )
        ) from error


def fill(model: nn.Module, weights: Mapping[str, Tensor], model_name: str, path: Path) -> None:
    """Put the weights, read from `path`, into the model; ValueError, which says why, where they do not fit it."""
    state = model.state_dict()  # knows the version of each module's format, as the weights alone do not
    _check_weights(weights, state, model_name, path)
    state.update(weights)
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError, KeyError) as error:  # of a method of the network's own
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            say(
                "{network} does not take its own weights ({reason}); mend its state_dict",
                network=model_name,
                reason=reason,
            )
        ) from error


def _check_weights(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], model_name: str, path: Path) -> None:
    missing, unexpected = expected.keys() - weights.keys(), weights.keys() - expected.keys()
    if missing or unexpected:
        raise ValueError(
            say(
                "{file} does not fit {network}: these weights are missing: {missing}; unexpected: {unexpected}"
                if missing and unexpected
                else "{file} does not fit {network}: these weights are missing: {missing}"
                if missing
                else "{file} does not fit {network}: these weights are unexpected: {unexpected}",
                file=path.name,
                network=model_name,
                missing=_first_few(missing),
                unexpected=_first_few(unexpected),
            )
        )
    for key, value in weights.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_complex():
            raise ValueError(
                say(
                    "{file} holds {key} as something else than plain real numbers; save it dense, as float",
                    file=path.name,
                    key=key,
                )
            )
        if value.shape != expected[key].shape:
            raise ValueError(
                say(
                    "{file} does not fit {network}: {key} is {shape}, not {expected}",
                    file=path.name,
                    network=model_name,
                    key=key,
                    shape=str(tuple(value.shape)),
                    expected=str(tuple(expected[key].shape)),
                )
            )
        if not torch.isfinite(value.to(expected[key].dtype)).all():
            raise ValueError(
                say(
                    "{file} holds NaN or infinite weights in {key}; train the network again, or take other weights",
                    file=path.name,
                    key=key,
                )
            )


def _first_few(names: Iterable[str]) -> str:
    first = sorted(names)
    if len(first) <= FEW:
        return listed(first)
    return say("{names} and {n:,} more", names=listed(first[:FEW]), n=len(first) - FEW)
