"""The timeline against the sender's clock: one that drifts, comes late, pauses, jumps or starts anew."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from server.audio.buffer import FrameBuffer
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

# ---- drift


@pytest.mark.parametrize("ppm", [150, -37])
def test_a_sender_whose_clock_drifts_neither_tears_nor_piles_up(ppm: int) -> None:
    seconds = 150
    frequency = 997.0
    sent = [
        Sent(round((k + 1) * 960 * (1 + ppm * 1e-6)), 10**6 + k * 960, tone(k * 960, 960, frequency))
        for k in range(seconds * 50 + 10)
    ]
    buffer = FrameBuffer()
    hops = play(buffer, sent, seconds * SECOND)
    assert len(hops) == seconds * 100
    assert holes(hops) == [(0, 3)]
    assert buffer.late == buffer.duplicates == buffer.reanchored == buffer.dropped_samples == 0
    assert buffer.skew_ppm == pytest.approx(ppm, abs=2)
    assert DELAY - 48 <= buffer.delay <= DELAY + 240
    heard = samples_of(hops)[DELAY + 2 * FADE :].astype(float)
    steepest = 2 * np.pi * frequency / SECOND * 0.5
    assert float(np.abs(np.diff(heard)).max()) < 1.002 * steepest
    assert float(np.abs(np.diff(heard, 2)).max()) < 1.01 * steepest**2 / 0.5
    # One sine throughout, of the sender's frequency as our clock measures it.
    tail = heard[-20 * SECOND :]
    angle = np.exp(-2j * np.pi * frequency / (1 + ppm * 1e-6) / SECOND * np.arange(len(tail)))
    assert abs(np.mean(tail * angle)) == pytest.approx(0.25, rel=0.002)


def test_drift_is_followed_through_jitter() -> None:
    rng = np.random.default_rng(2)
    arrivals = [(k + 1) * 960 * (1 - 150e-6) + rng.exponential(48) for k in range(6000)]
    arrivals = np.maximum.accumulate(arrivals).astype(int)
    sent = [Sent(int(arrival), k * 960, tone(k * 960, 960)) for k, arrival in enumerate(arrivals)]
    buffer = FrameBuffer()
    hops = play(buffer, sent, 119 * SECOND)
    assert buffer.skew_ppm == pytest.approx(-150, abs=5)
    assert buffer.delay < DELAY + 10 * 48
    assert sum(hop.concealed for hop in hops) < 25


def test_jitter_between_equal_clocks_is_not_taken_for_drift() -> None:
    rng = np.random.default_rng(4)
    sent = [dataclasses.replace(piece, arrival=piece.arrival + int(rng.exponential(24))) for piece in regular(3000)]
    buffer = FrameBuffer(target_delay=1920)
    heard = samples_of(play(buffer, sent, 60 * SECOND))
    assert buffer.skew_ppm == 0.0
    begin = int(np.argmax(np.abs(heard) > 0)) + FADE
    matches = max(float(np.mean(heard[begin:] == tone(FADE + shift, len(heard) - begin))) for shift in range(-1, 2))
    assert matches == 1.0


# ---- late audio


def test_one_slow_moment_costs_a_short_hole_and_a_little_delay_but_no_audio() -> None:
    buffer = FrameBuffer()
    hops = play(buffer, held_back(regular(500), 2 * SECOND, 2 * SECOND + 1920), 10 * SECOND)
    assert len(holes(hops)) == 2
    assert 0 < buffer.late <= 2
    assert DELAY < buffer.delay <= DELAY + 1920
    heard = samples_of(hops)
    first, last = tone(SECOND, 480), tone(4 * SECOND, 480)
    assert np.array_equal(heard[SECOND + DELAY :][:480], first)
    late_by = [
        shift for shift in range(1921) if np.allclose(heard[4 * SECOND + DELAY + shift :][:480], last, atol=0.01)
    ]
    assert late_by


def test_a_long_stall_of_the_network_does_not_make_the_delay_long() -> None:
    for stall in (SECOND // 10, SECOND // 2, 3 * SECOND // 2, 4 * SECOND):
        buffer = FrameBuffer()
        hops = play(buffer, held_back(regular(500), 2 * SECOND, 2 * SECOND + stall), 10 * SECOND)
        assert buffer.delay <= DELAY + 1920
        assert len(holes(hops)) == 2
        begin, end = holes(hops)[1]
        assert (end - begin) * HOP <= stall + 1920


def test_the_delay_grows_when_it_happens_again_and_never_beyond_its_limit() -> None:
    sent = regular(1000)
    for second in range(2, 18, 2):
        sent = held_back(sent, second * SECOND, second * SECOND + SECOND // 8)
    buffer = FrameBuffer()
    hops = play(buffer, sent, 20 * SECOND)
    assert 6000 < buffer.delay <= 9600 + 480
    assert len([hole for hole in holes(hops) if hole[0] > 10 * 100]) == 0


def test_a_grown_delay_shrinks_again() -> None:
    buffer = FrameBuffer()
    sent = held_back(regular(3000), 2 * SECOND, 2 * SECOND + 1920)
    hops = play(buffer, sent, 10 * SECOND)
    grown = buffer.delay
    rest = [piece for piece in sent if piece.arrival > 10 * SECOND]
    hops += play(buffer, rest, 0, ticks=range(10 * SECOND + HOP, 59 * SECOND, HOP))
    assert_gapless(hops)
    assert grown > DELAY + 480
    assert buffer.delay < DELAY + 300


def test_a_grown_delay_shrinks_at_once_where_nobody_speaks() -> None:
    silent = np.zeros(960, np.float32)
    sent = [
        dataclasses.replace(piece, samples=silent) if piece.arrival > 5 * SECOND else piece
        for piece in held_back(regular(900), 2 * SECOND, 2 * SECOND + 1920)
    ]
    buffer = FrameBuffer()
    play(buffer, sent, 14 * SECOND)
    assert buffer.delay < DELAY + 500


def test_stragglers_that_keep_coming_late_are_waited_for() -> None:
    sent = [
        dataclasses.replace(piece, arrival=piece.arrival + (2880 if k % 7 == 3 else 0))
        for k, piece in enumerate(regular(1500))
    ]
    buffer = FrameBuffer()
    hops = play(buffer, sent, 30 * SECOND)
    assert sum(hop.concealed for hop in hops[1000:]) == 0
    assert buffer.delay < 5000


def test_copies_of_what_was_played_do_not_raise_the_delay() -> None:
    sent = regular(500)
    sent += [dataclasses.replace(piece, arrival=piece.arrival + 7000) for piece in sent]
    buffer = FrameBuffer()
    hops = play(buffer, sent, 10 * SECOND)
    assert buffer.late == 0 and buffer.duplicates >= 490
    assert buffer.delay == DELAY
    np.testing.assert_array_equal(samples_of(hops), samples_of(play(FrameBuffer(), regular(500), 10 * SECOND)))


def test_a_piece_whose_time_is_long_over_is_counted_and_dropped() -> None:
    buffer = FrameBuffer()
    sent = regular(100)
    sent[50] = dataclasses.replace(sent[50], arrival=sent[50].arrival + SECOND // 3)
    hops = play(buffer, sent, 2 * SECOND)
    assert buffer.late == 1
    assert len(holes(hops)) == 2
    assert buffer.delay == DELAY


# ---- pauses, jumps, restarts


def test_after_a_pause_whose_time_was_counted_audio_is_where_it_belongs() -> None:
    sent = [piece for piece in regular(500) if not 2 * SECOND < piece.arrival < 5 * SECOND]
    buffer = FrameBuffer()
    hops = play(buffer, sent, 10 * SECOND)
    whole = samples_of(play(FrameBuffer(), regular(500), 10 * SECOND))
    np.testing.assert_array_equal(samples_of(hops)[6 * SECOND :], whole[6 * SECOND :])
    assert buffer.late == 0 and buffer.reanchored == 0
    assert len(holes(hops)) == 2


@pytest.mark.parametrize("pause", [SECOND // 20, SECOND // 8, SECOND // 2, 3 * SECOND])
def test_a_sender_whose_clock_stood_still_is_heard_again_at_once(pause: int) -> None:
    sent = regular(100) + regular(300, start=100 * 960 + pause, time=100 * 960, audio_from=100 * 960)
    buffer = FrameBuffer()
    hops = play(buffer, sent, 2 * SECOND + pause + 5 * SECOND)
    assert len(holes(hops)) == 2
    begin, end = holes(hops)[1]
    assert (end - begin) * HOP <= pause + 5 * 960
    assert buffer.delay <= DELAY + 480


@pytest.mark.parametrize("jump", [-(10**9), -3 * SECOND, -SECOND // 5, SECOND // 2, 2 * SECOND, 10**12])
def test_a_jump_of_the_senders_time_is_a_blink(jump: int) -> None:
    sent = regular(100) + regular(300, start=100 * 960, time=100 * 960 + jump, audio_from=100 * 960)
    buffer = FrameBuffer()
    hops = play(buffer, sent, 8 * SECOND)
    assert_gapless(hops)
    assert buffer.reanchored == 1
    begin, end = holes(hops)[1]
    assert begin >= 200 and end - begin <= 8
    assert len(holes(hops)) == 2
    assert DELAY <= buffer.delay <= DELAY + 480


def test_a_publisher_who_connects_anew_continues_the_timeline() -> None:
    buffer = FrameBuffer()
    hops = play(buffer, regular(100), 5 * SECOND)
    buffer.reanchor()
    again = regular(100, start=5 * SECOND, time=77)
    hops += play(buffer, again, 0, ticks=range(5 * SECOND + HOP, 7 * SECOND + 1, HOP))
    assert_gapless(hops)
    assert len(hops) == 700
    assert holes(hops) == [(0, 3), (202, 503)]
    heard = samples_of(hops)[5 * SECOND :]
    np.testing.assert_array_equal(heard[DELAY + FADE :], tone(FADE, 2 * SECOND - DELAY - FADE))


def test_senders_time_that_means_nothing_still_leaves_a_timeline() -> None:
    rng = random.Random(1)
    sent = [dataclasses.replace(piece, time=rng.randrange(2**40)) for piece in regular(200)]
    buffer = FrameBuffer()
    assert_gapless(play(buffer, sent, 4 * SECOND))
    assert buffer.reanchored > 100
