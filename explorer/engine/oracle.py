"""The greedy oracle in words, what its search takes and what it finds; `greedy` has the search itself."""

from dataclasses import dataclass

import numpy as np

from explorer.language.saying import listed, say
from explorer.pruning.rankings import Ranking


@dataclass(frozen=True)
class Oracle:
    """What a greedy search asks for at each step; a criterion's name, title and sentence."""

    name: str
    title: str
    sentence: str
    needs_data: bool = True


ORACLES: dict[str, Oracle] = {
    oracle.name: oracle
    for oracle in (
        Oracle(
            name="oracle-accuracy",
            title="Greedy oracle (accuracy)",
            sentence="At each step every channel left is tried, and the one goes that leaves most images right.",
        ),
        Oracle(
            name="oracle-loss",
            title="Greedy oracle (loss)",
            sentence="At each step every channel left is tried, and the one goes that leaves the smallest loss.",
        ),
    )
}


@dataclass(frozen=True)
class Cost:
    """What a search takes: so many pruned networks, each on so many images."""

    networks: int
    images: int
    linear: bool  # whether a network is a sum, and not a run of all that follows the layer


@dataclass(frozen=True, eq=False)
class Search:
    """How far a search is, first in images looked at, then in networks tried; `order` grows as channels go."""

    order: tuple[int, ...]
    channels: int  # P
    cost: Cost
    done: int
    total: int

    @property
    def ranking(self) -> Ranking:
        """The order found, and as a channel's importance its place in it; ValueError before the search has ended."""
        if len(self.order) < self.channels:
            raise ValueError(
                say(
                    "the oracle has removed {count} of {channels} channels so far",
                    count=len(self.order),
                    channels=self.channels,
                )
            )
        order = np.array(self.order, dtype=np.int64)
        importance = np.empty(self.channels)
        importance[order] = np.arange(self.channels)
        return Ranking(importance, order)


def oracle_info(name: str) -> Oracle:
    """The registry's entry for `name`; ValueError lists the known names."""
    if name not in ORACLES:
        raise ValueError(say("unknown oracle {name!r}; choose one of: {known}", name=name, known=listed(ORACLES)))
    return ORACLES[name]
