"""A recording cut into windows: at its pauses, never too long, nothing left out."""

from __future__ import annotations

from itertools import pairwise

import pytest

from server.clock import SAMPLE_RATE
from server.speech.evidence import VoicingTrack
from server.speech.vad import SpeechEnd, SpeechStart, Voicing, Watermark
from server.speech.windows import Window, WindowPacker, WindowSettings

FRAME = 1536
SETTINGS = WindowSettings(longest=15 * SAMPLE_RATE, pause=2 * SAMPLE_RATE, after=SAMPLE_RATE // 5)


def at(seconds: float) -> int:
    """The start of the frame that lies at a time."""
    return round(seconds * SAMPLE_RATE / FRAME) * FRAME


def pack(spans: list[tuple[float, float]], length: float, weak: tuple[float, ...] = ()) -> list[Window]:
    """Windows of speech at `spans` (seconds), told frame by frame; the voice is weak for a moment at `weak`."""
    track = VoicingTrack()
    packer = WindowPacker(track, SETTINGS)
    out: list[Window] = []
    edges = {at(start): SpeechStart(at(start), at(start)) for start, _ in spans}
    ends = {at(end): SpeechEnd(at(end), at(end)) for _, end in spans}
    for frame in range(0, at(length), FRAME):
        speech = any(at(start) <= frame < at(end) for start, end in spans)
        if frame in edges:
            out += packer.push(edges[frame])
        if frame in ends:
            out += packer.push(ends[frame])
        weaker = any(abs(frame - at(moment)) <= FRAME for moment in weak)
        voicing = Voicing(frame, (0.6 if weaker else 0.9 if speech else 0.0,))
        track.append(voicing)
        out += packer.push(voicing)
        out += packer.push(Watermark(frame))
    for end, event in ends.items():
        if end >= at(length):
            out += packer.push(event)
    return [*out, *packer.flush()]


def test_sentences_share_a_window_and_pauses_divide() -> None:
    windows = pack([(1, 3), (3.8, 6), (10, 12)], 20)
    assert windows == [Window(at(1), at(6) + SETTINGS.after), Window(at(10), at(12) + SETTINGS.after)]


def test_no_window_is_longer_than_a_model_hears_and_sentences_stay_whole() -> None:
    spans = [(4.0 * i, 4.0 * i + 3.2) for i in range(12)]
    windows = pack(spans, 48)
    assert all(window.end - window.start <= SETTINGS.longest + SETTINGS.after for window in windows)
    for start, end in spans:
        assert any(window.start <= at(start) and at(end) <= window.end for window in windows)
    assert all(before.end <= after.start for before, after in pairwise(windows))


def test_who_talks_without_a_pause_is_cut_where_the_voice_is_weakest() -> None:
    windows = pack([(0, 38)], 38, weak=(11.0, 24.0))
    cuts = [window.end for window in windows[:-1]]
    assert cuts == [pytest.approx(at(11.0), abs=2 * FRAME), pytest.approx(at(24.0), abs=2 * FRAME)]
    assert windows[0].start == 0 and windows[-1].end >= at(38)
    assert all(before.end == after.start for before, after in pairwise(windows))


def test_silence_makes_no_window() -> None:
    assert pack([], 30) == []
