"""What can be asked of a network; `checking` says whether a question makes sense."""

from explorer.answers.experiment import HELD_OUT, SPLITS
from explorer.engine.oracle import ORACLES, Oracle, Search
from explorer.images.datasets import splits_of
from explorer.language.saying import listed, say
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.registry import model_info
from explorer.pruning.criteria import CRITERIA, REVERSED, Criterion, criterion_info
from explorer.pruning.statistics import ChannelStatistics
from explorer.training.provenance import check_held_out

Measured = ChannelStatistics | Search  # what a ranking measures on images
ORDERS = (20, 200)  # how many random orders a band may have


def default_layer(checkpoint: Checkpoint) -> str:
    """The layer that the network's lab prunes, or else the last convolution before its logits."""
    own = model_info(checkpoint.card.model).layer
    if own:
        return own
    from explorer.networks.layers import last_conv  # imports torch, which what ships does not wait for

    return last_conv(checkpoint.model)


def criterion_named(name: str) -> Criterion | Oracle:
    """What orders the channels: a criterion, one of them reversed, or an oracle; ValueError lists the names."""
    if name in ORACLES:
        return ORACLES[name]
    if name.removesuffix(REVERSED) not in CRITERIA:
        words = "unknown criterion {name!r}; choose one of: {known}; a criterion may end in {reversed}"
        raise ValueError(say(words, name=name, known=listed([*CRITERIA, *ORACLES]), reversed=REVERSED))
    return criterion_info(name)


def splits_to_rank_on(checkpoint: Checkpoint) -> list[str]:
    """The splits whose images the channels can be ranked on; the held-out ones need the data trained on."""
    splits = [split for split in SPLITS if split in splits_of(checkpoint.card.dataset)]
    try:
        check_held_out(checkpoint.card)
    except ValueError:
        return splits
    return [*splits, HELD_OUT]
