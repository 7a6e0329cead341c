"""The training images that are held out for validation, drawn by the recipe's seed."""

from pathlib import Path

import torch

from explorer.images.reading import load_split
from explorer.images.split import Split
from explorer.language.saying import say
from explorer.networks.cards import Card
from explorer.training.provenance import check_held_out
from explorer.training.randomness import generator_for
from explorer.training.recipes import Recipe


def hold_out(split: Split, recipe: Recipe) -> tuple[Split, Split]:
    """The training images to fit and those held out for validation, drawn by the recipe's seed."""
    order = torch.randperm(len(split), generator=generator_for(recipe.seed, 0))
    held_out = max(1, round(len(split) * recipe.validation))
    if len(split) - held_out < recipe.batch_size:
        left = len(split) - held_out
        words = "a batch of {batch} is more than the {left} images to train on; choose 1…{left}"
        raise ValueError(say(words, batch=recipe.batch_size, left=left))
    return split.take(order[held_out:].sort().values), split.take(order[:held_out].sort().values)


def held_out_of(card: Card, root: Path | None = None) -> Split:
    """The images that the card's network was validated on: held out of its training images, by its seed.

    Raises ValueError where the training images here are not those it was trained on.
    """
    check_held_out(card, root)
    whole, known = load_split(card.dataset, card.split, root), card.train_images + card.validation_images
    if len(whole) != known:
        raise ValueError(
            say(
                "{model} was trained and validated on {known:,} images of {data}, but {n:,} are here, so its held-out "
                "images are not known: rank on test or train instead",
                model=card.model,
                known=known,
                data=card.dataset,
                n=len(whole),
            )
        )
    _, held_out = hold_out(whole, Recipe(batch_size=1, seed=card.seed, validation=card.validation_images / known))
    return held_out
