"""How channels are ranked: by a criterion that fits the layer, from what was measured."""

from collections.abc import Iterable

from torch import nn

from explorer.language.saying import say
from explorer.networks.evaluation import Batch, Device
from explorer.networks.fitting import fits
from explorer.networks.graph import layer_calls
from explorer.networks.layers import conv_layer
from explorer.networks.neighbours import norm_behind
from explorer.networks.tracing import trace
from explorer.pruning.activations import check_point, collect
from explorer.pruning.criteria import CRITERIA, MAX_SEED, Evidence, criterion_info
from explorer.pruning.rankings import Ranking, order_of
from explorer.pruning.statistics import ChannelStatistics


def check_criterion(model: nn.Module, layer: str, name: str) -> None:
    """ValueError where the criterion is unknown or does not fit the layer."""
    criterion = criterion_info(name)
    if criterion.needs_data:
        check_point(model, layer, criterion.point)
    if criterion.looks_at_norm:
        _norm_behind(model, layer)


def fitting_criteria(model: nn.Module, layer: str) -> list[str]:
    """The criteria that fit the layer, in the registry's order; each fits with -reversed behind it, too."""
    conv_layer(model, layer)
    return [name for name in CRITERIA if fits(check_criterion, model, layer, name)]


def _norm_behind(model: nn.Module, layer: str) -> nn.BatchNorm2d:
    """The batch norm right behind every call of the layer; ValueError where there is none."""
    norms = [norm_behind(call) for call in layer_calls(trace(model), layer)]
    if any(norm is not norms[0] for norm in norms):
        raise ValueError(
            say(
                "layer {layer!r} has a different batch norm behind each of its {count} calls",
                layer=layer,
                count=len(norms),
            )
        )
    return norms[0]


def rank_by(
    model: nn.Module,
    layer: str,
    criterion: str = "mean",
    statistics: ChannelStatistics | None = None,
    seed: int = 0,
) -> Ranking:
    """Rank the layer's channels from statistics already collected, of its output at the criterion's point."""
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(say("seed {seed} is outside 0…{max_seed}", seed=seed, max_seed=MAX_SEED))
    conv, chosen = conv_layer(model, layer), criterion_info(criterion)
    norm = _norm_behind(model, layer) if chosen.looks_at_norm else None
    importance = chosen.importance(Evidence(conv, statistics, seed, norm))
    return Ranking(importance=importance, order=order_of(importance))


def rank(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch] = (),
    criterion: str = "mean",
    seed: int = 0,
    device: Device = None,
) -> Ranking:
    """Rank the layer's channels; the batches of (inputs, labels) are read only by criteria that look at activations.

    `criterion` is a key of CRITERIA, or one with -reversed behind it; `device` as for `sweep`. Gives importance
    float64 (P,) and order int64 (P,), first pruned first. Raises ValueError where the criterion does not fit the layer.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> ranking = ex.rank(net.model, "conv2", criterion="l1")
    >>> ranking.order.shape, bool(ranking.importance[ranking.order[0]] == ranking.importance.min())
    ((32,), True)
    """
    conv_layer(model, layer)
    chosen = criterion_info(criterion)
    statistics = collect(model, layer, batches, chosen.point, device) if chosen.needs_data else None
    return rank_by(model, layer, criterion, statistics, seed)
