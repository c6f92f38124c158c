"""The sound of one stream: through the denoiser and the encoder, to its listeners and onto the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from server.audio.frame import Samples
from server.clock import HOP, SAMPLE_RATE
from server.rooms.amount import DenoiseAmount
from server.rooms.caption_feed import Tap
from server.rooms.encode import EncodeTrack, pre_skip, speech_encoder
from server.rooms.eventlog import EventLog
from server.rooms.fanout import Channel
from server.rooms.files import RecordingPlan, describe
from server.rooms.health import Alarm
from server.rooms.loudness import STEP, OnLevels
from server.rooms.messages import DenoiseMode, Levels, StreamInfo
from server.rooms.music import PRE_SKIP, MusicPipeline
from server.rooms.off_record import OffRecord
from server.rooms.peers import ReceivedAudio, ReceivedPacket
from server.rooms.pipeline import Pipeline
from server.rooms.recorder import Recorder
from server.rooms.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class AudioPlan:
    """What the sound of a stream is when it begins."""

    stream_id: str
    origin: int
    """When its first audio came, on the server's clock."""
    mode: DenoiseMode
    amount: DenoiseAmount
    base: int = 0
    """Where that lies on the stream's timeline, a multiple of 960; not 0 where an earlier run of the server began."""
    recorded: bool = False
    """Whether there is a recording to go on with."""
    raw: bool = False
    """Whether that has the audio before denoising too."""


class StreamAudio:
    """What exists of a stream from its first audio on.

    Of what is `off` the record listeners hear everything and the recording gets silence.

    `hear(tap, start, samples)` gets the audio of speech, 960 samples at a time, before and after the denoiser. `info`
    gives the stream as it is; `on_recording_failed(detail)` and `on_broken(error)`, which is told that no
    packet will come any more, are called on the event loop.
    """

    def __init__(
        self,
        plan: AudioPlan,
        channel: Channel,
        events: EventLog,
        around: Surroundings,
        off: OffRecord,
        *,
        hear: Callable[[Tap, int, Samples], None],
        info: Callable[[], StreamInfo],
        on_recording_failed: Callable[[str], None],
        on_broken: Callable[[Exception], None],
    ) -> None:
        self._origin = plan.origin
        self._base = base = plan.base
        self.alarm = Alarm()
        self._channel = channel
        self._around = around
        self._off = off
        self._hear = hear
        self._clean: EncodeTrack | None = None
        self._raw: EncodeTrack | None = None
        if plan.mode is not DenoiseMode.MUSIC:
            self._open_tracks(plan, on_broken)
        recording = RecordingPlan(
            folder=around.settings.recordings_dir / plan.stream_id,
            pre_skip=pre_skip(self._clean) if self._clean is not None else PRE_SKIP,
            reserve_mb=around.settings.disk_reserve_mb,
            raw=self._raw is not None,
            channels=1 if self._clean is not None else 2,
            begun=plan.recorded,
        )
        self.recorder = Recorder(
            recording, lambda: describe(info(), recording), events, around.disk, on_recording_failed, around.room
        )
        self.pipeline: Pipeline | MusicPipeline = self._lay(
            plan,
            lambda start, end: events.add("gap", base + start, end=base + end),
            lambda at, came, went: around.levels(Levels(plan.stream_id, base + at, STEP, came, went)),
        )

    def _open_tracks(self, plan: AudioPlan, on_broken: Callable[[Exception], None]) -> None:
        around, settings = self._around, self._around.settings
        self._clean = around.encoding.open(speech_encoder(settings, plan.mode), self._on_packet, on_broken)
        raw = plan.raw if plan.recorded else settings.record_raw
        if raw and plan.mode.denoises:
            self._raw = around.encoding.open(speech_encoder(settings, plan.mode), self._on_raw_packet, on_broken)

    def _lay(
        self, plan: AudioPlan, on_gap: Callable[[int, int], None], on_levels: OnLevels
    ) -> Pipeline | MusicPipeline:
        if plan.mode is DenoiseMode.MUSIC:
            return MusicPipeline(on_live=self._send, on_kept=self._keep, on_gap=on_gap, on_levels=on_levels)
        return Pipeline(
            denoise=self._around.denoise,
            mode=plan.mode,
            deadline_hops=self._around.settings.denoise_deadline_ms * SAMPLE_RATE // 1000 // HOP,
            amount=plan.amount,
            on_clean=self._on_frame,
            on_raw=self._on_raw_frame,
            on_gap=on_gap,
            on_levels=on_levels,
        )

    @property
    def position(self) -> int:
        """Length of the timeline: where the next sample goes out."""
        return self._base + self.pipeline.position

    @property
    def came(self) -> int:
        """End of what has come in."""
        return self._base + self.pipeline.came

    @property
    def arrived(self) -> int:
        """Where the last of what has arrived lies, at the latest."""
        return self._base + self.pipeline.arrived

    @property
    def raw(self) -> bool:
        """Whether the audio before denoising is recorded too."""
        return self._raw is not None

    def index_at(self, now: int) -> int:
        """Where the timeline stands at a moment of the server's clock."""
        return self._base + now - self._origin

    def receive(self, audio: ReceivedAudio | ReceivedPacket) -> None:
        """Take audio from the publisher; of music each packet, and after it what it sounds like."""
        arrival = audio.arrival - self._origin
        if not isinstance(audio, ReceivedPacket):
            self.pipeline.receive(audio, arrival)
        elif isinstance(self.pipeline, MusicPipeline):
            self.pipeline.pass_on(audio, arrival)

    def feed(self, now: int) -> None:
        """First half of a tick: audio into the denoiser. `now` is the server's clock."""
        self.pipeline.feed(now - self._origin, self._around.clock.samples())

    def emit(self, now: int) -> bool:
        """Second half of a tick: audio out of it. Returns whether the alarm has gone on or off."""
        self.pipeline.emit(self._around.clock.samples())
        return self.alarm.update(now, self.pipeline.degraded)

    def stop(self, *, failed: bool) -> None:
        """Nothing comes any more: what is held back goes out, unless the stream failed."""
        if not failed:
            self.pipeline.finish(self._around.clock.samples())
        self.pipeline.close()

    async def close(self, last: bool = True) -> None:
        """After `stop`: close the recording; returns when it is on the disk.

        Where it is not the `last` of the stream, a later run of the server can go on with it.
        """
        for track in (self._clean, self._raw):
            if track is not None:
                await self._around.encoding.drain(track)
                self._around.encoding.close_track(track)
        await self.recorder.close(last)

    def _on_frame(self, start: int, samples: Samples) -> None:
        self._hear(Tap.CLEAN, self._base + start, samples)
        if self._clean is not None:
            self._around.encoding.put(self._clean, start, samples)

    def _on_raw_frame(self, start: int, samples: Samples) -> None:
        self._hear(Tap.RAW, self._base + start, samples)
        if self._raw is not None and self.recorder.on:
            self._around.encoding.put(self._raw, start, samples)

    def _on_packet(self, start: int, packet: bytes) -> None:
        self._send(start, packet)
        self._keep(start, packet)

    def _send(self, start: int, packet: bytes) -> None:
        self._channel.send(packet, self._origin + start)

    def _keep(self, start: int, packet: bytes) -> None:
        for at, kept in self._off.kept(self._base + start, packet):
            self.recorder.clean(at, kept)

    def _on_raw_packet(self, start: int, packet: bytes) -> None:
        for at, kept in self._off.kept(self._base + start, packet):
            self.recorder.raw(at, kept)
