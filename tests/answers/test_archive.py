"""Files of answers: found by what identifies them, damaged ones told of and never trusted."""

import json
from dataclasses import replace

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.answers import archive
from explorer.answers.archive import Question, differences, predictions_of
from explorer.language.saying import speaking
from explorer.networks import checkpoints

NAME = "simple-cnn_fashion-mnist"


@pytest.fixture
def question(monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_ANSWERS", str(tmp_path))
    return Question(checkpoints.load(NAME), "curve", {"layer": "conv2", "criterion": "mean", "mode": "filter"})


def asked(question):
    """The notes and the answer of a look-up."""
    steps, notes = question.find(), []
    while True:
        try:
            notes.append(next(steps))
        except StopIteration as end:
            return notes, end.value


def test_what_was_written_is_found(question, tmp_path):
    assert asked(question) == ([], None) and question.facts() is None
    question.write({"values": np.arange(5)}, {"ks": [0, 3]})
    assert [path.name for path in (tmp_path / NAME).iterdir()] == ["curve-conv2-mean.npz"]
    notes, found = asked(question)
    assert notes == [] and found.arrays["values"].tolist() == [0, 1, 2, 3, 4]
    assert found.facts == question.facts() == {"ks": [0, 3]}
    assert "PyTorch" in found.made and "thread" in found.made
    assert archive.made_in_words(found.made) == found.made
    with speaking("zh"):
        assert "个线程" in archive.made_in_words(found.made) and archive.made_in_words("long ago") == "long ago"


@pytest.mark.parametrize(
    "change",
    [
        lambda point: replace(point, sha256="other weights"),
        lambda point: replace(point, card=replace(point.card, mean=(0.4,))),
        lambda point: replace(point, card=replace(point.card, dataset="mnist")),
        lambda point: replace(point, name="another"),
        lambda point: replace(point, card=replace(point.card, dataset="pets")),
    ],
)
def test_an_answer_about_anything_else_is_none(question, change):
    question.write({"values": np.arange(5)}, {})
    other = replace(question, checkpoint=change(question.checkpoint))
    assert asked(other) == ([], None) and other.facts() is None


def test_an_answer_in_another_format_or_to_another_question_is_none(question, monkeypatch):
    question.write({"values": np.arange(5)}, {})
    monkeypatch.setattr(archive, "FORMAT", archive.FORMAT + 1)
    assert asked(question) == ([], None)
    monkeypatch.undo()


def bad_json(path):
    np.savez(path, about=np.array("{"))


def no_about(path):
    np.savez(path, values=np.arange(3))


def foreign_about(path):
    np.savez(path, about=np.array(json.dumps([1, 2])))


def pickled(path):
    np.savez(path, about=np.array([{"a": 1}], dtype=object))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes().replace(b"\x00" * 8, b"\x01" * 8)),
        bad_json,
        no_about,
        foreign_about,
        pickled,
    ],
)
def test_a_damaged_file_is_told_of_and_not_trusted(question, spoil):
    question.write({"values": np.zeros((100, 100), np.int64)}, {"n": 1})
    spoil(question.path)
    notes, found = asked(question)
    assert found is None and len(notes) == 1, notes
    assert notes[0].startswith("The answer curve-conv2-mean.npz, which came with the app, is damaged")


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.integers(0, 255),
    )
)
def test_differences_give_the_predictions_back(predictions):
    back = predictions_of(differences(predictions))
    assert back.dtype == predictions.dtype and np.array_equal(back, predictions)
