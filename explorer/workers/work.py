"""What a worker does: it computes what a request asks of the network and the images that came with it."""

import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from explorer.answers.keeping import arrays_of_search, arrays_of_statistics, code_version
from explorer.answers.packing import with_facts
from explorer.answers.store import Arrays
from explorer.engine.greedy import greedy_stream
from explorer.engine.scan import scan_stream
from explorer.engine.sensitivity import Analysis
from explorer.engine.sweep import Course, sweep_orders_stream
from explorer.images.batches import Batches
from explorer.images.split import Split
from explorer.networks import sources, weights
from explorer.networks.cards import card_from_json, versions
from explorer.networks.checkpoints import load
from explorer.networks.evaluation import Batch
from explorer.networks.registry import OWN
from explorer.pruning.activations import collect_stream

MODELS = 2  # networks that a worker keeps, for its next request


@dataclass(frozen=True)
class Told:
    """Who computed a unit, and when: a line of the log of a run."""

    kind: str
    worker: str  # machine and process
    computes: str  # the instructions that its processor has, on which the last bits of a sum may depend
    began: float  # seconds since 1970
    ended: float
    processor: float  # seconds of it, of all threads


Done = tuple[Told, Arrays]


def work(request: str, threads: int, weights_file: np.ndarray, *arrays: np.ndarray) -> Done:
    """Compute what a request asks, in so many threads; see `requests.Call`.

    ValueError where this machine has other versions, or lacks what the network is built by.
    """
    began, before, asked = time.time(), time.process_time(), json.loads(request)
    _check_versions(asked["made_with"])
    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")  # nor is it written to
        batches = _Slices(asked["images"], asked["batches"], arrays)
        found = KINDS[asked["kind"]](_network(asked["network"], weights_file), batches, **asked["asked"])
    told = Told(
        kind=asked["kind"],
        worker=f"{_machine()}:{os.getpid()}",
        computes=torch.backends.cpu.get_cpu_capability(),
        began=began,
        ended=time.time(),
        processor=time.process_time() - before,
    )
    return told, found


def _machine() -> str:
    return platform.node() or "without a name"


def _check_versions(made_with: Mapping[str, str]) -> None:
    for package, wanted in made_with.items():
        if package != "code" and versions().get(package) != wanted:
            raise ValueError(
                f"the worker on {_machine()} has {package} {versions().get(package)}, and {wanted} is needed, as where "
                "the question comes from; install the same there"
            )
    if made_with["code"] != code_version():
        raise ValueError(
            f"the worker on {_machine()} has another version of Pruning Explorer; give it the files that are here, and "
            "start it again"
        )


class _Slices:
    """Slices of a split one after the other, in the batches in which the whole split would come."""

    def __init__(self, images: Mapping[str, Any], batches: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> None:
        each = images["inputs"] + 1
        self.slices = []
        for start in range(0, len(arrays), each):
            *inputs, labels = map(torch.from_numpy, arrays[start : start + each])
            split = Split(images["name"], images["split"], tuple(inputs), labels, (), "")
            self.slices.append(Batches(split, **batches))
        self.n = sum(each.n for each in self.slices)

    def __iter__(self) -> Iterator[Batch]:
        for each in self.slices:
            yield from each


# The network

_models: dict[str, nn.Module] = {}  # by the weights' SHA-256; a worker does one thing at a time


def _network(asked: Mapping[str, str], weights_file: np.ndarray) -> nn.Module:
    """The network, built from its card and the weights that came; one by code of one's own is this machine's own."""
    if asked["sha256"] not in _models:
        while len(_models) >= MODELS:
            del _models[next(iter(_models))]
        _models[asked["sha256"]] = _built(asked, weights_file)
    return _models[asked["sha256"]]


def _built(asked: Mapping[str, str], weights_file: np.ndarray) -> nn.Module:
    name, card = asked["name"], card_from_json(json.loads(asked["card"]))
    if card.model.startswith(OWN):
        return _own(name, asked["sha256"])
    path = Path(f"{name}.safetensors")  # for its complaints
    try:
        model = sources.network_of(card, path)
        weights.fill(model, weights.parse(weights_file.tobytes(), path), card.model, path)
    except ValueError as error:
        raise ValueError(f"the worker on {_machine()} cannot build {name}: {error}") from error
    return model.eval()


def _own(name: str, sha256: str) -> nn.Module:
    """A network that users wrote themselves: no code travels, so that a worker runs what it was given on purpose."""
    try:
        found = load(name)
        if found.sha256 != sha256:
            raise ValueError(f"its {name} has other weights")
    except ValueError as error:
        raise ValueError(
            f"the worker on {_machine()} lacks the network {name}, which is built by code of its own ({error}); copy "
            f"{name}.safetensors, {name}.json and {name}.code.json there, or let EXPLORER_CHECKPOINTS name a folder "
            "that both share"
        ) from error
    return found.model


# What can be asked


def _last(steps: Iterator[Any]) -> Any:
    *_, last = steps
    return last


def _statistics(model: nn.Module, batches: _Slices, layer: str, point: str, device: str) -> Arrays:
    return arrays_of_statistics(_last(collect_stream(model, layer, batches, point, device)))


def _search(model: nn.Module, batches: _Slices, layer: str, oracle: str, mode: str, device: str) -> Arrays:
    return arrays_of_search(_last(greedy_stream(model, layer, batches, oracle, mode, device)))


def _sweeps(
    model: nn.Module, batches: _Slices, layer: str, courses: Sequence[Mapping[str, Any]], **asked: Any
) -> Arrays:
    ways = [Course(each["order"], gone=each["gone"]) for each in courses]
    found = _last(sweep_orders_stream(model, layer, batches, ways, **asked))
    arrays = {"predictions": np.stack([each.predictions for each in found]), "slow": np.array([found[0].slow])}
    if found[0].agreement is not None:
        arrays["agreement"] = np.stack([each.agreement.shares for each in found])
        arrays["compared"] = np.array([found[0].agreement.images])
    if found[0].audit is not None:
        arrays["audit"] = found[0].audit.array
    return arrays


def _scan(model: nn.Module, batches: _Slices, layers: Sequence[str], mode: str, device: str) -> Arrays:
    found = _last(scan_stream(model, batches, layers, mode, device=device))
    facts = {"layers": list(found.names), "left_out": dict(found.left_out), "slow": found.slow}
    return {"predictions": found.predictions, "unpruned": found.unpruned} | with_facts(facts)


def _sensitivity(
    model: nn.Module,
    batches: _Slices,
    orders: Mapping[str, Sequence[int]],
    mode: str,
    shares: Sequence[int],
    at_once: int,
    device: str,
) -> Arrays:
    analysis = Analysis.of(model, batches, orders, mode, shares, device=device)
    found = _last(analysis.over(batches, at_once))
    counts = np.stack([found.broken, found.repaired]).astype(np.int32)  # (2, rows, shares)
    return {"counts": counts, "before": np.array([found.correct_before])}


KINDS: dict[str, Callable[..., Arrays]] = {
    "statistics": _statistics,
    "search": _search,
    "sweeps": _sweeps,
    "scan": _scan,
    "sensitivity": _sensitivity,
}
