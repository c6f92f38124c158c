"""Listening: the packets that were sent arrive, byte for byte, on a time line that never jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiortc import RTCSessionDescription

from server.audio.opus import OpusEncoder
from server.clock import PACKET
from server.rtc import sender_loop
from server.rtc.listen import Crowd, ListenerPeer
from server.rtc.udp import UdpPort
from tests.rtc.peers import BROWSER_OFFER, Ear, plain_connection, tone, until
from tests.wire import LossyWire


class HandClock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def samples(self) -> int:
        return self.now

    def wall(self) -> datetime:
        return datetime.now(UTC)


class Hall:
    """Listeners and what they say."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.states: list[str] = []
        self.peers: list[ListenerPeer] = []
        self.broken: list[ListenerPeer] = []
        self.crowd = Crowd(self.clock, self.broken.append)
        self.port: UdpPort

    async def answer(self, offer: str, **options: float) -> ListenerPeer:
        peer = await ListenerPeer.create(offer, self.port, self.states.append, self.clock, **options)
        self.peers.append(peer)
        self.crowd.add(peer)
        return peer

    async def seat(self, ear: Ear) -> ListenerPeer:
        peer = await self.answer(await ear.offer())
        await ear.accept(peer.answer)
        await until(lambda: "connected" in self.states and ear.ready)
        return peer


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    hall = Hall()
    hall.port = await UdpPort.open()
    yield hall
    for peer in hall.peers:
        await peer.close()
    hall.port.close()


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    ear = Ear()
    yield ear
    await ear.close()


def steps(ear: Ear) -> list[int]:
    return [later[0] - earlier[0] & 0xFFFFFFFF for earlier, later in zip(ear.packets, ear.packets[1:], strict=False)]


async def test_packets_arrive_as_they_were_sent(hall: Hall, ear: Ear) -> None:
    peer = await hall.seat(ear)
    payloads = [bytes([n % 256]) * (n % 300 + 1) for n in range(100)]
    for n, payload in enumerate(payloads):
        hall.crowd.send(payload, 777 + n * PACKET)
    await until(lambda: len(ear.packets) == 100)
    assert [payload for _, payload in ear.packets] == payloads
    assert set(steps(ear)) == {PACKET}
    assert peer.sent == 100


async def test_what_was_sent_before_a_listener_came_is_never_heard(hall: Hall, ear: Ear) -> None:
    peer = await hall.answer(await ear.offer())
    for n in range(10):
        hall.crowd.send(b"early", n * PACKET)
    await ear.accept(peer.answer)
    await until(lambda: "connected" in hall.states and ear.ready)
    hall.crowd.send(b"live", 10 * PACKET)
    await until(lambda: ear.packets)
    assert [payload for _, payload in ear.packets] == [b"live"]


async def test_a_listener_may_wait_for_a_stream_as_long_as_it_likes(hall: Hall, ear: Ear) -> None:
    peer = await hall.answer(await ear.offer(), connect_timeout=0.5)
    await ear.accept(peer.answer)
    await until(lambda: hall.states == ["connected"] and ear.ready)
    await asyncio.sleep(0.8)
    assert hall.states == ["connected"]
    hall.crowd.send(b"at last", 0)
    await until(lambda: ear.packets)


async def test_the_listeners_time_goes_on_over_pauses_and_new_streams(hall: Hall, ear: Ear) -> None:
    await hall.seat(ear)

    def send(timestamp: int, waited: int) -> None:
        hall.clock.now += waited
        hall.crowd.send(b"x", timestamp)

    send(10 * PACKET, 0)
    send(11 * PACKET, PACKET)
    send(14 * PACKET, 3 * PACKET)  # a short hole
    send(500 * PACKET, 480_000)  # ten seconds of pause
    send(501 * PACKET, PACKET)
    send(0, 96_000)  # another stream, two seconds later
    send(PACKET, PACKET)
    send(0, 0)  # again, at once
    await until(lambda: len(ear.packets) == 8)
    assert steps(ear) == [PACKET, 3 * PACKET, 480_000, PACKET, 96_000, PACKET, PACKET]


async def test_a_connection_that_takes_nothing_keeps_the_newest(
    hall: Hall, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await hall.seat(ear)
    for using in hall.port.sockets.values():
        monkeypatch.setattr(using, "unsent", sender_loop.MAX_UNSENT_BYTES + 1)
    for n in range(100):
        hall.crowd.send(bytes([n]), n * PACKET)
    assert peer.dropped == 100 - sender_loop.QUEUE
    for using in hall.port.sockets.values():
        monkeypatch.setattr(using, "unsent", 0)
    hall.crowd.send(bytes([100]), 100 * PACKET)
    await until(lambda: ear.packets and ear.packets[-1][1] == bytes([100]))
    assert [payload[0] for _, payload in ear.packets] == list(range(75, 101))
    assert set(steps(ear)) == {PACKET}


async def test_an_unmodified_receiver_decodes_it(hall: Hall) -> None:
    connection = plain_connection()
    connection.addTransceiver("audio", direction="recvonly")
    tracks: list[object] = []
    connection.on("track", tracks.append)
    try:
        await connection.setLocalDescription(await connection.createOffer())
        peer = await hall.answer(connection.localDescription.sdp)
        await connection.setRemoteDescription(RTCSessionDescription(peer.answer, "answer"))
        await until(lambda: hall.states == ["connected"] and connection.connectionState == "connected")
        receiver = connection.getReceivers()[0]
        await until(lambda: receiver._RTCRtpReceiver__started)
        encoder = OpusEncoder(1)
        for n in range(10):
            hall.crowd.send(encoder.encode(tone(n)), n * PACKET)
        track = tracks[0]
        frame = await asyncio.wait_for(track.recv(), 30)  # type: ignore[attr-defined]
        assert frame.sample_rate == 48_000
    finally:
        await connection.close()


async def test_the_answer_offers_to_send_lost_packets_again(hall: Hall) -> None:
    peer = await hall.answer(BROWSER_OFFER)
    assert "a=rtcp-fb:111 nack\r\n" in peer.answer
    assert "a=sendonly\r\n" in peer.answer


async def test_loss_on_the_way_leaves_the_connection_standing(hall: Hall, ear: Ear) -> None:
    wire = LossyWire()
    peer = await hall.answer(await ear.offer())
    await ear.accept(await wire.attach(peer.answer))
    await until(lambda: "connected" in hall.states and ear.ready)
    wire.loss = 0.1
    for n in range(200):
        hall.crowd.send(bytes([n]), n * PACKET)
        await asyncio.sleep(0.001)
    await until(lambda: len(ear.packets) + wire.lost >= 200)
    assert len(ear.packets) == 200 - wire.lost
    assert hall.states == ["connected"]
    wire.close()


async def test_a_listener_that_leaves_is_lost_and_one_that_never_comes_too(hall: Hall, ear: Ear) -> None:
    await hall.seat(ear)
    await ear.close()
    await until(lambda: hall.states == ["connected", "lost"])
    await hall.answer(BROWSER_OFFER, connect_timeout=0.1)
    await until(lambda: hall.states == ["connected", "lost", "lost"])


async def test_sending_to_a_closed_peer_does_nothing(hall: Hall, ear: Ear) -> None:
    peer = await hall.seat(ear)
    await peer.close()
    hall.crowd.send(b"x", 0)
    assert peer.sent == 0
