"""What a report says of how to compute it again is understood, and asks the same question."""

import ast
import io
import json
import shlex
import zipfile
from dataclasses import replace

import pandas as pd
import pytest
from reported import CARD, curve_of, facts_of, falling

from explorer.answers import shipped
from explorer.answers.experiment import Experiment
from explorer.answers.labs import LABS
from explorer.cli import main
from explorer.cli.options import ks_of
from explorer.cli.report import asked_by
from explorer.engine.ks import check_ks
from explorer.networks import checkpoints
from explorer.reports import gathering, reproducing
from explorer.reports.asked import asked_of

EVERYTHING = {"criterion": "l1-reversed", "mode": "weights", "ranked_on": "train", "seed": 3, "limit": 100}
QUESTIONS = [
    *[(lab.checkpoint, {"lab": name}) for name, lab in LABS.items()],
    (CARD, {"layer": "conv1", "k": 5, "ks": (0, 5, 16), **EVERYTHING}),
    (CARD, {"lab": None, "schedule": "rerank", "mode": "weights", "dtype": "bfloat16", "split": "test"}),
    ("simple-cnn_cifar10", {"lab": "A", "ks": range(33)}),
]


def parsed(words):
    return main._parser().parse_args(words)


def facts_asked(name, how):
    """Facts of a question, whose curve is made by hand."""
    point = checkpoints.look_up(name)
    asked = asked_of(point, **how)
    ks = asked.experiment.ks or tuple(range(33))
    curve = curve_of([[True, False]] * len(ks), ks=ks, channels=ks[-1])
    k = ks[1] if asked.k is None else asked.k
    facts = facts_of(curve, k, checkpoint=name, experiment=asked.experiment, lab=asked.lab)
    return replace(facts, compared={asked.experiment.criterion: curve}), point, replace(asked, k=k)


@pytest.mark.parametrize(("name", "how"), QUESTIONS)
def test_the_reports_own_command_asks_the_same(name, how):
    facts, point, asked = facts_asked(name, how)
    assert asked_by(parsed(reproducing.report_words(facts)), point) == asked


@pytest.mark.parametrize(("name", "how"), QUESTIONS)
def test_each_curves_command_asks_for_that_curve(name, how):
    facts, *_ = facts_asked(name, how)
    asked = reproducing.curves(facts)
    for words, (table, experiment) in zip(reproducing.commands(facts), asked.items(), strict=True):
        args = parsed(words)
        given = {key: getattr(args, key) for key in reproducing.HOW}
        again = Experiment(args.checkpoint, args.layer, ks=check_ks(ks_of(args.k), experiment.ks[-1]), **given)
        assert again == experiment and args.csv == f"again/{table}.csv" and args.fresh


@pytest.mark.parametrize("ks", [(0,), (5,), (0, 7), (0, 1, 2), (0, 1, 3, 5), (0, 1, 5, 6), tuple(range(0, 33, 4))])
def test_k_in_words(ks):
    assert tuple(ks_of(reproducing.ks_text(ks))) == ks


@pytest.mark.parametrize(("name", "how"), QUESTIONS)
def test_the_notebook_is_python_that_asks_the_same(name, how):
    facts, _, asked = facts_asked(name, how)
    sources = [cell["source"] for cell in json.loads(reproducing.notebook(facts))["cells"]]
    code = [source for source in sources if not source.startswith("#")]
    for source in code:
        ast.parse(source)
    (question,) = [source for source in code if source.startswith("how = ")]
    import explorer as ex

    told = {"ex": ex}
    exec(question.rpartition("curve = ")[0], told)
    assert told["asked"] == replace(asked.experiment, ks=facts.curve.ks)


def test_the_script_is_one_that_a_shell_reads_whatever_the_names():
    nasty = "$(touch a); 'b' \"c\"\nd"
    facts = facts_of(falling(90, 50), checkpoint=nasty, experiment=Experiment(nasty, "conv"))
    facts = replace(facts, dataset=replace(facts.dataset, title=nasty, name=nasty))
    lines = [line for line in reproducing.shell(facts).splitlines() if not line.startswith("#")]
    words = shlex.split("\n".join(lines))
    assert words.count(nasty) == 2, "of the curve, and of the report"


@pytest.mark.slow
def test_what_is_computed_again_is_the_same_tables(tmp_path, monkeypatch, shipped_answers):
    """A report and, by its own command, the report of that: the same tables, but for how long ago they were made."""

    def tables(path):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith("tables/")]
            return {name: pd.read_csv(io.BytesIO(archive.read(name))) for name in names}

    monkeypatch.setattr(gathering, "COMPARED", ())  # which would be computed over all images
    monkeypatch.setattr(shipped, "band_ks", lambda *_: ())
    first, again = tmp_path / "first.zip", tmp_path / "again.zip"
    words = ["report", CARD, "--limit", "60", "--mode", "weights", "--criterion", "l1", "--ks", "0:33:8", "--k", "16"]
    assert main.main([*words, "--language", "en", "--out", str(first)]) == 0
    with zipfile.ZipFile(first) as archive:
        script = archive.read("reproduce.sh").decode()
    (line,) = [line for line in script.splitlines() if line.startswith("python -m explorer report")]
    own = shlex.split(line)[3:-2]
    assert main.main([*own, "--out", str(again)]) == 0
    ours, theirs = tables(first), tables(again)
    assert set(ours) == set(theirs)
    pd.testing.assert_frame_equal(ours["tables/accuracy.csv"], theirs["tables/accuracy.csv"])
    pd.testing.assert_frame_equal(ours["tables/changed.csv"], theirs["tables/changed.csv"])
