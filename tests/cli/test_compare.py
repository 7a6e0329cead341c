"""Answers side by side, on the command line."""

import io

import pandas as pd
import pytest

from explorer.answers import door, notation
from explorer.cli import main
from explorer.engine.contrasts import CONTRAST_COLUMNS, contrast

MEAN, L1 = "simple-cnn_fashion-mnist:conv2:mean", "simple-cnn_fashion-mnist:conv2:l1"
RANDOM = "simple-cnn_fashion-mnist:conv2:random"


def test_two_answers_are_compared_at_a_k_and_at_a_share(capsys, results):
    one, other = (door.ask(notation.read(text).experiment) for text in (MEAN, L1))
    found = contrast(one, 8, other, 8)
    for place in (["--k", "8"], ["--share", "25"]):
        assert main.main(["compare", MEAN, L1, *place, "--csv", "-"]) == 0
        table = pd.read_csv(io.StringIO(capsys.readouterr().out))
        assert tuple(table.columns) == CONTRAST_COLUMNS and table["answer"].tolist() == [MEAN, L1]
        assert (table["change"][1], table["p_value"][1], table["k"].tolist()) == (found.change, found.p_value, [8, 8])
    assert main.main(["compare", MEAN, L1]) == 0
    printed = capsys.readouterr().out
    assert "cliff" in printed and "McNemar" in printed and f"{other.accuracy[16]:.4f}" in printed


def test_a_band_of_random_orders_is_an_answer(capsys, results):
    assert main.main(["compare", MEAN, f"{RANDOM}:orders=20", "--k", "16", "--csv", "-"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["orders"].tolist() == [1, 20] and table["test"][1] == "random orders"
    assert table["below"][1] in range(21) and pd.isna(table["p_value"][1]) and pd.isna(table["correct"][1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["net"], "“net” is not CHECKPOINT:LAYER:CRITERION"),
        (["no-such:conv2:mean"], "no-such"),
        (["simple-cnn_fashion-mnist:fc1:mean"], "fc1"),
        ([f"{MEAN}:on=all"], "unknown split 'all'"),
        ([f"{MEAN}:k=0-33-1"], "33"),
        ([MEAN, "--k", "33"], f"--k 33 is not from 0 to the 32 channels of {MEAN}"),
        ([MEAN, "--share", "101"], "--share 101 is not from 0 to 100, in percent"),
        ([MEAN, "--k", "3", "--share", "10"], "give one of them"),
        ([MEAN, "--csv", "/no/such/folder/file.csv"], "/no/such/folder/file.csv"),
    ],
)
def test_bad_input_is_one_sentence(capsys, results, arguments, words):
    assert main.main(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and words in err
