"""An experiment in one line: written and read, and one sentence for whatever else a link may say."""

from dataclasses import replace

import pytest

from explorer.answers.experiment import Experiment
from explorer.answers.labs import LABS
from explorer.answers.notation import HIGHEST, LONGEST, Answer, read, written

PLAIN = Experiment("net", "conv2")


@pytest.mark.parametrize(
    ("experiment", "text"),
    [
        (PLAIN, "net:conv2:mean"),
        (replace(PLAIN, criterion="l1-reversed", mode="filter+shortcut"), "net:conv2:l1-reversed:mode=filter+shortcut"),
        (replace(PLAIN, ranked_on="held-out", dtype="bfloat16"), "net:conv2:mean:on=held-out:dtype=bfloat16"),
        (replace(PLAIN, criterion="random", seed=2**31 - 1), "net:conv2:random:seed=2147483647"),
        (replace(PLAIN, schedule="rerank", ks=(0, 2, 4)), "net:conv2:mean:schedule=rerank:k=0-4-2"),
        (replace(PLAIN, ks=(0, 1, 3, 5)), "net:conv2:mean:k=1-5-2"),
        (replace(PLAIN, ks=(0, 4, 12, 20)), "net:conv2:mean:k=4-20-8"),
        (replace(PLAIN, ks=(0, 7)), "net:conv2:mean:k=0-7-7"),
        (replace(PLAIN, ks=(0,)), "net:conv2:mean:k=0-0-1"),
        (Experiment("net", "a:b c.0"), "net:a%3Ab%20c.0:mean"),
    ],
)
def test_it_is_written_and_read(experiment, text):
    assert written(experiment) == text and read(text).experiment == experiment


@pytest.mark.parametrize("lab", LABS.values(), ids=list(LABS))
def test_every_way_of_every_lab_can_be_written(lab):
    for way in lab.variants:
        for every in (False, True):
            asked = lab.experiment(way, every=every)
            assert read(written(asked)).experiment == asked


def test_every_curve_begins_with_the_unpruned_network():
    asked = replace(PLAIN, ks=(5, 10, 15))
    again = read(written(asked)).experiment
    assert again.ks == (0, 5, 10, 15) and written(again) == written(asked)
    assert read("net:conv2:mean:k=3-9-3").experiment.ks == (0, 3, 6, 9)


def test_a_band_says_how_many_orders_it_has():
    asked = replace(PLAIN, criterion="random", seed=7)
    assert written(asked, 20) == "net:conv2:random:seed=7:orders=20"
    assert read(written(asked, 20)) == Answer(asked, 20) and read(written(asked)).orders == 1


def test_uneven_steps_have_no_line():
    with pytest.raises(ValueError, match="K = 0, 1, 5, 6 do not go in even steps"):
        written(replace(PLAIN, ks=(0, 1, 5, 6)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "“” is not CHECKPOINT:LAYER:CRITERION"),
        ("net:conv2", "is not CHECKPOINT:LAYER:CRITERION"),
        ("net::mean", "is not CHECKPOINT:LAYER:CRITERION"),
        ("net:conv2:mean:split=train", "is not CHECKPOINT:LAYER:CRITERION, perhaps with :mode="),
        ("net:conv2:mean:mode=a:mode=b", "is not CHECKPOINT"),
        ("net:conv2:mean:mode", "is not CHECKPOINT"),
        (f"net:{'c' * LONGEST}:mean", f"“net:{'c' * 56}…” is not CHECKPOINT"),
        ("net:conv2:mean:seed=-1", "the seed “-1” of “net:conv2:mean:seed=-1” is no whole number from 0 to"),
        ("net:conv2:mean:seed=²", "is no whole number"),
        (
            "net:conv2:mean:orders=20",
            "only random orders can be several, and “net:conv2:mean:orders=20” ranks by “mean”",
        ),
        ("net:conv2:random:orders=3", "a band takes 20 to 200 random orders; “net:conv2:random:orders=3” has 3"),
        ("net:conv2:random:orders=201", "is no whole number from 0 to 200"),
        ("net:conv2:random:orders=x", "is no whole number from 0 to 200"),
        ("net:conv2:mean:k=1-2", "are not FIRST-LAST-STEP"),
        ("net:conv2:mean:k=1-9-0", "are not FIRST-LAST-STEP"),
        ("net:conv2:mean:k=9-1-1", "are not FIRST-LAST-STEP"),
        (f"net:conv2:mean:k=0-{HIGHEST + 1}-1", f"is no whole number from 0 to {HIGHEST}"),
        (f"net:conv2:mean:k=0-{'9' * 300}-1", "is no whole number"),
    ],
)
def test_nonsense_is_named(text, words):
    with pytest.raises(ValueError) as error:
        read(text)
    assert words in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300
