"""Networks that were made from a checkpoint's, pruned and fine-tuned: how good each was before, after, and in the end.

What is known of them stands on their cards, so that this needs no torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from explorer.answers.merits import Merits
from explorer.networks.cards import Card, Score
from explorer.networks.checkpoints import Checkpoint, list_checkpoints, read_card
from explorer.networks.intervals import wilson

STATES = BEFORE, AFTER, RECOVERED = ("before pruning", "after pruning", "fine-tuned")
HERE = "this plan"  # what tables call a network that is not kept, and behind it how the plan is carried out


def made_from(checkpoint: Checkpoint, root: Path | None = None) -> dict[str, Card]:
    """By name the cards of the networks here that were pruned from the checkpoint's and fine-tuned."""
    found = {}
    for name in list_checkpoints(root):
        try:
            card = read_card(name, root)
        except (ValueError, OSError):  # other pages say what is wrong with it
            continue
        made = card.parent
        if made is not None and made.sha256 == checkpoint.sha256 and made.plan and made.epochs:
            found[name] = card
    return found


def accuracies(checkpoint: Checkpoint, cards: dict[str, Card], macs: Mapping[str, int | None]) -> pd.DataFrame:
    """A row for each state of each network: its multiply-adds, and its accuracy on the test images with its interval.

    `macs` are those of the networks by name, the checkpoint's among them; None where they are not known. Columns:
    network, state (of STATES), steps, epochs, macs, n, correct, accuracy, low, high. A state is left out where the card
    does not tell of it.
    """
    rows = []
    for name, card in cards.items():
        assert card.parent is not None, "these were made from another"
        scores = (checkpoint.card.accuracy["test"], card.parent.pruned, card.accuracy["test"])
        about = {"network": name, "steps": card.parent.steps, "epochs": card.parent.epochs}
        rows += list(_rows(about, scores, (macs[checkpoint.name], macs[name], macs[name])))
    return _table(rows)


def untuned(merits: Merits, steps: int) -> pd.DataFrame:
    """The same for what a plan leaves, at once and in steps, without fine-tuning: its network before and after."""
    tested = merits.comparison
    scores = [Score(int(correct), tested.done) for correct in tested.correct]
    rows = []
    ways = zip(tested.networks[1:], (1, steps), scores[1:], merits.macs[1:], strict=False)
    for name, count, score, macs in ways:
        about = {"network": f"{HERE}, {name}", "steps": count, "epochs": 0}
        rows += list(_rows(about, (scores[0], score, None), (merits.macs[0], macs, macs)))
    return _table(rows)


def _table(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    return table.astype({"macs": "Int64"}) if rows else table


def _rows(
    about: dict[str, object], scores: tuple[Score | None, ...], macs: tuple[int | None, ...]
) -> Iterator[dict[str, object]]:
    for state, score, each in zip(STATES, scores, macs, strict=True):
        if score is not None:
            low, high = wilson(score.correct, score.n)
            counts = {"n": score.n, "correct": score.correct, "accuracy": score.accuracy}
            yield about | {"state": state, "macs": each, **counts, "low": float(low), "high": float(high)}
