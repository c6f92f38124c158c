"""Music over real WebRTC: byte for byte, whatever the publisher's network does."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from server.audio.ogg import read_packets
from server.clock import SAMPLE_RATE
from server.rooms.messages import DenoiseMode, PublishGrant
from tests.rooms.station import Station
from tests.rtc.peers import Talker, until
from tests.wire import LossyWire

TOC = {480: 0xF4, 960: 0xFC, 2880: 0xFF}


def packet(number: int, duration: int) -> bytes:
    """A well-formed packet that can be told from all others; 60 ms are three frames of 20 ms."""
    body = number.to_bytes(3, "big") + bytes(range(30))
    return bytes([TOC[duration]]) + (b"\x03" if duration == 2880 else b"") + body


@pytest.mark.parametrize("duration", [480, 960, 2880])
async def test_listeners_get_every_packet_that_came_as_it_was_in_order(station: Station, duration: int) -> None:
    wire = LossyWire(seed=duration)
    wire.jitter_s, wire.reorder, wire.duplicate, wire.delay_s = 0.003, 0.03, 0.02, 0.002
    ear = await station.ear()
    talker = Talker()
    grant = PublishGrant("main", "ann", "Ann", "stream-music", "Tune", denoise=DenoiseMode.MUSIC)
    answer = await station.host.publish(await talker.offer(), grant)
    await talker.accept(await wire.attach(answer.sdp))
    await until(lambda: talker.connection.connectionState == "connected" and talker.sender.ready)
    try:
        count = 120_000 // duration
        wire.loss = 0.06
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(count + 1):
            await asyncio.sleep(max(0.0, began + number * duration / SAMPLE_RATE - loop.time()))
            wire.loss *= number < count
            talker.sender.transmit(packet(number, duration), number * duration)
        await until(lambda: bool(ear.packets) and ear.packets[-1][1] == packet(count, duration))
        sent = {packet(number, duration): number for number in range(count + 1)}
        numbers = [sent[payload] for _, payload in ear.packets]
        assert numbers == sorted(set(numbers))
        assert wire.lost > 0
        assert 0.5 * (count - wire.lost) < len(numbers) <= count + 1 - wire.lost
        same = [
            (later_time - earlier_time) & 0xFFFFFFFF == (sent[later] - sent[earlier]) * duration
            for (earlier_time, earlier), (later_time, later) in itertools.pairwise(ear.packets)
        ]
        assert sum(same) >= 0.9 * len(same)  # this machine may stand still for long enough to begin anew
    finally:
        wire.close()
        await talker.close()
    await station.host.end("stream-music", "ended")
    await station.host.settle()
    with (station.settings.recordings_dir / "stream-music" / "clean.opus").open("rb") as file:
        kept = [sent[data] for data in read_packets(file) if data in sent]
    assert set(numbers) <= set(kept)
    assert kept == sorted(kept)
