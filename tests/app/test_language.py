"""The pages in each language: nothing of the other one is left on them, and the switch keeps what is chosen."""

import json
import re

import pytest
from app_test import settle, visit

from explorer.app import drawing
from explorer.images.datasets import DATASETS

CJK = re.compile(r"[\u3400-\u9fff]")
WORD = re.compile(r"[A-Za-z]{2,}")
IN_A_ROW = re.compile(r"(?:\b[A-Za-z]{2,}\b[ ,]+){2}[A-Za-z]{2,}")
NOT_WORDS = {  # fields of Streamlit's messages that nobody reads
    *("id", "key", "url", "icon", "form_id", "element_id", "arrow_data", "data", "page_script_hash", "file_name"),
    *("color", "language", "column_config", "query_string", "page", "script", "css", "type", "columns", "styler"),
    *("unit", "shortcut", "markdown_type", "value_type", "group_id", "theme", "element_hash", "format", "page_name"),
    *("mime_types", "title_anchor", "anchor", "tag", "user_key", "select_value", "external"),
    *("name", "selection_mode"),  # of a chart's tables and selections
}
SPEC_WORDS = {"title", "text", "label"}  # of charts
NAMES = (  # which are the same in every language
    r"`[^`]*`|\(https?://\S+\)|https?://\S+|:material/\w+:|:\w+\[|\$\$?[^$]*\$\$?|[\w/.-]+[_./][\w/.-]+|"
    r"\b(?:conv|layer|fc|block|encoder|bn|pool|relu)\d*\b|(?i:simplecnn|resnet-?18|blocknet|lab resnet)|"
    r"CIFAR-?100?|Fashion-MNIST|K?MNIST|EMNIST|SVHN|STL-10|APoZ|FPGM|ReLU|Adam|SGD|float\d+|bfloat16|Wilson|McNemar|"
    r"Pruning Explorer|PyTorch|torch(?:vision)?|ONNX|CSV|PNG|SVG|PDF|JSON|ZIP|MACs?|FLOPs?|English|MiB|GiB|kB|MB|GB|ms|"
    r"[0-9a-f]{32}"
)

CLASSES = {word for info in DATASETS.values() for title in info.classes for word in WORD.findall(title)}


def words_in(message: object) -> list[str]:
    """Every text of a Streamlit message that somebody reads."""
    found: list[str] = []
    for field, value in message.ListFields():
        if field.name in NOT_WORDS:
            continue
        several = value.values() if hasattr(value, "values") and not hasattr(value, "ListFields") else value
        for each in several if hasattr(several, "__len__") and not isinstance(several, (str, bytes)) else [several]:
            if isinstance(each, str):
                found += of_spec(json.loads(each)) if field.name == "spec" else [each]
            elif hasattr(each, "ListFields"):
                found += words_in(each)
    return found


def of_spec(spec: object) -> list[str]:
    """The words in a chart."""
    if isinstance(spec, list):
        return [text for each in spec for text in of_spec(each)]
    if not isinstance(spec, dict):
        return []
    own = [spec[key] for key in SPEC_WORDS if isinstance(spec.get(key), str)]
    return own + [text for key, each in spec.items() if key not in ("datasets", "config") for text in of_spec(each)]


def all_words(node) -> list[str]:
    """Every text on a page, or in a part of it."""
    own = words_in(node.proto) if getattr(node, "proto", None) is not None else []
    return own + [text for child in getattr(node, "children", {}).values() for text in all_words(child)]


def english_in(text: str, names: set[str]) -> list[str]:
    """Words of a text that are no names."""
    rest = re.sub(NAMES, " ", text)
    return [word for word in WORD.findall(rest) if word not in names]


def left_in_english(at) -> list[str]:
    """Texts that have not one Chinese letter, though there are words in them, or three English words in a row."""
    names = {"Lab", *CLASSES}
    wrong = []
    for text in dict.fromkeys(all_words(at._tree)):
        rest = re.sub(NAMES, " ", text)
        if (
            not CJK.search(text)
            and english_in(text, names)
            or re.search(r"(?:\b[A-Za-z]{2,}\b[ ,]+){2}[A-Za-z]{2,}", rest)
        ):
            wrong.append(text)
    return wrong


LOOKS = {  # of each page, links that show most of what it says
    "prune": [
        {},
        {"lab": "A"},
        {"lab": "B", "details": "confusion matrix"},
        {"details": "class table"},
        {"exercise": "1"},
    ],
    "activations": [{}, {"lab": "B"}],
    "sweep": [{}, {"lab": "D"}, {"also": "train", "zoom": "0.1", "criteria": "mean"}],
    "compare": [{}],
    "scan": [{}, {"checkpoint": "resnet18_cifar10", "layer": "layer4.1.conv2"}, {"show": "layers"}],
    "compress": [{}, {"checkpoint": "resnet18-half_cifar10"}],
    "model": [{}, {"lab": "C"}],
    "train": [{}],
    "lessons": [{}, {"lesson": "leak"}],
}


@pytest.mark.slow
@pytest.mark.parametrize(("page", "link"), [(page, link) for page, links in LOOKS.items() for link in links])
def test_nothing_on_a_chinese_page_is_left_in_english(page, link, shipped_answers):
    at = visit(page, lang="zh", **link)
    left = left_in_english(at)
    assert not left, "\n".join(map(repr, left))


@pytest.mark.slow
@pytest.mark.parametrize("page", ["prune", "activations", "sweep", "compare", "scan"])
def test_files_are_the_same_in_every_language(page, monkeypatch):
    tables = []
    monkeypatch.setattr(drawing, "csv_button", lambda table, name, *_, **__: tables.append((name, table)))
    visit(page, lang="zh")
    assert tables and not CJK.search("".join(name + table.to_csv() for name, table in tables))


@pytest.mark.parametrize("page", ["prune", "model"])
def test_nothing_on_an_english_page_is_chinese(page):
    found = [text for text in all_words(visit(page)._tree) if CJK.search(text)]
    assert set(found) == {"中文", "Language · 语言"}


def test_the_switch_keeps_what_is_chosen_and_stands_in_the_link():
    at = visit(criterion="l1", k="5")
    at.button_group(key="lang").set_value("zh")
    settle(at)
    assert at.query_params["lang"] in ("zh", ["zh"])
    assert at.slider(key="k").value == 5 and at.selectbox(key="criterion").value == "l1"
    at.button_group(key="lang").set_value("en")
    settle(at)
    assert "lang" not in at.query_params and at.slider(key="k").value == 5


def test_a_language_that_there_is_not_is_said_in_the_browser_s():
    at = visit(lang="tlh")
    assert [each.value for each in at.warning] == ["The link's language “tlh” is not known: choose one of en, zh."]
