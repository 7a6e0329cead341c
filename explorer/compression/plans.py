"""A plan: how many channels go from each of several layers at once.

To know of plans needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from explorer.pruning.criteria import criterion_info

MULTIPLE = 8  # widths that processors like: they compute on 8 or more numbers at a time


@dataclass(frozen=True)
class Plan:
    """K of each layer that loses channels, the first K of the layer's order by the criterion. Hashable.

    A layer stands for its whole group, such as all that write to one residual stream: one layer of a group is named.

    >>> Plan.of({"conv1": 4, "conv2": 10}, "l1").text
    'conv1:4,conv2:10'
    """

    layers: tuple[tuple[str, int], ...]  # (layer, K), K at least 1, as they were given
    criterion: str = "l1"

    @classmethod
    def of(cls, ks: Mapping[str, int], criterion: str = "l1") -> Plan:
        """The plan {layer: K}; a layer of which no channel goes is left out.

        ValueError for an unknown criterion, and for a K below 0 or no whole number.
        """
        criterion_info(criterion)
        for layer, k in ks.items():
            if k < 0 or k != int(k):
                raise ValueError(f"K = {k} of layer {layer!r} is not a whole number of channels, 0 or more")
        return cls(tuple((layer, int(k)) for layer, k in ks.items() if k), criterion)

    @classmethod
    def parse(cls, text: str, criterion: str = "l1") -> Plan:
        """The plan that `text` gives: "conv1:4,conv2:10"; none for an empty text.

        ValueError names the part that is not LAYER:K, and a layer that is named twice.
        """
        ks: dict[str, int] = {}
        for part in filter(None, text.split(",")):
            layer, _, k = part.strip().rpartition(":")
            if not layer or not k.isdecimal() or len(k) > 9:
                raise ValueError(f"{part.strip()[:80]!r} is not LAYER:K, such as conv1:4, with a whole number K")
            if layer in ks:
                raise ValueError(f"the plan names layer {layer!r} twice; give it one K")
            ks[layer] = int(k)
        return cls.of(ks, criterion)

    @property
    def text(self) -> str:
        """What `parse` reads: each layer and its K."""
        return ",".join(f"{layer}:{k}" for layer, k in self.layers)

    @property
    def ks(self) -> dict[str, int]:
        """K by layer."""
        return dict(self.layers)

    def check(self, channels: Mapping[str, int], minimum: int = 1) -> None:
        """ValueError unless each layer is one of those that have so many `channels`, and keeps `minimum` of them."""
        if minimum < 1:
            raise ValueError(f"a minimum of {minimum} channels would leave a layer empty; give 1 or more")
        for layer, k in self.layers:
            if layer not in channels:
                raise ValueError(
                    f"the plan names {layer!r}, which cannot be narrowed; choose of: {', '.join(channels)}"
                )
            most = max(channels[layer] - minimum, 0)
            if k > most:
                left = "empty" if minimum == 1 else f"below the minimum of {minimum} channels"
                raise ValueError(
                    f"K = {k} leaves layer {layer!r} {left}; it has {channels[layer]}, so K is in 0…{most}"
                )

    def rounded(self, channels: Mapping[str, int], multiple: int = MULTIPLE) -> Plan:
        """The plan that keeps a few channels more, so that each narrowed width is a multiple of so many.

        A layer that would be as wide as before keeps all its channels.
        """
        kept = {layer: -(-(channels[layer] - k) // multiple) * multiple for layer, k in self.layers}
        return replace(self, layers=tuple((each, k) for each in kept if (k := max(channels[each] - kept[each], 0))))
