"""Frames between a server and its caption worker, and what they refuse."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from server.inference.caption_lane import (
    CaptionOptions,
    Finished,
    LaneItem,
    LanguageHeard,
    TurnRevision,
    Turns,
    Urgency,
    VoicePrints,
)
from server.inference.captioning.items import from_plain, options_from, options_values, to_plain
from server.inference.captioning.wire import MAX_ARRAYS, MAX_HEADER, BadFrame, FrameReader, encode
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcriber import Gap, Interim
from server.speech.vad import SpeechEnd, SpeechStart


def raw(header: bytes, arrays: bytes = b"") -> bytes:
    return struct.pack(">II", len(header), len(arrays)) + header + arrays


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_frames_come_whole_however_bytes_are_cut(cut: int) -> None:
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = encode("first", {"text": "é"}, [numbers, np.zeros(0, np.float32)]) + encode("second", {"a": [1, None]})
    reader = FrameReader()
    frames = [frame for i in range(0, len(data), cut) for frame in reader.feed(data[i : i + cut])]
    assert [(frame.kind, dict(frame.values)) for frame in frames] == [
        ("first", {"text": "é"}),
        ("second", {"a": [1, None]}),
    ]
    assert np.array_equal(frames[0].arrays[0], numbers)
    assert frames[0].arrays[1].shape == (0,)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">II", MAX_HEADER + 1, 0),
        struct.pack(">II", 2, MAX_ARRAYS + 1),
        raw(b"no JSON"),
        raw(b"[" * 100_000),
        raw(b"[]"),
        raw(b"{}"),
        raw(json.dumps({"kind": 5}).encode()),
        raw(json.dumps({"kind": "x", "arrays": [[2]]}).encode(), b"123"),
        raw(json.dumps({"kind": "x", "arrays": [[-1]]}).encode()),
        raw(json.dumps({"kind": "x", "arrays": [[True]]}).encode(), b"1234"),
        raw(json.dumps({"kind": "x", "arrays": "no"}).encode()),
        raw(json.dumps({"kind": "x", "arrays": [[1, 1, 1, 1, 1]]}).encode(), b"1234"),
        raw(b'{"kind": "x"}', b"1234"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        FrameReader().feed(data)


def test_what_is_too_large_is_not_sent() -> None:
    with pytest.raises(BadFrame):
        encode("x", {"text": "a" * MAX_HEADER})


ITEMS: list[LaneItem] = [
    Word(1, 2, " é", 0.25),
    Interim((Word(1, 2, " a", 0.5),)),
    Interim(()),
    Watermark(5),
    Gap(1, 2, "too slow"),
    SpeechStart(1, 2),
    SpeechEnd(3, 4),
    Turns((SpeakerTurn(1, 2, "S1", 0.5),), 7),
    TurnRevision(1, 9, (SpeakerTurn(1, 2, "S2", 0.5),)),
    LanguageHeard("en"),
    Finished(),
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_every_item_of_a_lane_survives(item: LaneItem) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(item)))) == item


def test_voices_survive() -> None:
    prints = VoicePrints("model", {"S1": np.array([0.6, 0.8], np.float32)}, {"S1": 3.5})
    back = from_plain(json.loads(json.dumps(to_plain(prints))))
    assert isinstance(back, VoicePrints)
    assert (back.model, back.seconds) == ("model", {"S1": 3.5})
    assert np.array_equal(back.centroids["S1"], prints.centroids["S1"])


def test_options_survive() -> None:
    options = CaptionOptions("de", True, "Emma", 2, None, 5, Urgency.FILE)
    assert options_from(json.loads(json.dumps(options_values(options)))) == options


@pytest.mark.parametrize("values", [None, [], ["nothing"], ["word", 1], ["turns", [[1]], 2], ["voices", {}], [[], 1]])
def test_what_is_no_item_is_refused(values: object) -> None:
    with pytest.raises(BadFrame):
        from_plain(values)
