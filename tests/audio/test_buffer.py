"""The timeline: what comes out is gapless, whatever comes in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.buffer import MAX_HOPS, FrameBuffer
from tests.audio.feeding import (
    DELAY,
    FADE,
    HOP,
    SECOND,
    Sent,
    assert_gapless,
    held_back,
    holes,
    play,
    regular,
    samples_of,
    tone,
)

# ---- a quiet path


def test_samples_come_out_untouched_and_in_place() -> None:
    buffer = FrameBuffer()
    hops = play(buffer, regular(250), 5 * SECOND)
    assert_gapless(hops)
    assert len(hops) == 500
    heard = samples_of(hops)
    np.testing.assert_array_equal(heard[:DELAY], 0)
    np.testing.assert_array_equal(heard[DELAY + FADE :], tone(0, 5 * SECOND)[FADE:-DELAY])
    assert holes(hops) == [(0, 3)]
    assert (buffer.late, buffer.duplicates, buffer.overflowed, buffer.reanchored) == (0, 0, 0, 0)
    assert buffer.delay == DELAY and buffer.skew_ppm == 0.0


@pytest.mark.parametrize("phase", [0, 100, 240, 479])
@pytest.mark.parametrize("size", [120, 480, 960])
def test_the_last_sample_of_a_piece_waits_twenty_milliseconds(phase: int, size: int) -> None:
    buffer = FrameBuffer()
    hops = play(buffer, regular(100 * 960 // size, start=phase, size=size), 2 * SECOND)
    # An arrival is the moment its last sample was recorded, so that place on the timeline minus index is the wait.
    first = int(np.argmax(np.abs(samples_of(hops)) > 0))
    assert abs(first - 1 - phase - DELAY) <= 1
    assert DELAY <= 22 * 48
    assert len(holes(hops)) == 1


def test_before_any_audio_there_is_silence_from_zero_on() -> None:
    buffer = FrameBuffer()
    hops = buffer.pull(10 * HOP + 17)
    assert_gapless(hops)
    assert len(hops) == 10 and all(hop.concealed for hop in hops)
    assert buffer.concealed == 10 and not buffer.waiting
    assert buffer.pull(10 * HOP + 18) == [] == buffer.pull(0)


def test_old_audio_of_a_burst_at_the_start_gives_way_to_the_live_edge() -> None:
    buffer = FrameBuffer()
    hops = play(buffer, held_back(regular(400), 0, SECOND), 6 * SECOND)
    assert buffer.delay == DELAY
    assert buffer.dropped_samples == pytest.approx(SECOND, abs=2 * DELAY)
    assert len(holes(hops)) == 1


def test_a_slow_start_of_the_path_does_not_stay_in_the_delay() -> None:
    sent = [
        dataclasses.replace(piece, arrival=piece.arrival + (4000 if k < 15 else 0))
        for k, piece in enumerate(regular(250))
    ]
    buffer = FrameBuffer()
    hops = play(buffer, sent, 5 * SECOND)
    assert_gapless(hops)
    assert buffer.delay == DELAY
    heard = samples_of(hops)
    np.testing.assert_array_equal(heard[2 * SECOND :], tone(2 * SECOND - DELAY, 3 * SECOND))
    assert float(np.abs(np.diff(heard)).max()) < 1.6 * 2 * np.pi * 440 / SECOND * 0.5


# ---- properties


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 960), min_size=1, max_size=60), st.integers(0, 2**33))
def test_how_audio_is_cut_changes_nothing(cuts: list[int], time: int) -> None:
    sent: list[Sent] = []
    at = 0
    while at < SECOND // 2:
        for cut in cuts:
            sent.append(Sent(at + cut, time + at, tone(at, cut)))
            at += cut
    heard = samples_of(play(FrameBuffer(), sent, SECOND // 2))
    expected = samples_of(play(FrameBuffer(), regular(26), SECOND // 2))
    np.testing.assert_array_equal(heard, expected)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 2)), min_size=1, max_size=30))
def test_reordering_within_the_delay_and_duplicates_change_nothing(fates: list[tuple[int, int]]) -> None:
    sent: list[Sent] = []
    for k, piece in enumerate(regular(100)):
        wait, copies = fates[k % len(fates)] if k % 5 else (0, 0)
        sent.append(dataclasses.replace(piece, arrival=piece.arrival + wait))
        sent += [dataclasses.replace(piece, arrival=piece.arrival + wait + 500)] * copies
    buffer = FrameBuffer(target_delay=4800)
    heard = samples_of(play(buffer, sent, 2 * SECOND))
    np.testing.assert_array_equal(heard, samples_of(play(FrameBuffer(target_delay=4800), regular(100), 2 * SECOND)))
    assert buffer.late == 0
    assert buffer.duplicates <= buffer.received - 90


EVENT = st.tuples(
    st.sampled_from(["push", "push", "push", "jump", "repeat", "pull", "stall", "reanchor"]),
    st.integers(0, 2000),
    st.sampled_from([8_000, 16_000, 44_100, 48_000, 48_000, 48_000, 96_000]),
    st.integers(-(2**34), 2**34),
)


@settings(deadline=None, max_examples=80)
@given(st.lists(EVENT, max_size=120), st.integers(0, 2**32))
def test_whatever_comes_the_timeline_is_the_clock(events: list[tuple[str, int, int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    buffer = FrameBuffer(capacity=2 * SECOND)
    hops = []
    now = time = 0
    rate = 48_000
    for kind, size, new_rate, value in events:
        now += size // 2
        if kind == "pull":
            hops += buffer.pull(now)
        elif kind == "reanchor":
            buffer.reanchor()
            rate = new_rate
        elif kind == "stall":
            now += size * 30
        else:
            time += {"jump": value, "repeat": -size}.get(kind, 0)
            block = rng.uniform(-3, 3, (size, 2) if value % 2 else (size,)).astype(np.float32)
            block[rng.random(block.shape) < 0.01] = np.nan
            buffer.push(time, block, rate, now)
            time += size
    for _ in range(now // HOP // MAX_HOPS + 2):
        hops += buffer.pull(now)
    assert_gapless(hops)
    assert len(hops) == now // HOP and buffer.position == len(hops) * HOP
    assert buffer.concealed == sum(hop.concealed for hop in hops)


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(0, 99), max_size=40))
def test_lost_pieces_leave_marked_holes_and_move_nothing(lost: set[int]) -> None:
    sent = [piece for k, piece in enumerate(regular(100)) if k not in lost or k == 0]
    hops = play(FrameBuffer(), sent, 2 * SECOND)
    heard, whole = samples_of(hops), samples_of(play(FrameBuffer(), regular(100), 2 * SECOND))
    for k in range(1, 97):
        begin = DELAY + k * 960
        part = slice(begin, begin + 960)
        if k in lost:
            assert all(hop.concealed for hop in hops[begin // HOP + 1 : (begin + 960) // HOP])
            np.testing.assert_array_equal(heard[begin + FADE : begin + 960], 0)
        elif k - 1 not in lost:
            np.testing.assert_array_equal(heard[part], whole[part])
        else:
            np.testing.assert_array_equal(heard[begin + FADE : begin + 960], whole[begin + FADE : begin + 960])


def test_the_edges_of_a_hole_do_not_click() -> None:
    sent = [piece for k, piece in enumerate(regular(100)) if k % 10 != 5]
    heard = samples_of(play(FrameBuffer(), sent, 2 * SECOND))
    steepest = 2 * np.pi * 440 / SECOND * 0.5
    assert float(np.abs(np.diff(heard)).max()) < 1.6 * steepest


# ---- stalls of our own


@pytest.mark.parametrize("tick_first", [True, False])
def test_a_stall_of_the_event_loop_loses_nothing(tick_first: bool) -> None:
    ticks = [now for now in range(HOP, 10 * SECOND + 1, HOP) if not 2 * SECOND <= now < 4 * SECOND]
    buffer = FrameBuffer()
    hops = play(buffer, held_back(regular(500), 2 * SECOND, 4 * SECOND), 0, ticks=ticks, tick_first=tick_first)
    assert_gapless(hops)
    assert len(hops) == 1000
    np.testing.assert_array_equal(samples_of(hops), samples_of(play(FrameBuffer(), regular(500), 10 * SECOND)))
    assert buffer.delay == DELAY


def test_after_a_long_stall_hops_come_a_bounded_number_at_a_time() -> None:
    buffer = FrameBuffer()
    now = 60 * SECOND
    batches = []
    while batches == [] or batches[-1]:
        batches.append(buffer.pull(now))
    assert [len(batch) for batch in batches] == [MAX_HOPS] * 12 + [0]
    assert_gapless([hop for batch in batches for hop in batch])


def test_audio_beyond_the_capacity_is_refused_and_what_was_kept_is_played() -> None:
    buffer = FrameBuffer(capacity=2 * SECOND)
    for piece in regular(250):
        buffer.push(piece.time, piece.samples, piece.rate, piece.arrival)
    assert 140 <= buffer.overflowed <= 150
    hops = buffer.pull(5 * SECOND) + buffer.pull(5 * SECOND)
    assert len(hops) == 500
    heard = samples_of(hops)
    np.testing.assert_array_equal(heard[DELAY + FADE : 2 * SECOND], tone(FADE, 2 * SECOND - DELAY - FADE))


# ---- what audio may look like


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 24_000, 44_100, 96_000])
def test_any_rate_is_brought_to_48_khz_in_place(rate: int) -> None:
    sent = []
    for k in range(150):
        begin, end = k * rate // 50, (k + 1) * rate // 50
        samples = (0.5 * np.sin(2 * np.pi * 440 / rate * np.arange(begin, end))).astype(np.float32)
        sent.append(Sent((k + 1) * 960, begin, samples, rate))
    hops = play(FrameBuffer(), sent, 3 * SECOND)
    assert len(holes(hops)) == 1
    heard = samples_of(hops)[SECOND : 2 * SECOND].astype(float)
    best = max(
        float(heard @ tone(SECOND - DELAY - shift, SECOND)) / (np.linalg.norm(heard) * 0.5 * np.sqrt(SECOND / 2))
        for shift in range(-8, 9)
    )
    assert best > 0.999


def test_a_change_of_rate_starts_anew_after_what_is_waiting() -> None:
    other = [Sent((101 + k) * 960, k * 160, np.full(160, 0.25, np.float32), 8_000) for k in range(100)]
    buffer = FrameBuffer()
    hops = play(buffer, regular(100) + other, 4 * SECOND)
    assert_gapless(hops)
    assert buffer.reanchored == 1
    assert len(holes(hops)) == 2
    assert hops[300].samples == pytest.approx(0.25, abs=1e-3)


def test_stereo_is_mixed_down_and_integers_are_scaled() -> None:
    left, right = tone(0, 2 * SECOND), np.full(2 * SECOND, 0.25, np.float32)
    both = np.stack([left, right], axis=1)
    floats, integers = FrameBuffer(), FrameBuffer()
    for k in range(100):
        part = both[k * 960 : (k + 1) * 960]
        floats.push(k * 960, part, 48_000, (k + 1) * 960)
        integers.push(k * 960, (part * 32768).astype(np.int16), 48_000, (k + 1) * 960)
    heard = samples_of(floats.pull(2 * SECOND))
    np.testing.assert_allclose(heard[DELAY + FADE :], ((left + right) / 2)[FADE:-DELAY], atol=1e-6)
    np.testing.assert_allclose(samples_of(integers.pull(2 * SECOND)), heard, atol=1e-4)


def test_the_callers_array_may_be_reused() -> None:
    buffer = FrameBuffer()
    block = np.full(960, 0.5, np.float32)
    for k in range(10):
        buffer.push(k * 960, block, 48_000, (k + 1) * 960)
    block[:] = -1.0
    assert float(samples_of(buffer.pull(9600)).min()) >= 0.0


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (np.zeros(960, np.float32), 4_000),
        (np.zeros(960, np.float32), 10**6),
        (np.zeros((2, 2, 2), np.float32), 48_000),
        (np.zeros(960, np.int64), 48_000),
    ],
)
def test_what_is_no_audio_is_refused(samples: np.ndarray, rate: int) -> None:
    with pytest.raises(ValueError):
        FrameBuffer().push(0, samples, rate, 0)


def test_nothing_and_nonsense_do_no_harm() -> None:
    buffer = FrameBuffer()
    buffer.push(0, np.zeros(0, np.float32), 48_000, 0)
    assert buffer.received == 0
    for k in range(50):
        buffer.push(k * 960, np.full(960, np.nan if k % 2 else np.inf, np.float32), 48_000, (k + 1) * 960)
    hops = buffer.pull(SECOND)
    assert_gapless(hops)
    assert float(np.abs(samples_of(hops)).max()) == 0.0


def test_memory_is_bounded_whatever_the_sizes() -> None:
    buffer = FrameBuffer(capacity=SECOND)
    for k in range(20_000):
        buffer.push(k * 7, np.zeros(1, np.float32), 48_000, k * 7)
    assert buffer.overflowed > 10_000
    segment = buffer._playing
    assert segment is not None and len(segment._reader._starts) <= 1000
