"""What the commands print, in words."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from explorer.cli.bar import Bar
from explorer.engine.curves import Agreement, Sweep
from explorer.engine.scans import Scan
from explorer.files import csv
from explorer.files.errors import sentence
from explorer.images import datasets
from explorer.networks import checkpoints
from explorer.networks.cards import Score
from explorer.training.state import Epoch

PARTS = 1000  # in which a bar counts work whose result says what share of it is done


def tell_made(made: str) -> None:
    """Where an answer comes from that was not computed here."""
    if made:
        print(f"this came with the app (computed {made}); --fresh computes it here", file=sys.stderr)


def tell_how(result: Sweep) -> None:
    """What to know about how a sweep was computed."""
    tell_made(result.made)
    if result.changes_nothing:
        print("pruning this layer changes no prediction at any K", file=sys.stderr)
    if result.slow:
        print("this network cannot be traced, so every K ran a masked copy: correct, but slow", file=sys.stderr)
    if result.agreement is not None:
        print(_agreement(result, result.agreement), file=sys.stderr)
    if result.audit is not None:
        print(result.audit, file=sys.stderr)


def tell_layers(slow: bool, left_out: Mapping[str, str]) -> None:
    """What to know about how one layer after another was pruned, and which were not."""
    if slow:
        print("this network cannot be traced, so a copy was run for every layer: correct, but slow", file=sys.stderr)
    for layer, why in left_out.items():
        print(f"left out {layer}: {why}", file=sys.stderr)


def last_of(label: str, steps: Iterable[Any]) -> Any:
    """The last result of a stream, with its progress on a bar and its notes on standard error."""
    result = None
    with Bar(label) as bar:
        for step in steps:
            if isinstance(step, str):
                bar.clear()
                print(step, file=sys.stderr)
            else:
                result = step
                if getattr(result, "progress", None) is not None:  # K that come coarse first, orders still to come
                    bar(round(PARTS * result.progress), PARTS)
                elif hasattr(result, "total"):  # an outline is there at once
                    bar(result.done, result.total)
    return result


def save_table(table: pd.DataFrame, path: str, about: str) -> None:
    """Write the table, and say on standard output what it is `about`, unless that is where it went."""
    csv.write_csv(table, path)
    if path != "-":
        print(f"saved {path}: {about}")


def at_ends(result: Sweep) -> str:
    """The accuracies at the first and the last K, in words."""
    first, last = result.accuracy[0], result.accuracy[-1]
    return f"accuracy {first:.4f} at K = {result.ks[0]}, {last:.4f} at K = {result.ks[-1]}"


def worst_layer(result: Scan) -> str:
    """The largest change of a scan, in words."""
    row = int(result.change.argmin())
    points = f"{result.change[row]:+.2f}".replace("-", "−")
    return f"the largest change {points} points, at {result.names[row]}"


def _agreement(result: Sweep, agreement: Agreement) -> str:
    worst = int(agreement.shares.argmin())
    return (
        f"{result.run.dtype} agrees with float32 on {agreement.shares.mean():.4f} of the predictions for the first "
        f"{agreement.images:,} images; least at K = {result.ks[worst]}, {agreement.shares[worst]:.4f}"
    )


def about_checkpoint(name: str) -> str:
    """One line on a checkpoint, whatever state its card is in."""
    try:
        card = checkpoints.read_card(name)
    except (ValueError, OSError) as error:
        return sentence(error)
    imported = "imported, " if card.imported else ""
    return f"{card.model} on {datasets.dataset_info(card.dataset).title}, {imported}{scores_in_words(card.accuracy)}"


def scores_in_words(accuracy: dict[str, Score]) -> str:
    """Accuracies on held-out and test images, in words."""

    def text(part: str, score: Score) -> str:
        return f"{part} accuracy {100 * score.accuracy:.2f} % ({score.correct:,} of {score.n:,})"

    return ", ".join(text(part, accuracy[part]) for part in ("validation", "test") if part in accuracy)


def epoch_line(epoch: Epoch) -> str:
    """One line on an epoch."""
    return (
        f"epoch {epoch.epoch:>{len(str(epoch.epochs))}}/{epoch.epochs}"
        f"  train loss {epoch.train_loss:.4f} accuracy {100 * epoch.train_accuracy:.2f} %"
        f"  validation loss {epoch.validation_loss:.4f} accuracy {100 * epoch.validation_accuracy:.2f} %"
        f"  {epoch.seconds:.1f} s"
    )
