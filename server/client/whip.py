"""Publishing to a WHIP server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from server.audio.frame import Samples
from server.audio.opus import OpusEncoder
from server.client.connection import CONNECT_TIMEOUT_S, Connection, IceServers, query_of
from server.client.tokens import Token
from server.clock import PACKET, SAMPLE_RATE, SystemClock
from server.errors import ChannelLive, Unavailable
from server.rtc.aiortc_contract import PacketSender, add_audio, open_connection
from server.rtc.reports import ReportLog

BITRATE = 64_000
MUSIC_BITRATE = 256_000

UNHEARD_S = 5.0
"""Without a report from a server that has sent some, the connection counts as lost: ICE takes half a minute."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0
"""Between attempts to connect anew; it doubles."""

Progress = Callable[[float], None]
"""Told the seconds that have gone out."""


class _LastReport(ReportLog):
    """When the server last said that it receives us."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.at: float | None = None

    def received(self, fraction_lost: int, packets_lost: int, jitter: int, last: int, delay: int) -> None:
        self.at = time.monotonic()


class Publication:
    """A WHIP session that sends Opus packets. Use `start`, then `send`, then `stop`."""

    def __init__(self, connection: Connection, sender: PacketSender) -> None:
        self._connection = connection
        self._sender = sender
        self._report = _LastReport()
        sender.reports = self._report
        self.stream_id = connection.stream_id
        """The stream that listeners hear; None when the server is not Clearcast."""
        self.resume_token = connection.resume_token
        """Takes the stream over later; None when the server is not Clearcast."""
        self.location = connection.location

    @classmethod
    async def start(
        cls,
        url: str,
        *,
        token: Token = None,
        title: str | None = None,
        denoise: str | None = None,
        record: bool | None = None,
        ice_servers: IceServers = (),
        verify: bool = True,
        resume_token: str | None = None,
    ) -> Publication:
        """Open a session at `url`; media flows when this returns.

        `denoise` is "active", "bypassed", "absent" or "music"; `verify`: whether the server's certificate must be
        vouched for; `resume_token`: of an earlier session of the stream that is to go on. Raises the server's error as
        a ClearcastError, Unavailable when it cannot be reached.
        """
        peer = open_connection(ice_servers)
        sender = add_audio(peer, "sendonly").sender
        assert isinstance(sender, PacketSender)
        connection = Connection(peer)
        query = query_of(title=title, denoise=denoise, record=record)
        await connection.open(url, token, query, verify, resume_token, stereo=denoise == "music")
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
        """Whether the connection is gone, or the server no longer says that it receives what is sent."""
        unheard = self._report.at is not None and time.monotonic() - self._report.at > UNHEARD_S
        return unheard or self._connection.lost.is_set()

    def send(self, payload: bytes, timestamp: int) -> bool:
        """Send one Opus packet; `timestamp` in samples at 48 kHz. Whether it went out."""
        return self._sender.transmit(payload, timestamp)

    async def stop(self) -> None:
        """End the stream."""
        await self._connection.close()

    async def abandon(self) -> None:
        """End the connection; the stream waits for another one."""
        await self._connection.abandon()


Open = Callable[[str | None], Awaitable[Publication]]
"""Opens a session with a resume token, or without."""


class _Line:
    """One session after another in the same stream."""

    def __init__(self, publication: Publication, reopen: Open, patience: float, told: Callable[[str], None]) -> None:
        self.publication = publication
        self._reopen = reopen
        self._patience = patience
        self._told = told

    async def again(self) -> None:
        """Connect anew. Raises Unavailable when that does not work for long enough, else what the server says."""
        lost = Unavailable("The connection to the server was lost.", code="connection-lost")
        await self.publication.abandon()
        if not self._patience:
            raise lost
        self._told("The connection was lost. Connecting anew …")
        pause = FIRST_PAUSE_S
        try:
            async with asyncio.timeout(self._patience):
                while not await self._connected():
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_S)
        except TimeoutError:
            raise lost from None

    async def _connected(self) -> bool:
        before = self.publication
        try:
            self.publication = await self._reopen(before.resume_token)
        except (Unavailable, ChannelLive):
            return False
        same = self.publication.stream_id == before.stream_id
        self._told("Live again." if same else f"Live as another stream, {self.publication.stream_id}.")
        return True


async def publish(
    url: str,
    blocks: Iterable[Samples],
    *,
    token: Token = None,
    title: str | None = None,
    denoise: str | None = None,
    record: bool | None = None,
    bitrate: int = BITRATE,
    ice_servers: IceServers = (),
    verify: bool = True,
    started: Callable[[Publication], None] | None = None,
    progress: Progress | None = None,
    patience: float = 0.0,
    told: Callable[[str], None] = lambda line: None,
) -> float:
    """Publish `blocks` (at 48 kHz, shape (n,) or, in stereo, (n, 2), any lengths) in real time, then end the stream;
    seconds sent.

    `blocks` is read in a thread. When the connection is lost, the stream is gone on with where it was left, for which
    `patience` seconds are taken; `told` hears of it in words. Raises what `Publication.start` raises, and Unavailable
    when the connection is lost for good.
    """

    async def reopen(resume_token: str | None) -> Publication:
        return await Publication.start(
            url,
            token=token,
            title=title,
            denoise=denoise,
            record=record,
            ice_servers=ice_servers,
            verify=verify,
            resume_token=resume_token,
        )

    line = _Line(await reopen(None), reopen, patience, told)
    try:
        if started is not None:
            started(line.publication)
        return await _pace(line, packets(blocks, bitrate), progress)
    finally:
        await line.publication.stop()


def packets(blocks: Iterable[Samples], bitrate: int = BITRATE) -> Iterator[bytes]:
    """Opus packets of 20 ms; the last one is filled up with silence."""
    encoder: OpusEncoder | None = None
    rest = np.zeros(0, np.float32)
    for block in blocks:
        encoder = encoder or OpusEncoder(1 if block.ndim == 1 else block.shape[1], bitrate=bitrate)
        samples = np.concatenate([rest, block]) if len(rest) else block
        whole = len(samples) // PACKET * PACKET
        for start in range(0, whole, PACKET):
            yield encoder.encode(samples[start : start + PACKET])
        rest = samples[whole:]
    if encoder is not None and len(rest):
        yield encoder.encode(np.concatenate([rest, np.zeros((PACKET - len(rest), *rest.shape[1:]), np.float32)]))


async def _pace(line: _Line, source: Iterator[bytes], progress: Progress | None) -> float:
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
                if line.publication.lost:
                    await line.again()
                line.publication.send(packet, sent * PACKET)
                sent += 1
                if progress is not None and sent % 5 == 0:
                    progress(sent * PACKET / SAMPLE_RATE)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _take(source: Iterator[bytes], count: int = 25) -> list[bytes]:
    """Half a second of packets."""
    return list(islice(source, count))
