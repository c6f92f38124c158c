"""Opus encoding off the event loop: one job in one thread per tick, for all streams together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from server.audio.frame import Samples
from server.audio.opus import OpusEncoder
from server.config import Settings
from server.log import get_logger
from server.queues import Policy, Queue
from server.rooms.messages import DenoiseMode

BACKLOG = 250
"""Most packets (5 s) that wait for the encoder per track: catching up after a stall brings many at once, and loses
none of them."""

PATIENCE = 0.5
"""Seconds after which what waits is too old to be heard live: of more than `LIVE` packets the oldest goes then, so that
a machine too slow for its streams makes them thinner and not ever later."""

LIVE = 25
"""Packets (0.5 s) of a track that may wait for any time."""

WAITING = Queue(
    "encode",
    BACKLOG,
    Policy.OLDEST,
    holds="frames of 20 ms on their way to the thread that encodes",
    drop="The processor is too slow for its streams: listeners and recording have a gap there.",
)

BATCH = 10
"""Most packets of a track in one job, so that the first are not held up by the last."""

log = get_logger(__name__)

Batch = list[tuple["EncodeTrack", list["Waiting"]]]
Result = tuple["EncodeTrack", list[tuple[int, bytes]], Exception | None]


class Encoder(Protocol):
    """Turns 20 ms of audio into a packet; keeps state, so one track owns it."""

    def encode(self, samples: Samples) -> bytes: ...


class Waiting(NamedTuple):
    """20 ms of audio on its way to the encoder."""

    start: int
    samples: Samples
    since: float
    """When it was put, seconds of the process's own clock: the encoder is as slow as the machine."""


@dataclass(slots=True, eq=False)
class EncodeTrack:
    """One sequence of packets: they come out in the order in which audio went in."""

    encoder: Encoder
    on_packet: Callable[[int, bytes], None]
    on_error: Callable[[Exception], None]
    waiting: deque[Waiting] = field(default_factory=lambda: WAITING.watch(deque()))
    closed: bool = False


class EncodeQueue:
    """The tracks of all streams and the one thread that encodes them.

    While a job runs, audio waits and is taken together by the next. A track keeps at most `BACKLOG` packets of audio
    waiting, and more than `LIVE` for no longer than `PATIENCE`; then it loses its oldest (counted): whoever takes the
    packets sees from their positions that time is missing.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="opus")
        self._tracks: dict[EncodeTrack, None] = {}
        self._running: asyncio.Future[list[Result]] | None = None
        self._inside: set[EncodeTrack] = set()

    def open(
        self, encoder: Encoder, on_packet: Callable[[int, bytes], None], on_error: Callable[[Exception], None]
    ) -> EncodeTrack:
        """A new track; `on_packet(start, packet)` and `on_error` are called on the event loop."""
        track = EncodeTrack(encoder, on_packet, on_error)
        self._tracks[track] = None
        return track

    def close_track(self, track: EncodeTrack) -> None:
        """Nothing more comes out of the track, not even what waits."""
        track.closed = True
        track.waiting.clear()
        self._tracks.pop(track, None)

    def put(self, track: EncodeTrack, start: int, samples: Samples) -> None:
        """Give a track 960 samples whose first is `start` on the timeline; `flush` sends them off."""
        if track.closed:
            return
        now, waiting = time.monotonic(), track.waiting
        while len(waiting) >= BACKLOG or (len(waiting) > LIVE and now - waiting[0].since > PATIENCE):
            waiting.popleft()
            WAITING.dropped += 1
        waiting.append(Waiting(start, samples, now))

    def flush(self) -> None:
        """Start the job for what waits, unless one is running: then its end starts the next."""
        if self._running is not None:
            return
        batch: Batch = []
        for track in self._tracks:
            if track.waiting:
                count = min(BATCH, len(track.waiting))
                batch.append((track, [track.waiting.popleft() for _ in range(count)]))
        if not batch:
            return
        self._inside = {track for track, _ in batch}
        self._running = asyncio.get_running_loop().run_in_executor(self._executor, _encode, batch)
        self._running.add_done_callback(self._deliver)

    async def drain(self, track: EncodeTrack | None = None) -> None:
        """Wait until everything that was put, or put into `track`, has come out."""
        self.flush()
        while self._running is not None and (track is None or track.waiting or track in self._inside):
            await asyncio.wait([self._running])

    async def close(self) -> None:
        """Finish what waits and end the thread."""
        await self.drain()
        await asyncio.to_thread(self._executor.shutdown)

    def _deliver(self, job: asyncio.Future[list[Result]]) -> None:
        self._running = None
        self._inside.clear()
        for track, packets, error in job.result():
            self._hand_over(track, packets)
            if error is not None:
                self._fail(track, error)
        self.flush()

    def _hand_over(self, track: EncodeTrack, packets: list[tuple[int, bytes]]) -> None:
        try:
            for start, packet in packets:
                if not track.closed:
                    track.on_packet(start, packet)
        except Exception as error:  # the boundary of one track: the others' packets still go out
            log.exception("a packet was not taken")
            self._fail(track, error)

    def _fail(self, track: EncodeTrack, error: Exception) -> None:
        if not track.closed:
            self.close_track(track)
            track.on_error(error)


def _encode(batch: Batch) -> list[Result]:
    """Runs in the encoder thread."""
    results: list[Result] = []
    for track, pieces in batch:
        packets: list[tuple[int, bytes]] = []
        failure: Exception | None = None
        try:
            for piece in pieces:
                packets.append((piece.start, track.encoder.encode(piece.samples)))
        except Exception as error:  # noqa: BLE001 - handed to the loop, where its track ends alone
            failure = error
        results.append((track, packets, failure))
    return results


def speech_encoder(settings: Settings, mode: DenoiseMode) -> OpusEncoder:
    """The encoder of a stream with this mode of denoising."""
    # Told that it is speech, libopus keeps more of it at 32 kbit/s: PESQ-WB 4.41 instead of 4.31 for one more per cent
    # of processor time. Whoever wants no denoiser may well play music.
    signal = "auto" if mode is DenoiseMode.ABSENT else "voice"
    return OpusEncoder(channels=1, bitrate=settings.opus_bitrate, signal=signal)


def pre_skip(track: EncodeTrack) -> int:
    """Samples at the start of what the track's packets decode to that are not in its audio."""
    encoder = track.encoder
    return encoder.lookahead if isinstance(encoder, OpusEncoder) else 0
