"""Packets put in order without waiting for what does not come."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from server.rtc.reorder import ReorderBuffer, RtpAudio


def push(buffer: ReorderBuffer, number: int, arrival: int = 0, ssrc: int = 1) -> list[int]:
    return [p.sequence for p in buffer.push(ssrc, number & 0xFFFF, number * 960 & 0xFFFFFFFF, b"x", arrival)]


def test_packets_in_order_wait_for_nothing() -> None:
    buffer = ReorderBuffer()
    assert [push(buffer, n) for n in range(5)] == [[0], [1], [2], [3], [4]]
    assert not buffer.waiting


def test_an_overtaken_packet_is_waited_for() -> None:
    buffer = ReorderBuffer(hold=480)
    assert push(buffer, 10, 0) == [10]
    assert push(buffer, 12, 960) == []
    assert buffer.waiting
    assert push(buffer, 11, 1100) == [11, 12]
    assert buffer.missing == 0


def test_a_lost_packet_is_not_waited_for_longer_than_the_hold() -> None:
    buffer = ReorderBuffer(hold=480)
    push(buffer, 10, 0)
    assert push(buffer, 12, 960) == []
    assert buffer.due(960 + 479) == []
    assert [p.sequence for p in buffer.due(960 + 480)] == [12]
    assert buffer.missing == 1
    assert push(buffer, 13, 1920) == [13]


def test_a_late_packet_still_comes_out_once() -> None:
    buffer = ReorderBuffer(hold=480)
    push(buffer, 10, 0)
    push(buffer, 12, 960)
    buffer.due(2000)
    assert push(buffer, 11, 2100) == [11]
    assert push(buffer, 11, 2200) == []
    assert (buffer.late, buffer.duplicates) == (1, 1)


def test_numbers_and_times_are_unwrapped() -> None:
    buffer = ReorderBuffer()
    first = (1 << 32) // 960 - 3  # both counters wrap soon after
    start = 0xFFFE
    out: list[RtpAudio] = []
    for n in range(6):
        out += buffer.push(1, start + n & 0xFFFF, (first + n) * 960 & 0xFFFFFFFF, b"x", 0)
    assert [p.sequence for p in out] == [start + n for n in range(6)]
    assert {b.rtp_time - a.rtp_time for a, b in itertools.pairwise(out)} == {960}


def test_another_source_and_a_wild_jump_start_anew() -> None:
    buffer = ReorderBuffer()
    push(buffer, 10)
    assert push(buffer, 5000, ssrc=2) == [5000]
    assert push(buffer, 30_000, ssrc=2) == [30_000]
    assert buffer.restarts == 2


@given(st.integers(min_value=0), st.floats(min_value=0, max_value=0.4), st.integers(min_value=0, max_value=20))
def test_whatever_the_network_does_each_packet_comes_out_at_most_once_and_soon(
    seed: int, loss: float, jitter: int
) -> None:
    chaos = random.Random(seed)
    sent = [(n * 960 + chaos.randint(0, jitter) * 100, n) for n in range(200) if chaos.random() >= loss]
    sent += chaos.sample(sent, len(sent) // 10)
    buffer = ReorderBuffer(hold=480)
    out: list[tuple[int, RtpAudio]] = []
    now = 0
    for moment, number in sorted(sent):
        for tick in range(now, moment, 480):
            out += [(tick, packet) for packet in buffer.due(tick)]
        now = moment
        out += [(now, p) for p in buffer.push(1, number, number * 960, b"", now)]
    out += [(now + 480, packet) for packet in buffer.due(now + 480)]
    numbers = [packet.sequence for _, packet in out]
    # Packets older than the first are unknown: the stream begins with it.
    assert sorted(numbers) == sorted({number for _, number in sent})
    assert all(left - packet.arrival <= 960 for left, packet in out)
    assert all(packet.rtp_time == packet.sequence * 960 for _, packet in out)
