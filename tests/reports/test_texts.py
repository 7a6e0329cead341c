"""The two tables of words: the same keys and values, and nothing left untranslated."""

import re
import string

import pytest

from explorer.answers.labs import LABS
from explorer.engine.oracle import ORACLES
from explorer.engine.schedule import SCHEDULES
from explorer.images.registry import DATASETS
from explorer.language.catalogue import catalogue
from explorer.networks.registry import MODELS
from explorer.pruning.criteria import CRITERIA
from explorer.pruning.modes import MODES
from explorer.reports.texts import language
from explorer.training.recipes import Recipe

ENGLISH, CHINESE = language("en").texts, language("zh").texts
CJK = re.compile(r"[\u3400-\u9fff]")


def placeholders(text):
    return {(name, spec) for _, name, spec, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys():
    assert {section: set(texts) for section, texts in ENGLISH.items()} == {
        section: set(texts) for section, texts in CHINESE.items()
    }


@pytest.mark.parametrize("section", ENGLISH)
def test_both_languages_put_the_same_values_into_a_text(section):
    for key, text in ENGLISH[section].items():
        assert placeholders(text) == placeholders(CHINESE[section][key]), f"{section}.{key}"


def test_nothing_that_the_app_says_of_its_own_is_left_in_english():
    said = [lab.title for lab in LABS.values()] + [lab.did for lab in LABS.values()] + list(SCHEDULES.values())
    said += [lab.differs for lab in LABS.values()] + [way.title for lab in LABS.values() for way in lab.variants]
    said += [text for each in (*CRITERIA.values(), *ORACLES.values()) for text in (each.title, each.sentence)]
    said += [mode.sentence for mode in MODES.values()] + [model.title for model in MODELS.values()]
    missing = [text for text in said if text not in catalogue("zh")]
    assert not missing, f"put these into explorer/language/zh/labs.toml: {missing}"
    assert {info.title for info in DATASETS.values() if info.title.count(" ")} <= {*catalogue("zh"), "EMNIST balanced"}


def test_each_option_of_a_recipe_has_its_words():
    assert set(Recipe.__dataclass_fields__) == set(ENGLISH["recipe"])


def test_no_language_stands_in_the_others_table():
    for section, texts in ENGLISH.items():
        assert not [text for text in texts.values() if CJK.search(text)], section
    words = re.compile(r"[A-Za-z]{2,}")
    names = {"python", "torch", "torchvision"}
    for section, texts in CHINESE.items():
        left = [key for key, text in texts.items() if words.search(re.sub(r"{.*?}", "", text)) and not CJK.search(text)]
        assert set(left) <= names, f"{section}: {left}"


def test_a_number_stays_on_one_line_with_what_it_belongs_to():
    said = language("en").say("text.interval", low=0.5, high=0.75)
    assert said == "50.00\u00a0% to 75.00\u00a0%"
    assert language("en").say("caption.ways_table", k=3).endswith("K\u00a0=\u00a03")


def test_chinese_and_latin_letters_stand_apart():
    assert language("zh").say("cover.title", network="ResNet-18") == "ResNet-18 的通道剪枝"
    assert language("zh").say("cover.title", network="孪生网络") == "孪生网络的通道剪枝"
