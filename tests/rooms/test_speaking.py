"""Who speaks is shown by the voice gate at once and by name as soon as the diarizer knows."""

from __future__ import annotations

from server.clock import SAMPLE_RATE
from server.inference.caption_lane import Turns
from server.rooms.messages import UNKNOWN_SPEAKER
from server.rooms.speaking import Speaking
from server.speech.processor import SpeakerTurn
from server.speech.vad import SpeechEnd, SpeechStart

S = SAMPLE_RATE


def turns(watermark: float, *spans: tuple[str, float, float]) -> Turns:
    said = tuple(SpeakerTurn(round(start * S), round(end * S), label, 1.0) for label, start, end in spans)
    return Turns(said, round(watermark * S))


def test_a_voice_is_heard_before_it_is_known() -> None:
    speaking = Speaking()
    assert speaking.gate(SpeechStart(S, S))
    assert speaking.labels == (UNKNOWN_SPEAKER,)
    assert not speaking.turns(turns(1.0))  # the diarizer is not that far
    assert speaking.turns(turns(1.5, ("S1", 1.0, 1.5)))
    assert speaking.labels == ("S1",)
    assert not speaking.turns(turns(2.0, ("S1", 1.5, 2.0)))
    assert speaking.gate(SpeechEnd(2 * S, 2 * S))
    assert speaking.labels == ()
    assert not speaking.turns(turns(2.5, ("S1", 2.0, 2.4)))  # of a moment before


def test_speakers_change_and_speak_at_once() -> None:
    speaking = Speaking()
    speaking.gate(SpeechStart(0, 0))
    speaking.turns(turns(1.0, ("S1", 0.0, 1.0)))
    assert speaking.turns(turns(2.0, ("S2", 1.6, 2.0), ("S1", 0.0, 2.0)))
    assert speaking.labels == ("S1", "S2")
    assert speaking.turns(turns(3.0, ("S1", 0.0, 2.2), ("S2", 1.6, 3.0)))
    assert speaking.labels == ("S2",)


def test_without_a_gate_the_diarizer_says_it_alone() -> None:
    speaking = Speaking()
    assert speaking.turns(turns(1.0, ("S1", 0.0, 1.0)))
    assert speaking.turns(turns(2.0, ("S1", 0.0, 1.2)))
    assert speaking.labels == ()


def test_stopping_shows_nobody() -> None:
    speaking = Speaking()
    speaking.gate(SpeechStart(0, 0))
    assert speaking.stop()
    assert not speaking.stop()
    assert not speaking.turns(turns(1.0, ("S1", 0.0, 1.0)))
