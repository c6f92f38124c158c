"""Transcripts as documents, read back by other people's readers."""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import docx
import pypdf
import pytest

from server.recordings.exports import fonts
from server.recordings.exports.docx import as_docx
from server.recordings.exports.fonts import choose, found
from server.recordings.exports.pdf import as_pdf
from server.recordings.exports.transcripts import FORMS
from server.speech.final import Account
from server.speech.speakers import SpeakerName
from server.speech.transcript import ChatLine, Options, Remark, Share, Summary, Transcript
from tests.speech.test_transcript import caption

ABOUT = {
    "title": "Überraschung & <b>more</b>",
    "host": "Zoë",
    "date": "2026-11-03",
    "duration": 3670.0,
    "language": "de",
}
SAID = {
    "Latin": "Grüße, l’été! ﬁn <b>x</b> & **y**",
    "Greek": "Καλημέρα κόσμε",
    "Cyrillic": "Доброе утро",
    "Hebrew": "שלום עולם",
    "Arabic": "مرحبا بالعالم",
}
ACCOUNT = Account(
    tuple(caption(n, 60.0 * n, 60.0 * n + 5, text, f"S{n}") for n, text in enumerate(SAID.values(), 1)),
    tuple(SpeakerName(f"S{n}", name, "person") for n, name in enumerate(SAID, 1)),
)
TRANSCRIPT = Transcript(ACCOUNT, ABOUT)
FULL = replace(
    TRANSCRIPT,
    options=Options(confidence=True),
    chat=(ChatLine(48_000, "Eve", "<script>alert(1)</script>"),),
    summary=Summary(
        [Share("Ada", 75.0, 0.75, 120)], [("noise", 7)], [Remark(0, "Ada", "Who?")], [Remark(0, "", "Fix it.")]
    ),
)


def pages(data: bytes) -> list[str]:
    """The text of each page."""
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data), strict=True).pages]


def letters(text: str) -> str:
    """Without spaces, which a reader of a PDF has to guess, and in whichever order the script goes."""
    return "".join(sorted(re.sub(r"\s", "", text)))


@pytest.fixture(scope="module")
def read() -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(as_pdf(TRANSCRIPT)), strict=True)


def test_a_pdf_begins_with_a_title_page_and_numbers_the_others(read: pypdf.PdfReader) -> None:
    first, *rest = (page.extract_text() for page in read.pages)
    for part in (ABOUT["title"], "Zoë", "2026-11-03", "1 h 01 min", "Latin, Greek, Cyrillic"):
        assert str(part) in first
    assert rest
    for number, text in enumerate(rest, 2):
        assert f"{number} / {len(read.pages)}" in text
    assert read.metadata is not None
    assert (read.metadata.title, read.metadata.author) == (ABOUT["title"], "Zoë")


def test_every_script_that_a_font_has_is_in_it_with_speakers_and_times(read: pypdf.PdfReader) -> None:
    text = "\n".join(page.extract_text() for page in read.pages[1:])
    for number, (name, said) in enumerate(SAID.items(), 1):
        if name not in ("Hebrew", "Arabic"):
            assert said.replace("ﬁ", "fi") in text.replace("ﬁ", "fi")
        assert re.search(rf"{name}\s+{number}:00", text)
    lines = [letters(line) for line in text.split("\n")]
    assert letters(SAID["Hebrew"]) in lines
    assert "□" not in text


def test_what_is_read_from_right_to_left_stands_on_the_right(read: pypdf.PdfReader) -> None:
    places: dict[str, float] = {}

    def visit(text: str, _: object, matrix: list[float], *__: object) -> None:
        if text.strip():
            places.setdefault(text.strip()[:4], matrix[4])

    for page in read.pages[1:]:
        page.extract_text(visitor_text=visit)
    middle = float(read.pages[0].mediabox.width) / 2
    left = [x for text, x in places.items() if text.startswith(("Grü", "Каль", "Добр", "Latin"))]
    right = [x for text, x in places.items() if set(text) & set(SAID["Hebrew"] + SAID["Arabic"]) - {" "}]
    assert left
    assert right
    assert max(left) < middle < min(right)


def test_arabic_letters_are_joined_and_go_from_right_to_left() -> None:
    """What is shaped takes the forms that letters have within words: another set of glyphs than each alone."""
    pytest.importorskip("uharfbuzz")

    def glyphs(text: str) -> int:
        made = as_pdf(Transcript(Account((caption(1, 0, 1, text),), ()), {"title": "x"}))
        font = pypdf.PdfReader(io.BytesIO(made)).pages[1]["/Resources"]["/Font"]
        return sum(len(item.get_object()["/ToUnicode"].get_object().get_data()) for item in font.values())

    assert glyphs("ههه") > glyphs("ه")


def test_letters_that_no_font_has_are_marked_and_the_operator_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fonts, "FOLDERS", ())
    strange = replace(ACCOUNT, captions=(caption(1, 0, 1, "Hi 你好 \U00010330 ก", "S1"),))
    first, *rest = pages(as_pdf(replace(TRANSCRIPT, account=strange)))
    assert "fonts-noto" in first
    for script in ("Chinese characters", "Gothic", "Thai"):
        assert script in first
    assert "Hi □□ □ □" in "".join(rest)


def test_fonts_are_chosen_by_what_they_have(tmp_path: Path) -> None:
    bundled = found(())
    assert bundled[0].stem == "DejaVuSans"
    chosen = choose("Grüße שלום", ())
    assert (chosen.missing, chosen.others, chosen.bold.stem) == (frozenset(), (), "DejaVuSans-Bold")
    assert choose("a\u200f\u2060 \n", ()).missing == frozenset()
    assert choose("你", ()).scripts == ["Chinese characters"]
    (tmp_path / "deep").mkdir()
    shutil.copy(bundled[0], tmp_path / "deep" / "NotoSans-Regular.ttf")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    (tmp_path / "empty.otf").touch()
    chosen = choose("Hello 你", (tmp_path,))
    assert chosen.regular == tmp_path / "deep" / "NotoSans-Regular.ttf"
    assert chosen.missing == {"你"}


def test_a_docx_is_read_back() -> None:
    document = docx.Document(io.BytesIO(as_docx(FULL)))
    assert document.core_properties.title == ABOUT["title"]
    written = [paragraph.text for paragraph in document.paragraphs]
    assert written[0] == ABOUT["title"]
    for number, (name, said) in enumerate(SAID.items(), 1):
        assert f"{number}:00  {name}: {said}" in written
    headings = [paragraph.text for paragraph in document.paragraphs if paragraph.style.name.startswith("Heading")]
    assert headings == [
        "Speakers", "Most frequent terms", "Questions", "Action items (found by rules)", "Transcript", "Chat",
    ]  # fmt: skip
    assert written[-1] == "0:01  Eve: <script>alert(1)</script>"
    hebrew = next(paragraph for paragraph in document.paragraphs if "שלום" in paragraph.text)
    assert "w:bidi" in hebrew._p.xml
    assert "PAGE" in document.sections[0].footer._element.xml


def test_summary_and_chat_are_in_a_pdf() -> None:
    text = "\n".join(pages(as_pdf(FULL)))
    for part in ("noise (7)", "Ada: 1 min 15 s (75 %), 120 words", "Fix it.", "Eve: <script>alert(1)</script>"):
        assert part in text


@pytest.mark.parametrize("name", FORMS)
def test_nothing_said_is_a_valid_file(name: str) -> None:
    made = FORMS[name].write(Transcript(Account((), ()), {"title": ""}))
    if name == "pdf":
        assert "Nothing was said." in "".join(pages(made))
    elif name == "docx":
        assert docx.Document(io.BytesIO(made)).paragraphs[0].text == "Transcript"
    else:
        made.decode()


@pytest.mark.parametrize("name", FORMS)
def test_what_no_format_may_hold_is_left_out(name: str) -> None:
    odd = caption(1, 0, 1, "a\x00b\x1b[31mc\ud800d\x0be" + "\u202e" + "x" * 3000, "S1")
    made = FORMS[name].write(Transcript(Account((odd,), (SpeakerName("S1"),)), {"title": "t\x00\x1b" + "y" * 400}))
    assert b"\x1b" not in made or not FORMS[name].is_text
    if name == "docx":
        assert "ab[31mcde" in docx.Document(io.BytesIO(made)).paragraphs[-1].text.replace(" ", "")


def test_a_long_talk_fills_many_pages() -> None:
    said = "This is about what somebody says in four seconds of talking here."
    many = tuple(caption(n, 4.0 * n, 4.0 * n + 3.9, said, f"S{n // 5 % 2 + 1}") for n in range(300))
    text = pages(as_pdf(Transcript(replace(ACCOUNT, captions=many), ABOUT)))
    assert " ".join(text).replace("\n", " ").count("four") == 300
    assert f"{len(text)} / {len(text)}" in text[-1]
