"""Several networks on the same images: how good each is, against the first of them."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from explorer.engine.predictions import Predictions
from explorer.networks.evaluation import Batch, CountedBatches, Device, forward, predict, resolve_device, to_device
from explorer.networks.intervals import change_interval


@dataclass(frozen=True, eq=False)
class Comparison(Predictions):
    """Predictions of several networks, one row each, for `done` of `total` images; the first is the unpruned one."""

    networks: tuple[str, ...]  # their names
    total: int

    @property
    def change(self) -> np.ndarray:
        """Accuracy of each network minus that of the first, in points (networks,)."""
        return 100 * (self.correct - self.correct[0]) / self.done

    @property
    def change_intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % interval of each change, in points: low (networks,), high (networks,)."""
        broken, repaired = (self.right[0] & ~self.right).sum(1), (~self.right[0] & self.right).sum(1)
        low, high = change_interval(broken, repaired, self.done)
        return 100 * low, 100 * high

    def row(self, network: str) -> int:
        """The row of a network's predictions."""
        return self.networks.index(network)

    def frame(self) -> pd.DataFrame:
        """One row a network: n, correct, accuracy with its 95 % interval, and the change in points with its own.

        That of the first network, which is compared with itself, is 0 without doubt.
        """
        low, high = self.intervals
        change_low, change_high = (np.where(np.arange(len(each)) == 0, 0.0, each) for each in self.change_intervals)
        return pd.DataFrame({
            "network": self.networks, "n": self.done, "correct": self.correct, "accuracy": self.accuracy, "low": low,
            "high": high, "change": self.change, "change_low": change_low, "change_high": change_high,
        })  # fmt: skip


def compare(networks: Mapping[str, nn.Module], batches: Iterable[Batch], device: Device = None) -> Iterator[Comparison]:
    """Run networks, by name, on the same images; yields the comparison so far after each batch."""
    target, counted = resolve_device(device), CountedBatches(batches)
    placed = [on_device(network, target) for network in networks.values()]
    predictions: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for inputs, part in counted:
        moved = to_device(inputs, target)
        predictions.append(np.stack([predicted(forward(network, moved)) for network in placed]))
        labels.append(part.cpu().numpy())
        yield Comparison(np.concatenate(predictions, axis=1), np.concatenate(labels), tuple(networks), counted.n)


def predicted(logits: torch.Tensor) -> np.ndarray:
    """Predictions (N,) of logits (N, classes), as small integers."""
    return predict(logits).cpu().numpy().astype(np.int16)


def on_device(model: nn.Module, device: torch.device) -> nn.Module:
    """The model itself where it is on the device already, else a copy there: a shared one is never moved."""
    parameter = next(model.parameters(), None)
    if parameter is None or parameter.device == device:
        return model
    return copy.deepcopy(model).to(device)
