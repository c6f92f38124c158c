"""Captions as WebVTT."""

from __future__ import annotations

import pytest

from server.speech import webvtt


@pytest.mark.parametrize(
    ("sample", "text"),
    [(0, "00:00:00.000"), (47, "00:00:00.000"), (48, "00:00:00.001"), (48_000 * 3_661 + 24_000, "01:01:01.500"),
     (48_000 * 3_600 * 123, "123:00:00.000")],
)  # fmt: skip
def test_times_have_hours(sample: int, text: str) -> None:
    assert webvtt.timestamp(sample) == text


def test_a_cue_says_who_speaks() -> None:
    assert webvtt.cue(7, 48_000, 96_000, ["Ada"], "Hello") == ("\n7\n00:00:01.000 --> 00:00:02.000\n<v Ada>Hello</v>\n")
    assert "<v Ada &amp; Bob>" in webvtt.cue(1, 0, 9_600, ["Ada", "Bob"], "at once")
    assert webvtt.cue(1, 0, 9_600, [], "who?").endswith("\nwho?\n")


def test_nothing_that_is_said_becomes_markup() -> None:
    block = webvtt.cue(1, 0, 9_600, ["<b>O'Neil & Sons\n\n"], "1 < 2 --> &amp;\n\n00:00.000 --> 00:01.000\n<c>x</c>")
    lines = block.strip("\n").split("\n")
    assert lines[2:] == [
        "<v &lt;b&gt;O'Neil &amp; Sons>1 &lt; 2 --&gt; &amp;amp; 00:00.000 --&gt; 00:01.000 &lt;c&gt;x&lt;/c&gt;</v>"
    ]


def test_a_cue_ends_after_it_begins() -> None:
    assert "00:00:01.000 --> 00:00:01.001" in webvtt.cue(1, 48_000, 48_000, [], "x")
