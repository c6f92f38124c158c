"""Clients for the tests, and offers as real senders write them."""

from __future__ import annotations

import asyncio
import fractions
import random
from collections.abc import Callable
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from server.audio.opus import OpusEncoder
from server.clock import PACKET, SystemClock
from server.rtc.aiortc_contract import PacketReceiver, PacketSender, add_audio, open_connection
from server.rtc.listen import Crowd, ListenerPeer

FINGERPRINT = "sha-256 "
FINGERPRINT += "19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2"

# As Chromium 156 writes it, shortened: video first is refused, data channels too.
BROWSER_OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 4215775240449105457 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1 2",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS 7d2a",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:ETEn",
        "a=ice-pwd:OtSK0WpNtpUjkY4+86js7ZQl",
        "a=fingerprint:" + FINGERPRINT,
        "a=setup:actpass",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:96 VP8/90000",
        "a=rtpmap:97 rtx/90000",
        "m=audio 52032 UDP/TLS/RTP/SAVPF 111 63 9 0",
        "c=IN IP4 192.0.2.77",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2122260223 192.0.2.77 52032 typ host generation 0 network-id 1",
        "a=candidate:2 1 udp 2122194687 0b4c3a1e-6a3c-4a2f-9f55-0d6a64f7ee0a.local 52033 typ host generation 0",
        "a=candidate:3 1 tcp 1518280447 192.0.2.77 9 typ host tcptype active generation 0",
        "a=ice-ufrag:ETEn",
        "a=ice-pwd:OtSK0WpNtpUjkY4+86js7ZQl",
        "a=ice-options:trickle",
        "a=fingerprint:" + FINGERPRINT,
        "a=setup:actpass",
        "a=mid:1",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=sendrecv",
        "a=msid:7d2a 5f1b",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:ETEn",
        "a=ice-pwd:OtSK0WpNtpUjkY4+86js7ZQl",
        "a=fingerprint:" + FINGERPRINT,
        "a=setup:actpass",
        "a=mid:2",
        "a=sctp-port:5000",
        "",
    ]
)


def tone(packet: int, frequency: float = 440.0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """20 ms of a steady tone, the `packet`-th."""
    index = np.arange(packet * PACKET, (packet + 1) * PACKET)
    return (0.3 * np.sin(2 * np.pi * frequency / 48_000 * index)).astype(np.float32)


def damaged(offer: str, chaos: random.Random, wounds: int) -> str:
    """The offer with parts cut out, doubled, swapped for nonsense."""
    text = list(offer)
    for _ in range(wounds):
        place = chaos.randrange(len(text) + 1)
        act = chaos.randrange(4)
        if act == 0:
            del text[place : place + chaos.randrange(60)]
        elif act == 1:
            text.insert(place, chr(chaos.choice([0, 10, 13, 32, 34, 58, 61, 127, 255, 0x2028, 0x1F600])))
        elif act == 2:
            text[place:place] = text[chaos.randrange(len(text) + 1) :][: chaos.randrange(400)]
        else:
            text[place : place + 1] = chr(chaos.randrange(128))
    return "".join(text)


def crowd_of(*peers: ListenerPeer) -> Crowd:
    """What sends to these listeners, none of which may fail."""

    def broken(peer: ListenerPeer) -> None:
        raise AssertionError("a listener failed")

    crowd = Crowd(SystemClock(), broken)
    for peer in peers:
        crowd.add(peer)
    return crowd


async def until(condition: Callable[[], Any], timeout: float = 30.0) -> None:
    """Wait until `condition()` is true; fails after `timeout` seconds."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


class Talker:
    """A client that publishes a tone, packet by packet."""

    def __init__(self) -> None:
        self.connection = open_connection([])
        self._transceiver = add_audio(self.connection, "sendonly")
        self._encoder = OpusEncoder(1)
        self.packet = 0

    @property
    def sender(self) -> PacketSender:
        assert isinstance(self._transceiver.sender, PacketSender)
        return self._transceiver.sender

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def talk(self, packets: int, interval: float = 0.02) -> None:
        """Send the next packets of the tone."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for index in range(packets):
            self.sender.transmit(self._encoder.encode(tone(self.packet)), self.packet * PACKET)
            self.packet += 1
            await asyncio.sleep(max(0.0, start + (index + 1) * interval - loop.time()))

    async def close(self) -> None:
        await self.connection.close()


class Ear:
    """A client that listens and keeps every packet as it came: (rtp time, payload)."""

    def __init__(self, connection: RTCPeerConnection | None = None) -> None:
        self.connection = connection or open_connection([])
        receiver = add_audio(self.connection, "recvonly").receiver
        assert isinstance(receiver, PacketReceiver)
        self.packets: list[tuple[int, bytes]] = []
        self._receiver = receiver
        receiver.clock = SystemClock()
        receiver.on_packet = self._take

    @property
    def ready(self) -> bool:
        """Whether what is sent now is heard."""
        return self.connection.connectionState == "connected" and self._receiver._registered

    def _take(self, ssrc: int, sequence: int, timestamp: int, payload: bytes, arrival: int) -> None:
        self.packets.append((timestamp, payload))

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def close(self) -> None:
        await self.connection.close()


class ToneTrack(MediaStreamTrack):
    """Opus packets for an unmodified aiortc sender."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._encoder = OpusEncoder(1)
        self._packet = 0

    async def recv(self) -> Any:
        await asyncio.sleep(0.02)
        packet = av.Packet(self._encoder.encode(tone(self._packet)))
        packet.pts = self._packet * PACKET
        packet.time_base = fractions.Fraction(1, 48_000)
        self._packet += 1
        return packet


def plain_connection() -> RTCPeerConnection:
    """aiortc as it is."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))
