"""Clean or original: nothing may move on the timeline, whatever the denoiser does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.frame import AudioFrame, Samples
from server.clock import HOP
from server.speech.denoise import PUNCTUAL_HOPS, SILENT_HOPS, DenoiseMixer, DenoiseMode, SilenceWatch

DELAY = 1440
AHEAD = DELAY // HOP
DEADLINE = 2
LAG = AHEAD + DEADLINE


def original(index: int) -> Samples:
    """A noise that is the same for the same hop and nowhere silent."""
    return np.random.default_rng(index).uniform(0.1, 0.9, HOP).astype(np.float32)


def smooth(index: int) -> Samples:
    """Hop `index` of a 100 Hz tone: neighbouring samples differ by at most 0.0066."""
    return (0.5 * np.sin(2 * np.pi * 100 * np.arange(index * HOP, (index + 1) * HOP) / 48_000)).astype(np.float32)


def answer(mixer: DenoiseMixer, index: int, source: object = original) -> None:
    """The answer to hop `index`: half of the audio that ends a delay before it does."""
    if index >= AHEAD:
        mixer.push_clean(index, 0.5 * source(index - AHEAD))  # type: ignore[operator]


def play(
    mixer: DenoiseMixer, hops: range, answered: object = lambda index: True, source: object = original
) -> list[AudioFrame]:
    """Push hops; each is answered a hop later if `answered` says so."""
    out = []
    for index in hops:
        mixer.push_raw(AudioFrame(index * HOP, source(index), concealed=index % 7 == 0))  # type: ignore[operator]
        if index and answered(index - 1):  # type: ignore[operator]
            answer(mixer, index - 1, source)
        while (frame := mixer.pull()) is not None:
            out.append(frame)
    return out


def test_clean_audio_goes_out_at_its_own_time() -> None:
    out = play(DenoiseMixer(DELAY, DEADLINE), range(40))
    assert [frame.start for frame in out] == [HOP * index for index in range(40 - LAG)]
    for index, frame in enumerate(out):
        np.testing.assert_array_equal(frame.samples, 0.5 * original(index))
        assert frame.concealed == (index % 7 == 0)


def test_bypassed_is_the_original_at_the_same_lag() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE, DenoiseMode.BYPASSED)
    out = play(mixer, range(40))
    assert [frame.start for frame in out] == [HOP * index for index in range(40 - LAG)]
    assert all((frame.samples == original(index)).all() for index, frame in enumerate(out))
    assert mixer.state == "off"
    assert mixer.counts.raw == 40 - LAG


def test_absent_passes_on_at_once() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE, DenoiseMode.ABSENT)
    assert mixer.lag == 0
    out = play(mixer, range(5), lambda index: False)
    assert [frame.start for frame in out] == [HOP * index for index in range(5)]


def test_absent_is_for_good() -> None:
    with pytest.raises(ValueError):
        DenoiseMixer(DELAY, DEADLINE, DenoiseMode.ABSENT).mode = DenoiseMode.ACTIVE
    with pytest.raises(ValueError):
        DenoiseMixer(DELAY, DEADLINE).mode = DenoiseMode.ABSENT


def test_switching_fades_over_one_hop_and_moves_nothing() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE)
    out = play(mixer, range(20))
    mixer.mode = DenoiseMode.BYPASSED
    out += play(mixer, range(20, 30))
    mixer.mode = DenoiseMode.ACTIVE
    out += play(mixer, range(30, 40))
    assert [frame.start for frame in out] == [HOP * index for index in range(40 - LAG)]
    off, on = 20 - LAG, 30 - LAG
    ramp = np.arange(1, HOP + 1) / HOP
    np.testing.assert_allclose(out[off].samples, original(off) * (0.5 + 0.5 * ramp), atol=1e-6)
    np.testing.assert_allclose(out[on].samples, original(on) * (1 - 0.5 * ramp), atol=1e-6)
    for index in range(off + 1, on):
        np.testing.assert_array_equal(out[index].samples, original(index))
    np.testing.assert_array_equal(out[on + 1].samples, 0.5 * original(on + 1))


def test_one_missing_answer_costs_two_hundred_milliseconds_of_original() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE)
    missing = 10
    out = play(mixer, range(60), lambda index: index != missing + AHEAD)
    back = missing + PUNCTUAL_HOPS
    for index, frame in enumerate(out):
        if missing < index < back:
            np.testing.assert_array_equal(frame.samples, original(index))
        elif index not in (missing, back):
            np.testing.assert_array_equal(frame.samples, 0.5 * original(index))
    assert mixer.counts.late == PUNCTUAL_HOPS
    assert mixer.counts.clean == len(out) - PUNCTUAL_HOPS
    assert not mixer.degraded


def test_one_more_missing_answer_starts_the_wait_again() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE)
    play(mixer, range(60), lambda index: index - AHEAD not in (10, 25))
    assert mixer.counts.late == 15 + PUNCTUAL_HOPS


def test_losing_and_regaining_the_denoiser_does_not_click() -> None:
    """A tone's steps from sample to sample stay those of a tone."""
    mixer = DenoiseMixer(DELAY, DEADLINE)
    out = play(mixer, range(80), lambda index: not 20 <= index < 30, smooth)
    heard = np.concatenate([frame.samples for frame in out])
    assert np.abs(np.diff(heard)).max() < 0.009
    assert mixer.counts.late > 20


def test_a_dead_denoiser_shows_as_degraded_until_it_is_trusted_again() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE)
    play(mixer, range(20), lambda index: index < 10)
    assert (mixer.degraded, mixer.state) == (True, "degraded")
    play(mixer, range(20, 60))
    assert (mixer.degraded, mixer.state) == (False, "ok")


def test_a_bypassed_stream_is_never_degraded() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE, DenoiseMode.BYPASSED)
    play(mixer, range(20), lambda index: False)
    assert not mixer.degraded


def test_silence_needs_no_answer() -> None:
    """A lane that is reset when a muted microphone comes back owes a few answers, all of them silence."""
    mixer = DenoiseMixer(DELAY, DEADLINE)

    def source(index: int) -> Samples:
        return original(index) if index < 10 or index >= 20 else np.zeros(HOP, np.float32)

    play(mixer, range(50), lambda index: not 13 <= index < 23, source)
    assert mixer.counts.late == 0
    assert not mixer.degraded


def test_answers_for_nothing_are_counted_and_change_nothing() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE)
    out = play(mixer, range(20))
    for index in (3, 3, 15, 15, 1000):
        mixer.push_clean(index, np.full(HOP, 9, np.float32))
    out += play(mixer, range(20, 40))
    assert max(float(frame.samples.max()) for frame in out) < 1
    assert mixer.counts.unused > 3
    assert mixer.counts.late == 0


def test_draining_gives_out_everything_that_was_put_in() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE)
    out = play(mixer, range(10)) + mixer.drain()
    assert [frame.start for frame in out] == [HOP * index for index in range(10)]
    assert mixer.drain() == []


def test_a_stream_may_begin_anywhere_on_its_timeline() -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE)
    assert mixer.push_raw(AudioFrame(48_123, original(0))) == 0
    assert mixer.push_raw(AudioFrame(48_123 + HOP, original(1))) == 1
    assert mixer.drain()[0].start == 48_123


@pytest.mark.parametrize("frame", [AudioFrame(960, original(0)), AudioFrame(HOP, np.zeros(960, np.float32))])
def test_hops_out_of_step_are_refused(frame: AudioFrame) -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE)
    mixer.push_raw(AudioFrame(0, original(0)))
    with pytest.raises(ValueError):
        mixer.push_raw(frame)


@pytest.mark.parametrize(("delay", "deadline"), [(1441, 2), (-480, 2), (1440, 0)])
def test_only_whole_hops_of_delay_make_sense(delay: int, deadline: int) -> None:
    with pytest.raises(ValueError):
        DenoiseMixer(delay, deadline)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=3), min_size=8, max_size=120),
    st.lists(st.tuples(st.integers(0, 119), st.booleans()), max_size=4),
)
def test_no_pattern_of_answers_moves_the_timeline(
    arriving: list[list[tuple[int, bool]]], switches: list[tuple[int, bool]]
) -> None:
    """Answers of any age, in any order, several times; modes switched anywhere."""
    mixer = DenoiseMixer(DELAY, DEADLINE)
    modes = dict(switches)
    out = []
    for index, answers in enumerate(arriving):
        if index in modes:
            mixer.mode = DenoiseMode.ACTIVE if modes[index] else DenoiseMode.BYPASSED
        mixer.push_raw(AudioFrame(index * HOP, original(index)))
        for age, twice in answers:
            for _ in range(1 + twice):
                answer(mixer, index - age)
        while (frame := mixer.pull()) is not None:
            out.append(frame)
    out += mixer.drain()
    assert [frame.start for frame in out] == [HOP * index for index in range(len(arriving))]
    for index, frame in enumerate(out):
        whole = original(index)
        assert (frame.samples <= whole + 1.0).all()
        assert frame.samples.shape == (HOP,)
        assert np.isfinite(frame.samples).all()
    counts = mixer.counts
    assert counts.clean + counts.late + counts.raw == len(arriving)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=10, max_size=150))
def test_original_audio_is_exact_wherever_it_goes_out_for_more_than_a_hop(answered: list[bool]) -> None:
    mixer = DenoiseMixer(DELAY, DEADLINE)
    late, previous = False, False
    punctual = 0
    out = play(mixer, range(len(answered)), lambda index: answered[index])
    for index, frame in enumerate(out):
        came = answered[index + AHEAD]
        punctual = punctual + 1 if came else 0
        late = not came or (late and punctual < PUNCTUAL_HOPS)
        if late == previous:
            expected = original(index) if late else 0.5 * original(index)
            np.testing.assert_array_equal(frame.samples, expected)
        previous = late


def test_only_a_long_silence_asks_for_a_new_start() -> None:
    watch = SilenceWatch()
    zeros = np.zeros(HOP, np.float32)
    assert not any(watch.resumes(zeros) for _ in range(SILENT_HOPS - 1))
    assert not watch.resumes(original(0))
    assert not any(watch.resumes(zeros) for _ in range(SILENT_HOPS))
    assert watch.resumes(original(1))
    assert not watch.resumes(original(2))
