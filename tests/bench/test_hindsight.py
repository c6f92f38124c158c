"""A file as the final pass hears it, on the simulated clock: who speaks is known at its end."""

from __future__ import annotations

from typing import Any

from server.bench.hindsight import RecordedStream
from server.bench.simulated import Hearing, Simulation
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import CaptionOptions, TurnRevision, Urgency
from server.speech.processor import SpeakerTurn
from tests.inference.captioning.scripted import ScriptedDiarizer
from tests.speech.scripted import ScriptedTalk, scripted_vad, sound, spoken


class Afterwards(ScriptedDiarizer):
    """Says in the end that everything was said by somebody else."""

    def conclude(self, stream: list[int]) -> list[Any]:
        return [TurnRevision(0, stream[0], (SpeakerTurn(0, stream[0], "S9", 1.0),))]


def test_the_speakers_of_a_file_are_those_of_its_end() -> None:
    lines = spoken("one two three four five six")
    hearing = Hearing(CaptionOptions(language="en", urgency=Urgency.FILE), diarizer=Afterwards(["S1", "S2"]))
    stream = RecordedStream(sound(lines, 5.0), hearing)
    Simulation({"vad": scripted_vad, "transcribe": ScriptedTalk(lines)}).run([stream])
    assert "".join(word.text for word in stream.account.words).strip() == "one two three four five six"
    assert [(turn.start, turn.end, turn.speaker) for turn in stream.account.turns] == [(0, 5 * SAMPLE_RATE, "S9")]
