"""What a peer, or somebody on the way, may send on a connection that stands: refused, counted, and nobody else hurt."""

from __future__ import annotations

import asyncio
import os
import random
import struct
from collections import Counter
from typing import Any

import pytest
from aiortc.rtp import RTCP_RTPFB_NACK, RtcpRtpfbPacket
from prometheus_client import REGISTRY

from server.clock import PACKET, SystemClock
from server.rtc.aiortc_contract import HISTORY, RESENT_PER_PACKET
from server.rtc.listen import ListenerPeer
from server.rtc.publish import PublisherPeer, ReceivedAudio
from server.rtc.srtp_contract import CONTROL_BURST, MAX_SOURCES
from server.rtc.token_bucket import TokenBucket
from tests.rtc.conftest import Closing
from tests.rtc.peers import Ear, Talker, crowd_of, until
from tests.rtc.ports import Open
from tests.wire import Address, LossyWire


def refused() -> Counter[str]:
    """Packets thrown away so far, by reason."""
    reasons = ("forged", "replayed", "malformed", "too many", "too many sources")
    name = "clearcast_srtp_refused_total"
    return Counter({reason: int(REGISTRY.get_sample_value(name, {"reason": reason}) or 0) for reason in reasons})


def packet(payload_type: int, sequence: int, ssrc: int, payload: bytes, first: int = 0x80) -> bytes:
    """RTP, not encrypted yet."""
    return struct.pack("!BBHLL", first, payload_type, sequence & 0xFFFF, 0, ssrc) + payload


class Tap(LossyWire):
    """A wire that keeps what passes, counts what comes back, and sends what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.media: list[bytes] = []
        self.back = 0

    def _from_offerer(self, data: bytes, address: Address) -> None:
        if 128 <= data[0] < 192 and not 192 <= data[1] <= 223:
            self.media.append(data)
        super()._from_offerer(data, address)

    def _from_server(self, data: bytes, address: Address) -> None:
        self.back += 128 <= data[0] < 192 and not 192 <= data[1] <= 223
        super()._from_server(data, address)

    def forge(self, data: bytes) -> None:
        self._far.send(data, self._server)


class OnAir:
    """Two publishers on one port, the first through a tap."""

    def __init__(self, closing: Closing[Any]) -> None:
        self.closing = closing
        self.heard: list[ReceivedAudio] = []
        self.other_heard: list[ReceivedAudio] = []
        self.states: list[str] = []
        self.tap = closing(Tap())
        self.talker: Talker
        self.other: Talker

    async def start(self, open_port: Open) -> OnAir:
        port = await open_port()
        self.talker, self.peer = await self._publish(port, self.heard, self.tap)
        self.other, _ = await self._publish(port, self.other_heard, None)
        return self

    async def _publish(self, port: Any, heard: list[ReceivedAudio], tap: Tap | None) -> tuple[Talker, PublisherPeer]:
        talker: Talker = self.closing(Talker())
        states: list[str] = []
        peer = await PublisherPeer.create(await talker.offer(), port, heard.append, states.append, SystemClock())
        self.closing(peer)
        await talker.accept(await tap.attach(peer.answer) if tap else peer.answer)
        await until(lambda: states == ["connected"] and talker.sender.ready)
        await asyncio.sleep(0.05)
        return talker, peer

    async def both_talk(self, packets: int = 20) -> None:
        await asyncio.gather(self.talker.talk(packets, 0.005), self.other.talk(packets, 0.005))

    async def assert_heard(self) -> None:
        """All that both said, once and in order."""
        await until(lambda: len(self.heard) >= self.talker.packet and len(self.other_heard) >= self.other.packet)
        for heard in (self.heard, self.other_heard):
            first = heard[0].rtp_time
            assert [audio.rtp_time - first for audio in heard] == [n * PACKET for n in range(len(heard))]

    async def send(self, data: bytes) -> None:
        """As the first publisher itself, with its keys."""
        await self.talker.sender.transport._send_rtp(data)


async def test_packets_without_the_key_are_counted_and_change_nothing(open_port: Open, closing: Closing[Any]) -> None:
    air = await OnAir(closing).start(open_port)
    await air.both_talk()
    await air.assert_heard()
    before, chaos = refused(), random.Random(3)
    for data in list(air.tap.media):
        air.tap.forge(data)  # played back
        air.tap.forge(data[:8] + chaos.randbytes(4) + data[12:])  # another source
        air.tap.forge(data[:-1] + bytes([data[-1] ^ 1]))  # another content under a number that was
        air.tap.forge(data[:2] + struct.pack("!H", chaos.randrange(1 << 16)) + data[4:])  # another number
        air.tap.forge(data[:12])  # cut
        air.tap.forge(bytes([data[0], 0x80 | 8]) + data[2:])  # another payload type
        await asyncio.sleep(0)
    await until(lambda: (refused() - before).total() >= 6 * 20)
    assert (refused() - before)["replayed"] >= 20
    await air.both_talk()
    await air.assert_heard()
    assert air.peer.packets_missing == 0


async def test_what_a_publisher_sends_besides_its_audio_is_left_out(open_port: Open, closing: Closing[Any]) -> None:
    air = await OnAir(closing).start(open_port)
    await air.both_talk()
    own = air.talker.sender
    for n in range(20):
        await air.send(packet(8, own._sequence, own._ssrc, os.urandom(160)))
        await air.send(packet(own._payload_type, own._sequence + 1, own._ssrc, b"\xff" * 9))  # no Opus
        own._sequence += 2
        await air.send(packet(8, n, 77, os.urandom(160)))
        await air.send(packet(111, n, 78, b""))
        await air.send(packet(8, n, 79, b"\xbe\xde\x00\x01\x41\x00\x00\x00", first=0x90))  # an extension
        await air.send(packet(111, n, 80, bytes(60), first=0x8F))  # fifteen contributing sources and no more
        await air.send(packet(111, n, 81, b"\xff" * 9, first=0xA0))  # more padding than there is
    await air.both_talk()
    await air.assert_heard()
    assert air.peer.packets_corrupt == 20


async def test_sources_without_number_are_bounded(open_port: Open, closing: Closing[Any]) -> None:
    air = await OnAir(closing).start(open_port)
    await air.both_talk()
    before = refused()
    for ssrc in range(300):
        await air.send(packet(8, 1, 1000 + ssrc, b"x"))
        await asyncio.sleep(0)
    await until(lambda: (refused() - before)["too many sources"] == 300 - MAX_SOURCES + 1)
    router = air.peer._transceiver.receiver.transport._rtp_router
    assert len(router.ssrc_table) <= MAX_SOURCES + 1
    await air.both_talk()
    await air.assert_heard()


async def test_rtcp_that_is_garbage_ends_nothing(open_port: Open, closing: Closing[Any]) -> None:
    air = await OnAir(closing).start(open_port)
    chaos = random.Random(6)
    report = bytes([0x80, 201, 0, 1]) + bytes(4)
    await air.both_talk()
    for n in range(CONTROL_BURST // 2):
        kind = chaos.choice([200, 201, 202, 203, 204, 205, 206, 207])
        length = chaos.randrange(40)
        await air.send(bytes([0x80 | chaos.randrange(64), kind, 0, length]) + chaos.randbytes(chaos.randrange(4, 160)))
        if n % 10 == 0:
            await air.send(report * 150)  # one datagram full of reports
            await asyncio.sleep(0.005)
    await air.both_talk()
    await air.assert_heard()


async def test_a_storm_of_rtcp_is_thrown_away_unread(open_port: Open, closing: Closing[Any]) -> None:
    air = await OnAir(closing).start(open_port)
    before = refused()
    for n in range(40 * CONTROL_BURST):  # on a busy machine a storm is no storm: it goes on until it is one
        await air.send(bytes([0x80, 201, 0, 1]) + bytes(4))
        if n % 20 == 0:
            await asyncio.sleep(0.001)
            if (refused() - before)["too many"] >= CONTROL_BURST:
                break
    await until(lambda: (refused() - before)["too many"] >= CONTROL_BURST)
    await air.both_talk()
    await air.assert_heard()


async def test_a_listener_who_asks_for_everything_again_gets_twice_as_much_at_most(
    open_port: Open, closing: Closing[Any]
) -> None:
    port = await open_port()
    tap, ear, states = closing(Tap()), closing(Ear()), list[str]()
    peer = closing(await ListenerPeer.create(await ear.offer(), port, states.append, SystemClock()))
    crowd = crowd_of(peer)
    await ear.accept(await tap.attach(peer.answer))
    await until(lambda: states == ["connected"] and ear.ready)
    sent = 200
    for n in range(sent):
        crowd.send(bytes([n]) * 20, n * PACKET)
        await asyncio.sleep(0)
    await until(lambda: len(ear.packets) == sent)
    media = peer._transceiver.sender._ssrc
    newest = peer.sender.numbering[0] + sent
    wanted = sorted(newest - n & 0xFFFF for n in range(5000, 0, -1))  # aiortc writes numbers in order only
    storm = bytes(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=media, lost=wanted))
    asked = REGISTRY.get_sample_value("clearcast_resends_refused_total") or 0
    before = tap.back
    for _ in range(20):
        await ear.connection.getTransceivers()[0].receiver.transport._send_rtp(storm)
        await asyncio.sleep(0.01)
    await until(lambda: (REGISTRY.get_sample_value("clearcast_resends_refused_total") or 0) >= asked + 18 * HISTORY)
    assert tap.back - before <= HISTORY
    for n in range(10):  # who goes on listening may ask again
        crowd.send(bytes([n]) * 20, (sent + n) * PACKET)
    await until(lambda: len(ear.packets) == sent + 10)
    before = tap.back
    await ear.connection.getTransceivers()[0].receiver.transport._send_rtp(storm)
    await until(lambda: tap.back - before >= 10 * RESENT_PER_PACKET)
    await asyncio.sleep(0.05)
    assert tap.back - before == 10 * RESENT_PER_PACKET


@pytest.mark.parametrize(("gap", "expected"), [(0.0, 10), (0.0525, 15), (10.0, 20)])
def test_an_allowance_is_a_burst_and_so_many_a_second(gap: float, expected: int) -> None:
    allowance = TokenBucket(rate=100, burst=10, now=5.0)
    assert sum(allowance.take(5.0) for _ in range(50)) + sum(allowance.take(5.0 + gap) for _ in range(50)) == expected
