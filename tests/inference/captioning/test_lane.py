"""A lane on the server's side, without a worker: what it keeps, sends again and does not repeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.errors import Unavailable
from server.inference.caption_lane import (
    CaptionOptions,
    Ear,
    Finished,
    LaneItem,
    LanguageHeard,
    TurnRevision,
    Turns,
    Urgency,
)
from server.inference.captioning.lane import WorkerCaptionLane
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcriber import Gap, Interim
from server.speech.vad import SpeechEnd, SpeechStart
from tests.inference.captioning.helpers import Said

S = SAMPLE_RATE
BOTH = {Ear.WORDS: True, Ear.SPEAKERS: True}


class Line:
    """The way to a worker, as a test sees it."""

    def __init__(self) -> None:
        self.connected = True
        self.writable = True
        self.sent: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = []
        self.left: list[int] = []

    def send(self, kind: str, lane: int, values: Mapping[str, Any], *arrays: Any) -> None:
        self.sent.append((kind, dict(values), arrays))

    def leave(self, lane: int) -> None:
        self.left.append(lane)

    def audio(self, ear: Ear) -> tuple[int, list[float]]:
        """Where what was sent for an ear begins, and its samples, which must have no hole."""
        pieces = [(values["start"], arrays[0]) for kind, values, arrays in self.sent if values.get("ear") == ear.value]
        at = pieces[0][0]
        for start, samples in pieces:
            assert start == at
            at += len(samples)
        return pieces[0][0], np.concatenate([samples for _, samples in pieces]).tolist()


class Case:
    """A lane with its line, and what it said."""

    def __init__(self, urgency: Urgency = Urgency.LIVE) -> None:
        self.line = Line()
        self.said = Said()
        self.lane = WorkerCaptionLane(self.line, 1, CaptionOptions(urgency=urgency), 0, self.said, None)
        self.end = 0

    def push(self, seconds: float, value: float = 0.0) -> None:
        count = round(seconds * S)
        for ear in Ear:
            self.lane.push(ear, AudioFrame(self.end, np.full(count, value, np.float32)))
        self.end += count

    def hears(self, *items: LaneItem, words: int = 0, speakers: int = 0) -> None:
        self.lane.said(items, words, speakers)

    def another_worker(self) -> dict[str, Any]:
        """The worker dies and the next one is there; what that is told, with the audio in `line.sent`."""
        self.lane.lost()
        self.line.sent.clear()
        told = self.lane.opens(BOTH)
        self.lane.pump()
        return told


@pytest.fixture
def case() -> Case:
    case = Case()
    case.lane.opens(BOTH)
    return case


def word(start: float, end: float, text: str = " a") -> Word:
    return Word(round(start * S), round(end * S), text, 0.5)


def test_audio_is_sent_as_it_comes_and_in_pieces_that_fit(case: Case) -> None:
    case.push(0.02)
    assert case.line.sent == []
    case.push(0.02)
    case.push(5.0)
    assert case.line.audio(Ear.WORDS)[0] == 0
    assert max(len(arrays[0]) for _, _, arrays in case.line.sent) <= S
    case.lane.finish()
    assert len(case.line.audio(Ear.WORDS)[1]) == len(case.line.audio(Ear.SPEAKERS)[1]) == case.end
    assert [kind for kind, _, _ in case.line.sent].count("finish") == 1


def test_a_full_line_keeps_audio_on_the_tape_and_says_the_end_last(case: Case) -> None:
    case.line.writable = False
    case.push(2.0)
    case.lane.finish()
    assert case.line.sent == []
    case.line.writable = True
    case.lane.pump()
    assert len(case.line.audio(Ear.WORDS)[1]) == case.end
    assert case.line.sent[-1][0] == "finish"


def test_the_next_worker_gets_what_may_be_decoded_again_and_the_words_before(case: Case) -> None:
    case.push(3.0, 0.1)
    case.push(3.0, 0.2)
    case.hears(word(0.5, 1.0), Watermark(S), words=0)
    case.hears(word(3.5, 4.0, " b"), Watermark(4 * S), words=3 * S)
    told = case.another_worker()
    start, samples = case.line.audio(Ear.WORDS)
    assert start == 3 * S
    assert samples == pytest.approx([0.2] * 3 * S)
    assert [entry[2] for entry in told["memory"]["committed"]] == [" a", " b"]


def test_the_diarizer_gets_ten_seconds_before_what_it_said_last(case: Case) -> None:
    case.push(30.0)
    case.hears(Turns((), 25 * S), words=0, speakers=25 * S)
    case.another_worker()
    assert case.line.audio(Ear.SPEAKERS)[0] == 15 * S


def test_decided_time_is_not_told_again(case: Case) -> None:
    case.push(20.0)
    first = SpeakerTurn(0, 12 * S, "S1", 1.0)
    case.hears(SpeechStart(0, S), word(1, 2), Watermark(2 * S), Turns((first,), 12 * S), LanguageHeard("en"))
    case.another_worker()
    before = len(case.said.items)
    case.hears(
        SpeechStart(0, S),
        Watermark(S),
        Gap(0, 2 * S, "said already"),
        LanguageHeard("en"),
        Turns((SpeakerTurn(2 * S, 6 * S, "S1", 1.0),), 6 * S),
        Turns((SpeakerTurn(6 * S, 13 * S, "S1", 1.0),), 13 * S),
        TurnRevision(5 * S, 6 * S, ()),
        Watermark(3 * S),
    )
    assert case.said.items[before:] == [
        SpeechStart(0, S),
        Turns((SpeakerTurn(12 * S, 13 * S, "S1", 1.0),), 13 * S),
        Watermark(3 * S),
    ]


def test_when_the_worker_dies_nobody_is_said_to_speak(case: Case) -> None:
    case.push(2.0)
    case.hears(SpeechStart(0, S))
    case.lane.lost()
    assert case.said.items[-1] == SpeechEnd(2 * S, 2 * S)
    case.lane.lost()
    assert len(case.said.of(SpeechEnd)) == 1


def test_an_interim_that_the_next_worker_does_not_know_is_withdrawn(case: Case) -> None:
    case.push(5.0)
    case.hears(Interim((word(1, 2),)))
    case.another_worker()
    case.hears(Watermark(3 * S))
    assert case.said.items[-2:] == [Interim(()), Watermark(3 * S)]
    case.hears(Interim((word(4, 5),)))
    case.another_worker()
    case.hears(Interim((word(4, 5, " b"),)))
    assert case.said.of(Interim)[-1].words[0].text == " b"
    assert len(case.said.of(Interim)) == 4


def test_audio_of_which_three_workers_died_is_left_out(case: Case) -> None:
    case.push(5.0)
    case.hears(Watermark(S))
    case.lane.died()
    case.hears(Watermark(2 * S))
    for _ in range(2):
        case.lane.died()
        case.another_worker()
        assert not case.said.of(Gap), "there was progress after the first"
    case.push(1.0)
    case.lane.died()
    assert case.said.items[-2:] == [Gap(2 * S, 6 * S, "the model died of it"), Watermark(6 * S)]
    case.push(1.0)
    case.another_worker()
    assert case.line.audio(Ear.WORDS)[0] == 6 * S


def test_a_file_is_not_kept_and_may_not_come_faster_than_it_is_sent() -> None:
    case = Case(Urgency.FILE)
    case.lane.opens(BOTH)
    for _ in range(100):
        case.push(1.0)
    assert case.lane.kept() == 0
    assert case.lane.backlog == 100 * S
    case.hears(Watermark(40 * S), words=40 * S, speakers=90 * S)
    assert case.lane.backlog == 60 * S
    case.line.writable = False
    for _ in range(9):
        case.push(10.0)
    with pytest.raises(Unavailable):
        case.push(1.0)


def test_what_no_model_hears_is_not_kept() -> None:
    case = Case()
    case.line.writable = False
    case.push(5.0)
    case.line.writable = True
    case.lane.opens({Ear.WORDS: True, Ear.SPEAKERS: False})
    case.push(5.0)
    assert {values.get("ear") for kind, values, _ in case.line.sent if kind == "audio"} == {"words"}


def test_a_lane_that_is_closed_says_nothing(case: Case) -> None:
    case.push(1.0)
    case.hears(Finished())
    assert case.line.left == [1]
    count = len(case.said.items)
    case.hears(Watermark(S))
    case.lane.lost()
    assert len(case.said.items) == count
