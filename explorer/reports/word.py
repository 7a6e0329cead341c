"""A document as a Word file, with real headings, captions and tables, to be filled in and changed."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import docx
from docx.document import Document as Word
from docx.enum.section import WD_SECTION
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Mm, Pt, RGBColor

from explorer.reports.document import Block, Document, Figure, Heading, Note, Paragraph, Question, Table
from explorer.reports.rendering import numbered

WIDTH = Mm(170)  # of the text on A4
FONTS = {"en": ("Calibri", "Microsoft YaHei"), "zh": ("Calibri", "Microsoft YaHei")}  # Latin, East Asian
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
ANSWER_LINES = 4
INK = RGBColor(0x14, 0x20, 0x2B)


def word(document: Document, pictures: Mapping[str, bytes]) -> bytes:
    """The Word file; `pictures` are the figures as PNG files by name."""
    file = docx.Document()
    _prepare(file, document)
    _cover(file, document)
    places = numbered(document)
    for block, after in zip(document.blocks, (*document.blocks[1:], None), strict=True):
        _add(file, document, block, places.get(block, 0), pictures)
        if isinstance(block, Paragraph) and isinstance(after, Figure | Table):
            file.paragraphs[-1].paragraph_format.keep_with_next = True
    content = io.BytesIO()
    file.save(content)
    return content.getvalue()


def _prepare(file: Word, document: Document) -> None:
    """A4, the language, and fonts that have its letters."""
    section = file.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(20)
    file.core_properties.title, file.core_properties.author = document.title[:200], ""
    latin, eastern = FONTS[document.language]
    for style in ("Normal", "Title", "Subtitle", "Heading 1", "Caption"):
        font = file.styles[style].font
        font.name, font.color.rgb = latin, INK
        properties = file.styles[style].element.get_or_add_rPr()
        fonts = properties.get_or_add_rFonts()
        for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):  # which would win over the names
            fonts.attrib.pop(qn(f"w:{theme}"), None)
        fonts.set(qn("w:eastAsia"), eastern)
        language = OxmlElement("w:lang")
        language.set(qn("w:val"), LANGUAGES[document.language])
        language.set(qn("w:eastAsia"), "zh-CN")
        properties.append(language)
    file.styles["Normal"].font.size, file.styles["Caption"].font.size = Pt(11), Pt(9.5)
    file.styles["Heading 1"].paragraph_format.keep_with_next = True
    file.styles["Heading 1"].paragraph_format.space_after = Pt(4)
    file.styles["Caption"].font.bold = False


def _cover(file: Word, document: Document) -> None:
    """The page to fill in."""
    file.add_paragraph(document.kind).paragraph_format.space_before = Mm(35)
    file.add_paragraph(document.title, style="Title")
    if document.subtitle:
        file.add_paragraph(document.subtitle, style="Subtitle")
    table = file.add_table(rows=len(document.fields), cols=2)
    _set_widths(table, (0.25, 0.75))
    for row, texts in zip(table.rows, document.fields, strict=True):
        row.height = Mm(11)
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
        row.cells[0].paragraphs[0].runs[0].bold = True
        _line_below(row.cells[1])
    file.add_paragraph(document.about).paragraph_format.space_before = Mm(14)
    file.add_section(WD_SECTION.NEW_PAGE)


def _line_below(cell: Any) -> None:
    borders = OxmlElement("w:tcBorders")
    bottom = OxmlElement("w:bottom")
    for key, value in (("val", "single"), ("sz", "6"), ("color", "14202B")):
        bottom.set(qn(f"w:{key}"), value)
    borders.append(bottom)
    cell._tc.get_or_add_tcPr().append(borders)


def _add(file: Word, document: Document, block: Block, place: int, pictures: Mapping[str, bytes]) -> None:
    match block:
        case Heading(text):
            file.add_heading(text, level=1)
        case Paragraph(text):
            file.add_paragraph(text)
        case Note(text):
            file.add_paragraph().add_run(text).italic = True
        case Figure():
            _picture(file, pictures[block.name], block)
            _caption(file, document.words["figure"], place, block.caption)
        case Table():
            _caption(file, document.words["table"], place, block.caption).paragraph_format.keep_with_next = True
            _table(file, block)
        case Question(fact, question):
            first = file.add_paragraph()
            first.add_run(fact).bold = True
            second = file.add_paragraph(question)
            first.paragraph_format.keep_with_next = second.paragraph_format.keep_with_next = True
            _room(file, document.answer)


def _picture(file: Word, picture: bytes, block: Figure) -> None:
    """A picture as broad as the text, or as tall as it may be."""
    shape, tallest = file.add_picture(io.BytesIO(picture), width=WIDTH), Mm(block.tallest)
    if shape.height > tallest:
        shape.width, shape.height = round(shape.width * tallest / shape.height), tallest
    shape._inline.docPr.set("descr", block.alt)
    paragraph = file.paragraphs[-1]
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    paragraph.paragraph_format.keep_with_next = True


def _caption(file: Word, kind: str, place: int, text: str) -> Any:
    """A caption that Word itself counts, so that a list of figures can be made of them."""
    paragraph = file.add_paragraph(style="Caption")
    paragraph.add_run(f"{kind} ").bold = True
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), f" SEQ {kind} \\* ARABIC ")
    number = paragraph.add_run(str(place))
    number.bold = True
    field.append(number._r)
    paragraph._p.append(field)
    paragraph.add_run(f"  {text}")
    return paragraph


def _table(file: Word, block: Table) -> None:
    """A table whose head stands on each of its pages, and whose rows are never torn, nor stand alone."""
    last = len(block.rows)
    table = file.add_table(rows=1 + len(block.rows), cols=len(block.columns), style="Table Grid")
    _set_widths(table, block.shares)
    for place, (row, cells) in enumerate(zip(table.rows, (block.columns, *block.rows), strict=True)):
        properties = row._tr.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if place == 0:
            properties.append(OxmlElement("w:tblHeader"))
        for column, (cell, text) in enumerate(zip(row.cells, cells, strict=True)):
            paragraph = cell.paragraphs[0]
            run = paragraph.add_run(text)
            run.font.size, run.bold = Pt(9), place == 0
            paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(1)
            paragraph.paragraph_format.keep_with_next = place < last and (block.short or not 2 < place < last - 2)
            if column in block.numbers:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    file.add_paragraph()


def _set_widths(table: Any, shares: Sequence[float]) -> None:
    """Columns that take these shares of the text's width; every cell says so, as Word and LibreOffice ask."""
    table.autofit = False
    for column, share in zip(table.columns, shares, strict=True):
        column.width = round(WIDTH * share)
        for cell in column.cells:
            cell.width = column.width


def _room(file: Word, words: str) -> None:
    """A box to write in, whole on its page."""
    table = file.add_table(rows=1, cols=1, style="Table Grid")
    table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
    cell = table.cell(0, 0)
    cell.paragraphs[0].add_run(words).font.size = Pt(8.5)
    for _ in range(ANSWER_LINES):
        cell.add_paragraph()
    file.add_paragraph().paragraph_format.space_after = Cm(0.2)
