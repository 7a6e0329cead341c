"""A report from its question to its file: for the command line, a notebook and the pages."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from explorer.answers.archive import Note
from explorer.files.whole import check_writable, write_whole
from explorer.networks.checkpoints import Checkpoint, look_up
from explorer.reports.asked import Asked, asked_of
from explorer.reports.binding import BOTH, Bound, bind, languages_of
from explorer.reports.brought import Brought
from explorer.reports.facts import Facts
from explorer.reports.gathering import gather


def make(
    asked: Asked,
    checkpoint: Checkpoint,
    codes: Sequence[str],
    brought: Brought | None = None,
    fresh: bool = False,
) -> Iterator[Any]:
    """A report in these languages: notes, what is computed so far, how far it is bound, and at last the bound one.

    `brought` and `fresh` as for `gathering.gather`.
    """
    facts = None
    for step in gather(asked, checkpoint, brought, fresh):
        facts = step if isinstance(step, Facts) else None
        if facts is None:
            yield step
    assert facts is not None, "the facts are what comes last"
    yield from bind(facts, codes)


def report(
    checkpoint: str | Checkpoint,
    out: str | Path,
    lab: str | None = None,
    layer: str | None = None,
    k: int | None = None,
    ks: Iterable[int] | None = None,
    language: str = BOTH,
    fresh: bool = False,
    **how: Any,
) -> Path:
    """A lab report in one ZIP file: in each language (en, zh or both) as HTML, and its figures, tables and settings.

    Of a lab (A … E) it has all the ways; the `layer` is by default the one that the network's lab prunes, the chosen
    `k` half of the channels, and `ks` the lab's or every one. `how` are other fields of an `Experiment`: criterion,
    mode, ranked_on and so on. Answers that ship or are kept are taken from there
    unless `fresh`; others are computed. The file is written whole or not at all. Notes become warnings.

    Raises ValueError for whatever does not exist, does not fit or is out of range.

    >>> import explorer as ex
    >>> ex.report("simple-cnn_fashion-mnist", "report.zip", language="fr")
    Traceback (most recent call last):
    ValueError: unknown language 'fr'; choose one of: en, zh, both
    """
    codes = languages_of(language)
    point = checkpoint if isinstance(checkpoint, Checkpoint) else look_up(checkpoint)
    asked = asked_of(point, lab, layer, k, ks, **how)
    check_writable(out)
    for step in make(asked, point, codes, fresh=fresh):
        if isinstance(step, Note):
            warnings.warn(step, stacklevel=2)
    assert isinstance(step, Bound), "the bound report is what comes last"
    write_whole(out, step.content)
    return Path(out)
