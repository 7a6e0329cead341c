"""What is left of a pruned network is fine-tuned, as its checkpoint was trained but in smaller steps."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from torch import nn

from explorer.networks.cards import Card
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device
from explorer.training import loop
from explorer.training.finetuning import finetuning_recipe
from explorer.training.loop import Progress
from explorer.training.recipes import Recipe


@dataclass(frozen=True, eq=False)
class Tuned:
    """A network that was fine-tuned: how, after each removal, and for how many epochs in all."""

    model: nn.Module
    recipe: Recipe
    epochs: int


def recipe_of(card: Card, epochs: int) -> Recipe:
    """How the card's network is fine-tuned for so many epochs.

    ValueError where they are none, where the network cannot be trained, or where its training images are not here.
    """
    recipe = replace(finetuning_recipe(card), epochs=epochs)
    loop.check(card.model, card.dataset, recipe)
    loop.check_images(card.dataset, recipe)
    return recipe


def recovery(
    checkpoint: Checkpoint, recipe: Recipe, removals: int, device: Device, progress: Progress | None
) -> Callable[[nn.Module], nn.Module]:
    """What fine-tunes what is left after each of so many removals; `progress` counts the images of all of them."""
    before = count()

    def recover(model: nn.Module) -> nn.Module:
        past = next(before)

        def tell(done: int, total: int) -> None:
            if progress:
                progress(past * total + done, removals * total)

        return loop.tuned(model, checkpoint.card.dataset, recipe, device, progress=tell)

    return recover
