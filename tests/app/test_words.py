"""What the pages say is true: every K that is shown is there, and sentences compare what differs in one thing only."""

from dataclasses import replace

import pandas as pd
import pytest
from app_test import BUNDLED, captions, metrics, settle, visit
from by_hand import sweep_by_hand

from explorer.answers.experiment import Experiment
from explorer.answers.labs import LABS
from explorer.app import drawing, views
from explorer.engine import tables
from explorer.language.saying import say


def said(at) -> str:
    return "\n".join(text.value for text in [*at.markdown, *at.caption])


@pytest.mark.parametrize("page", ["prune", "activations"])
def test_a_k_between_the_steps_is_the_nearest_that_is_there_and_says_so(page):
    at = visit(page, mode="weights", schedule="rerank", step="2", k="1")
    assert [each.value for each in at.warning] == ["There is no K = 1 here, as K goes in steps of 2; showing K = 0."]
    assert at.slider(key="k").step == 2 and at.slider(key="k").value == 0


@pytest.mark.parametrize("page", ["prune", "activations"])
def test_an_odd_k_stays_within_the_steps_when_channels_are_ranked_again(page):
    at = visit(page, mode="weights", k="19")
    at.session_state["schedule"] = "rerank"
    settle(at)
    at.number_input(key="step").set_value(2)
    settle(at)
    assert at.slider(key="k").value == 18
    assert "There is no K = 19 here, as K goes in steps of 2; showing K = 18." in [each.value for each in at.warning]
    at.button(key="more").click()
    settle(at)
    assert at.slider(key="k").value == 20 and not at.warning


@pytest.mark.slow
def test_two_ways_of_a_lab_are_not_compared_as_if_the_images_alone_differed(real_cifar10):
    at = visit("sweep", lab="A")
    assert "choosing on the very test" not in said(at)
    at = visit("sweep", lab="A", also="train", criteria="mean")
    assert said(at).count("choosing on the very test") == 1


def test_the_cliff_is_one_on_every_page(truth):
    best = truth["accuracy"][0] - 0.01
    cliff = int((truth["accuracy"] < best).idxmax()) - 1
    table = visit("sweep", criteria="mean").dataframe[0].value
    assert table["cliff"].tolist() == [str(cliff)]
    at = visit()
    at.button(key="cliff").click()
    settle(at)
    assert f"Accuracy at K = {cliff}" in metrics(at)


def test_the_tensor_is_named_and_no_batch_norm_where_there_is_none():
    at = visit("activations", output="activation")
    words = "\n".join([captions(at), *(each.value for each in at.subheader)])
    assert "output after the activation" in words and "batch norm" not in words
    assert "Mean activation (raw output, before ReLU), channel by channel" in words


@pytest.mark.slow
def test_a_lab_sets_k_too(real_cifar10):
    first, last, step = LABS["A"].ks
    at = visit(lab="A")
    assert at.slider(key="k").value == first + (last - first) // step // 2 * step
    assert visit(lab="A", k="4").slider(key="k").value == 4, "what a link says stands"


def test_files_of_different_ways_have_different_names():
    asked = Experiment(BUNDLED, "conv2")
    again = Experiment(BUNDLED, "conv2", mode="weights", schedule="rerank", ks=(0, 2))
    once = Experiment(BUNDLED, "conv2", mode="weights")
    names = {
        "-".join(views.way_of(each)) for each in (asked, again, once, Experiment(BUNDLED, "conv2", "random", seed=3))
    }
    assert names == {"mean-test-filter", "mean-test-weights-rerank", "mean-test-weights", "random-test-filter-seed-3"}


def test_rows_of_several_ways_say_how_each_was_made():
    plain = sweep_by_hand()
    again = replace(plain, gone=(0, 2, 2), run=replace(plain.run, schedule="rerank"))
    rows = tables.rows_of([plain, again])
    assert rows["schedule"].tolist() == ["once"] * 3 + ["rerank"] * 3 and rows["gone"].tolist() == [0, 1, 2, 0, 2, 2]
    assert pd.api.types.is_integer_dtype(rows["gone"]) and "schedule" not in tables.rows_of([plain])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b _c_ *d* [e](f)", r"a_b \_c\_ \*d\* \[e\](f)"),
        ("http://example.org", r"http\://example.org"),
        ("see www.example.org or me@example.org", r"see www\.example.org or me\@example.org"),
        ("# heading", r"\# heading"),
        ("half \ud800 sign", "half � sign"),
        ("two\nlines", "two�lines"),
        ("x" * 1_000_000, "x" * 400 + "… (1,000,000 characters in all)"),
    ],
)
def test_text_from_files_is_text(text, shown):
    assert drawing.plain(text) == shown


def test_what_the_app_says_in_several_lines_stands_in_one():
    assert drawing.plain(say("{file} is empty; copy it again", file="a\nb")) == "a b is empty; copy it again"


def test_titles_within_a_sentence_keep_what_is_no_word():
    assert [drawing.within(title) for title in ("Mean activation", "L1 norm", "APoZ", "")] == [
        "mean activation",
        "L1 norm",
        "APoZ",
        "",
    ]
