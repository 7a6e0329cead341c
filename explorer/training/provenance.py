"""Whether the images on this machine are those that a network was trained and validated on."""

from pathlib import Path

from explorer.images.datasets import availability
from explorer.language.saying import say
from explorer.networks.cards import Card


def check_held_out(card: Card, root: Path | None = None) -> None:
    """ValueError where the data here cannot give the card's held-out images; reads no images."""
    if card.imported:
        raise ValueError(
            say(
                "{model} was imported, so the images it was validated on are not known: rank on test or train instead",
                model=card.model,
            )
        )
    here = availability(card.dataset, root)
    if here != card.origin:
        raise ValueError(
            say(
                "{model} was trained on the {origin} {data}, but the one here is {here}, so its held-out images are "
                "not known: rank on test or train instead",
                model=card.model,
                origin=say(card.origin),
                data=card.dataset,
                here=say(here),
            )
        )
