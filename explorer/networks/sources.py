"""Build the network that a card describes, wherever it comes from."""

from pathlib import Path

import torch
from torch import Tensor, nn

from explorer.files.errors import sentence
from explorer.images.batches import Inputs
from explorer.language.saying import english, say
from explorer.networks.cards import Card, Source
from explorer.networks.code import Code, build_own, code_from
from explorer.networks.evaluation import forward
from explorer.networks.flow import check
from explorer.networks.outputs import with_logits
from explorer.networks.plain import plain
from explorer.networks.registry import OWN, build, model_info
from explorer.networks.tracing import sizes_in, taking
from explorer.networks.widths import resize

_TRAIN = english(
    "a train() of its own must take mode, call super().train(mode) and return self; call a training otherwise"
)


def network_of(card: Card, code_path: Path) -> nn.Module:
    """A new network, not yet with its weights, as the card says; what users wrote themselves is run from `code_path`.

    It is known to take images of the card's shape; see tracing.taking.

    Raises ValueError where the code is not there, is not the one that was imported, or does not build the network.
    """
    if card.source is None:
        return taking(_narrowed(build(card.model, card.shape, len(card.classes)), card), sizes_in(blank(card)))
    try:
        model = _narrowed(_from_source(card, card.source, code_path), card)
        _check_logits(forward(model, torch.zeros(1, *card.shape)), len(card.classes))
    except ValueError:
        raise
    except Exception as error:  # whatever a library says of wrong arguments, or finds at no such output
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(
            say(
                "the card's source builds no {network} ({reason}); restore it, or import it again",
                network=card.model,
                reason=reason,
            )
        ) from error
    return taking(model, sizes_in(blank(card)))


def _narrowed(model: nn.Module, card: Card) -> nn.Module:
    """The freshly built network, its layers as narrow as its card says."""
    if not card.widths:
        return model
    try:
        resize(model, card.widths)
        check(model.eval(), blank(card))
    except ValueError as error:
        raise ValueError(
            say(
                "the card has widths that no {network} can have: {reason}; restore it",
                network=card.model,
                reason=str(error),
            )
        ) from error
    return model


def blank(card: Card) -> Inputs:
    """Two examples without anything on them."""
    images = tuple(torch.zeros(2, *card.shape) for _ in range(model_info(card.model).inputs))
    return images if len(images) > 1 else images[0]


def _from_source(card: Card, source: Source, code_path: Path) -> nn.Module:
    """The network that a card's source tells of; raises whatever goes wrong."""
    if card.model.startswith(OWN):
        return built(_code_at(code_path, source.code), card.model.removeprefix(OWN), source, card.shape)
    model = build(card.model, card.shape, len(card.classes), source.options).eval()
    return with_logits(model, source.output, source.form)


def _check_logits(found: object, classes: int) -> None:
    """ValueError unless what a network returned for one image are its logits."""
    if not isinstance(found, Tensor) or tuple(found.shape) not in {(1, classes), (1, 1 if classes == 2 else classes)}:
        kind = str(tuple(found.shape)) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            say(
                "the network returns of shape {kind} for one image, not {classes} logits; restore output and form in "
                "the card's source, or import the network again"
                if isinstance(found, Tensor)
                else "the network returns a {kind} for one image, not {classes} logits; restore output and form in "
                "the card's source, or import the network again",
                kind=kind,
                classes=classes,
            )
        )


def built(code: Code, name: str, source: Source, shape: tuple[int, ...]) -> nn.Module:
    """A network of a code that returns its logits, every weight a parameter of its own in float32."""
    model = ready(build_own(code, name, source.options), shape)
    return with_logits(model, source.output, source.form)


def ready(model: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """The model in eval mode, without what is wrapped around its weights; those made on first use are there."""
    model = plain(model)
    _set_to_eval(model)
    if any(isinstance(each, nn.UninitializedParameter) for each in model.parameters()):
        with torch.inference_mode(False), torch.no_grad():
            model(torch.zeros(2, *shape))
    return model


def _set_to_eval(model: nn.Module) -> None:
    """Eval mode; ValueError where methods of the network's own do not do what those of nn.Module do."""
    if "forward" in vars(model):
        raise ValueError(say("{network} sets self.forward; define forward in its class", network=type(model).__name__))
    try:
        done = model.eval() is model and not model.training
    except Exception as error:
        raise ValueError(
            say(
                "{network} cannot be set to eval mode ({fix}): {reason}",
                network=type(model).__name__,
                fix=say(_TRAIN),
                reason=str(error),
            )
        ) from error
    if not done:
        raise ValueError(
            say("{network} is not in eval mode after eval(): {fix}", network=type(model).__name__, fix=say(_TRAIN))
        )


def _code_at(path: Path, sha256: str) -> Code:
    """The code of a checkpoint, checked."""
    if not path.is_file():
        raise ValueError(
            say("{file}, the code that builds the network, is missing; restore it, or import it again", file=path.name)
        )
    try:
        code = code_from(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(say("{file} {fault}", file=path.name, fault=sentence(error))) from error
    if code.sha256 != sha256:
        raise ValueError(
            say(
                "{file} is not the code that was imported (SHA-256 differs), so it is not run; restore it, or import "
                "the network again",
                file=path.name,
            )
        )
    return code
