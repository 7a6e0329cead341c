"""Predict, then reveal: nothing is given away before, the link holds it all, and the report has what came of it."""

import io
import json
import zipfile

import pytest
from app_test import BUNDLED, captions, metrics, settle, visit

from explorer.answers.questions import QUESTIONS
from explorer.app import work

PLACES = [f"expect_{place}" for place in range(1, 6)]
CLIFFS = {"expect_cliff": "4", "expect_drop": "20"}
WHOLE = dict(zip(PLACES, ("80", "70", "50", "30", "20"), strict=True)) | CLIFFS | {"expect_winner": "l1"}


def words(at):
    """All that the page says, charts and their texts included."""
    texts = [each.value for kind in ("markdown", "caption", "header", "subheader", "metric") for each in at.get(kind)]
    said = " ".join([*texts, *(chart.proto.alt + chart.proto.spec for chart in at.get("vega_lite_chart"))])
    return said.replace("\u00a0", " ")


def button(at, label):
    return next(each for each in at.button if each.label == label)


def press(at, label):
    button(at, label).click()
    return settle(at)


def test_nothing_gives_the_curve_away_before_it_is_revealed(shipped_answers, truth):
    at = visit(exercise="1")
    said, accuracies = words(at), truth["accuracy"]
    assert not at.metric and not at.get("download_button") and not at.dataframe
    assert not [slider for slider in at.slider if slider.key == "k"]
    (chart,) = at.get("vega_lite_chart")
    assert chart.proto.alt == "Accuracy expected against channels pruned: nothing yet"
    known = f"{100 * accuracies[0]:.2f}"
    given_away = [f"{100 * each:.2f}" for each in accuracies if f"{100 * each:.2f}" in said]
    assert set(given_away) <= {known}, "the unpruned network's accuracy is all that is known"
    assert button(at, "Reveal").disabled and "steepest" not in said.replace("**steepest drop**", "")
    assert "Last K within 1 point" in str(at.number_input)


def test_it_is_played_through(shipped_answers, truth):
    at = press(visit(), "Predict first")
    for key, value in zip(PLACES, (80, 70, 50, 30, 20), strict=True):
        at.number_input(key=key).set_value(value)
    at.number_input(key="expect_cliff").set_value(4)
    at.number_input(key="expect_drop").set_value(0)
    settle(at)
    assert button(at, "Reveal").disabled, "which order wins is still to be said"
    at.main.button_group(key="expect_winner").set_value("l1")
    at = press(settle(at), "Reveal")
    shares = truth.set_index("k")["accuracy"]
    off = [
        abs(100 * shares[k] - expected) for k, expected in zip((5, 11, 16, 21, 27), (80, 70, 50, 30, 20), strict=True)
    ]
    cliff = max(
        k for k in range(33) if (shares[:k] >= shares[0] - 0.01 - 1e-12).all() and shares[k] >= shares[0] - 0.01
    )
    assert metrics(at)["Mean error (points)"] == f"{sum(off) / 5:.2f}"
    assert metrics(at)["Last K within 1 point"] == f"{cliff}"
    falls = [shares[k] - shares[k + 3] for k in range(30)]  # 3 of 32 channels are the tenth
    drop = falls.index(max(falls))
    assert metrics(at)["Steepest drop (K)"] == f"{drop} to {drop + 3}"
    assert f"expected to fall most at K = 0, and it does {drop} channels later" in words(at)
    worst = (5, 11, 16, 21, 27)[off.index(max(off))]
    assert f"At K = {worst}, " in words(at) and at.query_params["revealed"] == "true"
    at = press(at, "Try again")
    assert not at.metric and at.number_input(key="expect_1").value is None
    at = press(at, "Leave")
    assert "Accuracy at K = 16" in metrics(at)


def test_a_link_brings_back_what_was_expected(shipped_answers):
    at = visit(exercise="1", revealed="true", **WHOLE)
    assert "Mean error (points)" in metrics(at) and not at.warning
    at = visit(exercise="1", **WHOLE)
    assert [at.number_input(key=key).value for key in PLACES] == [80, 70, 50, 30, 20]
    assert not at.metric and not button(at, "Reveal").disabled


def test_a_link_that_says_too_little_or_nonsense_reveals_nothing(shipped_answers):
    at = visit(exercise="1", revealed="true", expect_1="50")
    assert not at.metric and at.number_input(key="expect_1").value == 50
    at = visit(
        exercise="1", **WHOLE | {"expect_1": "110", "expect_cliff": "40", "expect_drop": "x", "expect_winner": "magic"}
    )
    assert len(at.warning) == 4 and not at.metric
    at = visit(exercise="yes")
    assert len(at.warning) == 1 and "exercise=1 opens the exercise" in at.warning[0].value and at.metric


def test_another_curve_is_guessed_at_anew(shipped_answers):
    at = visit(exercise="1", revealed="true", **WHOLE)
    at.selectbox(key="criterion").select("l1")
    settle(at)
    assert not at.metric and at.number_input(key="expect_1").value is None
    rivals = at.main.button_group(key="expect_winner").options
    assert len(rivals) == 2


def test_a_teachers_link_opens_it_for_a_lab(shipped_answers):
    at = visit(exercise="1", lab="B")
    assert at.selectbox(key="checkpoint").value == "siamese_mnist-pairs" and not at.error and not at.metric
    assert "cliff" not in words(at), "the lab's own words would give it away"


@pytest.mark.slow
def test_the_report_of_the_curve_has_what_was_expected(shipped_answers):
    at = visit(exercise="1", revealed="true", **WHOLE)
    at = press(at, "Make the report")
    *_, job = [job for key, job in work.jobs()._jobs.items() if key[0] == "report"]
    assert job.wait(300) and job.status == "done", job.error
    with zipfile.ZipFile(io.BytesIO(job.result.content)) as archive:
        settings = json.loads(archive.read("settings.json"))
        english, chinese = (archive.read(f"report-{code}.md").decode().replace("\u00a0", " ") for code in ("en", "zh"))
        assert archive.read("tables/exercise.csv").decode().count("\n") == 6
    assert settings["exercise"]["cliff_expected"] == 4
    assert "What was expected" in english and "剪枝前的预测" in chinese
    assert f"off by {settings['exercise']['mean_error']:.2f} points" in english
    settle(at)
    at = press(at, "Explore this curve")
    assert "Accuracy at K = 16" in metrics(at)


def test_a_labs_questions_are_answered_on_a_click(shipped_answers):
    at = visit(lab="A", details="questions")
    (first, *_) = QUESTIONS["A"]
    assert "More than K" not in words(at)
    at.button(key=f"ask {first.name}").click()
    settle(at)
    assert "More than K: at K = 10, 30 of 32 are gone" in words(at)
    assert at.query_params["answered"] == first.name
    assert "More than K" in words(visit(lab="A", details="questions", answered=first.name))
    at.button(key=f"ask {first.name}").click()
    assert "More than K" not in words(settle(at))


def test_there_are_no_questions_without_a_lab(shipped_answers):
    at = visit(checkpoint=BUNDLED, details="questions")
    assert len(at.warning) == 1 and "not known" in at.warning[0].value and "Think first" not in captions(at)
