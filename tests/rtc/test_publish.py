"""Publishing: audio comes out with its RTP time and its arrival, whatever the sender and the wire do."""

from __future__ import annotations

import asyncio
import random
import resource
import struct
from collections.abc import AsyncIterator
from typing import Any

import aioice.ice
import numpy as np
import pytest
from aiortc import RTCSessionDescription

from server.clock import PACKET, SystemClock
from server.errors import InvalidOffer, InvalidRequest, TooLarge
from server.rtc.publish import PublisherPeer, ReceivedAudio
from server.rtc.udp import UdpPort
from tests.rtc.peers import BROWSER_OFFER, Talker, ToneTrack, damaged, plain_connection, until
from tests.wire import LossyWire


class Studio:
    """A publisher's peer and everything it says."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.audio: list[ReceivedAudio] = []
        self.states: list[str] = []
        self.peers: list[PublisherPeer] = []
        self.port: UdpPort

    async def answer(self, offer: str, **options: float) -> PublisherPeer:
        """A peer that does not mind silence, unless told after how many seconds it does."""
        options = {"silence_timeout": 600.0, **options}
        peer = await PublisherPeer.create(offer, self.port, self._hear, self.states.append, self.clock, **options)
        self.peers.append(peer)
        return peer

    async def on_air(self, talker: Talker) -> None:
        """Wait until what is sent now is heard."""
        receivers = [peer._transceiver.receiver for peer in self.peers]
        await until(lambda: "connected" in self.states and talker.sender.ready and receivers[-1]._registered)

    def _hear(self, audio: ReceivedAudio) -> None:
        self.audio.append(audio)


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    studio = Studio()
    studio.port = await UdpPort.open()
    yield studio
    for peer in studio.peers:
        await peer.close()
    studio.port.close()


@pytest.fixture
async def talker() -> AsyncIterator[Talker]:
    talker = Talker()
    yield talker
    await talker.close()


async def test_packets_arrive_decoded_in_order_at_once(studio: Studio, talker: Talker) -> None:
    peer = await studio.answer(await talker.offer())
    await talker.accept(peer.answer)
    await studio.on_air(talker)
    for number in range(50):  # none waits for the one after it
        sent = studio.clock.samples()
        await talker.talk(1, interval=0)
        await until(lambda number=number: len(studio.audio) == number + 1)  # type: ignore[misc]
        assert sent <= studio.audio[-1].arrival <= studio.clock.samples()
    times = [audio.rtp_time for audio in studio.audio]
    assert times == [times[0] + n * PACKET for n in range(50)]
    assert all(audio.rate == 48_000 and audio.samples.shape == (PACKET,) for audio in studio.audio)
    assert all(audio.samples.dtype == np.float32 for audio in studio.audio)
    heard = np.concatenate([audio.samples for audio in studio.audio[10:]])
    assert 0.18 < float(np.sqrt(np.mean(heard**2))) < 0.24
    assert peer.silent_s <= (studio.clock.samples() - sent) / 48_000


async def test_an_unmodified_sender_is_heard(studio: Studio) -> None:
    connection = plain_connection()
    connection.addTrack(ToneTrack())
    try:
        await connection.setLocalDescription(await connection.createOffer())
        peer = await studio.answer(connection.localDescription.sdp)
        await connection.setRemoteDescription(RTCSessionDescription(peer.answer, "answer"))
        await until(lambda: len(studio.audio) >= 25)
        steps = {b.rtp_time - a.rtp_time for a, b in zip(studio.audio, studio.audio[1:], strict=False)}
        assert steps == {PACKET}
    finally:
        await connection.close()


async def test_the_answer_asks_for_mono_fullband_without_dtx(studio: Studio) -> None:
    peer = await studio.answer(BROWSER_OFFER)
    fmtp = next(line for line in peer.answer.split("\r\n") if line.startswith("a=fmtp:111 "))
    assert set(fmtp.split(" ")[1].split(";")) >= {"stereo=0", "usedtx=0", "useinbandfec=0", "maxaveragebitrate=64000"}
    assert "a=recvonly" in peer.answer
    assert "a=candidate:" in peer.answer
    assert peer.answer.count("m=") == 3


async def test_two_percent_of_loss_cost_two_percent_of_audio(studio: Studio, talker: Talker) -> None:
    wire = LossyWire()
    wire.jitter_s, wire.reorder, wire.duplicate, wire.delay_s = 0.004, 0.03, 0.02, 0.002
    peer = await studio.answer(await talker.offer())
    await talker.accept(await wire.attach(peer.answer))
    await studio.on_air(talker)
    wire.loss = 0.02
    await talker.talk(400, interval=0.008)
    await until(lambda: len(studio.audio) + wire.lost >= 400)
    await asyncio.sleep(0.05)
    times = [audio.rtp_time for audio in studio.audio]
    assert len(set(times)) == len(times) == 400 - wire.lost
    assert wire.lost > 0
    assert studio.states == ["connected"]
    wire.close()


async def test_a_cut_is_noticed_and_the_audio_goes_on_after_it(studio: Studio, talker: Talker) -> None:
    wire = LossyWire()
    peer = await studio.answer(await talker.offer(), silence_timeout=0.5)
    await talker.accept(await wire.attach(peer.answer))
    await studio.on_air(talker)
    await talker.talk(15)
    await until(lambda: len(studio.audio) == 15)
    wire.cut = True
    async with asyncio.timeout(30):
        while studio.states[-1] != "silent":
            await talker.talk(5)
    assert len(studio.audio) == 15
    wire.cut = False
    await talker.talk(15)
    await until(lambda: len(studio.audio) == 30)
    assert studio.states[0] == "connected"
    assert "heard" in studio.states[studio.states.index("silent") :]
    assert studio.audio[-1].rtp_time - studio.audio[0].rtp_time == (talker.packet - 1) * PACKET
    wire.close()


async def test_a_publisher_that_sends_nothing_is_silent(studio: Studio, talker: Talker) -> None:
    peer = await studio.answer(await talker.offer(), silence_timeout=0.2)
    await talker.accept(peer.answer)
    await until(lambda: studio.states == ["connected", "silent"])
    await asyncio.sleep(0.3)
    assert studio.states == ["connected", "silent"]


async def test_a_peer_that_never_connects_is_lost(studio: Studio) -> None:
    await studio.answer(BROWSER_OFFER, connect_timeout=0.2)
    await until(lambda: studio.states == ["lost"])


async def test_a_sender_that_leaves_is_lost_at_once(studio: Studio, talker: Talker) -> None:
    peer = await studio.answer(await talker.offer())
    await talker.accept(peer.answer)
    await until(lambda: studio.states == ["connected"])
    await talker.close()
    await until(lambda: studio.states == ["connected", "lost"])


async def test_a_closed_peer_says_nothing_more(studio: Studio, talker: Talker) -> None:
    peer = await studio.answer(await talker.offer())
    await talker.accept(peer.answer)
    await until(lambda: studio.states == ["connected"])
    await asyncio.gather(peer.close(), peer.close())
    await peer.close()
    assert studio.states == ["connected"]
    await peer.trickle("a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n")


async def test_corrupt_packets_do_not_end_the_connection(studio: Studio, talker: Talker) -> None:
    peer = await studio.answer(await talker.offer())
    await talker.accept(peer.answer)
    await studio.on_air(talker)
    await talker.talk(5, interval=0.005)
    for n, payload in enumerate([b"\xff", b"\x03", b"\x03\xff" * 20, bytes(1200), b"\x00" * 3, b"\xfc\xff\xff"]):
        talker.sender.transmit(payload, (5 + n) * PACKET)
    talker.packet = 11
    await talker.talk(5, interval=0.005)
    await until(lambda: studio.audio and studio.audio[-1].rtp_time - studio.audio[0].rtp_time == 15 * PACKET)
    assert peer.packets_corrupt > 0
    assert studio.states == ["connected"]


async def test_malformed_headers_and_reports_do_not_end_the_connection(studio: Studio, talker: Talker) -> None:
    peer = await studio.answer(await talker.offer())
    await talker.accept(peer.answer)
    await studio.on_air(talker)
    await talker.talk(5, interval=0.005)
    sender = talker.sender
    transport: Any = sender.transport
    (pair,) = sender._pairs.values()
    for text in ("21aabb00", "10ff0000", "1f000000", "ff" * 8, "20aa0000" * 3, "2faa" + "00" * 18):
        extension = bytes.fromhex(text)
        time = sender._origin + talker.packet * PACKET & 0xFFFFFFFF
        packet = struct.pack("!BBHLL", 0x90, sender._payload_type, sender._sequence, time, sender._ssrc)
        packet += b"\xbe\xde" + struct.pack("!H", len(extension) // 4) + extension + b"\xfc\xff\xfe"
        pair.protocol.transport.sendto(transport._tx_srtp.protect(packet), pair.remote_addr)
        sender._sequence += 1
        talker.packet += 1
    for kind in (200, 201, 202, 203, 205, 206):
        for body in (b"", b"\xff" * 4, b"\xff" * 28):
            for count in (0, 1, 31):
                report = struct.pack("!BBHL", 0x80 | count, kind, 1 + len(body) // 4, 7) + body
                pair.protocol.transport.sendto(transport._tx_srtp.protect_rtcp(report), pair.remote_addr)
    await talker.talk(5, interval=0.005)
    await until(lambda: studio.audio and studio.audio[-1].rtp_time - studio.audio[0].rtp_time == 15 * PACKET)
    assert studio.states == ["connected"]


async def test_a_peer_is_reached_by_candidates_that_come_later(studio: Studio, talker: Talker) -> None:
    offer = await talker.offer()
    candidates = [line for line in offer.split("\r\n") if line.startswith("a=candidate:")]
    credentials = [line for line in offer.split("\r\n") if line.startswith(("a=ice-ufrag", "a=ice-pwd"))]
    bare = "\r\n".join(line for line in offer.split("\r\n") if not line.startswith(("a=candidate", "a=end-of")))
    peer = await studio.answer(bare)
    await peer.trickle(
        "\r\n".join([*credentials, "m=audio 9 RTP/AVP 0", "a=mid:0", *candidates, "a=end-of-candidates"])
    )
    await talker.accept(peer.answer)
    await until(lambda: studio.states == ["connected"])


async def test_a_peer_that_hides_its_addresses_is_reached_without_asking_for_them(
    studio: Studio, talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        raise AssertionError("the network was asked for a name, which takes a second")

    monkeypatch.setattr(aioice.ice.mdns, "create_mdns_protocol", ask)
    offer = await talker.offer()
    lines = [line for line in offer.split("\r\n") if not line.startswith("a=candidate")]
    lines.insert(-1, "a=candidate:1 1 udp 2122260223 0b4c3a1e-6a3c-4a2f-9f55-0d6a64f7ee0a.local 52033 typ host")
    peer = await studio.answer("\r\n".join(lines))
    await talker.accept(peer.answer)
    await until(lambda: studio.states == ["connected"])


async def test_trickle_of_another_session_is_refused(studio: Studio) -> None:
    peer = await studio.answer(BROWSER_OFFER)
    with pytest.raises(InvalidRequest) as refused:
        await peer.trickle("a=ice-ufrag:Othr\r\na=ice-pwd:OtSK0WpNtpUjkY4+86js7ZQl\r\n")
    assert refused.value.code == "restart-unsupported"
    many = "".join(f"a=candidate:1 1 udp 1 192.0.2.1 {5000 + n} typ host\r\n" for n in range(60))
    await peer.trickle(many)
    with pytest.raises(InvalidRequest, match="candidates"):
        await peer.trickle(many)


@pytest.mark.parametrize("setup", ["active", "passive"])
async def test_either_side_may_begin_the_handshake(studio: Studio, talker: Talker, setup: str) -> None:
    offer = await talker.offer()
    peer = await studio.answer(offer.replace("a=setup:actpass", f"a=setup:{setup}"))
    assert f"a=setup:{'passive' if setup == 'active' else 'active'}" in peer.answer
    await talker.accept(peer.answer)
    await until(lambda: studio.states == ["connected"])


async def test_damaged_offers_are_answered_or_refused_and_nothing_else(studio: Studio) -> None:
    chaos = random.Random(7)
    answered = 0
    for wounds in range(60):
        try:
            peer = await studio.answer(damaged(BROWSER_OFFER, chaos, 1 + wounds // 10))
        except (InvalidOffer, TooLarge):
            continue
        answered += 1
        assert "m=audio" in peer.answer
        await peer.close()
    assert 5 < answered < 60
    assert studio.states == []


async def test_an_offer_that_cannot_be_answered_leaves_nothing_behind(studio: Studio) -> None:
    for offer in ("", "v=0\r\n", BROWSER_OFFER.replace("opus", "vorbis")):
        with pytest.raises(InvalidOffer):
            await studio.answer(offer)
    assert studio.states == []


async def test_a_peer_needs_no_file_of_its_own(studio: Studio) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        peer = await studio.answer(BROWSER_OFFER)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "a=candidate:" in peer.answer
