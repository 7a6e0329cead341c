"""Fine-tuning: a network that was trained, and perhaps pruned, is trained on with smaller steps."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from explorer.images.augmentation import AUGMENTATIONS
from explorer.language.saying import say
from explorer.networks.cards import Card, Parent
from explorer.networks.checkpoints import Checkpoint
from explorer.training.recipes import Recipe

SLOWER = 10  # times: the learning rate that the network was trained with over this
SHORTER = 4  # times: its epochs over this


def finetuning_recipe(card: Card) -> Recipe:
    """How the card's network is fine-tuned: as it was trained, but for fewer epochs, at a tenth of the rate that falls
    in a cosine, on whole images from the first. The images held out stay the same.

    One that was fine-tuned before has the rate that it had then; of an imported one, whose recipe nobody knows here, it
    is a tenth of the usual.
    """
    own = recipe_from(card.recipe, card)
    again = card.parent is not None and card.parent.epochs > 0
    slower, shorter = (1, 1) if again else (SLOWER, SHORTER)
    return replace(own, lr=own.lr / slower, epochs=max(1, own.epochs // shorter), schedule="cosine", small=0.0)


def recipe_from(told: Mapping[str, Any], card: Card) -> Recipe:
    """The recipe that a card tells of, or the usual one; cards of old say yes or no to augmentations."""
    known = {field.name for field in fields(Recipe)} - {"mean", "std"}
    given = {key: value for key, value in told.items() if key in known and value is not False}
    usual = {key: AUGMENTATIONS[key].usual for key, value in given.items() if value is True and key in AUGMENTATIONS}
    return Recipe(**{**given, **usual}, mean=card.mean, std=card.std)


def check_start(card: Card, model: str, dataset: str, recipe: Recipe) -> None:
    """ValueError unless a training of this network on this data set can go on from the card's."""
    if (card.model, card.dataset) != (model, dataset):
        raise ValueError(
            say(
                "the network to start from is a {its_model} for {its_data}, not a {model} for {data}; choose those",
                its_model=card.model,
                its_data=card.dataset,
                model=model,
                data=dataset,
            )
        )
    if (card.mean, card.std) != (recipe.mean, recipe.std):
        raise ValueError(
            say("the network to start from sees images that are normalised otherwise; take its own recipe")
        )


def going_on(card: Card, start: Checkpoint) -> Card:
    """The card of a training that went on from a checkpoint: how that is built, and that it was.

    Of a checkpoint that was pruned, it says what that was made from, how, and how good it was before it was fine-tuned.
    """
    origin = start.card.origin if start.card.imported else card.origin
    made = start.card.parent
    if made is not None and made.plan:
        pruned = made.pruned if made.epochs else start.card.accuracy["test"]
        parent = replace(made, epochs=made.epochs + card.epochs, pruned=pruned)
    else:
        parent = Parent(start.name, start.sha256, epochs=card.epochs)
    return replace(card, origin=origin, source=start.card.source, widths=start.card.widths, parent=parent)
