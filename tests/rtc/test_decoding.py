"""Decoding off the event loop: in order, and without loss when much comes at once."""

from __future__ import annotations

import asyncio
import threading

from prometheus_client import REGISTRY

from server.audio.opus import OpusEncoder
from server.clock import PACKET
from server.rtc import decoding
from server.rtc.decoding import MAX_WAITING, PacketDecoder
from server.rtc.reorder import RtpAudio
from tests.rtc.peers import tone, until


def made(count: int) -> list[RtpAudio]:
    encoder = OpusEncoder(1)
    return [RtpAudio(number, number * PACKET, encoder.encode(tone(number)), 0) for number in range(count)]


async def test_four_seconds_that_come_at_once_after_a_stall_are_all_decoded() -> None:
    heard: list[tuple[int, int]] = []
    decoder = PacketDecoder(lambda packet, samples: heard.append((packet.sequence, len(samples))))
    for packet in made(200):
        decoder.push([packet])
    await until(lambda: len(heard) == 200)
    assert heard == [(number, PACKET) for number in range(200)]
    assert decoder.dropped == 0


async def test_what_finds_no_room_is_dropped_oldest_first_and_counted() -> None:
    def counted() -> float:
        return (
            REGISTRY.get_sample_value("clearcast_queue_dropped_total", {"queue": "decode", "policy": "oldest"}) or 0.0
        )

    free = threading.Event()
    decoding._executor().submit(free.wait, 60)
    heard: list[int] = []
    decoder = PacketDecoder(lambda packet, samples: heard.append(packet.sequence))
    packet = made(1)[0]
    before = counted()
    for number in range(MAX_WAITING + 11):
        decoder.push([RtpAudio(number, number * PACKET, packet.payload, 0)])
    free.set()
    await until(lambda: len(heard) == MAX_WAITING + 1)
    assert heard == [0, *range(11, MAX_WAITING + 11)]  # the first was with the thread already
    assert decoder.dropped == counted() - before == 10


async def test_nothing_comes_from_a_closed_decoder() -> None:
    heard: list[int] = []
    decoder = PacketDecoder(lambda packet, samples: heard.append(packet.sequence))
    decoder.push(made(5))
    decoder.close()
    decoder.push(made(5))
    await asyncio.sleep(0.1)
    assert heard == []
