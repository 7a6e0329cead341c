"""A ranking: the order in which channels are pruned, the least important first."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from explorer.language.saying import say


@dataclass(frozen=True, eq=False)
class Ranking:
    """Importance of P channels, higher = keep, and their order, first pruned first.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> ex.rank(net.model, "conv2", criterion="l2").frame().columns.tolist()
    ['channel', 'importance']
    """

    importance: np.ndarray  # (P,) float64
    order: np.ndarray  # (P,) int64

    def frame(self) -> pd.DataFrame:
        """One row a channel, first pruned first: channel and importance."""
        return pd.DataFrame({"channel": self.order, "importance": self.importance[self.order]})


def order_of(importance: np.ndarray) -> np.ndarray:
    """Channels from least to most important; ties go by the lowest channel index."""
    if not np.isfinite(importance).all():
        broken = int(np.flatnonzero(~np.isfinite(importance))[0])
        raise ValueError(
            say(
                "channel {broken} has importance {importance}, which cannot be ranked",
                broken=broken,
                importance=importance[broken],
            )
        )
    return np.argsort(importance, kind="stable")
