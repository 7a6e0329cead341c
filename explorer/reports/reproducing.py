"""How to compute a report's numbers again: a shell script and a notebook."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from explorer.answers.experiment import HOW, Experiment
from explorer.engine.curves import Band
from explorer.reports.asked import ways_of
from explorer.reports.brought import Removal
from explorer.reports.facts import RANDOM, Facts

SHELL = """#!/bin/sh
# Every number of this report, computed again with the package explorer, into the folder "again".
# It takes the images of {title}: python -m explorer data {dataset}
# Where explorer lies in a folder: PYTHONPATH=FOLDER sh reproduce.sh
set -eu
mkdir -p again
# The weights must be those with this SHA-256, else the numbers are another network's: {sha256}
{plan}{commands}
# All tables, figures and sentences, from answers that are computed here and not those that come with the app:
{report}
# The tables here against those there. Answers that came with the app over some images alone (column n) are computed
# over all of them, and another processor may round another way in the last digit.
python -m zipfile -e again/report.zip again/report
diff -r tables again/report/tables && echo "the same tables"
"""
OPTIONS = {"ranked_on": "--rank-on"}  # of the command line, where they are not called as the fields are


def shell(facts: Facts) -> str:
    """The script."""
    return SHELL.format(
        title=_on_one_line(facts.dataset.title),
        dataset=_on_one_line(shlex.quote(facts.dataset.name)),
        sha256=facts.card.sha256,
        plan=_chosen(facts.removal),
        commands="\n".join(map(_command, commands(facts))),
        report=_command(report_words(facts)),
    )


def commands(facts: Facts) -> Iterator[list[str]]:
    """The words of the commands that compute each table alone."""
    for name, asked in curves(facts).items():
        orders = ["--orders", str(len(_orders(facts)))] if name == "random-orders" else []
        ks = [] if asked.ks is None else ["--k", ks_text(asked.ks)]
        where = ["sweep", asked.checkpoint, "--layer", asked.layer]
        yield [*where, *ks, *options(asked), *orders, "--fresh", "--csv", f"again/{name}.csv"]
    if facts.statistics is not None:
        layer = ["--layer", facts.experiment.layer]
        yield ["stats", facts.checkpoint, *layer, "--fresh", "--csv", "again/statistics.csv"]
    if facts.scan is not None:
        yield ["scan", facts.checkpoint, "--fresh", "--csv", "again/scan.csv"]
    if facts.removal is not None:
        yield ["compress", facts.removal.network, *_plan(facts.removal), "--out", "again/compressed"]


def _plan(gone: Removal) -> list[str]:
    """How the plan was chosen and carried out: for its target, where it had one, else as it came out."""
    chosen = ["--target", gone.target, *(["--round"] if gone.rounded else [])] if gone.target else ["--plan", gone.plan]
    limit = [] if gone.limit is None else ["--limit", str(gone.limit)]
    how = ["--criterion", gone.criterion, "--steps", str(gone.steps), "--minimum", str(gone.minimum)]
    return [*chosen, *how, *limit]


def _chosen(gone: Removal | None) -> str:
    """The plan that a target came to, as a comment; empty where there was no target."""
    if gone is None or not gone.target:
        return ""
    return (
        f"# For the target {gone.target} channels were removed as {gone.plan}; where that is a share of the time, "
        "another machine may find another plan.\n"
    )


def curves(facts: Facts) -> dict[str, Experiment]:
    """The question behind each curve of the report, by the name of its table, over the K that the report has."""
    asked = facts.experiment
    found = {"accuracy": replace(asked, ks=facts.curve.ks)}
    for place, (title, way) in enumerate(ways_of(facts.lab, asked).items(), start=1):
        if title in facts.ways and way != asked:
            found[f"way-{place}"] = replace(way, ks=facts.ways[title].ks)
    plain = Experiment(asked.checkpoint, asked.layer)
    for criterion, curve in facts.compared.items():
        if criterion != asked.criterion:
            name = "random-orders" if criterion == RANDOM else f"criterion-{criterion}"
            found[name] = replace(plain, criterion=criterion, ks=curve.ks)
    return found


def _orders(facts: Facts) -> tuple[Any, ...]:
    band = facts.compared[RANDOM]
    assert isinstance(band, Band), "the random orders are a band unless the report is of one"
    return tuple(band.sweeps)


def report_words(facts: Facts) -> list[str]:
    """The words of the command that makes the report itself."""
    asked = facts.experiment
    lab = ["--lab", facts.lab.name] if facts.lab else []
    about = ["--layer", asked.layer, "--ks", ks_text(asked.ks or facts.curve.ks), "--k", str(facts.k)]
    more = ["--language", "both", "--fresh", "--out", "again/report.zip"]
    return ["report", facts.checkpoint, *lab, *about, *options(asked), *more]


def options(asked: Experiment) -> list[str]:
    """How channels are ranked and pruned, in the words of the command line."""
    given = {name: getattr(asked, name) for name in HOW}
    pairs = [(OPTIONS.get(name, f"--{name}"), str(value)) for name, value in given.items() if value is not None]
    return [word for pair in pairs for word in pair]


def ks_text(ks: tuple[int, ...]) -> str:
    """The K in the words of the command line: a range where they are evenly spaced, perhaps but for the first."""
    for before, after in ((ks[:0], ks), (ks[:1], ks[1:])):
        steps = {end - start for start, end in zip(after, after[1:], strict=False)}
        if len(steps) == 1:
            return ",".join([*map(str, before), f"{after[0]}:{after[-1] + 1}:{steps.pop()}"])
    return ",".join(map(str, ks)) if len(ks) > 1 else f"{ks[0]}:{ks[0] + 1}"


def _on_one_line(text: str) -> str:
    """A text in a comment, which ends with its line."""
    return " ".join(text.split())


def _command(words: list[str]) -> str:
    return shlex.join(["python", "-m", "explorer", *words])


def notebook(facts: Facts) -> str:
    """The notebook, as JSON: the same through the package's public names, and the report at the end."""
    asked = facts.experiment
    how = ", ".join(f"{name}={getattr(asked, name)!r}" for name in HOW)
    first = f"ex.Experiment({asked.checkpoint!r}, {asked.layer!r}, ks={facts.curve.ks!r}, **how)"
    whole = f"lab={facts.lab and facts.lab.name!r}, layer={asked.layer!r}, k=k, ks=asked.ks"
    cells = [
        _text("# The numbers of this report, computed again"),
        _code("import explorer as ex\nfrom dataclasses import replace"),
        _code(f"net = ex.load({facts.checkpoint!r})\nassert net.sha256 == {facts.card.sha256!r}, 'other weights'"),
        _text("## Accuracy against K"),
        _code(f"how = dict({how})\nasked = {first}\ncurve = ex.ask(asked)\ncurve"),
        _code("curve.frame()"),
        _code(f"k = {facts.k}\nbroken, repaired = curve.flipped(k)\nlen(broken), len(repaired), curve.mcnemar(k)"),
        _code("curve.cliff(), curve.steepest(), curve.area"),
        _text("## What the channels put out"),
        _code(f"ex.statistics(net.model, {asked.layer!r}, ex.batches(net)).frame()"),
        _text("## The report, from answers computed here"),
        _code(f"ex.report({facts.checkpoint!r}, 'again.zip', {whole}, fresh=True, **how)"),
        _text("## Its tables against those that lie here"),
        _code(COMPARE),
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    told = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


COMPARE = """import zipfile
from pathlib import Path
with zipfile.ZipFile('again.zip') as again:
    same = {path.name: path.read_bytes() == again.read(f'tables/{path.name}') for path in Path('tables').glob('*.csv')}
same"""


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
