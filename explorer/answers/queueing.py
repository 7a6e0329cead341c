"""A plan carried out and fine-tuned in the queue of trainings, where it outlives the page that asked for it."""

from dataclasses import asdict, replace
from pathlib import Path

from explorer.answers.recovering import recipe_of
from explorer.compression.plans import Plan
from explorer.files.names import check_plain
from explorer.networks.checkpoints import Checkpoint
from explorer.training import trainings


def queue(
    checkpoint: Checkpoint,
    plan: Plan,
    name: str,
    epochs: int,
    steps: int = 1,
    minimum: int = 1,
    limit: int | None = None,
    out: Path | None = None,
) -> None:
    """Queue `compress --finetune`: remove what the plan prunes in so many steps, and fine-tune after each.

    What is left becomes the checkpoint called `name`. ValueError where the name is taken or not plain, where the
    network cannot be trained, or where its training images are not here.
    """
    check_plain(name)
    trainings.check_name(name, out)
    recipe = recipe_of(checkpoint.card, epochs)
    arguments = [
        "compress",
        str(checkpoint.path.absolute()),
        f"--plan={plan.text}",
        f"--criterion={plan.criterion}",
        f"--minimum={minimum}",
        f"--steps={steps}",
        f"--finetune={epochs}",
        f"--name={name}",
        "--out=../..",
        "--no-tables",
        "--resume",
        "--progress=progress.json",
    ]
    arguments += [] if limit is None else [f"--limit={limit}"]
    about = {"model": checkpoint.card.model, "dataset": checkpoint.card.dataset, "description": ""}
    whole = asdict(replace(recipe, epochs=steps * epochs))
    trainings.enqueue(name, arguments, {**about, "recipe": whole, "start": checkpoint.name}, out)
