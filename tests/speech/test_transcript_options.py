"""What is written beside the words, parts of a transcript, and text that must not become anything else."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from server.clock import SAMPLE_RATE
from server.speech.final import Account
from server.speech.speakers import SpeakerName
from server.speech.transcript import ChatLine, Options, Remark, Share, Summary, Transcript, cut
from server.speech.transcript_forms import FORMATS, markdown
from tests.speech.test_transcript import ACCOUNT, TRANSCRIPT, ZOE, caption, srt, vtt

S = SAMPLE_RATE
SUMMARY = Summary(
    speakers=[Share("Ada", 75.0, 0.75, 120), Share("<i>Bob</i>", 25.0, 0.25, 40)],
    terms=[("noise", 7), ("=cmd()", 2)],
    questions=[Remark(3 * S, "Ada", "Who are you --> really?")],
    actions=[Remark(61 * S, "", "We must *fix* it.", "obligation")],
)
CHAT = (ChatLine(S, "Eve", "<script>alert(1)</script>"), ChatLine(4000 * S, "=1+1", "@SUM(A1)"))
FULL = replace(TRANSCRIPT, options=Options(times=True, confidence=True), chat=CHAT, summary=SUMMARY)


def shown(text: str) -> list[str]:
    """What a reader of Markdown shows of it, block by block; fails where it is more than headings, lists and names."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    found = []
    for token in reader.parse(text):
        kind = token.type.removesuffix("_open").removesuffix("_close")
        assert kind in ("heading", "paragraph", "bullet_list", "list_item", "inline"), token
        if token.type == "inline":
            assert {child.type for child in token.children or ()} <= {
                "text",
                "strong_open",
                "strong_close",
                "text_special",
            }
            found.append("".join(child.content for child in token.children or ()))
    return found


def test_speakers_can_be_left_out() -> None:
    alone = replace(TRANSCRIPT, options=Options(speakers=False))
    for name in ("txt", "md", "srt", "vtt", "csv", "json"):
        written = FORMATS[name](alone)
        assert "Speaker 2" not in written
        assert "Zoë" not in written
        assert "Grüße" in written
    assert all(voice == "" for _, _, voice, _ in vtt(FORMATS["vtt"](alone)))
    assert json.loads(FORMATS["json"](alone))["speakers"] == []


def test_times_and_confidence_in_text() -> None:
    written = FORMATS["txt"](FULL)
    assert f"[0:00] {ZOE}: Grüße, 世界 — l’été!\n" in written  # a person wrote it: nobody has to be sure
    heard = caption(1, 3600.5, 3601, "Well", "S1")
    sure = Transcript(
        Account((replace(heard, text=None),), ACCOUNT.speakers), options=Options(times=True, confidence=True)
    )
    assert FORMATS["txt"](sure) == f"[1:00:00] {ZOE}: Well (50 %)\n"
    assert FORMATS["srt"](sure).split("\n")[2] == "Well (50 %)"
    assert next(csv.DictReader(io.StringIO(FORMATS["csv"](sure))))["confidence"] == "0.5"
    assert json.loads(FORMATS["json"](sure))["captions"][0]["confidence"] == 0.5


def test_chat_and_summary_stand_in_every_form_that_has_a_place_for_them() -> None:
    for name in ("txt", "md", "vtt", "json"):
        written = FORMATS[name](FULL)
        assert "noise" in written, name
        assert "Eve" in written, name
    document = json.loads(FORMATS["json"](FULL))
    assert document["chat"][0] == {"at": 1.0, "name": "Eve", "text": "<script>alert(1)</script>"}
    assert document["summary"]["actions"] == [
        {"at": 61.0, "speaker": "", "text": "We must *fix* it.", "rule": "obligation"}
    ]
    assert document["summary"]["written"] is None
    cues = vtt(re.sub(r"\nNOTE [^\n]*\n(?:- [^\n]*\n)+", "", FORMATS["vtt"](FULL)))
    assert ("Chat", "Eve: <script>alert(1)</script>") in [cue[2:] for cue in cues]
    assert [cue[0] for cue in cues] == sorted(cue[0] for cue in cues)
    assert len(srt(FORMATS["srt"](FULL))) == 5
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](FULL))))
    assert [row["kind"] for row in rows] == ["speech", "chat", "speech", "speech", "chat"]
    assert [float(row["start"]) for row in rows] == sorted(float(row["start"]) for row in rows)


def test_a_summary_that_a_model_wrote_says_so() -> None:
    written = replace(TRANSCRIPT, summary=replace(SUMMARY, written="# All\n\n- good\n", model="some-model"))
    assert "Summary, written by some-model\n- All\n- good\n" in FORMATS["txt"](written)
    assert json.loads(FORMATS["json"](written))["summary"]["written"] == {
        "model": "some-model",
        "markdown": "# All\n\n- good\n",
    }


@pytest.mark.parametrize(
    "said",
    [
        *(
            "<b>bold</b>",
            "<script>alert(1)</script>",
            "a --> b",
            "{\\an8}up",
            "*all* _of_ it",
            "[x](javascript:alert(1))",
        ),
        *("# head", "1. one", "12) x", "- item", "+ item", "> quote", "`code`", "a | b", "&lt;", "~~gone~~", "==="),
        *("=1+1", "@SUM(A1)", "+49 30", "-5", "＝cmd", "\t=1", "$x$", "\\", "https://a.b/c_d_e", "![i](x)"),
    ],
)
def test_what_is_said_is_text_in_every_form(said: str) -> None:
    flat = " ".join(said.split())
    name = SpeakerName("S1", flat, "person")
    for speakers in (True, False):
        made = Transcript(
            Account((caption(1, 1, 2, said, "S1"), caption(2, 3, 4, "x", "S2")), (name, SpeakerName("S2", "Bo"))),
            options=Options(speakers=speakers),
        )
        read = shown(FORMATS["md"](made))
        assert read == (
            ["Transcript", f"Speakers: {flat}, Bo", f"{flat}: {flat}", "Bo: x"]
            if speakers
            else ["Transcript", f"{flat} x"]
        )
        row = next(csv.DictReader(io.StringIO(FORMATS["csv"](made))))
        for cell in (row["text"], row["speakers"]):
            assert not cell or cell[0] not in "=+-@\t\r＝"
            assert cell.removeprefix("'") in (flat, "")
        cues = vtt(FORMATS["vtt"](made))
        assert cues[0][3] == flat
        assert cues[0][2] == (flat if speakers else "")
        block = FORMATS["srt"](made).split("\n")[2]
        assert "-->" not in block
        assert not re.search(r"<[/a-zA-Z]|\{[\\a-zA-Z]", block)
        assert json.loads(FORMATS["json"](made))["captions"][0]["text"] == said


def test_markdown_in_the_middle_of_a_line_keeps_its_numbers() -> None:
    assert markdown("1. one", first=False) == "1. one"
    assert markdown("1. one") == "1\\. one"


def test_a_part_counts_its_times_from_its_beginning() -> None:
    words = caption(1, 10, 14, "one two three four", "S1")
    spread = replace(
        words,
        text=None,
        words=tuple(replace(word, start=(10 + i) * S, end=(11 + i) * S) for i, word in enumerate(words.words)),
    )
    edited = replace(spread, id=2, start=20 * S, end=30 * S, text="By a person")
    account = Account((spread, edited), ACCOUNT.speakers)
    part = cut(account, 12 * S, 24 * S).captions
    assert [(item.shown, item.start, item.end) for item in part] == [("three four", 0, 2 * S)]
    assert [(word.start, word.end) for word in part[0].words] == [(0, S), (S, 2 * S)]
    part = cut(account, 25 * S, 40 * S).captions
    assert [(item.shown, item.start, item.end) for item in part] == [("By a person", 0, 5 * S)]
    assert cut(account, 0, 100 * S) == account
    assert cut(account, 14 * S, 20 * S).captions == ()
