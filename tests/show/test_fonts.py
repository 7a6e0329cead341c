"""Which font figures take for Chinese."""

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from explorer.language.saying import say, speaking
from explorer.show import fonts


@pytest.fixture(autouse=True)
def forgotten():
    fonts.chinese_font.cache_clear()
    yield
    fonts.chinese_font.cache_clear()


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
