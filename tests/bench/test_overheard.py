"""Where a stream's timeline lies beside the file that was sent."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from server.bench.overheard import SPAN, _Lane, loudness, who
from server.clock import SAMPLE_RATE
from server.errors import Unavailable
from server.inference.caption_lane import TurnRevision, Turns
from server.inference.captioning.items import to_plain
from server.speech.processor import SpeakerTurn


@pytest.mark.parametrize("late", [0, 37 * SPAN, -5 * SPAN])
def test_turns_are_told_on_the_timeline_of_the_file(late: int, tmp_path: Path) -> None:
    """The stream began `late` samples before the file was heard in it, and its lane a second into it."""
    chance = np.random.default_rng(3)
    volume = np.repeat(chance.uniform(0, 1, 90), SAMPLE_RATE // 10)
    audio = (volume * chance.normal(0, 0.1, len(volume))).astype("f")
    stream = np.concatenate([np.zeros(max(0, late), np.float32), audio[max(0, -late) :]])
    heard = stream + chance.normal(0, 0.01, len(stream)).astype("f")
    turn = SpeakerTurn(2 * SAMPLE_RATE + late, 3 * SAMPLE_RATE + late, "S1", 1.0)
    said = [Turns((turn,), turn.end), TurnRevision(turn.start, turn.end, (turn,))]
    lane = _Lane(SAMPLE_RATE, list(map(to_plain, said)), loudness(heard[SAMPLE_RATE:]).tolist())
    file = tmp_path / "who.json"
    file.write_text(json.dumps([asdict(lane)]))
    ((turns, revision),) = who(file, audio)
    expected = SpeakerTurn(2 * SAMPLE_RATE, 3 * SAMPLE_RATE, "S1", 1.0)
    assert turns == Turns((expected,), expected.end)
    assert revision == TurnRevision(expected.start, expected.end, (expected,))


def test_a_server_that_wrote_nothing_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        who(tmp_path / "missing.json", np.zeros(SAMPLE_RATE, np.float32))
