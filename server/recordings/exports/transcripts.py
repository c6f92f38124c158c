"""Every form that a transcript is written in, by one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from server.recordings.exports import docx, pdf
from server.speech.transcript import Transcript
from server.speech.transcript_forms import FORMATS, TYPES


@dataclass(frozen=True, slots=True)
class Form:
    """`write` blocks, a text for milliseconds and a document for seconds."""

    name: str
    media_type: str
    write: Callable[[Transcript], bytes]

    @property
    def is_text(self) -> bool:
        return self.name in FORMATS


def _encoded(write: Callable[[Transcript], str]) -> Callable[[Transcript], bytes]:
    return lambda transcript: write(transcript).encode("utf-8", "replace")


FORMS: dict[str, Form] = {
    **{name: Form(name, TYPES[name], _encoded(write)) for name, write in FORMATS.items()},
    "pdf": Form("pdf", pdf.TYPE, pdf.as_pdf),
    "docx": Form("docx", docx.TYPE, docx.as_docx),
}
