"""A document as HTML, Markdown, LaTeX and Word: all of it is there, and no text becomes markup."""

import io
import re
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace

import docx
import numpy as np
import pytest
from docx.oxml.ns import qn
from PIL import Image

from explorer.reports import rendering
from explorer.reports.document import Document, Figure, Heading, Note, Paragraph, Question, Table
from explorer.reports.word import word

NASTY = (
    "<b>&amp;</b>", r"\end{document} $x_1^2$ 50 % & #1 {~}", "| [a](http://b.c) *c* _d_ `e` ![f](g)", "😀é", "x" * 200,
    "- 1. + =", "a--b ''c'' ,, ?`", '"quoted"', "{{ 7 * 7 }} {% raw %}",
)  # fmt: skip


def png():
    content = io.BytesIO()
    Image.fromarray(np.zeros((40, 10), np.uint8)).save(content, "PNG")
    return content.getvalue()


def document_of(text, language="en"):
    blocks = (
        Heading(text), Paragraph(text), Note(text), Figure("accuracy", text, text),
        Table(text, (text, "n"), ((text, "1"), ("[b]", "−2 %")), (1,)), Question(text, text),
    )  # fmt: skip
    words = {"figure": "Figure", "table": "Table"}
    return Document("Lab report", text, text, (("Name", text),), text, "Your answer", language, words, blocks)


def unescaped(text):
    """LaTeX as it would be printed: the commands that escape, or allow a break, are undone, and nothing else."""
    text = text.replace(rendering.BREAK, "").replace(rendering.SEPARATE, "")
    for sign, command in sorted(rendering.LATEX.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(command, sign if sign != "\u00a0" else command)
    return text


@pytest.mark.parametrize("text", NASTY)
def test_latex_shows_any_text_as_it_is(text):
    escaped = rendering.escape_latex(text)
    assert unescaped(escaped) == text.replace("😀", "[U+1F600]")
    commands = set(re.findall(r"\\[A-Za-z]+|\\.", escaped))
    known = {each for command in rendering.LATEX.values() for each in re.findall(r"\\[A-Za-z]+|\\.", command)}
    assert commands <= known | {r"\allowbreak", r"\nobreak"}, "no command but those that escape"


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_latex_source_is_balanced_and_has_its_figures(text, language):
    source = rendering.latex(document_of(text, language), "figures/en")
    body = re.sub(r"\\[{}%#&$_]|\\text\w+\{\}", "", re.sub(r"(?m)^%.*", "", source))
    depth = 0
    for sign in body:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0 and source.count(r"\begin{") == source.count(r"\end{")
    assert r"\includegraphics[width=\linewidth,height=88mm,keepaspectratio]{figures/en/accuracy.pdf}" in source
    assert ("xeCJK" in source) == (language == "zh") and "{}[b] & \\ensuremath{-}2 \\% \\\\" in source


@pytest.mark.parametrize("text", NASTY)
def test_markdown_escapes_whatever_would_be_markup(text):
    page = rendering.markdown(document_of(text), "figures/en")
    assert "![" in page and "](figures/en/accuracy.png)" in page and "## " in page
    assert "<b>" not in page and "](http" not in page.replace(r"\]", "")
    assert re.search(r"(?m)^\| .*---: \| $", page), "numbers stand on the right"


@pytest.mark.parametrize("text", NASTY)
def test_html_is_well_formed_and_runs_nothing(text):
    page = rendering.html(document_of(text), {"accuracy": b"<svg/>"})
    plain = page.replace("<!DOCTYPE html>", "").replace("&ensp;", " ")
    root = ET.fromstring(re.sub(r"<(meta|img)([^>]*)>", r"<\1\2/>", plain))
    assert root.find(".//h2").text == text and root.find(".//td[@contenteditable]").text == text
    assert "7 * 7" in page or "7 *" not in text


@pytest.mark.parametrize("text", NASTY)
def test_word_has_headings_captions_tables_and_rooms(text):
    content = word(document_of(text), {"accuracy": png()})
    file = docx.Document(io.BytesIO(content))
    styles = [paragraph.style.name for paragraph in file.paragraphs]
    assert styles.count("Heading 1") == 1 and styles.count("Caption") == 2 and styles.count("Title") == 1
    assert [paragraph.text for paragraph in file.paragraphs if paragraph.style.name == "Heading 1"] == [text]
    cover, numbers, room = file.tables
    assert cover.cell(0, 1).text == text and numbers.cell(1, 0).text == text and "Your answer" in room.cell(0, 0).text
    xml = zipfile.ZipFile(io.BytesIO(content)).read("word/document.xml").decode()
    assert room.rows[0]._tr.trPr.find(qn("w:cantSplit")) is not None, "an answer's room is whole on its page"
    assert " SEQ Figure " in xml and " SEQ Table " in xml and "w:tblHeader" in xml and "descr=" in xml


def test_word_takes_a_figure_as_tall_as_a_page_and_both_languages():
    file = docx.Document(io.BytesIO(word(document_of("图", "zh"), {"accuracy": png()})))
    (shape,) = file.inline_shapes
    assert shape.height <= file.sections[0].page_height and shape.width > 0
    assert file.sections[0].page_width.mm == pytest.approx(210, abs=0.1)
    fonts = file.styles["Normal"].element.xpath("w:rPr/w:rFonts/@w:eastAsia")
    assert fonts == ["Microsoft YaHei"]


def test_figures_and_tables_are_numbered_apart():
    document = document_of("a")
    twice = replace(document, blocks=(*document.blocks, Figure("ways", "b", "c"), Table("d", ("e",), ())))
    assert sorted(rendering.numbered(twice).values()) == [1, 1, 2, 2]


def test_columns_share_the_width_by_their_longest_text():
    table = Table("a", ("b", "c"), (("x" * 17, "1"), ("图" * 12, "22")))
    assert table.shares == [27 / 32, 5 / 32] and table.short
    assert sum(Table("a", ("b" * 300, "c", "d"), ()).shares) == pytest.approx(1)


def test_latex_makes_no_dash_or_quotation_mark_of_a_name():
    assert rendering.escape_latex("a--b") == r"a-\nobreak{}-b"
    assert rendering.escape_latex('?`"') == r"?\textasciigrave{}\textquotedbl{}"
    assert rendering.escape_latex("к 猫 é") == "[U+043A] 猫 é"


def test_a_column_has_room_for_its_head():
    table = Table("", ("Parameters", "n"), (("1", "1"),), (0, 1))
    assert table.shares[0] / table.shares[1] == pytest.approx((13 + 3) / (1.3 + 3))
