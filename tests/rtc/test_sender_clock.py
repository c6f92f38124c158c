"""A publisher's RTP time on its way to the timeline: pauses, jumps and restarts, from packets to hops, simulated."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from server.audio.buffer import FrameBuffer
from server.audio.frame import AudioFrame
from server.audio.opus import OpusDecoder, OpusEncoder, packet_duration
from server.clock import HOP, PACKET, SAMPLE_RATE
from server.rtc.reorder import ReorderBuffer
from tests.audio.feeding import DELAY, assert_gapless, holes, samples_of
from tests.rtc.peers import tone

SECOND = SAMPLE_RATE
BLINK = 8
"""Hops that a sudden change may cost."""
SSRC = 0x1234


@dataclass(frozen=True)
class Packet:
    """What is on the wire, and when it arrives."""

    arrival: int
    sequence: int
    timestamp: int
    payload: bytes
    ssrc: int = SSRC


def talk(seconds: float, *, at: float = 0.0, sequence: int = 65_500, time: int = 2**32 - 48_000) -> list[Packet]:
    """20 ms of a tone in every packet, from stream time `at` (seconds) on; both numbers wrap soon."""
    encoder = OpusEncoder(1)
    return [
        Packet(round(at * SECOND) + (k + 1) * PACKET, sequence + k, time + k * PACKET, encoder.encode(tone(k)))
        for k in range(round(seconds * 50))
    ]


def timeline(packets: Iterable[Packet], seconds: float) -> tuple[list[AudioFrame], FrameBuffer]:
    """All hops of so many seconds: packets put in order, decoded, and played as a stream does it."""
    reorder, decoder, buffer = ReorderBuffer(), OpusDecoder(1), FrameBuffer()
    coming = sorted(packets, key=lambda packet: packet.arrival)
    hops: list[AudioFrame] = []
    for now in range(HOP, round(seconds * SECOND) + 1, HOP):
        ready = reorder.due(now)
        while coming and coming[0].arrival <= now:
            packet = coming.pop(0)
            numbers = (packet.sequence & 0xFFFF, packet.timestamp & 0xFFFFFFFF)
            ready += reorder.push(packet.ssrc, *numbers, packet.payload, packet.arrival)
        for item in ready:
            buffer.push(
                item.rtp_time, decoder.decode(item.payload, packet_duration(item.payload)), 48_000, item.arrival
            )
        hops += buffer.pull(now)
    assert_gapless(hops)
    assert len(hops) == round(seconds * 100)
    return hops, buffer


def loud(hops: list[AudioFrame]) -> bool:
    """Whether the tone is in all of it, at its level."""
    return all(0.15 < float(np.sqrt(np.mean(hop.samples**2))) < 0.25 for hop in hops)


def assert_one_break(packets: list[Packet], seconds: float, begin: float, end: float) -> FrameBuffer:
    """The tone all the time but for its first moment and, with a blink around it, from `begin` to `end` (seconds)."""
    hops, buffer = timeline(packets, seconds)
    first, *rest = holes(hops)
    assert first == (0, 3)
    assert len(rest) <= 1
    for hole in rest:
        assert begin * 100 - 1 <= hole[0] and hole[1] <= end * 100 + BLINK
    assert loud(hops[10 : round(begin * 100)])
    assert loud(hops[round(end * 100) + BLINK : -2])
    assert DELAY - 48 <= buffer.delay <= DELAY + 480
    assert buffer.late == buffer.overflowed == 0
    return buffer


def test_numbers_that_wrap_are_not_heard() -> None:
    hops, buffer = timeline(talk(4), 4)
    assert holes(hops) == [(0, 3)]
    assert buffer.reanchored == 0
    assert loud(hops[10:-2])


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "stood still"])
def test_a_publisher_that_stops_for_ten_seconds_keeps_the_timeline(counted: bool) -> None:
    before, after = talk(2), talk(3, at=12)
    passed = 12 if counted else 2
    moved = [
        replace(packet, sequence=before[-1].sequence + 1 + k, timestamp=before[0].timestamp + passed * SECOND + k * 960)
        for k, packet in enumerate(after)
    ]
    buffer = assert_one_break(before + moved, 15, 2, 12)
    assert buffer.reanchored == (0 if counted else 1)


def test_a_publisher_that_sends_a_packet_now_and_then_in_silence_keeps_the_timeline() -> None:
    """Opus DTX: every 400 ms, the time in between counted, the numbers not (RFC 7587 section 3.1.3)."""
    whole = talk(16)
    kept = [packet for k, packet in enumerate(whole) if not 100 <= k < 600 or k % 20 == 0]
    sent = [replace(packet, sequence=65_500 + k) for k, packet in enumerate(kept)]
    hops, buffer = timeline(sent, 16)
    assert buffer.reanchored == buffer.late == 0
    assert DELAY - 48 <= buffer.delay <= DELAY + 480
    assert loud(hops[10:200]) and loud(hops[1200 + BLINK : -2])
    # What it said in between is where it said it.
    for k in range(100, 600, 20):
        assert not hops[(k * PACKET + DELAY) // HOP + 1].concealed


@pytest.mark.parametrize("jump", [-(2**30), -SECOND, -SECOND // 5, SECOND // 2, SECOND, 600 * SECOND, 2**30])
def test_time_stamps_that_jump_cost_a_blink(jump: int) -> None:
    packets = talk(6)
    moved = [replace(packet, timestamp=packet.timestamp + jump) for packet in packets[150:]]
    assert assert_one_break(packets[:150] + moved, 6, 3, 3).reanchored == 1


def test_time_stamps_that_mean_nothing_for_a_while_are_forgotten_afterwards() -> None:
    chance = random.Random(3)
    packets = talk(6)
    wild = [replace(packet, timestamp=chance.randrange(2**32)) for packet in packets[100:150]]
    hops, buffer = timeline(packets[:100] + wild + packets[150:], 6)
    assert loud(hops[10:200])
    assert loud(hops[300 + 2 * BLINK : -2])
    assert DELAY - 48 <= buffer.delay <= DELAY + 480


@pytest.mark.parametrize("away", [0.0, 10.0])
@pytest.mark.parametrize("other", [SSRC, 0x5678], ids=["same source", "new source"])
def test_a_sender_that_begins_anew_goes_on_with_the_timeline(away: float, other: int) -> None:
    """As OBS or a page does it that was started again within one connection: all numbers are new."""
    again = talk(3, at=2 + away, sequence=20_000, time=77)
    packets = talk(2) + [replace(packet, ssrc=other) for packet in again]
    assert assert_one_break(packets, 5 + away, 2, 2 + away).reanchored == 1


def test_two_sources_that_talk_into_one_another_leave_a_timeline() -> None:
    mine, other = talk(4), [replace(packet, ssrc=9, sequence=5 + k) for k, packet in enumerate(talk(2, at=1, time=9))]
    hops, buffer = timeline(mine + other, 4)
    assert loud(hops[10:100])
    assert loud(hops[300 + 2 * BLINK : -2])
    assert buffer.delay <= DELAY + 480
    assert float(np.abs(samples_of(hops)).max()) <= 1.0
