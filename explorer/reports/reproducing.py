"""How to compute a report's numbers again: a shell script and a notebook."""

import json
import shlex
from typing import Any

from explorer.answers.experiment import Experiment
from explorer.reports.asked import ways_of
from explorer.reports.facts import RANDOM, Facts

SHELL = """#!/bin/sh
# Every number of this report, computed again with the package explorer, into the folder "again".
# It takes the images of {title}: python -m explorer data {dataset}
set -eu
mkdir -p again
# The weights must be those with this SHA-256, else the numbers are another network's: {sha256}
{commands}
# All tables, figures and sentences, from answers that are computed here and not those that come with the app:
{report}
# Then again/report.zip holds tables/*.csv to compare with those here. Answers that came with the app over some images
# alone (column n) are computed over all of them.
"""


def shell(facts: Facts) -> str:
    """The script."""
    asked = facts.experiment
    ks = _k_range(facts.curve.ks)
    sweep = ["sweep", facts.checkpoint, "--layer", asked.layer, *ks, "--fresh"]
    commands = []
    curves = {"accuracy": asked} | {f"way-{place}": way for place, way in enumerate(_other_ways(facts), start=1)}
    for name, each in curves.items():
        rest = ["--criterion", each.criterion, "--mode", each.mode, "--schedule", each.schedule]
        rest += ["--rank-on", each.ranked_on, "--seed", str(each.seed), "--dtype", each.dtype]
        rest += [*_limit(each.limit), "--csv", f"again/{name}.csv"]
        commands.append(["sweep", each.checkpoint, *sweep[2:], *rest])
    for criterion, curve in facts.compared.items():
        if criterion == RANDOM and asked.criterion != RANDOM:
            head = ["sweep", facts.checkpoint, "--layer", asked.layer, *_k_range(curve.ks), "--fresh"]
            commands.append([*head, "--criterion", RANDOM, "--orders", "20", "--csv", "again/random-orders.csv"])
        elif criterion != asked.criterion:
            commands.append([*sweep, "--criterion", criterion, "--csv", f"again/criterion-{criterion}.csv"])
    if facts.statistics is not None:
        commands.append(["stats", facts.checkpoint, "--layer", asked.layer, "--fresh", "--csv", "again/statistics.csv"])
    if facts.scan is not None:
        commands.append(["scan", facts.checkpoint, "--fresh", "--csv", "again/scan.csv"])
    return SHELL.format(
        title=_comment(facts.dataset.title),
        dataset=shlex.quote(facts.dataset.name),
        sha256=facts.card.sha256,
        commands="\n".join(map(_command, commands)),
        report=_command(report_words(facts)),
    )


def report_words(facts: Facts) -> list[str]:
    """The command of the report itself."""
    lab = ["--lab", facts.lab.name] if facts.lab else []
    asked = facts.experiment
    about = ["--layer", asked.layer, "--criterion", asked.criterion, "--k", str(facts.k)]
    return ["report", facts.checkpoint, *lab, *about, "--language", "both", "--fresh", "--out", "again/report.zip"]


def _command(words: list[str]) -> str:
    return shlex.join(["python", "-m", "explorer", *words])


def _comment(text: str) -> str:
    return " ".join(text.split())


def _limit(limit: int | None) -> list[str]:
    return [] if limit is None else ["--limit", str(limit)]


def _k_range(ks: tuple[int, ...]) -> list[str]:
    """The K as the command line takes them, where they are evenly spaced; else all of the layer."""
    steps = {after - before for before, after in zip(ks, ks[1:], strict=False)}
    if len(ks) > 1 and len(steps) == 1:
        return ["--k", f"{ks[0]}:{ks[-1] + 1}:{steps.pop()}"]
    return ["--k", f"{ks[0]}:{ks[-1] + 1}"]


def _other_ways(facts: Facts) -> list[Experiment]:
    return [way for way in ways_of(facts.lab, facts.experiment).values() if way != facts.experiment]


def notebook(facts: Facts) -> str:
    """The notebook, as JSON: the same through the package's public names, and the report at the end."""
    asked = facts.experiment
    fields = {
        name: getattr(asked, name)
        for name in ("criterion", "mode", "ranked_on", "split", "seed", "limit", "schedule", "dtype")
    }
    words = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    first = f"ex.Experiment({asked.checkpoint!r}, {asked.layer!r}, {words}, ks={facts.curve.ks!r})"
    cells = [
        _text("# The numbers of this report, computed again"),
        _code("import explorer as ex\nfrom dataclasses import replace"),
        _code(f"net = ex.load({facts.checkpoint!r})\nassert net.sha256 == {facts.card.sha256!r}, 'other weights'"),
        _text("## Accuracy against K"),
        _code(f"asked = {first}\ncurve = ex.ask(asked)\ncurve"),
        _code("curve.frame()"),
        _code(f"k = {facts.k}\nbroken, repaired = curve.flipped(k)\nlen(broken), len(repaired), curve.mcnemar(k)"),
        _code("curve.cliff(), curve.steepest(), curve.area"),
        _text("## What the channels put out"),
        _code(f"ex.statistics(net.model, {asked.layer!r}, ex.batches(net)).frame()"),
        _text("## Other criteria"),
        *(
            _code(f"ex.ask(replace(asked, criterion={name!r}, mode='filter', schedule='once')).frame()")
            for name in facts.compared
            if name not in (RANDOM, asked.criterion)
        ),
        _text("## The whole report, from answers computed here"),
        _code(
            f"ex.report({facts.checkpoint!r}, 'again.zip', lab={facts.lab and facts.lab.name!r}, "
            f"layer={asked.layer!r}, criterion={asked.criterion!r}, k=k, fresh=True)"
        ),
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    whole = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
