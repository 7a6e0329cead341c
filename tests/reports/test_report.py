"""A whole report: every number is in its files, every language speaks for itself, and no name breaks it."""

import errno
import html
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reported import CARD, curve_of, facts_of, falling, gathered

from explorer.answers.exercise import Guess, compare
from explorer.answers.labs import LABS
from explorer.cli import main
from explorer.files import whole
from explorer.networks import checkpoints
from explorer.pruning.statistics import ChannelStatistics
from explorer.reports.asked import asked_of
from explorer.reports.binding import bind, folder_of, languages_of, measured, readable
from explorer.reports.brought import Brought
from explorer.reports.drawing import figures_of
from explorer.reports.exercised import sentences
from explorer.reports.facts import Missing, some_flips
from explorer.reports.findings import findings
from explorer.reports.gathering import gather
from explorer.reports.making import report
from explorer.reports.sections.conclusions import sentence_of
from explorer.reports.texts import language
from explorer.show import fonts
from explorer.show.figures import FORMATS
from explorer.show.pictures import png

NUMBER = re.compile(r"(?<![\w.,])[−+-]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w.,]\d)")
NASTY = (
    "<script>alert(1)</script>",
    r"\input{/etc/passwd} $x_1$ %&#~^{}",
    "| [a](http://b) *c* `d`",
    "😀" * 3,
    "x" * 200,
)


@pytest.fixture
def fashion(shipped_answers):
    return gathered(CARD)


DOT = png(np.zeros((1, 1), np.uint8))


def files_of(facts, language_name="en"):
    """The files of a report as they would be, with one dot in the place of each figure."""
    codes, files = languages_of(language_name), {}
    for spoken in map(language, codes):
        pictures = {name: dict.fromkeys(FORMATS, DOT) for name in figures_of(facts, spoken)}
        files |= readable(facts, spoken, folder_of(spoken), pictures)
    return files | measured(facts, codes)


def bound_files_of(facts, language_name="en"):
    """The files of a report."""
    *_, bound = bind(facts, languages_of(language_name))
    assert bound.done == bound.total
    with zipfile.ZipFile(io.BytesIO(bound.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def text_of(page):
    """What a reader of the HTML file reads, without its pictures and styles."""
    plain = re.sub(r"<style>.*?</style>|<head>.*?</head>", " ", page.decode(), flags=re.S)
    return html.unescape(re.sub(r"<[^>]+>", " \n ", plain)).replace("\u00a0", " ")


def values_in(files):
    """Every number in the tables and in the JSON files, and each share in percent, too."""
    found = set()

    def add(value):
        if isinstance(value, dict):
            for each in value.values():
                add(each)
        elif isinstance(value, list):
            for each in value:
                add(each)
            found.add(float(len(value)))
        elif isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
            found.update((float(value), 100 * float(value)))
        elif isinstance(value, str):
            found.update(float(number.replace(",", "").replace("−", "-")) for number in NUMBER.findall(value))

    for name, content in files.items():
        if name.endswith(".csv"):
            table = pd.read_csv(io.BytesIO(content))
            add(table.to_dict("list"))
        elif name.endswith(".json"):
            add(json.loads(content))
    return np.array(sorted(found))


def unknown_numbers(text, known):
    """The numbers of a text that no value rounds to; those of headings such as Table 3, and 95 %, are its own."""
    own = {"95", "1", "0", "100"}
    text = re.sub(r"(?:Figure|Table|图|表)\s+\d+|<\s0\.0001", " ", text)
    lost = []
    for number in NUMBER.findall(text):
        if number.strip("+−-") in own:
            continue
        value = abs(float(number.replace(",", "").replace("−", "-")))
        decimals = len(number.partition(".")[2])
        near = np.abs(np.abs(known) - value).min()
        if near > 0.5 * 10**-decimals + 1e-9:
            lost.append(number)
    return lost


@pytest.mark.slow
@pytest.mark.parametrize("code", ["en", "zh"])
@pytest.mark.parametrize("lab", LABS)
def test_every_number_of_a_report_is_in_its_files(shipped_answers, lab, code):
    facts = gathered(LABS[lab].checkpoint, lab)
    files = files_of(facts, code)
    text = text_of(files[f"report-{code}.html"])
    words = re.compile(r"[A-D]\b|CIFAR-10|ResNet-18|SHA-256|3×3|[\w.-]*\w+\d[\w.]*")  # names, not numbers
    assert not unknown_numbers(words.sub(" ", text), values_in(files))


def _unspaced(text):
    return "".join(text.split())


@pytest.mark.parametrize("code", ["en", "zh"])
def test_what_was_expected_stands_in_the_report_with_numbers_that_its_files_have(code):
    curve = falling(90, 88, 45, 10)
    guess = Guess(tuple((k, 0.5) for k in curve.ks[1:]), cliff=2, drop=2, rivals=("mean", "l1"), winner="l1")
    exercise = compare(guess, curve, curve)
    files = files_of(facts_of(curve, exercise=exercise), code)
    spoken, text = language(code), text_of(files[f"report-{code}.html"])
    said = sentences(exercise, spoken, spoken.say("word.images"))
    assert spoken.say("heading.exercise") in text and all(_unspaced(each) in _unspaced(text) for each in said)
    own = {name: files[name] for name in ("tables/exercise.csv", "settings.json")}
    assert not unknown_numbers(" ".join(said).replace("L1", ""), values_in(own))
    assert spoken.say("heading.exercise") not in text_of(files_of(facts_of(curve), code)[f"report-{code}.html"])


@pytest.mark.parametrize("code", ["en", "zh"])
def test_the_numbers_of_a_finding_are_its_own(fashion, code):
    for found in findings(fashion):
        own = [value for value in found.values.values() if isinstance(value, int | float)]
        known = np.array([*own, *(100 * value for value in own)])
        assert not unknown_numbers(sentence_of(found, language(code)).replace("L1", ""), known), found.sentence


@pytest.mark.slow
def test_no_language_stands_in_the_others_report(shipped_answers):
    for lab in LABS:
        files = files_of(gathered(LABS[lab].checkpoint, lab), "both")
        assert not re.search(r"[\u3400-\u9fff]", text_of(files["report-en.html"]))
        chinese = text_of(files["report-zh.html"])
        assert not re.findall(r"\b[A-Za-z]+ [a-z]+ [a-z]+ [a-z]+\b", chinese)


@pytest.mark.slow
def test_what_ships_takes_neither_torch_nor_images(tmp_path):
    code = (
        "import sys\nfrom explorer.reports.making import report\n"
        f"report('simple-cnn_cifar10', {str(tmp_path / 'a.zip')!r}, language='en')\n"
        "print('torch' in sys.modules)"
    )
    environment = {**os.environ, "EXPLORER_DATA": str(tmp_path)}
    environment.pop("EXPLORER_ANSWERS")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert run.stdout.strip() == "False"
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        page = text_of(archive.read("report-en.html"))
    assert "The pictures of these images: the images of CIFAR-10 are not on this machine." in page
    assert "The loss curve: no records of this network's training" in page


@pytest.mark.slow
def test_the_page_is_whole_in_itself_and_runs_nothing(fashion):
    page = bound_files_of(fashion)["report-en.html"].decode()
    assert "<script" not in page and not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert page.count("<img") == page.count("data:image/svg+xml;base64,") > 5
    assert 'lang="en"' in page and "@page" in page


def test_tables_are_tidy_and_what_the_functions_give(fashion):
    files = files_of(fashion)
    accuracy = pd.read_csv(io.BytesIO(files["tables/accuracy.csv"]))
    assert accuracy["accuracy"].tolist() == fashion.curve.accuracy.tolist() and len(accuracy) == 33
    channels = pd.read_csv(io.BytesIO(files["tables/channels.csv"]))
    assert channels["channel"].tolist() == fashion.curve.order.tolist() and channels["pruned"].sum() == fashion.k
    settings = json.loads(files["settings.json"])
    assert settings["sha256"] == fashion.card.sha256 and settings["k"] == fashion.k
    assert set(settings["files"]) >= {"tables/accuracy.csv", "findings.json"}


def test_the_same_facts_are_the_same_tables(fashion):
    one, other = files_of(fashion), files_of(fashion)
    assert {name: one[name] for name in one if name.endswith((".csv", ".json"))} == {
        name: other[name] for name in other if name.endswith((".csv", ".json"))
    }


# Bad input


@pytest.mark.slow
@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_a_report(name):
    curve = falling(90, 80, 60, classes=(name, "b"))
    facts = facts_of(curve, checkpoint="mine", pictures=np.zeros((len(some_flips(curve, 2)), 3, 8, 8), np.uint8))
    facts = replace(facts, card=replace(facts.card, description=name, model=f"own/{name}"))
    page = bound_files_of(facts)["report-en.html"].decode()
    assert "<script" not in page and html.escape(name[:30], quote=False) in page.replace("&#39;", "'").replace(
        "&#34;", '"'
    )


def test_a_thousand_classes_are_cut_to_those_that_change_most():
    classes = tuple(f"class {place}" for place in range(1000))
    right = [np.ones(2000, bool), np.arange(2000) % 1000 > 2]
    files = files_of(facts_of(curve_of(right, classes=classes), k=1))
    assert "Shown are 40 of 1,000 rows; tables/classes.csv has all of them." in text_of(files["report-en.html"])
    assert len(pd.read_csv(io.BytesIO(files["tables/classes.csv"]))) == 1000


def test_a_layer_of_2048_channels():
    curve = falling(90, 50, ks=(0, 2048), channels=2048)
    plain = np.random.default_rng(0).random(2048)
    numbers = {
        name: plain for name in ("mean", "std", "minimum", "maximum", "mean_absolute", "mean_positive", "positive")
    }
    seen = ChannelStatistics(maps=plain[:, None, None] * np.ones((2048, 4, 4)), **numbers, done=100, total=100)
    text = text_of(files_of(facts_of(curve, statistics=seen))["report-en.html"])
    assert "The 256 most active channels are shown." in text
    assert "Shown are 40 of 2,048 rows; tables/channels.csv has all of them." in text


def test_a_sweep_that_still_streams_says_what_is_missing(shipped_answers):
    point = checkpoints.look_up(CARD)
    asked = asked_of(point)
    growing = replace(gathered(CARD).curve, total=20_000)
    *_, facts = gather(asked, point, Brought({asked.experiment: growing}))
    assert facts.missing[0] == Missing("whole")
    assert "over 10,000 of 20,000 test images" in text_of(files_of(facts)["report-en.html"])
    assert "只统计了 20,000 个测试图像中的 10,000 个" in text_of(files_of(facts, "zh")["report-zh.html"])


@pytest.mark.slow
def test_without_a_chinese_font_figures_are_english_and_that_is_said(fashion, monkeypatch):
    monkeypatch.setattr(fonts, "chinese_font", lambda: None)
    files = bound_files_of(fashion, "zh")
    assert "没有中文字体" in text_of(files["report-zh.html"]) and "figures/en/accuracy.pdf" in files


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_file(fashion, tmp_path, monkeypatch, capsys, shipped_answers):
    target = tmp_path / "report.zip"
    target.write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(whole.os, "fsync", full)
    assert main.main(["report", CARD, "--language", "en", "--out", str(target)]) == 2
    assert "free some space on the disk" in capsys.readouterr().err
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([CARD, "--language", "fr"], "unknown language 'fr'; choose one of: en, zh, both"),
        ([CARD, "--lab", "X"], "unknown lab 'X'; choose one of: A, B, C, D, E"),
        ([CARD, "--lab", "A"], "lab A prunes conv2 of simple-cnn_cifar10, not a layer of simple-cnn_fashion-mnist"),
        ([CARD, "--k", "33"], "K = 33 is outside 0…32"),
        (["--lab", "A", "--k", "3"], "K = 3 is not among the K of this curve; the nearest is 2"),
        ([CARD, "--criterion", "none"], "unknown criterion 'none'"),
        ([CARD, "--layer", "conv9"], "unknown layer 'conv9'"),
        (["nobody"], "unknown checkpoint 'nobody'"),
        ([], "what is the report about? name a CHECKPOINT, or a --lab"),
    ],
)
def test_bad_questions_are_one_sentence(words, sentence, tmp_path, capsys, shipped_answers):
    assert main.main(["report", *words, "--out", str(tmp_path / "a.zip")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and sentence in err and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_report_from_a_notebook(tmp_path, shipped_answers):
    import explorer as ex

    path = ex.report(CARD, tmp_path / "report.zip", k=8, criterion="l1", language="en")
    with zipfile.ZipFile(path) as archive:
        settings = json.loads(archive.read("settings.json"))
    assert (settings["k"], settings["experiment"]["criterion"]) == (8, "l1")
    assert report is ex.report


@pytest.mark.parametrize(
    ("epochs", "kept", "words"),
    [
        (5, 3, "trained for 5 epochs on 100 images; 10 more were held out, and the weights of epoch 3 were kept"),
        (1, 1, "trained for one epoch on 100 images; 10 more were held out."),
        (1, 0, "(epochs: 1), did no better on the 10 held-out images than the weights that it began with"),
    ],
)
def test_the_training_that_kept_weights_is_told(epochs, kept, words):
    facts = facts_of(falling(90, 80))
    card = replace(facts.card, epochs=epochs, kept_epoch=kept, train_images=100, validation_images=10)
    text = text_of(files_of(replace(facts, card=card), "en")["report-en.html"])
    assert words in text.replace("\u00a0", " ")
