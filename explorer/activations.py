"""Running statistics of a layer's output: the averaged map, and a few numbers for each channel."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx, nn

from explorer.evaluation import Batch, Inputs
from explorer.graph import activation_node, exclusive, layer_calls, placeholders, program_for, trace
from explorer.models import conv_layer

POINTS: dict[str, str] = {
    "raw": "raw output of the convolution",
    "activation": "after batch norm and activation",
}


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """A layer's output, averaged over `done` of `total` images (over every call of the layer, all positions)."""

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


class RunningStatistics:
    """Sums in float64 over the outputs handed to `add`."""

    def __init__(self) -> None:
        self.maps: Tensor | float = 0.0
        self.count = 0
        self.sums: dict[str, Tensor] = {}

    def add(self, output: Tensor) -> None:
        """Add outputs (N, P, M, N')."""
        if output.ndim != 4:
            raise ValueError(f"the output has shape {tuple(output.shape)}; a convolution's is (N, P, M, N)")
        self.count += output.shape[0]
        self.maps = self.maps + output.sum(0, dtype=torch.float64)
        by_channel = output.transpose(0, 1).flatten(1)  # (P, N · M · N')
        positive = by_channel.clamp(min=0)
        self._sum("square", by_channel.square().sum(1, dtype=torch.float64))
        self._sum("absolute", by_channel.abs().sum(1, dtype=torch.float64))
        self._sum("positive", positive.sum(1, dtype=torch.float64))
        self._sum("above", (by_channel > 0).sum(1).double())
        self._keep("minimum", by_channel.amin(1), torch.minimum)
        self._keep("maximum", by_channel.amax(1), torch.maximum)

    def _sum(self, name: str, value: Tensor) -> None:
        self._keep(name, value, torch.add)

    def _keep(self, name: str, value: Tensor, combine) -> None:  # noqa: ANN001
        self.sums[name] = combine(self.sums[name], value) if name in self.sums else value

    def result(self, done: int, total: int) -> ChannelStatistics:
        """The statistics so far."""
        if isinstance(self.maps, float):
            raise ValueError("there are no images to average over")
        maps = self.maps / self.count
        n = self.count * maps[0].numel()
        mean = maps.mean((1, 2))
        variance = (self.sums["square"] / n - mean.square()).clamp(min=0)
        return ChannelStatistics(
            maps=maps.cpu().numpy(),
            mean=mean.cpu().numpy(),
            std=variance.sqrt().cpu().numpy(),
            minimum=self.sums["minimum"].double().cpu().numpy(),
            maximum=self.sums["maximum"].double().cpu().numpy(),
            mean_absolute=(self.sums["absolute"] / n).cpu().numpy(),
            mean_positive=(self.sums["positive"] / n).cpu().numpy(),
            positive=(self.sums["above"] / n).cpu().numpy(),
            done=done,
            total=total,
        )


def collect_stream(
    model: nn.Module, layer: str, batches: Iterable[Batch], point: str = "raw"
) -> Iterator[ChannelStatistics]:
    """Statistics of the layer's output, yielded after each batch; the last is over all images.

    `point` is a key of POINTS: the convolution's raw output, or what leaves its batch norm and activation.
    """
    if point not in POINTS:
        raise ValueError(f"unknown point {point!r}; choose one of: {', '.join(POINTS)}")
    look = _Outputs(model, layer, point)
    batches = list(batches) if isinstance(batches, Iterator) else batches
    total = sum(len(labels) for _, labels in batches) if not hasattr(batches, "n") else batches.n
    running, done = RunningStatistics(), 0
    for inputs, labels in batches:
        for output in look(inputs):
            running.add(output)
        done += len(labels)
        yield running.result(done, total)


def collect(model: nn.Module, layer: str, batches: Iterable[Batch], point: str = "raw") -> ChannelStatistics:
    """Statistics of the layer's output over all batches, see `collect_stream`."""
    statistics = None
    for statistics in collect_stream(model, layer, batches, point):  # noqa: B007
        pass
    if statistics is None:
        raise ValueError("there are no images to average over")
    return statistics


def outputs(model: nn.Module, layer: str, inputs: Inputs, point: str = "raw") -> Tensor:
    """The layer's output (N · calls, P, M, N') for one batch."""
    return torch.cat(_Outputs(model, layer, point)(inputs))


class _Outputs:
    """Runs a network just far enough to see what one layer puts out."""

    def __init__(self, model: nn.Module, layer: str, point: str) -> None:
        conv_layer(model, layer)
        self.traced: fx.GraphModule = trace(model)
        calls = layer_calls(self.traced, layer)
        self.targets = [activation_node(call) for call in calls] if point == "activation" else calls
        self.program = program_for(self.traced, self.targets)

    def __call__(self, inputs: Inputs) -> list[Tensor]:
        with exclusive, torch.inference_mode():
            env = self.program.run(placeholders(self.traced, inputs))
        return [env[target] for target in self.targets]
