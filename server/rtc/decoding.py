"""Opus from publishers, decoded off the event loop.

One thread decodes for everybody; each publisher has at most one job there at a time, so its packets stay in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from server.audio.frame import Samples
from server.audio.opus import OpusDecoder, OpusError, packet_duration
from server.queues import Policy, Queue
from server.rtc.reorder import RtpAudio

MAX_WAITING = 500
"""Packets of one publisher that may wait for the thread; the oldest is dropped. Five seconds of 10 ms each: after a
stall of the server all that lies in the socket comes at once."""

WAITING = Queue(
    "decode",
    MAX_WAITING,
    Policy.OLDEST,
    holds="packets of a publisher on their way to the thread that decodes",
    drop="The processor is too slow for what is sent; the stream has a gap there.",
)

Decoded = tuple[RtpAudio, Samples]


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="opus-decode")


class PacketDecoder:
    """Decodes the packets of one publisher to mono at 48 kHz.

    `on_decoded` is called on the event loop, in order; `dropped` counts packets that found no room, `corrupt` those
    that are not Opus.
    """

    def __init__(self, on_decoded: Callable[[RtpAudio, Samples], None]) -> None:
        self.dropped = 0
        self.corrupt = 0
        self._on_decoded = on_decoded
        self._decoder: OpusDecoder | None = None  # made by the thread: finding the library may take a while
        self._waiting: deque[RtpAudio] = WAITING.watch(deque())
        self._busy = False
        self._closed = False
        self._loop = asyncio.get_running_loop()

    def push(self, packets: list[RtpAudio]) -> None:
        """Take packets in the order in which they are to be decoded."""
        for packet in packets:
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self.dropped += 1
                WAITING.dropped += 1
            self._waiting.append(packet)
        self._start()

    def close(self) -> None:
        """Nothing is handed over any more."""
        self._closed = True
        self._waiting.clear()

    def _start(self) -> None:
        if self._busy or self._closed or not self._waiting:
            return
        self._busy = True
        batch = list(self._waiting)
        self._waiting.clear()
        _executor().submit(self._decode, batch).add_done_callback(self._hand_back)

    def _decode(self, batch: list[RtpAudio]) -> list[Decoded]:
        decoder = self._decoder = self._decoder or OpusDecoder(1)
        decoded: list[Decoded] = []
        for packet in batch:
            try:
                samples = decoder.decode(packet.payload, packet_duration(packet.payload))
            except OpusError:
                self.corrupt += 1
                continue
            decoded.append((packet, samples))
        return decoded

    def _hand_back(self, future: Future[list[Decoded]]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish, future)

    def _finish(self, future: Future[list[Decoded]]) -> None:
        self._busy = False
        for packet, samples in future.result():
            if not self._closed:
                self._on_decoded(packet, samples)
        self._start()
