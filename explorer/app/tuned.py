"""Networks that were pruned from one and fine-tuned: how good each is, and how many multiply-adds it takes."""

from functools import lru_cache

import pandas as pd

from explorer.answers import recovered
from explorer.app import cache
from explorer.compression.counting import count
from explorer.networks import checkpoints
from explorer.networks.cards import Card
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.sources import blank


def states_of(point: Checkpoint, cards: dict[str, Card]) -> pd.DataFrame:
    """Accuracy and multiply-adds of the networks with these cards in each state; see `recovered.accuracies`."""
    return recovered.accuracies(point, cards, {name: macs(name) for name in (point.name, *cards)})


def plans_of(point: Checkpoint, cards: dict[str, Card]) -> pd.DataFrame:
    """The fine-tuned networks as the chart of plans has them: plan, macs_share, accuracy, low, high, tuned, and n."""
    table, whole = states_of(point, cards), macs(point.name)
    if table.empty or whole is None:
        return pd.DataFrame()
    rows = table[table["state"] == recovered.RECOVERED].dropna(subset="macs").rename(columns={"network": "plan"})
    rows = rows.assign(macs_share=rows["macs"].astype(float) / whole, tuned=True)
    return rows[["plan", "macs_share", "accuracy", "low", "high", "tuned", "n"]]


def macs(name: str) -> int | None:
    """The multiply-adds for one example of the network called `name`; None where it cannot be loaded."""
    try:
        return _macs(name, checkpoints.read_card(name).sha256)
    except (ValueError, OSError):  # other pages say what is wrong with it
        return None


@lru_cache(maxsize=256)
def _macs(name: str, sha256: str) -> int:
    """Of the network as it is under this hash."""
    point = cache.checkpoint(name)
    return count(point.model, blank(point.card)).macs
