"""Which K are computed, in which order, and along which order of the channels."""

from collections.abc import Iterable, Sequence

import numpy as np

from explorer.language.saying import say

COARSE = 9  # K of a first curve, where each K is a run of its own


def check_ks(ks: Iterable[int] | None, channels: int) -> tuple[int, ...]:
    """The K to compute, ascending; None means 0…P. ValueError names the first outside 0…P."""
    if ks is None:
        return tuple(range(channels + 1))
    chosen = set()
    for k in ks:  # one after the other, for a range may be far longer than the layer
        if not 0 <= k <= channels:
            raise ValueError(
                say(
                    "K = {k} is outside 0…{channels}, the number of channels of the layer",
                    k=k,
                    channels=channels,
                )
            )
        if k != int(k):
            raise ValueError(say("K = {k} is not a whole number", k=k))
        chosen.add(int(k))
    if not chosen:
        raise ValueError(say("there is no K to compute; choose at least one in 0…{channels}", channels=channels))
    return tuple(sorted(chosen))


def check_order(order: Sequence[int] | np.ndarray, channels: int) -> np.ndarray:
    """The order as int64 (P,); ValueError unless it names each of the P channels once."""
    array = np.asarray(order)
    if sorted(array.tolist()) != list(range(channels)):
        raise ValueError(
            say(
                "the order must name each of the channels 0…{channels} once, not {array}",
                channels=channels - 1,
                array=array.tolist(),
            )
        )
    return array.astype(np.int64)


def check_gone(gone: Sequence[int] | None, ks: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """How many channels are pruned at each K; None means K. ValueError unless they grow, one for each K, up to P."""
    if gone is None:
        return ks
    counts = tuple(int(count) for count in gone)
    if len(counts) != len(ks) or list(counts) != sorted(counts) or not 0 <= counts[0] <= counts[-1] <= channels:
        raise ValueError(
            say(
                "the channels gone must be {count} numbers in 0…{channels}, none smaller than the last, not {counts}",
                count=len(ks),
                channels=channels,
                counts=counts,
            )
        )
    return counts


def coarse_to_fine(ks: Sequence[int], first: int = COARSE) -> list[tuple[int, ...]]:
    """The K (ascending) in rounds: `first` of them, evenly spread and with both ends, then twice as fine each round."""
    rounds: list[tuple[int, ...]] = []
    left, count = set(ks), first
    while left:
        count = min(count, len(ks))
        grid = {ks[round(i * (len(ks) - 1) / max(count - 1, 1))] for i in range(count)}
        rounds.append(tuple(sorted(left & grid)))
        left -= grid
        count = 2 * count - 1
    return rounds
