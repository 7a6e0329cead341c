"""The greedy oracle: at each step the channel goes whose removal hurts least, given all that went before.

No ranking can know better which channel to prune next, for every one that is left is tried: P (P + 1) / 2 pruned
networks in all. Where what follows the layer ends in linear layers, a network differs from the one before by a sum, and
every image is tried; elsewhere what follows the layer runs for each network, on a sample of the images.

The oracle picks by the very images it is shown, so on them its curve is better than on any others.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from explorer.engine import cards
from explorer.engine.cut_network import CutNetwork, Prepared
from explorer.engine.oracle import Cost, Search, oracle_info
from explorer.engine.plan import Plan, make_plan
from explorer.engine.steps import IMAGES_OF_EXAMPLE
from explorer.engine.sweep import images_at_once
from explorer.images.batches import Inputs
from explorer.language.saying import say
from explorer.networks.evaluation import (
    Batch,
    CountedBatches,
    Device,
    joined,
    predict,
    resolve_device,
    tell_precision,
    to_device,
)
from explorer.networks.layers import conv_layer
from explorer.pruning.rankings import Ranking
from explorer.training.loss import loss_of

MOST_IMAGES = 10_000
MOST_FLOATS = 100_000_000  # what removing a channel adds to the linear layers, kept for every channel and image: 400 MB
SLOW_IMAGES = (100, 1_000)  # the smallest and largest sample where what follows the layer runs for each network
SLOW_BYTES = 800_000_000  # of what such a run starts from, kept for every image
SLOW_RUNS = 500_000  # networks × images that such a sample aims at


def right_answers(logits: Tensor, labels: Tensor) -> Tensor:
    """How many of the images each network gets right: logits (k, N, classes), labels (N,) to int64 (k,)."""
    return (predict(logits) == labels).sum(1)


def less_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The negative of each network's summed loss: logits (k, N, classes), labels (N,) to float64 (k,)."""
    count = len(logits)
    losses = loss_of(logits.flatten(0, 1), labels.repeat(count), reduction="none")  # (k · N,)
    return -losses.view(count, -1).sum(1, dtype=_sums_in(losses.device))


def _sums_in(device: torch.device) -> torch.dtype:
    """The type in which scores are summed: there are devices without float64."""
    return torch.float32 if device.type == "mps" else torch.float64


# Logits (k, N, classes) at labels (N,) to (k,), the higher the better, on their device: by the names of ORACLES.
Scoring = Callable[[Tensor, Tensor], Tensor]
SCORES: dict[str, Scoring] = {"oracle-accuracy": right_answers, "oracle-loss": less_loss}


def greedy(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch],
    oracle: str = "oracle-accuracy",
    mode: str = "filter",
    device: Device = None,
) -> Ranking:
    """The greedy order of the layer's channels, int64 (P,); parameters and errors as for `greedy_stream`.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> ex.greedy(net.model, "conv2", ex.batches(net, limit=50)).order.shape
    (32,)
    """
    *_, last = greedy_stream(model, layer, batches, oracle, mode, device)
    return last.ranking


def greedy_stream(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch],
    oracle: str = "oracle-accuracy",
    mode: str = "filter",
    device: Device = None,
) -> Iterator[Search]:
    """Remove one channel after the other, each time the one that hurts least; ties go by the lowest channel index.

    Yields how far it is, at least once a step. `oracle` is a key of ORACLES. Where the images are more than the search
    can afford (see `cost_of`), the first ones are looked at. Raises ValueError for an unknown layer, mode or oracle and
    for no images.
    """
    score, target = SCORES[oracle_info(oracle).name], resolve_device(device)
    tell_precision(model)
    counted = CountedBatches(batches)
    first = next(iter(counted))
    channels = conv_layer(model, layer).out_channels
    plan = make_plan(model, layer, mode, to_device(first[0], target), target)
    cost = _cost(plan, channels, counted.n)
    trials = _Sums(plan, channels) if isinstance(plan, CutNetwork) and cost.linear else _Runs(plan)
    order: list[int] = []
    batches = _first(counted, cost.images)
    if cards.is_card(target):
        batches = joined(batches, images_at_once(plan, to_device(first[0], target), target))
    for seen in trials.look(batches, target):
        yield Search((), channels, cost, seen, cost.images)
    done = 0
    while len(order) < channels:
        left = [channel for channel in range(channels) if channel not in order]
        scores = []
        for some in trials.scores(order, left, score):
            scores.append(some)
            done += len(some)
            yield Search(tuple(order), channels, cost, done, cost.networks)
        best = left[int(torch.cat(scores).argmax())]
        trials.remove(best)
        order.append(best)
    yield Search(tuple(order), channels, cost, done, cost.networks)


def cost_of(model: nn.Module, layer: str, example: Inputs, images: int, mode: str = "filter") -> Cost:
    """What a search over so many images takes; `example` is any batch of them."""
    plan = make_plan(model, layer, mode, example)
    return _cost(plan, conv_layer(model, layer).out_channels, images)


def _cost(plan: Plan, channels: int, images: int) -> Cost:
    networks = channels * (channels + 1) // 2
    widths = [weights.shape[2] for weights in plan.weights.values()] if isinstance(plan, CutNetwork) else []
    fewest, most = SLOW_IMAGES
    if widths:
        return Cost(networks, min(images, MOST_IMAGES, max(fewest, MOST_FLOATS // (channels * sum(widths)))), True)
    fitting = max(1, SLOW_BYTES // _bytes_an_image(plan))
    return Cost(networks, min(images, most, fitting, max(fewest, SLOW_RUNS // networks)), False)


def _bytes_an_image(plan: Plan) -> int:
    """What a plan keeps of an image that it has prepared: values with every channel kept, and with every one pruned."""
    if not isinstance(plan, CutNetwork):
        return 1  # the image alone
    floats = sum(plan.cut.shapes[node].numel() for node in plan.cut.head.keep if node in plan.cut.shapes)
    return max(1, 2 * 4 * floats // IMAGES_OF_EXAMPLE)


def _first(batches: Iterable[Batch], images: int) -> Iterator[Batch]:
    """The first so many images of the batches."""
    left = images
    for inputs, labels in batches:
        if left <= 0:
            return
        cut = inputs[:left] if isinstance(inputs, Tensor) else tuple(part[:left] for part in inputs)
        yield cut, labels[:left]
        left -= len(labels)


class _Runs:
    """Tries channels by running what follows the layer, for each of them and batch after batch."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.batches: list[tuple[Any, Tensor]] = []

    def look(self, batches: Iterable[Batch], device: torch.device) -> Iterator[int]:
        """Prepare the batches; yields the images so far."""
        seen = 0
        for inputs, labels in batches:
            self.batches.append((self.plan.prepare(to_device(inputs, device)), labels.to(device)))
            seen += len(labels)
            yield seen

    def scores(self, gone: list[int], left: list[int], score: Scoring) -> Iterator[Tensor]:
        """The score of each channel left, one at a time (1,): that of the network without it and all that are gone."""
        for channel in left:
            order = np.array([*gone, channel, *(other for other in left if other != channel)])
            device = self.batches[0][1].device
            total = torch.zeros(1, dtype=_sums_in(device), device=device)
            for prepared, labels in self.batches:
                for _, logits in self.plan.steps(prepared, order, [len(gone) + 1]):
                    total += score(logits, labels)
            yield total

    def remove(self, channel: int) -> None:
        """Nothing to keep: each trial starts from the whole layer."""


@dataclass(frozen=True, eq=False)
class _Part:
    """One batch as linear layers see it: their outputs without the channels gone so far, and what else is read."""

    sums: dict[fx.Node, Tensor]  # (N, out)
    changes: dict[fx.Node, Tensor]  # (P, N, out), what the removal of each channel adds
    kept: dict[fx.Node, Any]
    labels: Tensor  # (N,)


class _Sums:
    """Tries channels by adding what their removal changes to the outputs of the linear layers behind.

    The changes of the channels left stay in the first rows, so that a slice of them is a few channels to try.
    """

    def __init__(self, plan: CutNetwork, channels: int) -> None:
        self.plan = plan
        self.rows = list(range(channels))  # the channel whose change is in each row
        self.parts: list[_Part] = []

    @torch.inference_mode()
    def look(self, batches: Iterable[Batch], device: torch.device) -> Iterator[int]:
        """Run the batches up to the linear layers; yields the images so far."""
        seen = 0
        for inputs, labels in batches:
            prepared = self.plan.prepare(to_device(inputs, device))
            if not isinstance(prepared, Prepared) or not prepared.sums:
                raise ValueError(
                    say("what follows the layer depends on the size of the images; give the oracle one size")
                )
            changes = {node: torch.bmm(prepared.changes[node], weights) for node, weights in self.plan.weights.items()}
            self.parts.append(_Part(prepared.sums, changes, prepared.kept, labels.to(device)))
            seen += len(labels)
            yield seen

    @torch.inference_mode()
    def scores(self, gone: list[int], left: list[int], score: Scoring) -> Iterator[Tensor]:
        """The scores of all channels left (len(left),), at once."""
        device = self.parts[0].labels.device
        total = torch.zeros(len(left), dtype=_sums_in(device), device=device)
        for part in self.parts:
            at_once = cards.at_once(part.sums.values())
            for start in range(0, len(left), at_once):
                rows = slice(start, min(start + at_once, len(left)))
                values = {node: before + part.changes[node][rows] for node, before in part.sums.items()}
                total[rows] += score(self.plan.finish(part.kept, values), part.labels)
        places = np.argsort(self.rows)  # the rows of the channels left, which ascend
        yield total[torch.as_tensor(places, device=device)]

    @torch.inference_mode()
    def remove(self, channel: int) -> None:
        """Let a channel go for good: the last row that is left takes its place."""
        row, last = self.rows.index(channel), len(self.rows) - 1
        for part in self.parts:
            for node, change in part.changes.items():
                part.sums[node].add_(change[row])
                change[row] = change[last]
        self.rows[row] = self.rows[last]
        self.rows.pop()
