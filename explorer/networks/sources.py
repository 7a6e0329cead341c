"""Build the network that a card describes, wherever it comes from."""

from pathlib import Path

import torch
from torch import nn

from explorer.networks.cards import Card, Source
from explorer.networks.code import Code, build_own, code_from
from explorer.networks.outputs import with_logits
from explorer.networks.plain import plain
from explorer.networks.registry import OWN, build


def network_of(card: Card, code_path: Path) -> nn.Module:
    """A new network, not yet with its weights, as the card says; what users wrote themselves is run from `code_path`.

    Raises ValueError where the code is not there, is not the one that was imported, or does not build the network.
    """
    source = card.source or Source()
    if not card.model.startswith(OWN):
        model = build(card.model, card.shape, len(card.classes), source.options)
        return with_logits(model, source.output, source.form)
    return built(_code_at(code_path, source.code), card.model.removeprefix(OWN), source, card.shape)


def built(code: Code, name: str, source: Source, shape: tuple[int, ...]) -> nn.Module:
    """A network of a code that returns its logits, every weight a parameter of its own in float32."""
    model = ready(build_own(code, name, source.options), shape)
    return with_logits(model, source.output, source.form)


def ready(model: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """The model in eval mode, without what is wrapped around its weights; those made on first use are there."""
    model = plain(model).eval()
    if any(isinstance(each, nn.UninitializedParameter) for each in model.parameters()):
        with torch.inference_mode(False), torch.no_grad():
            model(torch.zeros(2, *shape))
    return model


def _code_at(path: Path, sha256: str) -> Code:
    """The code of a checkpoint, checked."""
    if not path.is_file():
        raise ValueError(f"{path.name}, the code that builds the network, is missing; restore it, or import it again")
    try:
        code = code_from(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} {error}") from error
    if code.sha256 != sha256:
        raise ValueError(
            f"{path.name} is not the code that was imported (SHA-256 differs), so it is not run; restore it, or import "
            "the network again"
        )
    return code
