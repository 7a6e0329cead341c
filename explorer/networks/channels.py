"""Every layer's output channels, followed through a traced network to whoever reads them.

A channel passes batch norm, activations, pooling and flattening as it is. An addition makes one of two channels: where
one goes, the other has to go with it. A depthwise convolution, a gate and a layer that runs twice tie channels, too.
A convolution or a linear layer reads each channel with weights of its own, and can lose them. What else mixes channels
can not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from torch import fx, nn

from explorer.language.saying import say
from explorer.networks.functional import is_made_up, is_settled
from explorer.networks.graph import ancestors, function_of, is_shape, module_of, output_of
from explorer.networks.operations import ADDITIONS, BINARY_FUNCTIONS, CONCATENATIONS
from explorer.networks.passing import MixingError, Value, features, name_of, passed
from explorer.networks.reasons import ADDED, COMBINED, DEPTHWISE, NORMED, READ, SCALING

BESIDE = ("type_as", "expand_as")  # methods that look at the second value's shape or type alone
Numbers = tuple[int, ...]
Names = tuple[str, ...]


@dataclass(frozen=True)
class Tie:
    """Why channels go together: layers, and one of the `reasons` about them."""

    layers: Names
    words: str
    channels: Numbers  # which it ties, each with another

    @property
    def one_to_others(self) -> bool:
        """Whether the first layer does something to the others."""
        return self.words in (DEPTHWISE, SCALING)


class Channels:
    """The channels of a whole network, by number; those that have to go together have the same `root`.

    By the name of a layer, in the order they run: `outputs` are the channels that a convolution or linear layer writes,
    `norms` those that a batch norm has constants for, and `inputs` those that a convolution or linear layer has weights
    to read, each along its dimension. `hindered` says by the root why a channel cannot go.
    """

    def __init__(self, traced: fx.GraphModule) -> None:
        self.outputs: dict[str, Numbers] = {}
        self.norms: dict[str, Numbers] = {}
        self.inputs: dict[str, Numbers] = {}
        self.ties: list[Tie] = []
        self._parents: list[int] = []
        self._writers: dict[str, Names] = {}  # of what a layer reads first
        self._hindrances: list[tuple[int, str]] = []
        self._values: dict[fx.Node, Value] = {}
        self._foreign: set[fx.Node] = set()  # values of the images that are not channels of layers
        needed = ancestors([output_of(traced)])
        for node in traced.graph.nodes:
            if node in needed and not is_shape(node):
                self._follow(node)
        self.hindered = {self.root(channel): why for channel, why in reversed(self._hindrances)}

    def root(self, channel: int) -> int:
        """The number that stands for all channels that go together with this one."""
        while self._parents[channel] != channel:
            self._parents[channel] = channel = self._parents[self._parents[channel]]
        return channel

    def _new(self, count: int) -> Numbers:
        start = len(self._parents)
        self._parents += range(start, start + count)
        return tuple(range(start, start + count))

    def _tie(self, some: Sequence[int], others: Sequence[int]) -> None:
        """Let each of some channels go with its partner among the others."""
        for one, other in zip(map(self.root, some), map(self.root, others), strict=True):
            self._parents[max(one, other)] = min(one, other)

    def _share(self, own: dict[str, Numbers], name: str, read: Numbers, writers: Names, words: str) -> None:
        """Note what a layer has weights or constants for; channels that go through the same ones go together."""
        if name in own:
            self._tie(own[name], read)
            self._note((*self._writers[name], *writers), words, read)
        else:
            own[name], self._writers[name] = read, writers

    def _note(self, layers: Names, words: str, channels: Numbers) -> None:
        """Say why channels are tied, where more than one layer has them."""
        named = tuple(dict.fromkeys(layers))
        if len(named) > 1:
            self.ties.append(Tie(named, words, channels))

    def _hinder(self, channels: Iterable[int], why: str) -> None:
        self._hindrances += [(channel, why) for channel in channels]

    def _follow(self, node: fx.Node) -> None:
        """Find out where channels lie in a node's value."""
        read = [self._values[arg] for arg in node.all_input_nodes if arg in self._values]
        foreign = node.op == "placeholder" or not self._foreign.isdisjoint(node.all_input_nodes)
        module = module_of(node)
        try:
            if isinstance(module, nn.Conv2d | nn.Linear) and (read or foreign):
                self._values[node] = self._layer(str(node.target), module, read[0] if read else None)
            elif read:
                self._values[node] = self._passed(node, read, foreign)
            elif foreign:
                self._foreign.add(node)
        except MixingError as error:
            self._hinder((channel for value in read for channel in value.channels), str(error))
            self._foreign.add(node)

    def _layer(self, name: str, layer: nn.Conv2d | nn.Linear, value: Value | None) -> Value:
        """What a convolution or linear layer writes: channels of its own; it reads a value, or what is no layer's."""
        if isinstance(layer, nn.Linear):
            size, count, groups, dims = layer.in_features, layer.out_features, 1, 2
        else:
            size, count, groups, dims = layer.in_channels, layer.out_channels, layer.groups, 4
        read, writers = self._read(name, value, size, dims)
        if groups == size == count > 1:  # a depthwise convolution, whose channels are those that it reads
            self._tie(self.outputs.setdefault(name, read), read)
            self._note((name, *writers), DEPTHWISE, read)
            return Value(self.outputs[name], dims, (name,))
        self._share(self.inputs, name, read, writers, READ)
        written = self.outputs[name] = self.outputs.get(name) or self._new(count)
        if is_made_up(layer):
            self._hinder(read, say("they are read with weights that are no layer's"))
        elif is_settled(layer) or "weight" not in layer._parameters:
            self._hinder(read, say("{layer}, which reads them, computes its weights from others", layer=name))
        single = isinstance(layer, nn.Linear) or (value is not None and value.single and layer.kernel_size == (1, 1))
        return Value(written, dims, (name,), single=single)

    def _read(self, name: str, value: Value | None, size: int, dims: int) -> tuple[Numbers, Names]:
        """The channels in the places that a layer reads, and the layers that write them."""
        if value is not None and value.dims == dims:
            return features(value, size), value.writers
        if value is not None:
            raise MixingError(say("{layer} reads them along another dimension", layer=name))
        places = self._new(size)
        self._hinder(places, say("{layer} reads what is no layer's output alone", layer=name))
        return places, ()

    # Operations, which pass channels on

    def _passed(self, node: fx.Node, read: list[Value], foreign: bool) -> Value:
        function, module = function_of(node), module_of(node)
        if node.op == "output":
            raise MixingError(say("they are what the network returns"))
        if function in CONCATENATIONS and _dimension(node, read[0].dims) == 1:
            return self._concatenated(node, read, foreign)
        if function in BINARY_FUNCTIONS or function in CONCATENATIONS:
            return self._combined(node, read, foreign)
        value = self._values.get(node.all_input_nodes[0])
        if value is None or (function not in BESIDE and (foreign or len(read) > 1)):
            raise MixingError(say("{operation} may mix them", operation=name_of(node)))
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            name = str(node.target)
            constants = features(value, module.num_features)
            self._share(self.norms, name, constants, value.writers, NORMED)
            return value
        return passed(node, value)

    def _combined(self, node: fx.Node, read: list[Value], foreign: bool) -> Value:
        """Values added, multiplied or the like, or put behind one another along another dimension than channels'."""
        if foreign:
            raise MixingError(say("{operation} combines them with what is no layer's output", operation=name_of(node)))
        first, *others = read
        for other in others:
            if (other.dims, other.spread, len(other.channels)) != (first.dims, first.spread, len(first.channels)):
                raise MixingError(
                    say("{operation} combines them with another number of channels", operation=name_of(node))
                )
            self._tie(first.channels, other.channels)
            self._note_combination(node, first, other)
        writers = tuple(dict.fromkeys(name for value in read for name in value.writers))
        single = all(value.single for value in read) and len(read) == len(node.all_input_nodes)
        return Value(first.channels, first.dims, writers, first.spread, single)

    def _note_combination(self, node: fx.Node, one: Value, other: Value) -> None:
        if function_of(node) in ADDITIONS:
            self._note((*one.writers, *other.writers), ADDED, one.channels)
        elif one.single == other.single:
            self._note((*one.writers, *other.writers), COMBINED, one.channels)
        else:
            gate, scaled = (one, other) if one.single else (other, one)
            self._note((*gate.writers, *scaled.writers), SCALING, one.channels)

    def _concatenated(self, node: fx.Node, read: list[Value], foreign: bool) -> Value:
        """Channels beside channels, in the order in which the values are given (one may come twice)."""
        given = node.args[0] if node.args else node.kwargs["tensors"]
        parts = [self._values.get(part) for part in cast(list[fx.Node], given)]
        known = [part for part in parts if part is not None]
        if foreign or len(known) < len(parts):
            raise MixingError(say("{operation} puts them beside what is no layer's output", operation=name_of(node)))
        if any(part.spread for part in known) or len({part.dims for part in known}) > 1:
            raise MixingError(say("{operation} puts maps of unknown size beside each other", operation=name_of(node)))
        channels = tuple(channel for part in known for channel in part.channels)
        writers = tuple(dict.fromkeys(name for part in known for name in part.writers))
        return Value(channels, known[0].dims, writers, single=all(part.single for part in known))


def _dimension(node: fx.Node, dims: int) -> int | None:
    """The dimension of a concatenation."""
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    return dim % dims if isinstance(dim, int) else None
