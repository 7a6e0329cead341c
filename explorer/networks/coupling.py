"""Which layers lose a channel together, and which layers read it: what mode `channel` and physical removal go by.

Such layers are called coupled: Fang et al. (2023), *DepGraph: towards any structural pruning*.
"""

from dataclasses import dataclass

from torch import fx, nn

from explorer.language.saying import say
from explorer.networks import reasons
from explorer.networks.channels import Channels, Tie
from explorer.networks.graph import NeverCalledError, UntraceableError, layer_calls
from explorer.networks.layers import conv_layer
from explorer.networks.tracing import trace

CHANNELS = "channels"  # where a traced network keeps what is known of its channels


@dataclass(frozen=True)
class Part:
    """A layer that has to do with coupled channels.

    `owner` says for each of its output channels (of a norm its channels, of a reader its input channels or features)
    which channel of the coupling's layer it is, -1 for none.
    """

    layer: str
    owner: tuple[int, ...]


@dataclass(frozen=True)
class Coupling:
    """What goes with the channels of a convolution, numbered as they are in it.

    `writers` are the convolutions and linear layers that lose output channels, the layer itself among them, `norms` the
    batch norms that lose constants, and `readers` the convolutions and linear layers that lose input channels; each in
    the order they run. `why` says in words why the writers go together; empty where the layer goes alone.
    """

    layer: str
    writers: tuple[Part, ...]
    norms: tuple[Part, ...]
    readers: tuple[Part, ...]
    why: str

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the writers: any of them stands for all."""
        return tuple(part.layer for part in self.writers)


def coupling_of(model: nn.Module, layer: str) -> Coupling:
    """What is coupled to a convolution's channels.

    Raises ValueError for an unknown layer, where the network cannot be traced, and where a channel of the layer cannot
    go, such as one that the network returns.

    >>> import explorer as ex
    >>> coupling = coupling_of(ex.load("resnet18_cifar10").model, "layer2.1.conv2")
    >>> coupling.layers
    ('layer2.0.conv2', 'layer2.0.downsample.0', 'layer2.1.conv2')
    >>> [reader.layer for reader in coupling.readers]
    ['layer2.1.conv1', 'layer3.0.conv1', 'layer3.0.downsample.0']
    """
    conv_layer(model, layer)
    try:
        traced = trace(model)
    except UntraceableError as error:
        raise UntraceableError(
            say("who reads a channel is found in a traced network alone, and {reason}", reason=str(error))
        ) from error
    return coupling_in(traced, layer)


def coupling_in(traced: fx.GraphModule, layer: str) -> Coupling:
    """`coupling_of`, in a traced network."""
    if CHANNELS not in traced.meta:
        traced.meta[CHANNELS] = Channels(traced)
    channels: Channels = traced.meta[CHANNELS]
    layer_calls(traced, layer)
    if layer not in channels.outputs:
        raise NeverCalledError(
            say("layer {layer!r} is called, but nothing that it writes is in the network's output", layer=layer)
        )
    roots = [channels.root(channel) for channel in channels.outputs[layer]]
    for root in roots:
        if root in channels.hindered:
            why = channels.hindered[root]
            raise ValueError(say("the channels of {layer!r} cannot be removed: {why}", layer=layer, why=why))
    number = {root: channel for channel, root in enumerate(roots)}
    if len(number) < len(roots):
        raise ValueError(
            say(
                "the channels of {layer!r} cannot be removed one by one: some of them are tied to each other",
                layer=layer,
            )
        )

    def parts(of: dict[str, tuple[int, ...]]) -> tuple[Part, ...]:
        owners = {name: tuple(number.get(channels.root(each), -1) for each in listed) for name, listed in of.items()}
        return tuple(Part(name, owner) for name, owner in owners.items() if any(each >= 0 for each in owner))

    writers = parts(channels.outputs)
    ties = [tie for tie in channels.ties if any(channels.root(each) in number for each in tie.channels)]
    why = _in_words(ties, [part.layer for part in writers])
    return Coupling(layer, writers, parts(channels.norms), parts(channels.inputs), why)


def _in_words(ties: list[Tie], members: list[str]) -> str:
    """Why the members go together, in a sentence without its end."""
    said: dict[str, list[list[str]]] = {}
    for tie in ties:
        layers = [layer for layer in tie.layers if layer in members]
        if len(layers) > 1:
            before = said.setdefault(tie.words, [])
            if tie.one_to_others:
                before += [layers] if layers not in before else []
            else:
                joined = [each for each in before if not set(each).isdisjoint(layers)]
                together = set(layers).union(*joined)
                apart = [each for each in before if each not in joined]
                said[tie.words] = [*apart, [member for member in members if member in together]]
    return reasons.why((words, layers) for words, several in said.items() for layers in several)
