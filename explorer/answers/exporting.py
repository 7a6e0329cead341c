"""What is left of a compressed checkpoint, as files, or as one more checkpoint."""

import io
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from torch import nn

from explorer.answers.compressing import Compressed
from explorer.answers.images import batches_of
from explorer.answers.removing import example_of
from explorer.compression.comparison import compare
from explorer.compression.export import export
from explorer.compression.removal import remove
from explorer.compression.saving import card_of
from explorer.files.names import check_plain
from explorer.files.places import checkpoints_root
from explorer.networks import checkpoints
from explorer.networks.cards import Card, Score
from explorer.networks.checkpoints import Checkpoint


def exported(checkpoint: Checkpoint, found: Compressed, name: str, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write what is left in each of the formats, keys of `export.FORMATS`; ValueError as for `export`.

    Its card gives the accuracy over all test images, which are looked at where the plan was tested on fewer.
    """
    check_plain(name)
    example = example_of(checkpoint)
    model = found.tuned.model if found.tuned else remove(checkpoint.model, found.channels, example)
    return export(name, model, _card(checkpoint, found, model), checkpoint, folder, formats, example)


def kept(checkpoint: Checkpoint, found: Compressed, name: str, root: Path | None = None) -> Path:
    """Keep what is left as a checkpoint of that name; ValueError where the name is taken."""
    checkpoints.check_not_shipped(name)
    checkpoints.check_free(name, root)
    exported(checkpoint, found, name, root or checkpoints_root(), ["safetensors"])  # which lets one writer at a time
    return checkpoints.find(name, root)


def zipped(checkpoint: Checkpoint, found: Compressed, name: str, formats: Sequence[str]) -> bytes:
    """The files of these formats in a ZIP archive."""
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as place:
        files = exported(checkpoint, found, name, Path(place), formats)
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, f"{name}/{file.name}")
    return content.getvalue()


def _card(checkpoint: Checkpoint, found: Compressed, model: nn.Module) -> Card:
    assert found.merits is not None
    tested = found.merits.comparison
    if tested.total < checkpoint.card.test_images or tested.done < tested.total:
        *_, tested = compare({"": model}, batches_of(checkpoint))
    score, tuned = Score(int(tested.correct[-1]), tested.done), found.tuned
    if tuned is None:
        return replace(card_of(model, checkpoint, found.plan, score, steps=found.asked.steps), description="")
    before = found.merits.comparison
    pruned = Score(int(before.correct[-2]), before.done)
    card = card_of(model, checkpoint, found.plan, score, tuned.epochs, found.asked.steps, pruned)
    return replace(card, description="", recipe=asdict(tuned.recipe))  # which is how it is fine-tuned again
