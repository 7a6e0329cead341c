"""A plan: how many channels go from each of several layers at once.

To know of plans needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.language.saying import listed, say
from explorer.pruning.criteria import criterion_info

MULTIPLE = 8  # widths that processors like: they compute on 8 or more numbers at a time


@dataclass(frozen=True)
class Group:
    """Convolutions that lose the same channels: the writers of one residual stream, depthwise ones with who feeds them.

    A plan may name any one of its layers, whose ranking then decides for all. `sections` is more than 1 where a grouped
    convolution reads or writes the channels: each of so many equal sections must lose as many channels.
    """

    layers: tuple[str, ...]  # in the order they are declared; the first gives the group its name
    channels: int
    sections: int = 1
    fixed: str = ""  # why its channels must stay; empty where they may go

    @property
    def name(self) -> str:
        """The layer that a plan over whole groups names."""
        return self.layers[0]

    def most(self, minimum: int = 1) -> int:
        """The largest K, a multiple of the sections, that leaves so many channels, and of each section one."""
        k = self.channels - max(minimum, self.sections)
        return max(k - k % self.sections, 0)

    def rounded(self, k: int, multiple: int = MULTIPLE) -> int:
        """The largest K up to this one that leaves a multiple of so many channels; 0 where that would be all."""
        step = math.lcm(multiple, self.sections)
        return max(self.channels - -(-(self.channels - k) // step) * step, 0)


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
                raise ValueError(
                    say(
                        "K = {k} of layer {layer!r} is not a whole number of channels, 0 or more",
                        k=k,
                        layer=layer,
                    )
                )
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
                raise ValueError(
                    say(
                        "{part!r} is not LAYER:K, such as conv1:4, with a whole number K",
                        part=part.strip()[:80],
                    )
                )
            if layer in ks:
                raise ValueError(say("the plan names layer {layer!r} twice; give it one K", layer=layer))
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

    def check(self, groups: Sequence[Group], minimum: int = 1) -> None:
        """ValueError unless each layer is in a group of its own that can lose K channels and keep `minimum` of them."""
        if minimum < 1:
            raise ValueError(
                say(
                    "a minimum of {minimum} channels would leave a layer empty; give 1 or more",
                    minimum=minimum,
                )
            )
        named: dict[Group, str] = {}
        for layer, k in self.layers:
            group = group_of(layer, groups)
            if group in named:
                raise ValueError(
                    say(
                        "layers {named!r} and {layer!r} lose the same channels; name one of the two",
                        named=named[group],
                        layer=layer,
                    )
                )
            named[group] = layer
            most = group.most(minimum)
            if k > most:
                left = say("empty") if minimum == 1 else say("below the minimum of {n} channels", n=minimum)
                raise ValueError(
                    say(
                        "K = {k} leaves layer {layer!r} {left}; it has {channels}, so K is in 0…{most}",
                        k=k,
                        layer=layer,
                        left=left,
                        channels=group.channels,
                        most=most,
                    )
                )
            if k % group.sections:
                low = k - k % group.sections
                raise ValueError(
                    say(
                        "K = {k} of layer {layer!r} is no multiple of {sections}, the number of groups that a "
                        "convolution tied to it runs in; the nearest are {low} and {high}",
                        k=k,
                        layer=layer,
                        sections=group.sections,
                        low=low,
                        high=low + group.sections,
                    )
                )

    def rounded(self, groups: Sequence[Group], multiple: int = MULTIPLE) -> Plan:
        """The plan that keeps a few channels more, so that each narrowed width is a multiple of so many.

        A layer that would be as wide as before keeps all its channels.
        """

        ks = {layer: group_of(layer, groups).rounded(k, multiple) for layer, k in self.layers}
        return Plan.of(ks, self.criterion)


def group_of(layer: str, groups: Sequence[Group]) -> Group:
    """The group of a layer whose channels may go; ValueError where there is none."""
    found = next((group for group in groups if layer in group.layers), None)
    if found is not None and found.fixed:
        raise ValueError(say("no channel of layer {layer!r} can go: {fixed}", layer=layer, fixed=found.fixed))
    if found is None:
        known = listed(group.name for group in groups if not group.fixed)
        raise ValueError(
            say(
                "the plan names {layer!r}, which is no convolution here; choose of: {known}",
                layer=layer[:80],
                known=known,
            )
        )
    return found
