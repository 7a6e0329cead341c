"""What can be asked of a network, and whether a question makes sense."""

from explorer.answers.experiment import HELD_OUT, RANKED_ON, SPLITS, Experiment, check_split
from explorer.engine.ks import check_ks
from explorer.engine.oracle import ORACLES, Oracle
from explorer.engine.schedule import check_schedule
from explorer.images.datasets import require_split, splits_of
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import resolve_dtype
from explorer.networks.layers import conv_layer, last_conv
from explorer.networks.registry import model_info
from explorer.pruning.criteria import CRITERIA, REVERSED, Criterion, criterion_info
from explorer.pruning.modes import check_mode
from explorer.pruning.ranking import check_criterion, fitting_criteria
from explorer.training.held_out import check_held_out


def default_layer(checkpoint: Checkpoint) -> str:
    """The layer that the network's lab prunes, or else the last convolution before its logits."""
    return model_info(checkpoint.card.model).layer or last_conv(checkpoint.model)


def criterion_named(name: str) -> Criterion | Oracle:
    """What orders the channels: a criterion, one of them reversed, or an oracle; ValueError lists the names."""
    if name in ORACLES:
        return ORACLES[name]
    if name.removesuffix(REVERSED) not in CRITERIA:
        known = ", ".join([*CRITERIA, *ORACLES])
        raise ValueError(f"unknown criterion {name!r}; choose one of: {known}; a criterion may end in {REVERSED}")
    return criterion_info(name)


def criteria_for(checkpoint: Checkpoint, layer: str) -> list[str]:
    """The names that fit the layer: criteria, the same reversed, and the oracles."""
    fitting = fitting_criteria(checkpoint.model, layer)
    return [*fitting, *(f"{name}{REVERSED}" for name in fitting), *ORACLES]


def splits_to_rank_on(checkpoint: Checkpoint) -> list[str]:
    """The splits whose images the channels can be ranked on; the held-out ones need the data trained on."""
    splits = [split for split in SPLITS if split in splits_of(checkpoint.card.dataset)]
    try:
        check_held_out(checkpoint.card)
    except ValueError:
        return splits
    return [*splits, HELD_OUT]


def check(experiment: Experiment, checkpoint: Checkpoint) -> None:
    """ValueError for the first thing in the experiment that does not exist or is out of range; reads no images."""
    channels = conv_layer(checkpoint.model, experiment.layer).out_channels
    check_mode(checkpoint.model, experiment.layer, experiment.mode)
    if isinstance(criterion_named(experiment.criterion), Oracle):
        if experiment.schedule != "once":
            raise ValueError(f"the oracle looks again at each step, so schedule {experiment.schedule!r} must be once")
    else:
        check_criterion(checkpoint.model, experiment.layer, experiment.criterion)
        check_schedule(checkpoint.model, experiment.layer, experiment.schedule, experiment.criterion, experiment.mode)
    check_split(experiment.ranked_on, RANKED_ON)
    check_split(experiment.split)
    if experiment.ranked_on == HELD_OUT:
        check_held_out(checkpoint.card)
    for split in {experiment.ranked_on, experiment.split} - {HELD_OUT}:
        require_split(checkpoint.card.dataset, split)
    check_ks(experiment.ks, channels)
    resolve_dtype(experiment.dtype)
