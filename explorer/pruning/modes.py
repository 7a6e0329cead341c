"""What pruning a channel means, in words; `zeroing` has what it does to a network."""

from dataclasses import dataclass

from explorer.language.saying import listed, say


@dataclass(frozen=True)
class Mode:
    """What pruning a channel sets to zero."""

    name: str
    title: str
    sentence: str


MODES: dict[str, Mode] = {
    "filter": Mode(
        name="filter",
        title="Zero the filter",
        sentence="Weights and bias of a pruned channel are set to zero, so the convolution emits 0 there.",
    ),
    "weights": Mode(
        name="weights",
        title="Zero its weights only",
        sentence="Only the weights of a pruned channel are set to zero; its bias survives, so it emits a constant.",
    ),
    "inputs": Mode(
        name="inputs",
        title="Zero the input slice",
        sentence="What is set to zero is the weight that reads input channel c, not the filter that writes channel c.",
    ),
    "filter+shortcut": Mode(
        name="filter+shortcut",
        title="Zero filter and shortcut",
        sentence="Weights and bias of a pruned channel are set to zero in the layer and in the shortcut convolution "
        "that is added to it.",
    ),
    "channel": Mode(
        name="channel",
        title="Remove the channel",
        sentence="A pruned channel is gone, after batch norm and activation, wherever it is read, and so is the same "
        "channel of every layer that goes with this one: what physical removal leaves.",
    ),
}


def mode_info(name: str) -> Mode:
    """The registry's entry for `name`; ValueError lists the known names."""
    if name not in MODES:
        raise ValueError(say("unknown mode {name!r}; choose one of: {known}", name=name, known=listed(MODES)))
    return MODES[name]
