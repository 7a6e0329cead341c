"""The proof that a narrowed network computes what its masked twin does, image by image."""

from collections.abc import Iterable, Iterator

import numpy as np
from torch import Tensor, nn

from explorer.compression.comparison import on_device, predicted
from explorer.compression.proofs import ALONE, NETWORKS, Proof
from explorer.compression.removal import TOLERANCE, Channels, masked
from explorer.networks.evaluation import Batch, CountedBatches, Device, forward, predict, resolve_device, to_device
from explorer.networks.graph import layer_calls
from explorer.networks.neighbours import norm_behind
from explorer.networks.tracing import trace


def prove(
    model: nn.Module,
    smaller: nn.Module,
    channels: Channels,
    batches: Iterable[Batch],
    device: Device = None,
    alone: bool = False,
) -> Iterator[Proof]:
    """Compare the narrowed network with the unpruned one and the masked ones; yields the proof so far, batch by batch.

    With `alone`, each layer is masked without the others, too, so as to add up what they cost.
    """
    target, counted = resolve_device(device), CountedBatches(batches)
    networks = dict(
        zip(NETWORKS, (model, smaller, masked(model, channels), masked(model, channels, "filter")), strict=True)
    )
    if alone:
        networks |= {ALONE + layer: masked(model, {layer: gone}) for layer, gone in channels.items()}
    placed = [on_device(network, target) for network in networks.values()]
    leaks = _leaks(model, channels)
    predictions: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    apart = largest = 0.0
    ties = 0
    for inputs, part in counted:
        moved = to_device(inputs, target)
        logits = [forward(network, moved).float().cpu() for network in placed]
        apart = max(apart, float((logits[1] - logits[2]).abs().max()))
        largest = max(largest, float(logits[2].abs().max()))
        ties += _ties(logits[1], logits[2])
        predictions.append(np.stack([predicted(each) for each in logits]))
        labels.append(part.cpu().numpy())
        known = np.concatenate(predictions, axis=1), np.concatenate(labels)
        yield Proof(*known, tuple(networks), counted.n, apart, largest, ties, leaks)


def _ties(found: Tensor, twin: Tensor) -> int:
    """How many predictions differ where the twin's logits of both classes are as good as equal."""
    one, other = predict(found), predict(twin)
    differ = one != other
    if twin.shape[-1] == 1:
        gap = twin[..., 0].abs()
    else:
        gap = (twin.gather(-1, one[..., None]) - twin.gather(-1, other[..., None])).abs()[..., 0]
    return int((differ & (gap <= TOLERANCE * float(twin.abs().max()))).sum())


def _leaks(model: nn.Module, channels: Channels) -> bool:
    """Whether a batch norm stands right behind one of the layers."""
    traced = trace(model)
    for layer in channels:
        try:
            norm_behind(layer_calls(traced, layer)[0])
            return True
        except ValueError:
            continue
    return False
