"""Publishing to a WHIP server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from server.audio.frame import Samples
from server.audio.opus import OpusEncoder
from server.client.connection import CONNECT_TIMEOUT_S, Connection, IceServers, query_of
from server.clock import PACKET, SAMPLE_RATE
from server.errors import Unavailable
from server.rtc.aiortc_contract import PacketSender, add_audio, open_connection

BITRATE = 64_000

Progress = Callable[[float], None]
"""Told the seconds that have gone out."""


class Publication:
    """A WHIP session that sends Opus packets. Use `start`, then `send`, then `stop`."""

    def __init__(self, connection: Connection, sender: PacketSender) -> None:
        self._connection = connection
        self._sender = sender
        self.stream_id = connection.stream_id
        """The stream that listeners hear; None when the server is not Clearcast."""
        self.location = connection.location

    @classmethod
    async def start(
        cls,
        url: str,
        *,
        token: str | None = None,
        title: str | None = None,
        denoise: str | None = None,
        record: bool | None = None,
        ice_servers: IceServers = (),
        verify: bool = True,
    ) -> Publication:
        """Open a session at `url`; media flows when this returns.

        `denoise` is "active", "bypassed" or "absent"; `verify`: whether the server's certificate must be vouched for.
        Raises the server's error as a ClearcastError, Unavailable when
        it cannot be reached.
        """
        peer = open_connection(ice_servers)
        sender = add_audio(peer, "sendonly").sender
        assert isinstance(sender, PacketSender)
        connection = Connection(peer)
        await connection.open(url, token, query_of(title=title, denoise=denoise, record=record), verify)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await sender.started.wait()
        except TimeoutError:
            await connection.close()
            raise Unavailable(f"{url} takes no audio.", code="no-media-path") from None
        except BaseException:
            await connection.close()
            raise
        return cls(connection, sender)

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._connection.lost.is_set()

    def send(self, payload: bytes, timestamp: int) -> bool:
        """Send one Opus packet; `timestamp` in samples at 48 kHz. Whether it went out."""
        return self._sender.transmit(payload, timestamp)

    async def stop(self) -> None:
        """End the stream."""
        await self._connection.close()


async def publish(
    url: str,
    blocks: Iterable[Samples],
    *,
    token: str | None = None,
    title: str | None = None,
    denoise: str | None = None,
    record: bool | None = None,
    bitrate: int = BITRATE,
    ice_servers: IceServers = (),
    verify: bool = True,
    started: Callable[[Publication], None] | None = None,
    progress: Progress | None = None,
) -> float:
    """Publish `blocks` (mono at 48 kHz, any lengths) in real time, then end the stream; seconds sent.

    `blocks` is read in a thread. Raises what `Publication.start` raises, and Unavailable when the connection is lost.
    """
    publication = await Publication.start(
        url, token=token, title=title, denoise=denoise, record=record, ice_servers=ice_servers, verify=verify
    )
    try:
        if started is not None:
            started(publication)
        return await _pace(publication, packets(blocks, bitrate), progress)
    finally:
        await publication.stop()


def packets(blocks: Iterable[Samples], bitrate: int = BITRATE) -> Iterator[bytes]:
    """Opus packets of 20 ms; the last one is filled up with silence."""
    encoder = OpusEncoder(1, bitrate=bitrate)
    rest = np.zeros(0, np.float32)
    for block in blocks:
        samples = np.concatenate([rest, block]) if len(rest) else block
        whole = len(samples) // PACKET * PACKET
        for start in range(0, whole, PACKET):
            yield encoder.encode(samples[start : start + PACKET])
        rest = samples[whole:]
    if len(rest):
        yield encoder.encode(np.pad(rest, (0, PACKET - len(rest))))


async def _pace(publication: Publication, source: Iterator[bytes], progress: Progress | None) -> float:
    loop = asyncio.get_running_loop()
    start, sent = loop.time(), 0
    ahead: list[bytes] = []
    reading = asyncio.ensure_future(asyncio.to_thread(_take, source))
    try:
        while True:
            ahead = await reading
            if not ahead:
                return sent * PACKET / SAMPLE_RATE
            reading = asyncio.ensure_future(asyncio.to_thread(_take, source))
            for packet in ahead:
                due = start + sent * PACKET / SAMPLE_RATE
                late = loop.time() - due
                if late < 0:
                    await asyncio.sleep(-late)
                elif late > 1:  # this machine slept: go on from here
                    start += late
                if publication.lost:
                    raise Unavailable("The connection to the server was lost.", code="connection-lost")
                publication.send(packet, sent * PACKET)
                sent += 1
                if progress is not None and sent % 5 == 0:
                    progress(sent * PACKET / SAMPLE_RATE)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _take(source: Iterator[bytes], count: int = 25) -> list[bytes]:
    """Half a second of packets."""
    return list(islice(source, count))
