"""The files of a report in one ZIP: readable in each language, figures, tables, settings, and how to repeat it."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from explorer.files.csv import csv_bytes
from explorer.reports import rendering, reproducing
from explorer.reports.drawing import WORDLESS, Draw, figures_of
from explorer.reports.facts import Facts
from explorer.reports.findings import findings
from explorer.reports.tables import tables_of
from explorer.reports.texts import LANGUAGES, Language, language
from explorer.reports.word import word
from explorer.reports.writing import write
from explorer.show.figures import FORMATS, by_one_thread, figure_bytes

DPI = 200  # of the figures as PNG files: sharp on paper, and quick to make
PAGE = 7.2  # inches, the width of a page's text
BOTH = "both"
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of every file in the ZIP, so that the same report is the same bytes
REMOVED = (
    "network",
    "plan",
    "criterion",
    "steps",
    "differ",
    "device",
    "threads",
    "target",
    "minimum",
    "rounded",
    "limit",
)

Files = dict[str, bytes]


@dataclass(frozen=True)
class Bound:
    """How far a report is bound, in figures and files; `content` is the ZIP, empty until it is whole."""

    done: int
    total: int
    content: bytes = b""


def languages_of(name: str) -> list[str]:
    """The codes that a choice of language means: one, or both; ValueError for any other."""
    return list(LANGUAGES) if name == BOTH else [language(name).code]


def bind(facts: Facts, codes: Sequence[str]) -> Iterator[Bound]:
    """The report in these languages: how far it is after each figure, and at last the ZIP."""
    spoken = [language(code) for code in codes]
    drawn: dict[tuple[str, str], Files] = {}  # by folder and name, a file a format
    folders = {each.code: folder_of(each) for each in spoken}
    todo = [
        (folders[each.code], name, draw)
        for each in _of_each_folder(spoken)
        for name, draw in figures_of(facts, each).items()
    ]
    total = len(todo) + 1
    for done, (folder, name, draw) in enumerate(todo):
        yield Bound(done, total)
        same = [made for (_, other), made in drawn.items() if other == name and name in WORDLESS]
        drawn[folder, name] = same[0] if same else by_one_thread(partial(pictures_of, draw))
    yield Bound(len(todo), total)
    files = {f"{folder}/{name}.{kind}": made[kind] for (folder, name), made in drawn.items() for kind in made}
    for each in spoken:
        folder = folders[each.code]
        pictures = {name: made for (where, name), made in drawn.items() if where == folder}
        files |= readable(facts, each, folder, pictures)
    yield Bound(total, total, zipped(files | measured(facts, codes)))


def pictures_of(draw: Draw) -> Files:
    """A figure as a file of each format; one that is broader than a page has no more pixels than a page takes."""
    made = {}
    figure = draw()
    dpi = round(DPI * min(1, PAGE / figure.get_figwidth()))
    for kind in FORMATS:
        made[kind] = figure_bytes(figure, kind, dpi)
        figure.set_layout_engine("none")  # everything stays where the first one put it
    return made


def folder_of(spoken: Language) -> str:
    """Where the figures with a language's words lie: those of one that they cannot speak are the English ones."""
    return f"figures/{spoken.code if spoken.figures_speak else 'en'}"


def _of_each_folder(spoken: Sequence[Language]) -> list[Language]:
    return list({folder_of(each): each for each in reversed(spoken)}.values())


def readable(facts: Facts, spoken: Language, folder: str, pictures: dict[str, Files]) -> Files:
    """The report itself, as files of all kinds."""
    document, name = write(facts, spoken, pictures), f"report-{spoken.code}"
    vector, pixels = ({title: made[kind] for title, made in pictures.items()} for kind in ("svg", "png"))
    return {
        f"{name}.html": rendering.html(document, vector).encode(),
        f"{name}.docx": word(document, pixels),
        f"{name}.md": rendering.markdown(document, folder).encode(),
        f"{name}.tex": rendering.latex(document, folder).encode(),
    }


def measured(facts: Facts, codes: Sequence[str]) -> Files:
    """The tables, the findings and settings, and how to compute them again."""
    files = {f"tables/{name}.csv": csv_bytes(table) for name, table in tables_of(facts).items()}
    files["findings.json"] = _json([asdict(found) for found in findings(facts)])
    files["settings.json"] = _json(settings_of(facts, codes, files))
    files["reproduce.sh"] = reproducing.shell(facts).encode()
    files["reproduce.ipynb"] = reproducing.notebook(facts).encode()
    return files


def settings_of(facts: Facts, codes: Sequence[str], files: Files) -> dict[str, Any]:
    """All settings, versions and SHA-256s: of the weights, and of each file of numbers."""
    card, curve, gone = asdict(facts.card), facts.curve, facts.removal
    scores = {part: asdict(score) | {"accuracy": score.accuracy} for part, score in facts.card.accuracy.items()}
    return {
        "checkpoint": facts.checkpoint,
        "sha256": facts.card.sha256,
        "lab": facts.lab.name if facts.lab else None,
        "experiment": asdict(facts.experiment),
        "k": facts.k,
        "ks": list(curve.ks),
        "channels": curve.channels,
        "parameters": facts.parameters,
        "images": {"done": curve.done, "total": curve.total},
        "broken_and_repaired": list(map(len, curve.flipped(facts.k))),
        "removal": gone and {key: getattr(gone, key) for key in REMOVED},
        "ways": {title: asdict(way.run) for title, way in facts.ways.items()},
        "exercise": facts.exercise and asdict(facts.exercise) | {"mean_error": facts.exercise.mean_error},
        "computed": {"accuracy": curve.made or "here"},
        "languages": list(codes),
        "missing": [asdict(each) for each in facts.missing],
        "versions": dict(facts.versions),
        "card": card | {"accuracy": scores},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n").encode()


def zipped(files: Files) -> bytes:
    """The files as a ZIP; scripts can be run."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, FIRST_DAY)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith((".png", ".docx")) else zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            archive.writestr(entry, file)
    return content.getvalue()
