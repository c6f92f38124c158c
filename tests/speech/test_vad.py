"""The voice gate: what counts as speech, where it starts and ends, and that nothing depends on how audio arrives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.speech.heard import Heard
from server.speech.processor import Failure, Request, Watermark
from server.speech.vad import CONTEXT, FRAME, STATE, SpeechEnd, SpeechStart, VadGate, VadSettings, Voicing

LENGTH = 3 * FRAME
"""A frame on the timeline."""


def hear(probabilities: list[float], cuts: list[int] | None = None, gate: VadGate | None = None) -> list[Any]:
    """Frames of constant level, each as probable to be speech as it is loud, pushed in pieces that end at `cuts`."""
    gate = gate or VadGate(itertools.count())
    samples = np.repeat(np.asarray(probabilities, np.float32), FRAME)
    edges = [0, *sorted(set(cuts or [])), len(samples)]
    out: list[Any] = []

    def take(items: list[Any]) -> None:
        for item in items:
            if isinstance(item, Request):
                frames, hidden, cell = item.arrays
                take(gate.result(item.id, (frames[:, CONTEXT], hidden + 1, cell)))
            else:
                out.append(item)

    for begin, end in itertools.pairwise(edges):
        take(gate.push(Heard(3 * begin, samples[begin:end])))
    take(gate.flush())
    return out


def segments(events: list[Any]) -> list[tuple[int, int]]:
    starts = [event.start for event in events if isinstance(event, SpeechStart)]
    return list(zip(starts, [event.end for event in events if isinstance(event, SpeechEnd)], strict=True))


def test_speech_starts_before_its_first_frame_and_ends_with_its_last() -> None:
    pre_roll = VadSettings().pre_roll
    assert segments(hear([0.0] * 20 + [0.9] * 10 + [0.0] * 30)) == [(20 * LENGTH - pre_roll, 30 * LENGTH)]


def test_a_stream_that_starts_within_a_word_starts_with_it() -> None:
    assert segments(hear([0.9] * 10 + [0.0] * 30)) == [(0, 10 * LENGTH)]


def test_a_short_pause_does_not_end_speech_and_a_click_does_not_start_it() -> None:
    assert len(segments(hear([0.0] * 20 + [0.9] * 10 + [0.1] * 8 + [0.9] * 10 + [0.0] * 30))) == 1
    assert segments(hear([0.0] * 20 + [0.9] + [0.0] * 30)) == []


def test_speech_holds_on_at_a_lower_probability_than_it_starts() -> None:
    assert segments(hear([0.0] * 20 + [0.4] * 10 + [0.0] * 30)) == []
    assert segments(hear([0.0] * 20 + [0.9] * 2 + [0.4] * 40 + [0.0] * 30))[0][1] == 62 * LENGTH


def test_two_segments_do_not_overlap_for_all_the_pre_roll() -> None:
    gate = VadGate(itertools.count(), VadSettings(minimum_silence=2 * LENGTH, pre_roll=10 * LENGTH))
    assert segments(hear([0.9] * 10 + [0.0] * 4 + [0.9] * 10 + [0.0] * 4, gate=gate)) == [
        (0, 10 * LENGTH),
        (10 * LENGTH, 24 * LENGTH),
    ]


def test_the_end_of_the_stream_ends_speech_however_short() -> None:
    events = hear([0.0] * 20 + [0.9])
    assert segments(events) == [(20 * LENGTH - VadSettings().pre_roll, 21 * LENGTH)]
    assert events[-1] == Watermark(21 * LENGTH)


@given(
    frames=st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.9]), min_size=1, max_size=80),
    cuts=st.lists(st.integers(1, 80 * FRAME), max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_how_audio_is_cut_changes_nothing(frames: list[float], cuts: list[int]) -> None:
    inside = [cut for cut in cuts if cut < len(frames) * FRAME]
    whole, pieces = hear(frames), hear(frames, inside)
    assert segments(whole) == segments(pieces)
    probabilities = [p for event in pieces if isinstance(event, Voicing) for p in event.probabilities]
    np.testing.assert_allclose(probabilities, frames, atol=1e-6)  # every sample is judged, once
    marks = [event.sample for event in pieces if isinstance(event, Watermark)]
    assert marks == sorted(marks)
    for position, event in enumerate(pieces):
        if isinstance(event, SpeechStart):
            before = [mark.sample for mark in pieces[:position] if isinstance(mark, Watermark)]
            assert event.start >= max(before, default=0)


def test_the_model_sees_context_and_remembers() -> None:
    gate = VadGate(itertools.count(), VadSettings(frames=2))
    ramp = np.arange(4 * FRAME, dtype=np.float32)
    (first,) = gate.push(Heard(0, ramp))
    assert isinstance(first, Request)
    frames, hidden, cell = first.arrays
    assert frames.shape == (4, FRAME + CONTEXT) and hidden.shape == cell.shape == STATE
    assert not frames[0, :CONTEXT].any()
    np.testing.assert_array_equal(frames[1], ramp[FRAME - CONTEXT : 2 * FRAME])
    gate.result(first.id, (np.zeros(4), hidden + 3, cell + 5))
    (second,) = gate.push(Heard(3 * 4 * FRAME, ramp))
    assert isinstance(second, Request)
    np.testing.assert_array_equal(second.arrays[0][0, :CONTEXT], ramp[-CONTEXT:])
    assert (second.arrays[1] == 3).all() and (second.arrays[2] == 5).all()


def test_a_gate_without_its_model_stays_open() -> None:
    gate = VadGate(itertools.count())
    (request,) = gate.push(Heard(0, np.zeros(20 * FRAME, np.float32)))
    assert isinstance(request, Request)
    events = gate.result(request.id, Failure("out of memory"))
    assert any(isinstance(event, SpeechStart) for event in events)
    assert gate.failures == 1


def test_thresholds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError):
        VadGate(itertools.count(), VadSettings(onset=0.3, offset=0.5))


def test_answers_to_nothing_are_refused() -> None:
    with pytest.raises(KeyError):
        VadGate(itertools.count()).result(7, (np.zeros(1), *([np.zeros(STATE)] * 2)))
