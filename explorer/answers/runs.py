"""What identifies an answer's numbers in tables and on pages."""

from explorer.answers.choices import criterion_named
from explorer.answers.experiment import Experiment
from explorer.engine.predictions import Run
from explorer.networks.checkpoints import Checkpoint


def run_of(experiment: Experiment, checkpoint: Checkpoint) -> Run:
    """What identifies the experiment's numbers, for tables and pages."""
    needs_data = criterion_named(experiment.criterion).needs_data
    return Run(
        checkpoint=checkpoint.name,
        checkpoint_sha256=checkpoint.sha256,
        dataset=checkpoint.card.dataset,
        split=experiment.split,
        layer=experiment.layer,
        criterion=experiment.criterion,
        ranked_on=experiment.ranked_on if needs_data else "",
        mode=experiment.mode,
        seed=experiment.seed,
        schedule=experiment.schedule,
        dtype=experiment.dtype,
    )


def layers_run(checkpoint: Checkpoint, criterion: str, mode: str, split: str, dtype: str = "float32") -> Run:
    """What identifies an analysis of one layer after another, ranked and pruned on the same images."""
    asked = Experiment(checkpoint.name, "", criterion, mode, ranked_on=split, split=split, dtype=dtype)
    return run_of(asked, checkpoint)
