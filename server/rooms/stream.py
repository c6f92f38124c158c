"""One broadcast: who publishes it, where its timeline stands, and what everybody is told about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from server.clock import SAMPLE_RATE, seconds
from server.log import get_logger
from server.rooms.attendance import Attendance
from server.rooms.caption_told import CaptionTeller
from server.rooms.captioning import TAIL, TAIL_AT_SHUTDOWN, StreamCaptions
from server.rooms.denoising import StreamDenoise
from server.rooms.eventlog import EventLog
from server.rooms.fanout import Channel
from server.rooms.keeping import Keeping
from server.rooms.messages import (
    SHUTDOWN,
    DenoiseMode,
    MediaEvent,
    PublishGrant,
    StreamChange,
    StreamInfo,
    StreamState,
)
from server.rooms.patience import Patience
from server.rooms.peers import ReceivedAudio, ReceivedPacket
from server.rooms.resume import ResumeTokens, Seat
from server.rooms.saved import SAVE_EVERY, Past, SavedStream
from server.rooms.stream_audio import AudioPlan, StreamAudio
from server.rooms.surroundings import Publisher, Surroundings
from server.rooms.titles import clean_title, default_title
from server.rooms.witness import Witness

HOUSEKEEPING = SAMPLE_RATE // 2
"""Samples between looks at metrics, and at least between two events about listener counts."""

FAILED = "error"
"""Why a stream ended that could not be carried on because of a mistake in the server."""

log = get_logger(__name__)


class Stream:
    """CONNECTING until the first audio, LIVE, RECONNECTING while nobody sends, ENDED.

    The timeline starts with the first audio and goes on, as silence, while the publisher is away. All methods belong
    on the event loop; `now` is the server's clock in samples.
    """

    def __init__(self, grant: PublishGrant, channel: Channel, around: Surroundings) -> None:
        self.id = grant.stream_id
        self.channel = channel
        self.principal = grant.principal
        self.state = StreamState.CONNECTING
        self._host_name = grant.host_name
        self._around = around
        self._started_at = around.clock.wall()
        self._title = clean_title(grant.title) or default_title(grant.host_name, self._started_at)
        self._denoise = StreamDenoise(around.settings, grant)
        self._seat = Seat(around.replaced)
        self._tokens = ResumeTokens()
        self._events = EventLog(around.clock.wall)
        self._witness = Witness(self._events)
        teller = CaptionTeller(self.id, self._events, around.told)
        self._keeping = Keeping(grant, teller)
        self.captions = StreamCaptions(grant, around, teller, self._keeping.off, self._tell_changed, self._save_now)
        self._audio: StreamAudio | None = None
        self._patience = Patience(around.clock)
        self._ended_at: datetime | None = None
        self._end_reason = ""
        self._attendance = Attendance(channel)
        self._housekeeping_due = 0
        self._save_due = 0
        self._past: Past | None = None

    # ---- what it is

    @property
    def position(self) -> int:
        lasting = self._audio or self._past
        return lasting.position if lasting is not None else 0

    @property
    def denoised(self) -> bool:
        """Whether it has a place in the denoiser, in use or bypassed."""
        return self._denoise.mode.denoises

    @property
    def music(self) -> bool:
        """Whether its publisher's packets are passed on as they come."""
        return self._denoise.mode is DenoiseMode.MUSIC

    @property
    def info(self) -> StreamInfo:
        return StreamInfo(
            id=self.id,
            channel_id=self.channel.id,
            principal=self.principal,
            host_name=self._host_name,
            title=self._title,
            state=self.state,
            started_at=self._started_at,
            denoise=self._denoise.info(self._around.denoise.status, self._audio),
            recording=self._keeping.info(self._audio, self._past, over=self.state is StreamState.ENDED),
            position=self.position,
            listeners=self._attendance.now,
            listeners_peak=self._attendance.peak,
            reconnect_by=self._patience.until,
            ended_at=self._ended_at,
            end_reason=self._end_reason,
            captions=self.captions.info,
            wishes=self.captions.wishes,
        )

    # ---- who publishes

    @property
    def resume_token(self) -> str:
        """Takes the stream over at once."""
        return self._tokens.issue()

    def check(self, publisher: Publisher, grant: PublishGrant, now: int) -> None:
        """Whether the stream may go on through this connection.

        Raises ResumeRefused for a token that is not of this stream or of somebody else's hands, ChannelLive while
        another connection sends or somebody else's stream runs, Conflict "replaced" where a newer one has come first.
        """
        mine = grant.principal == self.principal and self.state is not StreamState.ENDED
        free = self.state is StreamState.RECONNECTING or self._patience.silent(now)
        self._tokens.check(grant.resume_token, mine=mine, free=free)
        self._seat.check(publisher)

    def attach(self, publisher: Publisher, now: int) -> None:
        """Take audio from this connection from now on; while another still sends, from its own first audio on."""
        publisher.stream = self
        first = self.state is StreamState.CONNECTING and self._seat.current is None
        gently = self.state is StreamState.LIVE and not self._patience.silent(now)
        self._seat.take(publisher, gently=gently)
        if not gently and not first:
            self._expect("replaced")

    def seats(self, publisher: Publisher) -> bool:
        """Whether this connection is heard or about to be."""
        return publisher in (self._seat.current, self._seat.following)

    def leave(self, publisher: Publisher) -> bool:
        """A connection says goodbye; whether the stream is over with it. It goes on where another takes its place."""
        if self._seat.newest == -1 or (self._seat.current is publisher and self._seat.following is None):
            return True
        if self._seat.current is publisher:
            self._follow("left")
        self._seat.leave(publisher)
        return False

    def _follow(self, why: str) -> None:
        """The connection that was about to take over does so before it is heard."""
        if self._seat.follow():
            self._expect(why)

    def _expect(self, why: str) -> None:
        """There is another connection, which has not been heard yet."""
        if self._audio is not None:
            self._audio.pipeline.reanchor()
        if self.state is StreamState.LIVE:
            self._lose(why)
        self._patience.grant()

    def hear(self, publisher: Publisher, audio: ReceivedAudio | ReceivedPacket) -> None:
        """Audio came. Ignored from a connection that was replaced."""
        before = self._seat.current
        if self.state is StreamState.ENDED or not self._seat.heard(publisher):
            return
        if before is not publisher and self._audio is not None:
            self._audio.pipeline.reanchor()
            self._events.add("publisher_replaced", self.position)
        self._patience.heard(audio.arrival)
        if self._audio is None:
            self._go_live(audio.arrival)
        elif self.state is StreamState.RECONNECTING:
            self._set_state(StreamState.LIVE)
        if self._audio is not None:
            self._audio.receive(audio)

    def peer_state(self, publisher: Publisher, state: str) -> None:
        """The connection says how it is: "connected", "silent" or "lost"."""
        if self.state is StreamState.ENDED or state not in ("silent", "lost") or not self.seats(publisher):
            return
        current = publisher is self._seat.current
        if current and self._seat.following is not None:
            self._follow(state)
            return
        if state == "lost":
            self._seat.leave(publisher)
        if not current:
            return
        if state == "lost" and self.state is StreamState.CONNECTING:
            self._around.over(self, "never-connected")
        elif self.state is StreamState.LIVE:
            self._lose(state)

    def _go_live(self, origin: int) -> None:
        past = self._past
        plan = AudioPlan(self.id, origin, self._denoise.mode, self._denoise.amount)
        if past is not None:
            base, left = past.base(origin), past.left
            plan = replace(plan, base=base, recorded=left.recorded, raw=left.raw)
            self._events.add("gap", past.position, end=base)
        self._audio = StreamAudio(
            plan,
            self.channel,
            self._events,
            self._around,
            self._keeping.off,
            hear=self.captions.take,
            info=lambda: self.info,
            on_recording_failed=self._on_recording_failed,
            on_broken=self._on_broken,
        )
        if past is None:
            self._started_at = self._around.clock.wall()
            begun = {"denoise": self._denoise.mode, "strength": self._denoise.amount.strength}
            self._events.add("stream", 0, stream=self.id, title=self._title, **begun)
        if self._keeping.record:
            self._audio.recorder.start(plan.base)
        self.captions.open_again(plan.base)
        self._set_state(StreamState.LIVE, first=past is None)
        self._save(origin)

    def _lose(self, why: str) -> None:
        self._patience.wait(self._around.settings.reconnect_s * SAMPLE_RATE)
        self._set_state(StreamState.RECONNECTING, why=why)

    def _set_state(self, state: StreamState, *, first: bool = False, **data: Any) -> None:
        self.state = state
        self._events.add("state", self.position, state=state, **data)
        log.info("stream", stream=self.id, channel=self.channel.id, state=str(state), at=seconds(self.position), **data)
        self._around.emit(MediaEvent("stream_started" if first else "stream_state", self.info))

    # ---- the beat

    def feed(self, now: int) -> None:
        """First half of a tick: audio into the denoiser."""
        if self._audio is not None:
            self._audio.feed(now)

    def emit(self, now: int) -> None:
        """Second half of a tick: audio out of it, and what time brings."""
        if self._audio is not None and self._audio.emit(now):
            self._tell_health(self._audio.alarm.raised)
        if self.state is StreamState.CONNECTING and self._patience.over(now):
            self._around.over(self, "never-connected")
        elif self.state is StreamState.RECONNECTING and self._patience.over(now):
            self._around.over(self, self._past.left.why if self._past is not None and self._audio is None else "lost")
        if now >= self._save_due and self._audio is not None:
            self._save(now)
        if now >= self._housekeeping_due:
            self._housekeeping_due = now + HOUSEKEEPING
            if self._audio is not None:
                self._audio.pipeline.count()
                self._witness.look(self.info, self._around.captioner)
            if self._attendance.changed():
                self._around.emit(MediaEvent("listeners", self.info))

    def _on_broken(self, error: Exception) -> None:
        log.error("encoding failed", stream=self.id, exc_info=error)
        self._around.over(self, FAILED)

    # ---- what is told

    def _tell_health(self, degraded: bool) -> None:
        info = self.info
        self._events.add("denoise_degraded" if degraded else "denoise_recovered", self.position)
        self._around.emit(
            MediaEvent("degraded" if degraded else "recovered", info, stage="denoise", detail=info.denoise.detail)
        )

    def _on_recording_failed(self, detail: str) -> None:
        self._around.emit(MediaEvent("recording_failed", self.info, stage="recording", detail=detail))

    def room_changed(self) -> None:
        """The disk of recordings has more or less room than before."""
        if self._audio is None:
            return
        kind = self._audio.recorder.room_changed(self.position)
        if kind:
            info = self.info
            self._around.emit(MediaEvent(kind, info, stage="disk", detail=info.recording.detail))
            self._around.emit(MediaEvent("stream_updated", info))

    def denoiser_changed(self) -> None:
        """The denoise service has another engine or state."""
        if self._denoise.mode.denoises:
            self._tell_changed()

    def captioner_changed(self) -> None:
        """The caption service has another model or state."""
        self.captions.service_changed(self._audio.came if self._audio is not None else self.position)

    def _tell_changed(self) -> None:
        self._around.emit(MediaEvent("stream_updated", self.info))

    # ---- commands

    def change(self, change: StreamChange) -> StreamInfo:
        """Apply what is not None. Raises InvalidRequest or Conflict, and then nothing was changed."""
        title = clean_title(change.title) if change.title is not None else None
        self._denoise.check(change.denoise)
        before = self.info
        if title is not None:
            self._title = title or default_title(self._host_name, self._started_at)
            self._events.add("title", self.position, title=self._title)
            if self._audio is not None:
                self._audio.recorder.describe_again()
        self._denoise.change(change, self._audio, self._events, self.position)
        if self._keeping.change(change, self._audio, self.position):
            self.captions.pause()
        info = self.info
        if info != before:
            self._around.emit(MediaEvent("stream_updated", info))
            self._save_now()
        return info

    def end(self, reason: str) -> list[Publisher]:
        """Stop at once; `finish` must follow. Returns the connections to close."""
        publishers = self._seat.clear()
        past = self._past if self._audio is None else None
        self._ended_at = past.left.at if past is not None else self._around.clock.wall()
        self._end_reason = reason
        self._patience.until = None
        self.state = StreamState.ENDED
        if self._audio is not None:
            self._audio.stop(failed=reason == FAILED)
        self._keeping.end(self.position)
        self._events.add("state", self.position, state=self.state, reason=reason)
        self.captions.end(whole=self._audio is not None and reason != FAILED)
        return publishers

    # ---- across restarts

    def wait(self, left: SavedStream) -> None:
        """An earlier run of the server was in the middle of this stream: its publisher is missed from now on."""
        self._past = Past(left, self._around.clock)
        self._started_at = left.started_at
        self._tokens = ResumeTokens(left.tokens)
        self._keeping.restore(left)
        self.captions.restore(left.captions, left.stopped)
        self._lose(left.why)

    def _save_now(self) -> None:
        self._save(self._around.clock.samples())

    def _save(self, now: int, *, stopped: bool = False) -> None:
        """Write down what a later run must know to go on."""
        self._save_due = now + SAVE_EVERY
        clock, past = self._around.clock, self._past
        own: dict[str, Any] = {
            "record": self._keeping.record,
            "off_record_since": self._keeping.off.since,
            "captions": self.captions.saved(),
        }
        if self._audio is not None:
            own.update(denoise=self._denoise.wanted, raw=self._audio.raw, tokens=self._tokens.hashes, stopped=stopped)
            own.update(index=self._audio.index_at(clock.samples()), at=clock.wall())
            self._around.keep(SavedStream.of(self.info, **own))
        elif past is not None:  # people may change it while it waits for its publisher
            self._around.keep(replace(past.left, title=self._title, **own))

    def suspend(self) -> list[Publisher]:
        """The server goes down: stop at once, and wait for the next run; `put_away` must follow.

        Returns the connections to close.
        """
        publishers = self._seat.clear()
        if self._audio is not None:
            self._audio.stop(failed=False)
        self._set_state(StreamState.RECONNECTING, why=SHUTDOWN)
        self._save(self._around.clock.samples(), stopped=True)
        self.captions.end(whole=self._audio is not None)
        return publishers

    async def put_away(self) -> None:
        """Leave the recording and the captions so that the next run can go on with them."""
        await self.captions.settle(TAIL_AT_SHUTDOWN if self.captions.answered else 0.0)
        if self._audio is not None:
            self._save(self._around.clock.samples(), stopped=True)
            await self._audio.close(last=False)

    async def finish(self) -> None:
        """Close the recording; whoever is told afterwards finds it whole."""
        await self.captions.settle(TAIL)
        try:
            if self._audio is not None:
                await self._audio.close()
        finally:
            log.info("stream ended", stream=self.id, reason=self._end_reason, duration=seconds(self.position))
            self._around.emit(MediaEvent("stream_ended", self.info))
