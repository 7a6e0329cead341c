"""How long networks take, measured side by side, and what limits a layer on this machine.

Whole networks are told by the median of their runs and its spread. Where parts are compared, the fastest of the runs
counts, which whatever else the machine does has disturbed least.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explorer.compression.counting import BYTES
from explorer.compression.plans import MULTIPLE
from explorer.images.batches import Inputs
from explorer.language.saying import say
from explorer.networks.evaluation import to_device
from explorer.networks.graph import exclusive

BATCHES = (1, 64)  # one image at a time, as an app on a phone sees them, and many at once
CPU = torch.device("cpu")
LEAST, SECONDS = 5, 1.0  # how often each network runs at least, and for how long all of them together


@dataclass(frozen=True)
class Spread:
    """The median of repeated times in seconds, and the quartiles between which half of them lie."""

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread":
        """Of one time or more."""
        low, middle, high = np.quantile(seconds, (0.25, 0.5, 0.75))
        return cls(float(middle), float(low), float(high), len(seconds))


@dataclass(frozen=True)
class Timing:
    """How long networks take for one batch, each run in turn with the others, and how long their layers do."""

    batch: int
    whole: tuple[Spread, ...]  # of each network
    layers: tuple[dict[str, float], ...]  # of each network: the seconds of each layer's calls, the fastest run
    device: str
    threads: int
    ratios: tuple[Spread, ...] = ()  # of each network's time to the first's, turn by turn

    @property
    def place(self) -> str:
        """What it was timed on, in words."""
        words = "{device} with {n} thread" if self.threads == 1 else "{device} with {n} threads"
        return say(words, device=self.device, n=self.threads)


@dataclass(frozen=True)
class Machine:
    """What limits a layer here, measured."""

    call: float  # seconds that the smallest convolution takes, which computes next to nothing
    bandwidth: float  # bytes a second that copying a large tensor reads and writes


def time_networks(
    models: Sequence[nn.Module], example: Inputs, batch: int, device: str | torch.device = "cpu"
) -> Timing:
    """Time networks on a batch of so many images like the example's, taking turns, after a first run of each."""
    place = torch.device(device)
    twins, inputs = _on(models, place), _batch(example, batch, place)
    wholes = _take_turns([partial(_run, twin, inputs, place) for twin in twins])
    layers = [_time_layers(twin, inputs, place) for twin in twins]
    spreads, ratios = tuple(Spread.of(each) for each in wholes), tuple(_ratio(each, wholes[0]) for each in wholes)
    return Timing(batch, spreads, tuple(layers), _name(place), torch.get_num_threads(), ratios)


def time_ratio(
    before: nn.Module, after: nn.Module, example: Inputs, batch: int, device: str | torch.device = "cpu"
) -> Spread:
    """How long the second network takes for a batch, by what the first takes, measured in turns."""
    place = torch.device(device)
    inputs = _batch(example, batch, place)
    first, second = _take_turns([partial(_run, twin, inputs, place) for twin in _on((before, after), place)])
    return _ratio(second, first)


def _on(models: Sequence[nn.Module], device: torch.device) -> list[nn.Module]:
    """Copies there: a shared network is never moved."""
    return [copy.deepcopy(model).eval().to(device) for model in models]


def _ratio(seconds: Sequence[float], first: Sequence[float]) -> Spread:
    """Whatever else the machine does slows both networks of a turn, so that their ratio tells more than their times."""
    return Spread.of([each / other for each, other in zip(seconds, first, strict=True)])


def measure_machine(device: str | torch.device = "cpu") -> Machine:
    """Measure what calling a layer and moving a byte take here, without any computing."""
    place = torch.device(device)
    tiny, dot = nn.Conv2d(1, 1, 1).to(place), (torch.zeros(1, 1, 1, 1, device=place),)
    large = torch.zeros(16_000_000, device=place)  # far more than a processor keeps at hand
    (calls,) = _take_turns([partial(_run, tiny, dot, place)], seconds=0.05)
    there = torch.ones_like(large)  # written to already, so that no new memory has to be fetched from the system
    (copies,) = _take_turns([partial(_run, there.copy_, (large,), place)], seconds=0.2)
    return Machine(min(calls), 2 * BYTES * large.numel() / min(copies))


def time_wider(conv: nn.Conv2d, reads: tuple[int, ...], batch: int, multiple: int = MULTIPLE) -> tuple[float, float]:
    """The seconds of a convolution that reads (C, H, W), and of one whose widths are the next multiples of so many."""

    def up(width: int) -> int:
        return -(-width // multiple) * multiple

    how: dict[str, Any] = {name: getattr(conv, name) for name in ("kernel_size", "stride", "padding", "dilation")}
    wider = nn.Conv2d(up(conv.in_channels), up(conv.out_channels), bias=conv.bias is not None, **how)
    pairs = [(each, (torch.zeros(batch, each.in_channels, *reads[1:]),)) for each in (conv, wider)]
    as_is, rounded = _take_turns([partial(_run, each, given) for each, given in pairs], seconds=0.2)
    return min(as_is), min(rounded)


def _batch(example: Inputs, size: int, device: torch.device) -> tuple[Tensor, ...]:
    """So many images: the example's, again and again."""
    parts = example if isinstance(example, tuple) else (example,)
    several = tuple(part[torch.arange(size) % len(part)] for part in parts)
    moved = to_device(several, device)
    return moved if isinstance(moved, tuple) else (moved,)


def _run(network: Callable[..., Any], inputs: tuple[Tensor, ...], device: torch.device = CPU) -> float:
    """The seconds of one run, once nobody else runs or traces a network here."""
    with exclusive, torch.inference_mode():
        _finish(device)
        start = time.perf_counter()
        network(*inputs)
        _finish(device)
        return time.perf_counter() - start


def _take_turns(works: Sequence[Callable[[], float]], seconds: float = SECONDS) -> list[list[float]]:
    """The times of each work, one run of each in turn for so many seconds; the first, which warms up, is left out."""
    for work in works:
        work()
    times: list[list[float]] = [[] for _ in works]
    end = time.perf_counter() + seconds
    while len(times[0]) < LEAST or time.perf_counter() < end:
        for work, taken in zip(works, times, strict=True):
            taken.append(work())
    return times


def _time_layers(model: nn.Module, inputs: tuple[Tensor, ...], device: torch.device) -> dict[str, float]:
    """The seconds of each module without children, all its calls in one run together; of a few runs, the fastest."""
    runs: list[dict[str, float]] = []
    with _clocks(model, runs, device):
        for _ in range(LEAST):
            runs.append({})
            _run(model, inputs, device)
    return {name: min(run[name] for run in runs) for name in runs[-1]}


@contextmanager
def _clocks(model: nn.Module, runs: list[dict[str, float]], device: torch.device) -> Iterator[None]:
    """A clock around each module without children, on a copy that is ours; it writes to the last of the runs."""
    began: dict[str, float] = {}

    def start(name: str, *_: Any) -> None:
        _finish(device)
        began[name] = time.perf_counter()

    def stop(name: str, *_: Any) -> None:
        _finish(device)
        runs[-1][name] = runs[-1].get(name, 0.0) + time.perf_counter() - began[name]

    hooks = []
    for name, module in model.named_modules():
        if not list(module.children()):
            hooks.append(module.register_forward_pre_hook(partial(start, name)))
            hooks.append(module.register_forward_hook(partial(stop, name)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _finish(device: torch.device) -> None:
    """Wait until a graphics card has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _name(device: torch.device) -> str:
    """What computes, as its maker calls it where PyTorch knows."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
