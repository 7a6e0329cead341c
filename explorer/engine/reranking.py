"""Channels ranked again after each step of pruning.

Lab A's script goes on pruning one network: at each K it ranks the channels of what it has pruned so far and prunes the
K lowest. A pruned channel's mean is then the constant that it emits, which may no longer be among the lowest, so that
more than K channels are gone in the end.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from explorer.engine.schedule import check_kind
from explorer.language.saying import say
from explorer.networks.graph import UntraceableError, ancestors, layer_calls
from explorer.networks.layers import conv_layer
from explorer.networks.tracing import trace
from explorer.pruning.ranking import rank_by
from explorer.pruning.rankings import Ranking
from explorer.pruning.statistics import ChannelStatistics
from explorer.pruning.zeroing import zeroing_of


def check_schedule(model: nn.Module, layer: str, schedule: str, criterion: str, mode: str) -> None:
    """ValueError as schedule.check_kind, and where ranking again is not known exactly for the layer."""
    check_kind(schedule, criterion, mode)
    if schedule != "once" and reads_itself(model, layer):
        raise ValueError(
            say(
                "schedule 'rerank' does not fit {layer}, which reads what another call of it wrote",
                layer=layer,
            )
        )


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
    conv, chosen = conv_layer(model, layer), zeroing_of(mode)
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


def reads_itself(model: nn.Module, layer: str) -> bool:
    """Whether one call of the layer depends on another."""
    try:
        calls = layer_calls(trace(model), layer)
    except UntraceableError:
        return False  # such a layer's statistics cannot be told apart by call; the lab's own script would not notice
    return any(len(ancestors([call]) & set(calls)) > 1 for call in calls)
