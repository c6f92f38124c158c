"""Captions as WebVTT, a W3C recommendation that players and browsers read: https://www.w3.org/TR/webvtt1/"""

from __future__ import annotations

from server.clock import SAMPLE_RATE

HEADER = "WEBVTT\n"
TYPE = "text/vtt"

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\x00": "\ufffd"})


def timestamp(sample: int) -> str:
    """A moment of the 48 kHz timeline, always with hours (section 4.1), to the millisecond before it."""
    milliseconds = sample * 1000 // SAMPLE_RATE
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"


def escaped(text: str) -> str:
    """Text that means itself in a cue (section 4.2.2): one line, without markup and without an arrow."""
    return " ".join(text.split()).translate(_ESCAPES)


def cue(number: int, start: int, end: int, speakers: list[str], text: str) -> str:
    """One cue block, with the blank line before it; `start` and `end` in samples at 48 kHz.

    `speakers` are names, the main one first; they stand in one voice span, which takes a single annotation. A cue ends
    after it begins, whatever was heard.
    """
    begins, ends = timestamp(start), timestamp(max(end, start + SAMPLE_RATE // 1000))
    said = escaped(text)
    names = escaped(" & ".join(speakers))
    body = f"<v {names}>{said}</v>" if names else said
    return f"\n{number}\n{begins} --> {ends}\n{body}\n"
