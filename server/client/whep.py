"""Listening at a WHEP server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType

import numpy as np

from server.audio.frame import Samples
from server.audio.opus import OpusDecoder, OpusError, packet_duration
from server.client.connection import Connection, IceServers
from server.client.tokens import Token
from server.clock import PACKET, SAMPLE_RATE, Clock, SystemClock
from server.rtc.aiortc_contract import PacketReceiver, add_audio, open_connection
from server.rtc.reorder import ReorderBuffer, RtpAudio

MAX_WAITING = 3000
"""Packets (a minute) that wait to be read; the oldest is dropped."""
MAX_CONCEALED = 5
"""Packets in a row that the decoder makes up; after them comes silence."""


class Listening:
    """A WHEP session. Use `start`, then iterate over `packets()` or `audio()`, then `stop`.

    With `on_packet` each packet is handed over on the event loop the moment its turn has come, and nothing is queued.
    """

    def __init__(self, clock: Clock, hold_s: float, on_packet: Callable[[RtpAudio], None] | None) -> None:
        self.dropped = 0
        self._clock = clock
        self._hold_s = hold_s
        self._on_packet = on_packet
        self._reorder = ReorderBuffer(hold=round(hold_s * SAMPLE_RATE), limit=64)
        self._waiting: deque[RtpAudio] = deque()
        self._news = asyncio.Event()
        self._connection: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._finished = False

    @classmethod
    async def start(
        cls,
        url: str,
        *,
        token: Token = None,
        ice_servers: IceServers = (),
        verify: bool = True,
        clock: Clock | None = None,
        hold_s: float = 0.2,
        on_packet: Callable[[RtpAudio], None] | None = None,
    ) -> Listening:
        """Open a session at `url`; packets come as soon as somebody publishes.

        `hold_s`: how long a packet waits for a missing one before it. Raises the server's error as a ClearcastError,
        Unavailable when it cannot be reached.
        """
        listening = cls(clock or SystemClock(), hold_s, on_packet)
        peer = open_connection(ice_servers)
        receiver = add_audio(peer, "recvonly").receiver
        assert isinstance(receiver, PacketReceiver)
        receiver.clock, receiver.on_packet = listening._clock, listening._take
        listening._connection = Connection(peer)
        await listening._connection.open(url, token, {}, verify, stereo=True)
        return listening

    @property
    def stream_id(self) -> str | None:
        """The stream that was live when the session began."""
        return self._connection.stream_id if self._connection else None

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._connection is None or self._connection.lost.is_set()

    async def packets(self, idle_s: float | None = None) -> AsyncIterator[RtpAudio]:
        """Packets in order, until the connection is gone, `finish` is called, or `idle_s` pass without a packet.

        For the first one it waits as long as it takes.
        """
        heard = False
        while True:
            while self._waiting:
                heard = True
                yield self._waiting.popleft()
            self._news.clear()
            if self.lost or self._finished or not await self._wait(idle_s if heard else None):
                return

    async def audio(self, idle_s: float | None = None, channels: int = 1) -> AsyncIterator[tuple[Samples, int]]:
        """Decoded audio at 48 kHz without holes, and how many of its samples were made up for missing ones.

        Shape (n,), or (n, 2) with two `channels`: a stream of music is stereo, any other the same on both sides.

        Ends as `packets` does.
        """
        decoder = await asyncio.to_thread(GaplessDecoder, channels)  # finding the library may take a while
        async for packet in self.packets(idle_s):
            yield decoder.decode(packet)

    def finish(self) -> None:
        """Let `packets` and `audio` end once what has come is read."""
        self._finished = True
        self._news.set()

    async def stop(self) -> None:
        """End the session."""
        if self._timer is not None:
            self._timer.cancel()
        connection, self._connection = self._connection, None
        self._news.set()
        if connection is not None:
            await connection.close()

    async def __aenter__(self) -> Listening:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # ---- private

    async def _wait(self, idle_s: float | None) -> bool:
        """Until something came (True) or nothing will (False)."""
        loop = asyncio.get_running_loop()
        end = None if idle_s is None else loop.time() + idle_s
        while not self._news.is_set():
            try:
                async with asyncio.timeout(0.5 if end is None else min(0.5, max(0.0, end - loop.time()))):
                    await self._news.wait()
            except TimeoutError:
                if self.lost or (end is not None and loop.time() >= end):
                    return bool(self._waiting)
        return True

    def _take(self, ssrc: int, sequence: int, timestamp: int, payload: bytes, arrival: int) -> None:
        self._deliver(self._reorder.push(ssrc, sequence, timestamp, payload, arrival))

    def _deliver(self, packets: list[RtpAudio]) -> None:
        for packet in packets:
            if self._on_packet is not None:
                self._on_packet(packet)
                continue
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(packet)
            self._news.set()
        if self._reorder.waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._hold_s, self._late)

    def _late(self) -> None:
        self._timer = None
        self._deliver(self._reorder.due(self._clock.samples()))


class GaplessDecoder:
    """Decodes a listener's packets to an unbroken line: short holes are concealed, long ones are silence."""

    MAX_SILENCE = 600 * SAMPLE_RATE

    def __init__(self, channels: int = 1) -> None:
        self._decoder = OpusDecoder(channels)
        self._frame = () if channels == 1 else (channels,)
        self._next: int | None = None

    def decode(self, packet: RtpAudio) -> tuple[Samples, int]:
        """The samples since the last packet, this one included, and how many of them were made up.

        Shape (n,), or (n, channels) where there are more than one. Nothing for a packet that came after its time.
        """
        gap = self._gap(packet.rtp_time)
        if gap < 0:
            return np.zeros((0, *self._frame), np.float32), 0
        parts = []
        concealed = min(gap // PACKET, MAX_CONCEALED)
        parts += [self._decoder.decode(None, PACKET) for _ in range(concealed)]
        parts.append(np.zeros((gap - concealed * PACKET, *self._frame), np.float32))
        try:
            duration = packet_duration(packet.payload)
            parts.append(self._decoder.decode(packet.payload, duration))
        except OpusError:
            duration = PACKET
            parts.append(np.zeros((PACKET, *self._frame), np.float32))
            gap += PACKET
        self._next = packet.rtp_time + duration
        return np.concatenate(parts), gap

    def _gap(self, rtp_time: int) -> int:
        """Samples missing before the packet; negative when its time has passed."""
        if self._next is None:
            return 0
        gap = rtp_time - self._next
        # A jump this far back or ahead is a sender that started anew.
        return gap if -SAMPLE_RATE < gap < self.MAX_SILENCE else 0
