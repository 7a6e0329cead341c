"""What ships with the app: for each checkpoint of ours the answers that its lab and the pages open with, made here.

`python -m explorer ship` computes those that are not there yet, each kept as soon as it is whole: a run that is cut
off goes on where it was.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from explorer.answers import door, layout, outline, outlining, shipped
from explorer.answers.archive import SPLIT, Question
from explorer.answers.choices import ORDERS, default_layer
from explorer.answers.computing import oracle_cost
from explorer.answers.experiment import Experiment
from explorer.answers.labs import Lab, lab_with
from explorer.answers.questions import asked_by
from explorer.engine.oracle import ORACLES
from explorer.engine.scan import samples
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.layers import conv_layer
from explorer.pruning.activations import fitting_points

MOST_BYTES = 12_000_000  # of all answers together
SAMPLE = 2_000  # images, where all would take over an hour
FEW_IMAGES = 1_000  # of a sensitivity analysis of a large network
FEW_K = 16  # of a band where each K is a run of its own
SENSITIVITIES = (("mean", "filter"), ("mean", "channel"), ("l1", "channel"))  # criterion and mode
COMPARED = ("mean", "l1")  # beside random orders and the oracle, what the page Sweep opens with


@dataclass(frozen=True)
class Piece:
    """One answer to ship: its question, the stream that computes it, and how it is put in its file."""

    question: Question
    compute: Callable[[], Iterator[Any]]
    ship: Callable[[Question, Any], None]

    @property
    def is_there(self) -> bool:
        """Whether it ships already."""
        return self.question.facts() is not None


def pieces(checkpoint: Checkpoint) -> list[Piece]:
    """All that ships of a checkpoint."""
    lab = lab_with(checkpoint.name)
    layer = lab.layer if lab else default_layer(checkpoint)
    return [
        _outline(checkpoint),
        _layout(checkpoint),
        *_statistics(checkpoint, lab, layer),
        _scan(checkpoint),
        *_curves(checkpoint, lab, layer),
        *_sensitivities(checkpoint),
    ]


def _outline(checkpoint: Checkpoint) -> Piece:
    compute = partial(outlining.outline_of, checkpoint.model)
    return Piece(outline.question(checkpoint), lambda: iter([compute()]), outline.ship)


def _layout(checkpoint: Checkpoint) -> Piece:
    compute = partial(layout.measured, checkpoint)
    return Piece(layout.question(checkpoint), lambda: iter([compute()]), layout.ship)


def _curves(checkpoint: Checkpoint, lab: Lab | None, layer: str) -> list[Piece]:
    """The lab's ways, the comparison, what the lab's questions take, oracles where cheap, a band of random orders."""
    plain = Experiment(checkpoint.name, layer)
    cheap = oracle_cost(plain, checkpoint).linear  # whether every K comes out of one pass
    if not cheap and lab is not None:
        plain = replace(plain, ks=lab.grid)
    ways = [lab.experiment(way, every=cheap) for way in lab.variants] if lab else [plain]
    compared = [replace(plain, criterion=name) for name in COMPARED]
    oracles = [replace(plain, criterion=name) for name in ORACLES] if cheap else []
    found = []
    taught = asked_by(lab) if lab else []
    if cheap:
        taught = [replace(each, ks=None) if each.schedule == "once" else each for each in taught]
    wanted = [asked for asked in (*ways, *compared, *taught, *oracles) if asked.checkpoint == checkpoint.name]
    for asked in dict.fromkeys(wanted):
        few = asked if cheap or (lab and asked == plain) else replace(asked, limit=SAMPLE)
        if asked.criterion in ORACLES:
            search = shipped.search_question(asked, checkpoint)
            found.append(_piece(search, door.measure, (few, checkpoint), shipped.ship_search))
        question = shipped.curve_question(asked, checkpoint)
        found.append(_piece(question, _curve, (asked, few, checkpoint), shipped.ship_curve))
    random = replace(plain, criterion="random")
    if not cheap:
        ks = plain.ks or tuple(range(conv_layer(checkpoint.model, layer).out_channels + 1))
        random = replace(random, ks=ks[:: len(ks) // FEW_K], limit=SAMPLE)
    question = shipped.band_question(replace(random, limit=None), checkpoint, ORDERS[0])
    return [*found, _piece(question, door.band, (random, checkpoint, ORDERS[0]), shipped.ship_band)]


def _curve(asked: Experiment, few: Experiment, checkpoint: Checkpoint, fresh: bool) -> Iterator[Any]:
    """Ranked over all images, as `asked`, and pruned over those of `few`."""
    measured = None
    for seen in door.measure(asked, checkpoint):
        yield seen
        measured = measured if isinstance(seen, str) else seen
    yield from door.curve(few, checkpoint, measured, fresh=fresh)


def _statistics(checkpoint: Checkpoint, lab: Lab | None, layer: str) -> list[Piece]:
    layers = [layer, str(lab.maps.get("layer", layer))] if lab else [layer]
    return [
        _piece(
            shipped.statistics_question(checkpoint, each, SPLIT, point),
            door.statistics,
            (checkpoint, each, SPLIT, point),
            shipped.ship_statistics,
        )
        for each in dict.fromkeys(layers)
        for point in fitting_points(checkpoint.model, each)
    ]


def _scan(checkpoint: Checkpoint) -> Piece:
    question = shipped.scan_question(checkpoint, "blocks", "filter", SPLIT, None)
    return _piece(question, door.scan, (checkpoint,), shipped.ship_scan)


def _sensitivities(checkpoint: Checkpoint) -> list[Piece]:
    """What Scan opens with, and what Compress chooses by; of a network where all images take long, over a few."""
    large = bool(samples(checkpoint.model, checkpoint.card.test_images))
    limit = FEW_IMAGES if large else None
    return [
        _piece(
            shipped.sensitivity_question(checkpoint, criterion, mode, SPLIT, None),
            door.sensitivity,
            (checkpoint, criterion, mode, SPLIT, limit, None),
            shipped.ship_sensitivity,
        )
        for criterion, mode in SENSITIVITIES
    ]


def _piece(
    question: Question | None,
    ask: Callable[..., Iterator[Any]],
    arguments: tuple[Any, ...],
    ship: Callable[[Question, Any], None],
) -> Piece:
    assert question is not None, "what is listed here may ship"
    return Piece(question, lambda: ask(*arguments, fresh=True), ship)
