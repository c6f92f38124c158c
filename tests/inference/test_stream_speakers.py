"""diart's clustering of one stream with what somebody has said of how many speak; voices are made up."""

from __future__ import annotations

import numpy as np
import pytest

from server.inference.diarization.clustering import Floats, StreamSpeakers
from server.inference.diarization.hints import SpeakerHints
from server.inference.diarization.libraries import load_libraries
from server.inference.diarization.thresholds import Thresholds

LIMITS = Thresholds(active=0.5, update=0.3, new=0.7, same=0.58, voice=0.45, margin=0.1)
FRAMES = 10


def voice(*values: float) -> Floats:
    """A voice: so like the first, the second and the third of three that have nothing in common."""
    rest = 1 - sum(value**2 for value in values)
    return np.array([*values, np.sqrt(max(0.0, rest)), 0.0, 0.0][:4], np.float32)


def heard(hints: SpeakerHints, *voices: Floats) -> list[int]:
    """Who each voice is taken for, one window after the other."""
    speakers = StreamSpeakers("model", LIMITS, hints)
    said = []
    for voice in voices:
        assigned = speakers.assign(np.ones((FRAMES, 1), np.float32), voice[None])
        said.append(int(assigned.mean(axis=0).argmax()))
    return said


@pytest.fixture(autouse=True, scope="module")
def libraries() -> None:
    load_libraries()


@pytest.mark.parametrize(
    ("hints", "taken"),
    [(SpeakerHints(), [0, 0, 0]), (SpeakerHints(fewest=2), [0, 1, 0]), (SpeakerHints(2, 2), [0, 1, 0])],
)
def test_voices_that_are_alike_are_two_people_where_somebody_said_so(hints: SpeakerHints, taken: list[int]) -> None:
    assert heard(hints, voice(1), voice(0.38), voice(0.95)) == taken


@pytest.mark.parametrize(("fewest", "third"), [(1, 1), (2, 1), (3, 2)])
def test_once_there_are_enough_alike_is_the_same_again(fewest: int, third: int) -> None:
    assert heard(SpeakerHints(fewest), voice(1), voice(0, 1), voice(0.35, 0.38)) == [0, 1, third]


def test_one_voice_is_one_person_whatever_somebody_said() -> None:
    assert heard(SpeakerHints(fewest=3), voice(1), voice(0.7), voice(0.8), voice(0.6)) == [0, 0, 0, 0]
