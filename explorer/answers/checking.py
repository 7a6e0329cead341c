"""Whether a question makes sense: asked of the network itself."""

from explorer.answers.choices import criterion_named
from explorer.answers.experiment import HELD_OUT, RANKED_ON, Experiment, check_split
from explorer.engine.ks import check_ks
from explorer.engine.oracle import Oracle
from explorer.engine.reranking import check_schedule
from explorer.images.datasets import require_split
from explorer.language.saying import say
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import resolve_dtype
from explorer.networks.layers import conv_layer
from explorer.pruning.ranking import check_criterion
from explorer.pruning.zeroing import check_mode
from explorer.training.provenance import check_held_out


def check(experiment: Experiment, checkpoint: Checkpoint) -> None:
    """ValueError for the first thing in the experiment that does not exist or is out of range; reads no images."""
    channels = conv_layer(checkpoint.model, experiment.layer).out_channels
    check_mode(checkpoint.model, experiment.layer, experiment.mode)
    if isinstance(criterion_named(experiment.criterion), Oracle):
        if experiment.schedule != "once":
            words = "the oracle looks again at each step, so schedule {schedule!r} must be once"
            raise ValueError(say(words, schedule=experiment.schedule))
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
