"""What the fan-out is measured against: aiortc's own two ways of sending one source to many."""

from __future__ import annotations

import asyncio
import fractions
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamError

from server.audio.frame import Samples
from server.audio.opus import OpusEncoder
from server.clock import PACKET, SAMPLE_RATE

TIME_BASE = fractions.Fraction(1, SAMPLE_RATE)


class PushedTrack(MediaStreamTrack):
    """A track whose frames or packets are put in from outside."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=100)

    def push(self, item: Any) -> None:
        """Put in a frame or a packet; None ends the track."""
        self._queue.put_nowait(item)

    async def recv(self) -> Any:
        item = await self._queue.get()
        if item is None:
            raise MediaStreamError
        return item


class _AiortcPeers:
    def __init__(self) -> None:
        self._connections: list[RTCPeerConnection] = []

    def _track(self) -> MediaStreamTrack:
        raise NotImplementedError

    async def answer(self, offer: str) -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connections.append(connection)
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        connection.addTrack(self._track())
        await connection.setLocalDescription(await connection.createAnswer())
        return connection.localDescription.sdp

    async def start(self) -> None:
        """The connections send by themselves once they stand."""

    async def close(self) -> None:
        await asyncio.gather(*(connection.close() for connection in self._connections))


class RelayPeers(_AiortcPeers):
    """Frames through MediaRelay: every connection encodes for itself."""

    name = "relay"

    def __init__(self) -> None:
        super().__init__()
        self._source, self._relay = PushedTrack(), MediaRelay()

    def _track(self) -> MediaStreamTrack:
        return self._relay.subscribe(self._source)

    async def close(self) -> None:
        await super().close()
        self._source.stop()
        self._source.push(None)

    async def send(self, samples: Samples, index: int) -> None:
        stereo = np.repeat((samples * 32767).astype(np.int16), 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(stereo, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, index * PACKET, TIME_BASE
        self._source.push(frame)


class PacketPeers(_AiortcPeers):
    """The packets that Clearcast would send, through aiortc's unmodified senders."""

    name = "aiortc_packets"

    def __init__(self) -> None:
        super().__init__()
        self._tracks: list[PushedTrack] = []
        self._encoder = OpusEncoder(channels=1, bitrate=32_000)

    def _track(self) -> MediaStreamTrack:
        self._tracks.append(PushedTrack())
        return self._tracks[-1]

    async def send(self, samples: Samples, index: int) -> None:
        payload = await asyncio.to_thread(self._encoder.encode, samples)
        for track in self._tracks:
            packet = av.Packet(payload)
            packet.pts, packet.time_base = index * PACKET, TIME_BASE
            track.push(packet)
