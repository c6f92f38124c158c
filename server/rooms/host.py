"""The media host: every live stream and every listener of this machine.

Commands come in as method calls, events go out through `on_event`; both carry only what can be serialised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from server.audio.opus import library_version
from server.clock import Clock
from server.config import Settings
from server.errors import NotFound
from server.inference.caption_lane import CaptionerStatus, CaptionService
from server.inference.lane import DenoiserStatus, DenoiseService
from server.log import get_logger
from server.rooms.audience import Audience
from server.rooms.background import Background
from server.rooms.disk import DiskWatch
from server.rooms.encode import EncodeQueue
from server.rooms.health import count_states
from server.rooms.limits import closing
from server.rooms.messages import (
    SHUTDOWN,
    CaptionAnswer,
    CaptionCommand,
    CaptionOutput,
    CaptionsSnapshot,
    Levels,
    ListenerTold,
    ListenGrant,
    MediaEvent,
    PeerAnswer,
    PublishGrant,
    StreamChange,
    StreamInfo,
    StreamState,
    VoicesHeard,
)
from server.rooms.peers import PeerFactory, RtcPeers
from server.rooms.publishing import Publishing
from server.rooms.saved import SavedStream, Shelf
from server.rooms.stream import FAILED, Stream
from server.rooms.surroundings import Publisher, Surroundings
from server.rooms.ticker import Ticker

KNOWN_IN = 2.0
"""Seconds that a disk has to take down that a stream is off the record."""

DISK_THREADS = 8
"""Recordings that are written at the same moment."""

log = get_logger(__name__)


class MediaHost:
    """Publishes and fans out audio.

    `denoise` and `captions` are started and closed by the host. `on_event` is called on the event loop and must not
    block; `on_levels`, which hears five times a second how loud each stream is, neither; nor `on_captions`, which hears
    what is said, and `on_listener`, which hears who comes to listen and who goes.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        denoise: DenoiseService,
        on_event: Callable[[MediaEvent], None],
        *,
        peers: PeerFactory | None = None,
        on_levels: Callable[[Levels], None] = lambda levels: None,
        captions: CaptionService | None = None,
        on_captions: Callable[[CaptionOutput], None] = lambda told: None,
        on_listener: Callable[[ListenerTold], None] = lambda told: None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._denoise = denoise
        self._on_event = on_event
        self._on_levels = on_levels
        self._captions = captions
        self._on_captions = on_captions
        self._peers = peers or RtcPeers(settings, clock)
        self._encoding = EncodeQueue()
        self._disk = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="recorder")
        self._shelf = Shelf(settings.streams_dir, self._disk)
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._room = DiskWatch(settings.recordings_dir, settings.disk_reserve_mb, self._looking, self._room_changed)
        self._ticker = Ticker(clock, self.tick)
        self._streams: dict[str, Stream] = {}
        self._ending: dict[str, Stream] = {}
        self._background = Background()
        self._audience = Audience(self._peers, settings.max_listeners, self._background, self._on_air, on_listener)
        self._around = Surroundings(
            settings=settings,
            clock=clock,
            denoise=denoise,
            captions=captions,
            encoding=self._encoding,
            disk=self._disk,
            room=self._room,
            emit=self._emit,
            levels=self._tell_levels,
            told=self._tell_captions,
            over=self._end,
            replaced=self._replaced,
            keep=self._shelf.put,
        )
        self._publishing = Publishing(self._peers, self._streams, self._audience, self._around, self._background)
        self._unsubscribe: list[Callable[[], None]] = []
        self._degraded = {"denoise": denoise.status.state == "degraded"}

    # ---- life

    async def start(self) -> None:
        """Start the denoiser and the beat. Raises Unavailable where Opus or the media port is not to be had."""
        await asyncio.to_thread(library_version)  # found once, and not on the event loop
        await self._peers.start()
        self._unsubscribe.append(self._denoise.subscribe(self._denoiser_changed))
        await self._denoise.start()
        if self._captions is not None:
            self._unsubscribe.append(self._captions.subscribe(self._captioner_changed))
            await self._captions.start()
        self._room.start()
        self._ticker.start()

    async def left(self) -> list[SavedStream]:
        """The streams that an earlier run of the server was in the middle of, and that may go on."""
        return await asyncio.to_thread(self._shelf.left, self._clock.wall(), self._settings.recordings_dir)

    async def restore(self, streams: Sequence[SavedStream]) -> None:
        """Wait for the publishers of these streams of an earlier run; all others of them are over."""
        await asyncio.to_thread(self._shelf.clear, [stream.id for stream in streams])
        for left in streams:
            stream = self._streams[left.id] = Stream(left.grant, self._audience.channel(left.channel_id), self._around)
            stream.wait(left)

    def drain(self) -> None:
        """Nobody publishes or listens anew from now on; whoever does so already goes on."""
        self._publishing.closing = True

    async def close(self) -> None:
        """Let go of everybody, leave every stream and its recording so that the next run can go on with them.

        Returns when all is on the disk.
        """
        self.drain()
        for stream in list(self._streams.values()):
            if stream.state is StreamState.CONNECTING:
                self._end(stream, SHUTDOWN)
            else:
                self._suspend(stream)
        for stream in self._ending.values():
            stream.captions.hurry()
        self._audience.close()
        await self._background.settle()
        await self._shelf.settle()
        await self._room.stop()
        self._ticker.stop()
        await self._encoding.close()
        self._looking.shutdown(wait=False)
        self._disk.shutdown(wait=False)  # a disk that hangs must not hold up the rest
        while self._unsubscribe:
            self._unsubscribe.pop()()
        await self._denoise.close()
        if self._captions is not None:
            await self._captions.close()
        self._peers.close()

    def tick(self, now: int) -> None:
        """Move every stream on to `now` (samples of the clock); the ticker's 10 ms."""
        streams = list(self._streams.values())
        for stream in streams:
            self._guard(stream, stream.feed, now)
        self._denoise.flush()
        for stream in streams:
            if stream.state is not StreamState.ENDED:
                self._guard(stream, stream.emit, now)
        self._encoding.flush()

    async def settle(self) -> None:
        """Wait until everything encoded so far has gone out and what was begun in the background is done."""
        await self._encoding.drain()
        await self._background.settle()

    def _guard(self, stream: Stream, step: Callable[[int], None], now: int) -> None:
        try:
            step(now)
        except Exception:  # the boundary of one stream: it ends, the others go on
            log.exception("a stream failed", stream=stream.id)
            self._end(stream, FAILED)

    # ---- what there is

    def streams(self) -> list[StreamInfo]:
        """Every stream that has not ended."""
        return [stream.info for stream in self._streams.values()]

    def stream(self, stream_id: str) -> StreamInfo | None:
        """A stream that has not ended, or whose recording is still being closed."""
        stream = self._streams.get(stream_id) or self._ending.get(stream_id)
        return stream.info if stream is not None else None

    def live_on(self, channel_id: str) -> StreamInfo | None:
        """The stream of a channel that has not ended."""
        stream = self._publishing.stream_on(channel_id)
        return stream.info if stream is not None else None

    # ---- publishing

    async def publish(self, offer: str, grant: PublishGrant) -> PeerAnswer:
        """Answer a publisher's offer: a new stream, or its own one goes on.

        Raises ChannelLive while somebody else's publishes or the old connection still sends, ResumeRefused for a token
        of another stream, Conflict where a newer offer came first, Unavailable when the server is full, InvalidOffer
        or InvalidRequest.
        """
        return await self._publishing.publish(offer, grant)

    # ---- listening

    async def listen(self, offer: str, grant: ListenGrant) -> PeerAnswer:
        """Answer a listener's offer; the publisher may come later.

        Raises Unavailable when the channel has as many listeners as it may, InvalidOffer.
        """
        if self._publishing.closing:
            raise closing()
        peer_id, peer = await self._audience.admit(offer, grant)
        stream = self._publishing.stream_on(grant.channel_id)
        return PeerAnswer(peer_id, peer.answer, stream.id if stream is not None else None)

    # ---- commands on peers and streams

    async def trickle(self, peer_id: str, fragment: str) -> None:
        """Hand a peer's later candidates on. Raises NotFound, InvalidRequest."""
        await (self._publishing.peer(peer_id) or self._audience.peer(peer_id)).trickle(fragment)

    async def remove(self, peer_id: str, reason: str) -> None:
        """A peer leaves: a listener goes, a publisher's stream ends at once unless another connection goes on with it.

        Raises NotFound.
        """
        if peer_id in self._audience:
            self._audience.drop(peer_id)
            return
        over = self._publishing.leave(peer_id)
        if over is not None:
            self._end(over, reason)

    async def end(self, stream_id: str, reason: str) -> None:
        """End a stream. Raises NotFound."""
        self._end(self._find(stream_id), reason)

    async def update(self, stream_id: str, change: StreamChange) -> StreamInfo:
        """Change a live stream. Raises NotFound, InvalidRequest, Conflict.

        Whoever goes off the record can rely on it when this returns: a later run of the server would know it, too.
        """
        info = self._find(stream_id).change(change)
        if change.off_record is not None:
            await self._shelf.settle(KNOWN_IN)
        return info

    # ---- captions

    def caption_snapshot(self, stream_id: str) -> CaptionsSnapshot:
        """What whoever joins late is shown, until the stream's recording is closed. Raises NotFound."""
        stream = self._known(stream_id)
        return stream.captions.snapshot(stream.position)

    async def change_captions(self, stream_id: str, command: CaptionCommand) -> CaptionAnswer:
        """A person corrects captions or says who speaks. Raises NotFound, InvalidRequest, Conflict."""
        return self._known(stream_id).captions.change(command)

    def voices_heard(self, stream_id: str) -> VoicesHeard | None:
        """What the speakers of a stream sound like so far; None before anybody was heard. Raises NotFound."""
        return self._known(stream_id).captions.voices

    def _known(self, stream_id: str) -> Stream:
        stream = self._streams.get(stream_id) or self._ending.get(stream_id)
        if stream is None:
            raise NotFound("There is no such stream, or it has ended.")
        return stream

    def _find(self, stream_id: str) -> Stream:
        stream = self._streams.get(stream_id)
        if stream is None:
            raise NotFound("There is no such stream, or it has ended.")
        return stream

    def _end(self, stream: Stream, reason: str) -> None:
        """The stream is over now; its recording is closed in the background, then everybody is told."""
        if self._streams.pop(stream.id, None) is None:
            return
        for publisher in stream.end(reason):
            self._publishing.close(publisher)
        self._shelf.remove(stream.id)
        self._let_go(stream, stream.finish())

    def _suspend(self, stream: Stream) -> None:
        del self._streams[stream.id]
        for publisher in stream.suspend():
            self._publishing.close(publisher)
        self._let_go(stream, stream.put_away())

    def _let_go(self, stream: Stream, last_work: Coroutine[Any, Any, None]) -> None:
        """Nothing comes or goes any more; what is left to do is done in the background."""
        self._publishing.forget(stream)
        self._encoding.flush()
        self._audience.forget_empty(stream.channel)
        self._ending[stream.id] = stream
        self._background.spawn(self._finish(stream, last_work))

    async def _finish(self, stream: Stream, last_work: Coroutine[Any, Any, None]) -> None:
        try:
            await last_work
        finally:
            del self._ending[stream.id]

    # ---- small things

    def _on_air(self, channel_id: str) -> bool:
        return self.live_on(channel_id) is not None

    def _replaced(self, publisher: Publisher) -> None:
        self._publishing.replaced(publisher)

    def _emit(self, event: MediaEvent) -> None:
        count_states([stream.state for stream in self._streams.values()])
        try:
            self._on_event(event)
        except Exception:  # who listens to events cannot break a stream
            log.exception("an event was not taken", type=event.type)

    def _tell_levels(self, levels: Levels) -> None:
        asyncio.get_running_loop().call_soon(self._on_levels, levels)  # after the tick, and never a reason to end it

    def _tell_captions(self, told: CaptionOutput) -> None:
        try:
            self._on_captions(told)
        except Exception:  # who listens to captions cannot break a stream
            log.exception("a caption was not taken", stream=told.stream_id)

    def _room_changed(self) -> None:
        for stream in list(self._streams.values()):
            stream.room_changed()

    def _denoiser_changed(self, status: DenoiserStatus) -> None:
        self._tell_stage("denoise", status.state, status.detail)
        for stream in list(self._streams.values()):
            stream.denoiser_changed()

    def _captioner_changed(self, status: CaptionerStatus) -> None:
        self._tell_stage("captions", status.state, status.detail)
        for stream in list(self._streams.values()):
            stream.captioner_changed()

    def _tell_stage(self, stage: str, state: str, detail: str) -> None:
        """A worker's state may have changed: whether the whole machine does without it is told once."""
        before, self._degraded[stage] = self._degraded.get(stage, False), state == "degraded"
        if before != self._degraded[stage]:
            self._emit(MediaEvent("recovered" if before else "degraded", stage=stage, detail=detail))
