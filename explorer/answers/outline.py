"""What can be done with each of a network's layers, without the network at hand where that ships.

Of a network that comes with the app it is an answer like others, found out when the answers were made; of any other it
is asked of the network itself.
"""

from dataclasses import asdict, dataclass
from typing import Protocol

from explorer.answers.archive import Facts, Question
from explorer.engine.oracle import ORACLES
from explorer.networks import reasons
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import REVERSED


class Layer(Protocol):
    """What can be done with a convolution; everything by name, in the order of its registry."""

    @property
    def channels(self) -> int:
        """P."""

    @property
    def criteria(self) -> tuple[str, ...]:
        """The criteria that fit it; each fits with -reversed behind it, too."""

    @property
    def modes(self) -> tuple[str, ...]:
        """The pruning modes that fit it."""

    @property
    def points(self) -> tuple[str, ...]:
        """The points at which its output can be looked at."""

    @property
    def reads_itself(self) -> bool:
        """Whether one call of it depends on another."""

    @property
    def together(self) -> tuple[str, ...]:
        """The layers of which a channel is removed together with one of its own, itself among them; see Group."""

    @property
    def why(self) -> str:
        """Why they go together, in words; empty where it goes alone."""


@dataclass(frozen=True)
class Known:
    """A layer as it ships; see `Layer`."""

    channels: int
    criteria: tuple[str, ...]
    modes: tuple[str, ...]
    points: tuple[str, ...]
    reads_itself: bool
    together: tuple[str, ...]
    why: str


Outline = dict[str, Known]  # a network's convolutions by name, in the order they are declared


def question(checkpoint: Checkpoint) -> Question:
    """The question that a network's outline is."""
    return Question(checkpoint, "outline", {})


def shipped(checkpoint: Checkpoint) -> Outline | None:
    """The network's outline, where it ships."""
    facts = question(checkpoint).facts()
    return None if facts is None else {name: _known(fields) for name, fields in facts.items()}


def _known(fields: Facts) -> Known:
    in_tuples: Facts = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Known(**in_tuples | {"why": reasons.why_of(fields["why"])})


def ship(asked: Question, answer: Outline) -> None:
    """Let an outline ship."""
    asked.write({}, {name: asdict(layer) for name, layer in answer.items()})


def channels_of(checkpoint: Checkpoint) -> dict[str, int]:
    """How many channels each convolution has, in the order they are declared."""
    known = shipped(checkpoint)
    if known:
        return {name: layer.channels for name, layer in known.items()}
    from explorer.networks.layers import conv_layers  # imports torch, which takes seconds

    return {name: conv.out_channels for name, conv in conv_layers(checkpoint.model).items()}


def criteria_for(checkpoint: Checkpoint, layer: str) -> list[str]:
    """The names of what can order a layer's channels: criteria, the same reversed, and the oracles."""
    fitting = layer_of(checkpoint, layer).criteria
    return [*fitting, *(f"{name}{REVERSED}" for name in fitting), *ORACLES]


def layer_of(checkpoint: Checkpoint, layer: str) -> Layer:
    """What can be done with a convolution; ValueError, which lists those there are, where it is none."""
    known = shipped(checkpoint)
    if known and layer in known:
        return known[layer]
    from explorer.answers.outlining import LayerAtHand

    return LayerAtHand(checkpoint.model, layer)
