from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

from server.audio.frame import Samples
from server.clock import PACKET
from server.rooms import encode
from server.rooms.encode import BACKLOG, LIVE, EncodeQueue


class Slow:
    """An encoder that names what it was given, once it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.fail = False

    def encode(self, samples: Samples) -> bytes:
        self.gate.wait(60)
        if self.fail:
            raise ValueError("broken")
        return str(int(samples[0])).encode()


def frame(number: int) -> Samples:
    return np.full(PACKET, number, np.float32)


@pytest.fixture
async def queue() -> AsyncIterator[EncodeQueue]:
    queue = EncodeQueue()
    yield queue
    await queue.close()


async def test_packets_come_out_in_order_with_their_positions(queue: EncodeQueue) -> None:
    packets: list[tuple[int, bytes]] = []
    track = queue.open(Slow(), lambda start, packet: packets.append((start, packet)), lambda error: None)
    for number in range(40):
        queue.put(track, number * PACKET, frame(number))
        queue.flush()
    await queue.drain(track)
    assert packets == [(number * PACKET, str(number).encode()) for number in range(40)]


async def test_while_the_encoder_is_busy_a_track_keeps_five_seconds(queue: EncodeQueue) -> None:
    encoder, packets = Slow(), list[int]()
    track = queue.open(encoder, lambda start, _: packets.append(start), lambda error: None)
    encoder.gate.clear()
    for number in range(2 * BACKLOG):
        queue.put(track, number * PACKET, frame(number))
        queue.flush()
    assert len(track.waiting) == BACKLOG
    encoder.gate.set()
    await queue.drain()
    assert packets == [0, *range(BACKLOG * PACKET, 2 * BACKLOG * PACKET, PACKET)]


async def test_what_waited_too_long_to_be_heard_live_is_dropped(
    queue: EncodeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "PATIENCE", 0.05)
    encoder, packets = Slow(), list[int]()
    track = queue.open(encoder, lambda start, _: packets.append(start), lambda error: None)
    encoder.gate.clear()
    for number in range(4 * LIVE):
        queue.put(track, number, frame(number))
        queue.flush()
    assert len(track.waiting) == 4 * LIVE - 1  # they came at once: the encoder makes up for them in a moment
    await asyncio.sleep(0.1)
    queue.put(track, 4 * LIVE, frame(4 * LIVE))
    encoder.gate.set()
    await queue.drain()
    assert packets == [0, *range(3 * LIVE, 4 * LIVE + 1)]


async def test_a_broken_encoder_ends_its_own_track_only(queue: EncodeQueue) -> None:
    broken, errors, packets = Slow(), list[Exception](), list[int]()
    broken.fail = True
    bad = queue.open(broken, lambda start, packet: None, errors.append)
    good = queue.open(Slow(), lambda start, _: packets.append(start), errors.append)
    for number in range(3):
        queue.put(bad, number * PACKET, frame(number))
        queue.put(good, number * PACKET, frame(number))
        queue.flush()
        await queue.drain()
    assert [str(error) for error in errors] == ["broken"]
    assert packets == [0, PACKET, 2 * PACKET]


async def test_nothing_comes_out_of_a_closed_track(queue: EncodeQueue) -> None:
    encoder, packets = Slow(), list[int]()
    encoder.gate.clear()
    track = queue.open(encoder, lambda start, _: packets.append(start), lambda error: None)
    queue.put(track, 0, frame(0))
    queue.flush()
    queue.put(track, PACKET, frame(1))
    queue.close_track(track)
    encoder.gate.set()
    await queue.drain()
    assert packets == []
