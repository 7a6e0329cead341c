"""When channels are ranked: once, on the unpruned network, or again after each step of pruning.

Lab A's script goes on pruning one network: at each K it ranks the channels of what it has pruned so far and prunes the
K lowest. A pruned channel's mean is then the constant that it emits, which may no longer be among the lowest, so that
more than K channels are gone in the end.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from explorer.networks.fitting import fits
from explorer.networks.graph import UntraceableError, ancestors, layer_calls
from explorer.networks.layers import conv_layer
from explorer.networks.tracing import trace
from explorer.pruning.criteria import criterion_info
from explorer.pruning.modes import mode_info
from explorer.pruning.ranking import Ranking, rank_by
from explorer.pruning.statistics import ChannelStatistics

SCHEDULES: dict[str, str] = {
    "once": "Channels are ranked once, on the unpruned network.",
    "rerank": "The network pruned so far is ranked again at each K, and its K lowest channels go, too.",
}
CONSTANT_MODES = ("filter", "weights")  # what a pruned channel puts out is known without running the network


def check_schedule(model: nn.Module, layer: str, schedule: str, criterion: str, mode: str) -> None:
    """ValueError where the schedule is unknown, or ranking again is not known exactly for the criterion or the mode."""
    if schedule not in SCHEDULES:
        raise ValueError(f"unknown schedule {schedule!r}; choose one of: {', '.join(SCHEDULES)}")
    if schedule == "once":
        return
    if mode not in CONSTANT_MODES:
        raise ValueError(
            f"schedule 'rerank' needs pruned channels that emit a constant, so mode {mode!r} does not fit; "
            f"choose one of: {', '.join(CONSTANT_MODES)}"
        )
    info = criterion_info(criterion)
    if info.point != "raw" or info.looks_at_norm:
        raise ValueError(f"schedule 'rerank' looks at the layer's own output, so criterion {criterion!r} does not fit")
    if _reads_itself(model, layer):
        raise ValueError(f"schedule 'rerank' does not fit {layer}, which reads what another call of it wrote")


def fitting_schedules(model: nn.Module, layer: str, criterion: str, mode: str) -> list[str]:
    """The schedules that fit, in the registry's order."""
    return [schedule for schedule in SCHEDULES if fits(check_schedule, model, layer, schedule, criterion, mode)]


def rerank(
    model: nn.Module,
    layer: str,
    criterion: str,
    statistics: ChannelStatistics | None,
    ks: Sequence[int],
    mode: str = "filter",
    seed: int = 0,
) -> tuple[Ranking, tuple[int, ...]]:
    """Rank again at each K (ascending): channels in the order in which they go, and how many are gone at each K.

    `statistics` are those of the unpruned layer's raw output. No images are needed beyond them: pruning channels of a
    layer leaves its other channels as they are, and a pruned one emits a constant that the mode knows. The importance
    is that of the unpruned network. Raises ValueError as `check_schedule`.
    """
    check_schedule(model, layer, "rerank", criterion, mode)
    conv, chosen = conv_layer(model, layer), mode_info(mode)
    first = rank_by(model, layer, criterion, statistics, seed)
    emits = chosen.emits(conv).double().numpy()  # (P,)
    pruned = nn.ModuleDict({"layer": copy.deepcopy(conv)})
    ranked, order, gone = first, list[int](), list[int]()
    for k in ks:
        order += [channel for channel in ranked.order[:k].tolist() if channel not in order]
        gone.append(len(order))
        chosen.zero(pruned, "layer", torch.tensor(order, dtype=torch.int64))
        statistics = statistics.with_constants(order, emits[order]) if statistics else None
        ranked = rank_by(pruned, "layer", criterion, statistics, seed)
    order += [channel for channel in ranked.order.tolist() if channel not in order]
    return Ranking(first.importance, np.array(order, dtype=np.int64)), tuple(gone)


def _reads_itself(model: nn.Module, layer: str) -> bool:
    """Whether one call of the layer depends on another."""
    try:
        calls = layer_calls(trace(model), layer)
    except UntraceableError:
        return False  # such a layer's statistics cannot be told apart by call; the lab's own script would not notice
    return any(len(ancestors([call]) & set(calls)) > 1 for call in calls)
