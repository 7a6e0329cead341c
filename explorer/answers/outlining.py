"""A network's outline, found out from the network itself."""

from functools import cached_property

from torch import nn

from explorer.answers.outline import Known, Layer, Outline
from explorer.engine.reranking import reads_itself
from explorer.networks.coupling import Coupling, coupling_of
from explorer.networks.layers import conv_layer, conv_layers
from explorer.pruning.activations import fitting_points
from explorer.pruning.ranking import fitting_criteria
from explorer.pruning.zeroing import fitting_modes


class LayerAtHand:
    """A convolution of a network at hand: what is asked of it is found out then. See outline.Layer."""

    def __init__(self, model: nn.Module, layer: str) -> None:
        self.channels = conv_layer(model, layer).out_channels
        self._asked = model, layer

    @cached_property
    def criteria(self) -> tuple[str, ...]:
        """Those that fit."""
        return tuple(fitting_criteria(*self._asked))

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """Those that fit."""
        return tuple(fitting_modes(*self._asked))

    @cached_property
    def points(self) -> tuple[str, ...]:
        """Those at which there is an output."""
        return tuple(fitting_points(*self._asked))

    @cached_property
    def reads_itself(self) -> bool:
        """Whether one call depends on another."""
        return reads_itself(*self._asked)

    @property
    def together(self) -> tuple[str, ...]:
        """Those that lose a channel together; none where no channel can be removed."""
        return () if self._coupling is None else self._coupling.layers

    @property
    def why(self) -> str:
        """Why they do."""
        return "" if self._coupling is None else self._coupling.why

    @cached_property
    def _coupling(self) -> Coupling | None:
        return coupling_of(*self._asked) if "channel" in self.modes else None


def outline_of(model: nn.Module) -> Outline:
    """Everything about every convolution."""
    return {name: _known(LayerAtHand(model, name)) for name in conv_layers(model)}


def _known(layer: Layer) -> Known:
    return Known(
        layer.channels, layer.criteria, layer.modes, layer.points, layer.reads_itself, layer.together, layer.why
    )
