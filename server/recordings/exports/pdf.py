"""A transcript as a PDF: a title page, who spoke when, numbered pages, any script that a font is found for. Blocks."""

from __future__ import annotations

import importlib.util
from typing import Any

from server.recordings.exports.fonts import PACKAGE, Choice, choose
from server.speech.transcript import Paragraph, Transcript, clock, goes_left, one_line, paragraphs
from server.speech.transcript_forms import described, sureness, told

TYPE = "application/pdf"
_NO_GLYPH = "□"
_GREY = 110
_MARGIN = 22.0
"""Millimetres."""


def as_pdf(transcript: Transcript) -> bytes:
    """The whole file."""
    from fpdf import FPDF

    text = _everything(transcript)
    fonts = choose(text)

    class Document(FPDF):
        """Pages with their numbers below; the title page has none."""

        def footer(self) -> None:
            if self.page_no() > 1:
                self.set_y(-15)
                self.set_font("text", size=9)
                self.set_text_color(_GREY)
                self.cell(0, 6, f"{self.page_no()} / {{nb}}", align="C")

    pdf = Document(format="A4")
    pdf.set_margins(_MARGIN, _MARGIN, _MARGIN)
    pdf.set_auto_page_break(auto=True, margin=_MARGIN)
    _use(pdf, fonts)
    pdf.set_title(transcript.heading())
    pdf.set_author(one_line(str(transcript.about.get("host") or "")))
    pdf.set_creator("Clearcast")
    _Writer(pdf, transcript, fonts).write()
    return bytes(pdf.output())


def shapes() -> bool:
    """Whether letters are joined and ordered as Arabic, Hebrew and Indic scripts want it."""
    return importlib.util.find_spec("uharfbuzz") is not None


def _use(pdf: Any, fonts: Choice) -> None:
    pdf.add_font("text", "", str(fonts.regular))
    pdf.add_font("text", "B", str(fonts.bold))
    for number, path in enumerate(fonts.others):
        for style in ("", "B"):
            pdf.add_font(f"other{number}", style, str(path))
    if fonts.others:
        pdf.set_fallback_fonts([f"other{number}" for number in range(len(fonts.others))], exact_match=False)
    if shapes():
        pdf.set_text_shaping(True)


def _everything(transcript: Transcript) -> str:
    """All letters that will be set."""
    parts = [transcript.heading(), _NO_GLYPH, "0123456789", *transcript.names.values()]
    parts += [caption.shown for caption in transcript.shown]
    parts += [part for label, value in described(transcript) for part in (label, value)]
    for title, items in told(transcript.summary) if transcript.summary else ():
        parts += [title, *items]
    parts += [part for said in transcript.chat for part in (said.name, said.text)]
    return "".join(map(one_line, parts))


class _Writer:
    def __init__(self, pdf: Any, transcript: Transcript, fonts: Choice) -> None:
        self._pdf = pdf
        self._transcript = transcript
        self._fonts = fonts
        self._gone = {ord(letter): _NO_GLYPH for letter in fonts.missing}

    def write(self) -> None:
        """Everything, page after page."""
        transcript = self._transcript
        self._title_page()
        self._pdf.add_page()
        for title, items in told(transcript.summary) if transcript.summary else ():
            self._heading(title)
            for item in items:
                self._block(f"– {item}")
            self._pdf.ln(3)
        written = paragraphs(transcript)
        if transcript.summary or transcript.chat:
            self._heading("Transcript")
        for paragraph in written:
            self._paragraph(paragraph)
        if not written:
            self._block("Nothing was said.")
        if transcript.chat:
            self._heading("Chat")
            for said in transcript.chat:
                self._block(f"{clock(said.at)}  {one_line(said.name)}: {one_line(said.text)}")

    def _title_page(self) -> None:
        pdf = self._pdf
        pdf.add_page()
        pdf.set_y(80)
        pdf.set_font("text", "B", 24)
        self._block(self._transcript.heading(), height=11)
        pdf.ln(8)
        pdf.set_font("text", size=12)
        for label, value in described(self._transcript):
            self._block(f"{label}: {value}", height=7)
        if self._fonts.missing:
            pdf.ln(8)
            pdf.set_text_color(_GREY)
            what = ", ".join(self._fonts.scripts)
            self._block(
                f"No font on the server has these letters: {what}. In their places stands {_NO_GLYPH}. "
                f"Its operator can install fonts that have them, such as {PACKAGE}.",
            )
            pdf.set_text_color(0)

    def _heading(self, text: str) -> None:
        self._pdf.set_font("text", "B", 14)
        self._block(text, height=9)
        self._pdf.set_font("text", size=11)

    def _paragraph(self, paragraph: Paragraph) -> None:
        pdf, options = self._pdf, self._transcript.options
        time = clock(paragraph.start) if options.times is not False else ""
        if paragraph.name or time:
            if pdf.will_page_break(14):
                pdf.add_page()
            pdf.set_font("text", "B", 11)
            self._block("  ".join(part for part in (paragraph.name, time) if part))
        pdf.set_font("text", size=11)
        self._block(paragraph.text + sureness(self._transcript, paragraph.confidence))
        pdf.ln(3)

    def _block(self, text: str, height: float = 6.0) -> None:
        """Lines across the page; what has no glyph is marked."""
        shown = one_line(text).translate(self._gone)
        side = "R" if goes_left(shown) else "L"
        self._pdf.multi_cell(0, height, shown, align=side, new_x="LMARGIN", new_y="NEXT")
