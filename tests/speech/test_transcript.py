"""Transcripts, read back by parsers of their own: what was written is what is read."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from dataclasses import replace

import pytest

from server.clock import SAMPLE_RATE
from server.speech.captions import Caption
from server.speech.final import Account
from server.speech.processor import Word
from server.speech.speakers import SpeakerName
from server.speech.transcript import Transcript
from server.speech.transcript_forms import FORMATS


def caption(number: int, start: float, end: float, text: str, *speakers: str) -> Caption:
    words = tuple(
        Word(round((start + i * 0.01) * SAMPLE_RATE), round((start + i * 0.01 + 0.01) * SAMPLE_RATE), f" {word}", 0.5)
        for i, word in enumerate(text.split())
    )
    times = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    return Caption(number, 1, *times, speakers, words, len(words), True, text=text)


AWKWARD = 'She said: "1 < 2 & 3 --> 4, right;\nline two"'
FLAT = " ".join(AWKWARD.split())
ACCOUNT = Account(
    (
        caption(1, 0.5, 2.25, "Grüße, 世界 — l’été!", "S1"),
        caption(2, 3661.001, 3662.9999, AWKWARD, "S2", "S1"),
        replace(caption(3, 3663, 3664, "Nobody may read this.", "S2"), hidden=True),
        caption(4, 3665, 3665, "Short.", "S3"),
    ),
    (
        SpeakerName("S1", 'Zoë "Z", <b>', "person"),
        SpeakerName("S2"),
        SpeakerName("S3", merged_into="S2"),
    ),
)
TRANSCRIPT = Transcript(ACCOUNT, {"file": "talk.wav", "duration": 3670.0, "language": "en"})
ZOE = 'Zoë "Z", <b>'
SAFE = ZOE.replace("<", "<\u2060")
"""With an invisible joiner: players take `<b>` for markup, and SubRip has no escapes."""


def srt(text: str) -> list[tuple[int, float, float, str]]:
    """A strict reader of SubRip."""
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    out = []
    for block in blocks:
        number, times, *lines = block.split("\n")
        match = re.fullmatch(r"(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})", times)
        assert match and len(lines) == 1
        h, m, s, ms, h2, m2, s2, ms2 = map(int, match.groups())
        out.append((int(number), h * 3600 + m * 60 + s + ms / 1000, h2 * 3600 + m2 * 60 + s2 + ms2 / 1000, lines[0]))
    return out


def vtt(text: str) -> list[tuple[float, float, str, str]]:
    """A reader of WebVTT, section 6 of the recommendation: cues with their voice and their text."""
    header, *blocks = text.strip("\n").split("\n\n")
    assert header == "WEBVTT"
    out = []
    for block in blocks:
        times, payload = block.split("\n")[-2:]
        match = re.fullmatch(r"(\d\d+):(\d\d):(\d\d)\.(\d{3}) --> (\d\d+):(\d\d):(\d\d)\.(\d{3})", times)
        assert match and "-->" not in payload
        h, m, s, ms, h2, m2, s2, ms2 = map(int, match.groups())
        span = re.fullmatch(r"(?:<v ([^>]*)>)?([^<]*)(?:</v>)?", payload)
        assert span
        voice, said = html.unescape(span[1] or ""), html.unescape(span[2])
        out.append((h * 3600 + m * 60 + s + ms / 1000, h2 * 3600 + m2 * 60 + s2 + ms2 / 1000, voice, said))
    return out


def test_srt_is_read_back() -> None:
    read = srt(FORMATS["srt"](TRANSCRIPT))
    assert [number for number, *_ in read] == [1, 2, 3]
    assert [times for _, *times, _ in read] == [[0.5, 2.25], [3661.001, 3662.999], [3665.0, 3665.001]]
    assert [text for *_, text in read] == [
        f"{SAFE}: Grüße, 世界 — l’été!",
        f"Speaker 2, {SAFE}: {FLAT.replace('-->', '→')}",
        "Speaker 2: Short.",
    ]


def test_a_single_speaker_is_not_named_in_every_line() -> None:
    alone = Transcript(replace(ACCOUNT, captions=ACCOUNT.captions[:1]))
    assert srt(FORMATS["srt"](alone))[0][3] == "Grüße, 世界 — l’été!"


def test_webvtt_is_read_back() -> None:
    assert vtt(FORMATS["vtt"](TRANSCRIPT)) == [
        (0.5, 2.25, ZOE, "Grüße, 世界 — l’été!"),
        (3661.001, 3662.999, f"Speaker 2 & {ZOE}", FLAT),
        (3665.0, 3665.001, "Speaker 2", "Short."),
    ]


def test_csv_is_read_back() -> None:
    text = FORMATS["csv"](TRANSCRIPT)
    assert text.endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["speakers"], row["text"]) for row in rows] == [
        (ZOE, "Grüße, 世界 — l’été!"),
        (f"Speaker 2; {ZOE}", FLAT),
        ("Speaker 2", "Short."),
    ]
    assert [(float(row["start"]), float(row["end"])) for row in rows][1] == (3661.001, 3663.0)


def test_json_is_read_back() -> None:
    document = json.loads(FORMATS["json"](TRANSCRIPT))
    assert (document["version"], document["file"], document["language"]) == (1, "talk.wav", "en")
    assert document["speakers"] == [
        {"label": "S1", "name": ZOE},
        {"label": "S2", "name": "Speaker 2"},
        {"label": "S3", "name": "Speaker 2"},
    ]
    first, second, third = document["captions"]
    assert second["text"] == AWKWARD and second["speakers"] == ["S2", "S1"]
    assert first["words"][0] == {"start": 0.5, "end": 0.51, "text": " Grüße,", "probability": 0.5}
    assert (third["start"], third["end"]) == (3665.0, 3665.001)


def test_text_has_a_paragraph_for_each_turn() -> None:
    more = replace(ACCOUNT, captions=(ACCOUNT.captions[0], replace(ACCOUNT.captions[0], id=9), ACCOUNT.captions[3]))
    said = "Grüße, 世界 — l’été!"
    assert FORMATS["txt"](Transcript(more)) == f"{ZOE}: {said} {said}\n\nSpeaker 2: Short.\n"


def test_a_long_paragraph_is_divided_at_a_pause() -> None:
    said = "One sentence after the other, and each of them is of some length."
    long = tuple(caption(n, 10.0 * n, 10.0 * n + 9.5, said, "S1") for n in range(7))
    pause = caption(8, 90, 95, "A new thought.", "S1")
    text = FORMATS["txt"](Transcript(replace(ACCOUNT, captions=(*long, pause))))
    assert text == f"{ZOE}: {' '.join([said] * 7)}\n\nA new thought.\n"


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_said_is_a_valid_file(name: str) -> None:
    text = FORMATS[name](Transcript(Account((), ())))
    if name == "json":
        assert json.loads(text)["captions"] == []
    elif name == "vtt":
        assert vtt(text) == []
    else:
        assert text in ("", "# Transcript\n", "number,start,end,speakers,text\r\n")
