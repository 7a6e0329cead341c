"""JSON that somebody has edited, and names that go into files."""

import io
import json
import string

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.files.csv import csv_bytes
from explorer.files.json import LONGEST_TEXT, MOST_BYTES, printable, read_json
from explorer.files.names import check_plain

TEXTS = st.text(st.characters(), max_size=40)  # lone surrogates, too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)


@given(JSON)
def test_whatever_a_file_holds_can_be_shown_and_kept(value):
    shown = json.dumps(printable(value), ensure_ascii=False)
    assert shown.encode() and printable(printable(value)) == printable(value)


@given(st.text(string.printable.replace("\n", "") + "éß…", max_size=40))
def test_plain_text_stays_as_it_is(text):
    assert printable(text) == text or not text.isprintable()


def test_half_a_character_and_a_text_too_long_are_replaced_and_cut(tmp_path):
    (tmp_path / "a.json").write_text(r'{"a": "\ud800", "b": ["x\ny"]}')
    assert read_json(tmp_path / "a.json") == {"a": "�", "b": ["x�y"]}
    assert printable("x" * 1_000_000) == "x" * LONGEST_TEXT + "…"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not valid JSON"),
        (b"{", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b'"\xff"', "is not valid JSON"),
        (b'"' + b"x" * MOST_BYTES + b'"', "is larger than the 1 MB that it may have"),
    ],
)
def test_what_is_no_json_is_one_sentence(tmp_path, content, words):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\x00"), min_size=1, max_size=20)


@given(st.lists(st.tuples(CELLS, st.integers(0, 2**53), st.floats(0, 1)), min_size=1, max_size=8))
def test_a_csv_gives_back_what_was_written(rows):
    table = pd.DataFrame(rows, columns=["class", "n", "accuracy"])
    back = pd.read_csv(
        io.BytesIO(csv_bytes(table)), keep_default_na=False, float_precision="round_trip", dtype={0: str}
    )
    assert back["n"].tolist() == table["n"].tolist() and back["accuracy"].tolist() == table["accuracy"].tolist()
    assert back["class"].astype(str).tolist() == table["class"].tolist()


@pytest.mark.parametrize(
    "name", ["con", "nul", "com1.x", "lpt9", "a.", "../a", "a/b", "a\\b", "c:a", ".a", "a b", "", "ä"]
)
def test_a_name_that_is_no_file_name_on_some_system_is_refused(name):
    with pytest.raises(ValueError, match="name"):
        check_plain(name)
