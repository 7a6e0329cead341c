"""Statistics of a layer's output, channel by channel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """A layer's output, averaged over `done` of `total` images (over every call of the layer, all positions).

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> ex.statistics(net.model, "conv2", ex.batches(net, limit=100)).frame().shape
    (32, 8)
    """

    maps: np.ndarray  # (P, M, N) mean over images
    mean: np.ndarray  # (P,) mean over images and positions
    std: np.ndarray  # (P,) population standard deviation over images and positions
    minimum: np.ndarray  # (P,)
    maximum: np.ndarray  # (P,)
    mean_absolute: np.ndarray  # (P,) mean of |output|
    mean_positive: np.ndarray  # (P,) mean of max(output, 0)
    positive: np.ndarray  # (P,) share of outputs above zero, 0…1
    done: int
    total: int

    def with_constants(self, channels: Sequence[int], values: np.ndarray) -> "ChannelStatistics":
        """The statistics of an output in which each of the channels (K,) is one of these values (K,) everywhere."""
        chosen = list(channels)
        changes = {
            "maps": values[:, None, None],
            "mean": values,
            "std": 0.0,
            "minimum": values,
            "maximum": values,
            "mean_absolute": np.abs(values),
            "mean_positive": np.maximum(values, 0),
            "positive": values > 0,
        }
        arrays = {name: getattr(self, name).copy() for name in changes}
        for name, value in changes.items():
            arrays[name][chosen] = value
        return replace(self, **arrays)

    def frame(self) -> pd.DataFrame:
        """One row a channel: mean, std, minimum, maximum, mean_absolute, mean_positive, and positive (a share, 0…1)."""
        names = ("mean", "std", "minimum", "maximum", "mean_absolute", "mean_positive", "positive")
        columns = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"channel": np.arange(len(self.mean)), **columns})
