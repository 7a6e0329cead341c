"""Whether the images on this machine are those that a network was trained and validated on."""

from pathlib import Path

from explorer.images.datasets import availability
from explorer.networks.cards import Card


def check_held_out(card: Card, root: Path | None = None) -> None:
    """ValueError where the data here cannot give the card's held-out images; reads no images."""
    if card.imported:
        raise ValueError(
            f"{card.model} was imported, so the images it was validated on are not known: rank on test or train instead"
        )
    here = availability(card.dataset, root)
    if here != card.origin:
        raise ValueError(
            f"{card.model} was trained on the {card.origin} {card.dataset}, but the one here is {here}, so its "
            "held-out images are not known: rank on test or train instead"
        )
