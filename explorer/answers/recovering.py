"""What is left of a pruned network is fine-tuned, as its checkpoint was trained but in smaller steps."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from torch import nn

from explorer.answers.unfinished import Unfinished
from explorer.images.datasets import availability
from explorer.language.saying import say
from explorer.networks.cards import Card
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device
from explorer.training import loop
from explorer.training.finetuning import finetuning_recipe
from explorer.training.loop import Progress
from explorer.training.recipes import Recipe
from explorer.training.state import Epoch


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


def other_images(card: Card) -> str:
    """In words, that the training images here are others than those of the card; empty where they are the same.

    Of an imported network nobody knows.
    """
    here = availability(card.dataset)
    if card.imported or here == card.origin:
        return ""
    return say(
        "it was trained on the {origin} {dataset}, and the one here is {here}: it is fine-tuned on other images, and "
        "may have seen those that are held out now",
        origin=say(card.origin),
        dataset=card.dataset,
        here=say(here),
    )


def recovery(
    checkpoint: Checkpoint,
    recipe: Recipe,
    removals: int,
    device: Device,
    progress: Progress | None,
    unfinished: Unfinished | None = None,
) -> Callable[[nn.Module], nn.Module]:
    """What fine-tunes what is left after each of so many removals; `progress` counts the images of all of them.

    With an `unfinished` one it goes on from the last finished epoch.
    """
    before = count()

    def recover(model: nn.Module) -> nn.Module:
        past = next(before)

        def tell(done: int, total: int) -> None:
            if progress:
                progress(past * total + done, removals * total)

        def note(record: Epoch) -> None:
            if unfinished:
                unfinished.tell(record, past + 1, removals)

        state = unfinished.state(past + 1) if unfinished else None
        return loop.tuned(model, checkpoint.card.dataset, recipe, device, progress=tell, state=state, tell=note)

    return recover
