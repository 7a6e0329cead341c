"""The catalogues are whole: each sentence of the code has its words in each language, and no others."""

import ast
import json
import string
import tomllib
from pathlib import Path

import pytest

from explorer.files.places import checkpoints_root
from explorer.language.catalogue import ENGLISH, FOLDER, LANGUAGES, catalogue

ROOT = FOLDER.parent.parent
OTHERS = [code for code in LANGUAGES if code != ENGLISH]
MARKS = {"say", "english"}


def fields(text: str) -> set[str]:
    return {name for _, name, *_ in string.Formatter().parse(text) if name is not None}


def trees() -> dict[Path, ast.Module]:
    files = [ROOT / "streamlit_app.py", *sorted((ROOT / "explorer").rglob("*.py"))]
    return {file.relative_to(ROOT): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def calls_of(tree: ast.Module) -> list[tuple[ast.Call, list[str], list[str]]]:
    """Each call that says or marks a sentence, with the sentences that may stand there, and those that surely do.

    Of a name that are all that it was given in that function, and what it was given last before the call.
    """
    found = []
    scopes = [tree, *(node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda)))]
    for scope in scopes:
        named = [
            (node.lineno, node.targets[0].id, literals(node.value))
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        ]
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS and node.args:
                first = node.args[0]
                texts = near = literals(first)
                if isinstance(first, ast.Name):
                    own = sorted((line > node.lineno, -line, given) for line, name, given in named if name == first.id)
                    texts, near = [text for *_, given in own for text in given], own[0][-1] if own else []
                found.append((node, texts, near))
    return found


def literals(node: ast.expr) -> list[str]:
    """The sentences that stand there, of which one is said."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


TREES = trees()
CALLS = [
    (file, call, texts, near)
    for file, tree in TREES.items()
    if "reports" not in file.parts  # a report has tables of its own, of the same names
    for call, texts, near in calls_of(tree)
]


def constants() -> set[str]:
    """Every text in the code, be it marked or not: what labs, criteria and others are called stands unmarked."""
    texts = {node.value for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str)}


def of_cards() -> set[str]:
    """What stands in the cards of the networks that come with the app."""
    cards = [json.loads(file.read_text(encoding="utf-8")) for file in checkpoints_root().glob("*.json")]
    return {str(text) for card in cards for text in _texts(card)}


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else [str(value)]


def test_there_is_something_to_translate():
    assert len(CALLS) > 40 and OTHERS


@pytest.mark.parametrize("code", OTHERS)
def test_each_sentence_has_its_words(code):
    known = catalogue(code)
    missing = {text: str(file) for file, _, texts, _ in CALLS for text in texts if text.strip() and text not in known}
    assert not missing, f"put these into explorer/language/{code}/: {json.dumps(missing, indent=1)}"


def test_a_sentence_stands_as_it_is_with_its_values_by_name():
    for file, call, _, texts in CALLS:
        assert not isinstance(call.args[0], (ast.JoinedStr, ast.BinOp)), f"{file}:{call.lineno}: not one whole sentence"
        given = {each.arg for each in call.keywords}
        for text in texts if given and None not in given else ():
            assert fields(text) <= given, f"{file}:{call.lineno}: {text!r} lacks {fields(text) - given}"


@pytest.mark.parametrize("code", OTHERS)
def test_both_languages_put_the_same_values_into_a_sentence(code):
    said_with_values = {text for _, call, texts, _ in CALLS if call.keywords for text in texts}
    for text, words in catalogue(code).items():
        if text in said_with_values:
            assert fields(text) == fields(words), text


@pytest.mark.parametrize("code", OTHERS)
def test_no_words_are_for_a_sentence_that_nobody_says(code):
    unused = set(catalogue(code)) - constants() - of_cards()
    assert not unused, f"take these out of explorer/language/{code}/: {sorted(unused)}"


@pytest.mark.parametrize("code", OTHERS)
def test_a_sentence_is_translated_in_one_way(code):
    found: dict[str, str] = {}
    for file in sorted((FOLDER / code).glob("*.toml")):
        for text, words in tomllib.loads(file.read_text(encoding="utf-8")).items():
            assert found.setdefault(text, words) == words, f"{file.name}: {text!r} is also {found[text]!r}"
