"""A compressed network as a checkpoint like any other: its card tells its widths, and what it was made from."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from explorer.compression.plans import Plan
from explorer.compression.removal import TOLERANCE
from explorer.language.saying import say
from explorer.networks import checkpoints
from explorer.networks.cards import Card, Parent, Score, versions
from explorer.networks.checkpoints import CODE, Checkpoint
from explorer.networks.evaluation import forward
from explorer.networks.sources import blank, network_of
from explorer.networks.widths import differing


def card_of(
    model: nn.Module,
    point: Checkpoint,
    plan: Plan,
    score: Score,
    epochs: int = 0,
    steps: int = 1,
    pruned: Score | None = None,
) -> Card:
    """The card of a network that the plan made of a checkpoint's, and that was fine-tuned for so many epochs.

    `score` is what it gets right of the test images, `pruned` what it got right before it was fine-tuned. ValueError
    where the checkpoint's architecture, narrower, is not that network.
    """
    code = point.path.with_suffix(CODE)
    widths = differing(model, network_of(replace(point.card, widths={}), code))
    parent = Parent(point.name, point.sha256, plan.text, plan.criterion, epochs, steps, pruned)
    card = replace(
        point.card, widths=widths, parent=parent, accuracy={"test": score}, versions=versions(), figures=None
    )
    again = network_of(card, code)
    again.load_state_dict(model.state_dict())
    example = blank(card)
    check_alike(forward(again.eval(), example), forward(model.eval(), example), say("its architecture made narrower"))
    return card


def save(name: str, model: nn.Module, card: Card, point: Checkpoint, root: Path | None = None) -> Path:
    """Write the network that was made of a checkpoint's beside its card; ValueError as `checkpoints.save`."""
    return checkpoints.save(name, model, card, root, code=checkpoints.code_beside(point))


def check_alike(found: Tensor, wanted: Tensor, what: str) -> None:
    """ValueError unless the logits (N, classes) of `what` are the network's, but for rounding."""
    apart = float((found - wanted).abs().max()) if found.shape == wanted.shape else float("inf")
    if not apart <= TOLERANCE * max(float(wanted.abs().max()), 1e-6):
        raise ValueError(
            say(
                "{what} gives other logits than the network (by {apart:.2g}), so it is not written",
                what=what,
                apart=apart,
            )
        )
