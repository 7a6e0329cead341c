"""Which font figures take for Chinese."""

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from explorer.language.saying import say, speaking
from explorer.show import fonts


@pytest.fixture(autouse=True)
def forgotten():
    asked = fonts.chinese_font  # which a test may put another in place of
    asked.cache_clear()
    yield
    asked.cache_clear()


def test_a_font_installed_since_matplotlib_listed_them_is_taken(monkeypatch):
    manager, path = font_manager.fontManager, font_manager.findfont("STIXGeneral")
    others = [font for font in manager.ttflist if font.name != "STIXGeneral"]
    monkeypatch.setattr(manager, "ttflist", others)
    monkeypatch.setattr(fonts, "CHINESE", ("STIXGeneral",))
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(path), __file__])
    assert fonts.chinese_font() == "STIXGeneral"


def test_where_there_is_none_there_is_none(monkeypatch):
    monkeypatch.setattr(fonts, "CHINESE", ("nobody's font",))
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    assert fonts.chinese_font() is None


@pytest.mark.parametrize(("letters", "said"), [(True, "准确率"), (False, "Accuracy")])
def test_a_figure_speaks_the_language_where_it_has_the_letters(monkeypatch, letters, said):
    monkeypatch.setattr(fonts, "shows", lambda text: text.isascii() or letters)

    def draw() -> Figure:
        figure = Figure()
        figure.add_subplot().set_xlabel(say("Accuracy"))
        return figure

    with speaking("zh"):
        assert fonts.lettered(draw).axes[0].get_xlabel() == said
    assert fonts.lettered(draw).axes[0].get_xlabel() == "Accuracy"


def labelled(text: str) -> Figure:
    figure = Figure()
    figure.add_subplot().set_xticks([0, 1], ["0", text])
    return figure


@pytest.mark.parametrize(("text", "opened"), [("Cat – “K”", False), ("猫", True)])
def test_a_figure_opens_the_chinese_font_only_for_letters_that_the_usual_one_lacks(monkeypatch, text, opened):
    asked = []
    monkeypatch.setattr(fonts, "chinese_font", lambda: asked.append(text) or "STIXGeneral")
    figure = fonts.lettered(lambda: labelled(text))
    assert bool(asked) == opened
    families = {tuple(label.get_fontfamily()) for label in figure.axes[0].get_xticklabels()}
    assert (families == {(fonts.USUAL, "STIXGeneral")}) == opened


def test_a_text_is_shown_where_each_letter_is_in_one_font_or_the_other(monkeypatch):
    monkeypatch.setattr(fonts, "_letters", {fonts.USUAL: {ord("K")}, "other": {ord("猫")}}.get)
    monkeypatch.setattr(fonts, "chinese_font", lambda: "other")
    assert fonts.shows("K\n猫") and not fonts.shows("K猫狗")
    monkeypatch.setattr(fonts, "chinese_font", lambda: None)
    assert fonts.shows("K") and not fonts.shows("猫")
