"""A saved voice names a speaker who sounds like it, nobody else, and not on a single look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from server.speech.voices import LEAST_HEARD, EnrolledVoice, VoiceBook, VoiceLimits, distance

LIMITS = VoiceLimits(nearest=0.4, margin=0.1)


def at(*degrees: float) -> NDArray[np.float64]:
    """A unit vector in the plane, or in space."""
    first, second = np.radians([*degrees, 0.0][:2])
    return np.array([np.cos(first) * np.cos(second), np.sin(first) * np.cos(second), np.sin(second)])


def enrolled(*angles: float) -> list[EnrolledVoice]:
    return [EnrolledVoice(f"v{angle:g}", "m", at(angle)) for angle in angles]


def look(
    book: VoiceBook, heard: dict[str, float], named: dict[str, str] | None = None, seconds: float = 10.0
) -> dict[str, str | None]:
    centroids = {label: at(angle) for label, angle in heard.items()}
    return book.look("m", centroids, dict.fromkeys(heard, seconds), LIMITS, named or {})


def test_a_voice_is_recognised_at_the_second_look() -> None:
    book = VoiceBook(enrolled(0, 90))
    assert look(book, {"S1": 20, "S2": 180}) == {}
    assert look(book, {"S1": 25, "S2": 180}) == {"S1": "v0"}
    assert look(book, {"S1": 25, "S2": 180}, {"S1": "v0"}) == {}


def test_between_two_voices_nobody_is_named() -> None:
    book = VoiceBook(enrolled(0, 60))
    for _ in range(3):
        assert look(book, {"S1": 29}) == {}


def test_a_stranger_is_never_named() -> None:
    book = VoiceBook(enrolled(0))
    for _ in range(3):
        assert look(book, {"S1": 60, "S2": 120, "S3": 180}) == {}


def test_who_has_the_name_keeps_it_a_little_longer_and_not_for_ever() -> None:
    book = VoiceBook(enrolled(0))
    for _ in range(3):
        assert look(book, {"S1": 58}, {"S1": "v0"}) == {}  # 0.47: too far to be named, near enough to stay
    assert look(book, {"S1": 70}, {"S1": "v0"}) == {}
    assert look(book, {"S1": 70}, {"S1": "v0"}) == {"S1": None}


def test_of_two_who_sound_alike_the_nearer_has_the_voice() -> None:
    book = VoiceBook(enrolled(0))
    look(book, {"S1": 30, "S2": 10})
    assert look(book, {"S1": 30, "S2": 10}) == {"S2": "v0"}


def test_too_little_of_somebody_says_nothing() -> None:
    book = VoiceBook(enrolled(0))
    for _ in range(3):
        assert look(book, {"S1": 0}, seconds=LEAST_HEARD - 0.1) == {}


def test_centroids_of_two_models_are_not_compared() -> None:
    book = VoiceBook([EnrolledVoice("v", "another", at(0)), EnrolledVoice("w", "m", np.ones(5))])
    for _ in range(3):
        assert look(book, {"S1": 0}) == {}


def test_voices_that_are_deleted_name_nobody() -> None:
    book = VoiceBook(enrolled(0))
    look(book, {"S1": 0})
    book.know([])
    assert look(book, {"S1": 0}, {"S1": "v0"}) == {}
    assert look(book, {"S1": 0}, {"S1": "v0"}) == {"S1": None}


def test_what_is_no_direction_is_far_from_everything() -> None:
    assert distance(at(0), np.zeros(3)) == 2.0
    assert distance(at(0), np.full(3, np.nan)) == 2.0
    assert distance(at(0), at(90)) == pytest.approx(1.0)
    assert distance(3 * at(10), at(10)) == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 360), min_size=1, max_size=5, unique=True),
    st.lists(st.floats(0, 360), min_size=1, max_size=5),
)
def test_a_voice_never_names_two_and_never_who_is_too_far(voices: Sequence[float], heard: Sequence[float]) -> None:
    book = VoiceBook(EnrolledVoice(str(index), "m", at(angle)) for index, angle in enumerate(voices))
    labels = {f"S{index}": angle for index, angle in enumerate(heard)}
    look(book, labels)
    named = look(book, labels)
    assert len(set(named.values())) == len(named)
    for label, voice in named.items():
        assert voice is not None
        assert distance(at(labels[label]), at(voices[int(voice)])) <= LIMITS.nearest
