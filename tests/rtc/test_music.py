"""A publisher of music: its packets are handed over as they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.audio.opus import OpusEncoder
from server.clock import SystemClock
from server.metrics import PACKETS_MALFORMED
from server.rtc.publish import PublisherPeer, ReceivedAudio, ReceivedPacket
from server.rtc.udp import UdpPort
from tests.rtc.peers import BROWSER_OFFER, Talker, tone, until
from tests.wire import LossyWire


class Stage:
    """A publisher's peer and everything that came of it, in order."""

    def __init__(self, port: UdpPort) -> None:
        self.port = port
        self.packets: list[ReceivedPacket] = []
        self.audio: list[ReceivedAudio] = []
        self.states: list[str] = []
        self.peers: list[PublisherPeer] = []

    async def answer(self, offer: str) -> PublisherPeer:
        peer = await PublisherPeer.create(
            offer, self.port, self.audio.append, self.states.append, SystemClock(), on_packet=self.packets.append
        )
        self.peers.append(peer)
        return peer


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    port = await UdpPort.open()
    stage = Stage(port)
    yield stage
    for peer in stage.peers:
        await peer.close()
    port.close()


@pytest.fixture
async def talker() -> AsyncIterator[Talker]:
    talker = Talker()
    yield talker
    await talker.close()


async def test_the_answer_asks_for_stereo_at_a_high_rate(stage: Stage) -> None:
    peer = await stage.answer(BROWSER_OFFER)
    fmtp = next(line for line in peer.answer.split("\r\n") if line.startswith("a=fmtp:111 "))
    said = set(fmtp.split(" ")[1].split(";"))
    assert said >= {"stereo=1", "sprop-stereo=1", "maxaveragebitrate=256000"}
    assert not any(name in fmtp for name in ("usedtx", "cbr"))


async def test_packets_come_as_they_were_sent_and_what_they_sound_like_after_them(stage: Stage, talker: Talker) -> None:
    peer = await stage.answer(await talker.offer())
    await talker.accept(peer.answer)
    await until(lambda: stage.states == ["connected"] and talker.sender.ready)
    encoder = OpusEncoder(1)
    sent = [encoder.encode(tone(number)) for number in range(30)]
    for number, packet in enumerate(sent):
        talker.sender.transmit(packet, number * 960)
    await until(lambda: len(stage.audio) == 30)
    assert [packet.payload for packet in stage.packets] == sent
    assert [packet.duration for packet in stage.packets] == [960] * 30
    known = [(packet.rtp_time, packet.arrival) for packet in stage.packets]
    assert [(audio.rtp_time, audio.arrival) for audio in stage.audio] == known


async def test_what_is_not_opus_is_counted_and_goes_no_further(stage: Stage, talker: Talker) -> None:
    peer = await stage.answer(await talker.offer())
    await talker.accept(peer.answer)
    await until(lambda: stage.states == ["connected"] and talker.sender.ready)
    before = PACKETS_MALFORMED._value.get()
    malformed = [b"\xff", b"\x03\x00", b"\xfd\x00", b"\xfe\xfc", b"\xff\x31" + bytes(60), b"\xfc" + bytes(1276)]
    good = b"\xfc\xff\xfe"
    for number, payload in enumerate([good, *malformed, good]):
        talker.sender.transmit(payload, number * 960)
    await until(lambda: len(stage.packets) == 2)
    await until(lambda: len(stage.audio) == 2)
    assert stage.packets[1].rtp_time - stage.packets[0].rtp_time == 7 * 960
    assert peer.packets_corrupt == PACKETS_MALFORMED._value.get() - before == len(malformed)
    assert stage.states == ["connected"]


async def test_a_packet_that_was_overtaken_for_too_long_is_left_out(stage: Stage, talker: Talker) -> None:
    """Order is kept: it cannot be put in any more."""
    wire = LossyWire()
    peer = await stage.answer(await talker.offer())
    await talker.accept(await wire.attach(peer.answer))
    await until(lambda: "connected" in stage.states and talker.sender.ready)
    for number in range(40):
        wire.reorder, wire.reorder_s = (1.0, 0.2) if number == 20 else (0.0, 0.0)
        talker.sender.transmit(bytes([0xFC, number, 1]), number * 960)
        await asyncio.sleep(0.005)
    await until(lambda: wire.passed >= 40 and len(stage.packets) >= 39)
    await until(lambda: peer.packets_missing == 0)  # it has come
    assert [packet.payload[1] for packet in stage.packets] == [number for number in range(40) if number != 20]
    wire.close()
