"""A transcript as a document for word processors (Office Open XML). Blocks."""

from __future__ import annotations

import io
from typing import Any

from server.speech.transcript import Paragraph, Transcript, clock, goes_left, one_line, paragraphs
from server.speech.transcript_forms import described, sureness, told

TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_ROWS = 255
"""Characters of a document property, at most."""


def as_docx(transcript: Transcript) -> bytes:
    """The whole file."""
    from docx import Document

    document = Document()
    document.core_properties.title = transcript.heading()[:_ROWS]
    document.core_properties.author = one_line(str(transcript.about.get("host") or ""))[:_ROWS]
    document.core_properties.comments = ""
    _page_numbers(document)
    document.add_heading(transcript.heading(), level=0)
    for label, value in described(transcript):
        _put(document.add_paragraph(), f"{one_line(label)}: ", one_line(value))
    for title, items in told(transcript.summary) if transcript.summary else ():
        document.add_heading(title, level=1)
        for item in items:
            _put(document.add_paragraph(style="List Bullet"), "", item)
    if transcript.summary or transcript.chat:
        document.add_heading("Transcript", level=1)
    for paragraph in paragraphs(transcript):
        _paragraph(document, transcript, paragraph)
    if transcript.chat:
        document.add_heading("Chat", level=1)
        for said in transcript.chat:
            _put(document.add_paragraph(), f"{clock(said.at)}  {one_line(said.name)}: ", one_line(said.text))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _paragraph(document: Any, transcript: Transcript, paragraph: Paragraph) -> None:
    time = f"{clock(paragraph.start)}  " if transcript.options.times is not False else ""
    name = f"{paragraph.name}: " if paragraph.name else ""
    _put(document.add_paragraph(), f"{time}{name}", paragraph.text + sureness(transcript, paragraph.confidence))


def _put(paragraph: Any, bold: str, text: str) -> None:
    """A beginning in bold and the rest; whole paragraphs go from right to left where their letters do."""
    from docx.oxml import OxmlElement

    if bold:
        paragraph.add_run(bold).bold = True
    run = paragraph.add_run(text)
    if goes_left(text):
        paragraph._p.get_or_add_pPr().append(OxmlElement("w:bidi"))  # noqa: SLF001 - python-docx has no word for it
        run._r.get_or_add_rPr().append(OxmlElement("w:rtl"))  # noqa: SLF001


def _page_numbers(document: Any) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    paragraph = document.sections[0].footer.paragraphs[0]
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "PAGE")
    paragraph._p.append(field)  # noqa: SLF001
