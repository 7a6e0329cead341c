"""The order in which each of a network's layers loses its channels."""

from collections.abc import Generator, Sequence

import numpy as np

from explorer.images.batches import Batches
from explorer.language.saying import say
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device
from explorer.pruning.activations import collect_layers
from explorer.pruning.criteria import criterion_info
from explorer.pruning.ranking import check_criterion, rank_by
from explorer.pruning.statistics import ChannelStatistics

Reasons = dict[str, str]  # by layer, why it is left out


def orders_of(
    checkpoint: Checkpoint, layers: Sequence[str], criterion: str, batches: Batches, device: Device = None
) -> Generator[int, None, tuple[dict[str, np.ndarray], Reasons]]:
    """The channels of each layer in the order they go, ranked on `batches`; and the layers that cannot be ranked.

    Yields how many images were looked at so far.
    ValueError for an unknown criterion, and one that fits none of the layers.
    """
    fitting, left_out = _fitting(checkpoint, layers, criterion)
    measured: dict[str, ChannelStatistics] = {}
    chosen = criterion_info(criterion)
    if chosen.needs_data and fitting:
        done = 0
        for images, measured in collect_layers(  # noqa: B007 - the last are whole
            checkpoint.model, fitting, batches, chosen.point, device
        ):
            done += images
            yield done
        silent = [layer for layer in fitting if layer not in measured]
        left_out |= {
            each: say("layer {layer!r} puts nothing out that it could be ranked by", layer=each) for each in silent
        }
    ranked = [layer for layer in fitting if layer not in left_out]
    if not ranked:
        why = next(iter(left_out.values()), say("the network has no convolution"))
        raise ValueError(say("there is no layer to prune: {why}", why=why))
    return {layer: rank_by(checkpoint.model, layer, criterion, measured.get(layer)).order for layer in ranked}, left_out


def _fitting(checkpoint: Checkpoint, layers: Sequence[str], criterion: str) -> tuple[list[str], Reasons]:
    criterion_info(criterion)
    fitting, left_out = [], {}
    for layer in layers:
        try:
            check_criterion(checkpoint.model, layer, criterion)
            fitting.append(layer)
        except ValueError as error:
            left_out[layer] = str(error)
    return fitting, left_out
