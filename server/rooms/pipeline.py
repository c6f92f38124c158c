"""One stream's audio path: from what arrived to frames of 20 ms for the encoder.

Time here is the stream's: sample 0 is the first one that the publisher sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from server import metrics
from server.audio.buffer import MAX_HOPS, FrameBuffer
from server.audio.frame import AudioFrame, Samples
from server.clock import HOP, PACKET, SAMPLE_RATE
from server.errors import Unavailable
from server.inference.lane import DenoiseLane, DenoiseService
from server.queues import Policy, Queue
from server.rooms.amount import DenoiseAmount
from server.rooms.loudness import Loudness, OnLevels
from server.rooms.messages import DenoiseMode
from server.rooms.peers import ReceivedAudio
from server.speech.denoise import DenoiseMixer

RETRY_LANE = 5 * SAMPLE_RATE
"""Samples between attempts to get a lane when all were taken."""

MIN_GAP = SAMPLE_RATE // 10
"""Shortest stretch of missing audio (0.1 s) that is told to `on_gap`."""

CAPACITY = 5 * SAMPLE_RATE

AHEAD = Queue(
    "audio",
    CAPACITY,
    Policy.NEWEST,
    holds="samples of a publisher that wait to be played, looked at twice a second",
    drop="A publisher sends faster than time passes, or its clock jumped far ahead.",
)
AWAITED = Queue(
    "denoise_awaited",
    f"{MAX_HOPS} for each hop of CLEARCAST_DENOISE_DEADLINE_MS",
    Policy.ORIGINAL,
    holds="hops that the denoiser may still answer",
    drop="The denoiser was too late: these hops went out with their noise.",
)

_ALL = DenoiseAmount()

OnFrame = Callable[[int, Samples], None]


class Packer:
    """Joins hops to frames of 960 samples whose start is a multiple of 960."""

    def __init__(self, on_frame: OnFrame) -> None:
        self._on_frame = on_frame
        self._first: AudioFrame | None = None

    def push(self, hop: AudioFrame) -> None:
        first, self._first = self._first, None
        if first is not None and first.end == hop.start:
            self._on_frame(first.start, np.concatenate((first.samples, hop.samples)))
        elif hop.start % PACKET == 0:
            self._first = hop


class Pipeline:
    """The timeline of one stream and what becomes of it.

    Every tick: `feed(now)`, then the service's `flush()`, then `emit(now)`. `on_clean(start, samples)` gets what
    listeners hear, `on_raw` what the publisher sent, both in frames of 960 samples on the same timeline, gapless from
    0 on. `on_gap(start, end)` is told of audio that never came, `on_levels` how loud input and output were.
    """

    def __init__(
        self,
        *,
        denoise: DenoiseService,
        mode: DenoiseMode,
        deadline_hops: int,
        amount: DenoiseAmount = _ALL,
        on_clean: OnFrame,
        on_raw: OnFrame | None = None,
        on_gap: Callable[[int, int], None] | None = None,
        on_levels: OnLevels | None = None,
    ) -> None:
        self._service = denoise
        self._patience = deadline_hops * HOP
        self._submitted: deque[tuple[int, int]] = AWAITED.watch(deque())
        self._buffer = FrameBuffer(capacity=CAPACITY)
        self.ahead = 0
        """Samples that wait to be played, as of the last `count`."""
        AHEAD.measure(self, lambda pipeline: pipeline.ahead)
        self._mixer: DenoiseMixer | None = None
        self._lane: DenoiseLane | None = None
        self._lane_due = 0
        self._amount = amount
        if mode is not DenoiseMode.ABSENT:
            self._mixer = DenoiseMixer(denoise.delay, deadline_hops, mode, amount.strength, keep_first_words=True)
            self._open_lane(0)
        self.mode = mode
        self._clean = Packer(on_clean)
        self._raw = Packer(on_raw) if on_raw is not None else None
        self._on_gap = on_gap
        self._loudness = Loudness(on_levels) if on_levels is not None else None
        self._gap_start: int | None = None
        self._counted = (0, 0, 0, 0, 0, 0)
        self.position = 0
        """End of what came out: the length of the timeline."""

    @property
    def degraded(self) -> bool:
        """Whether the original goes out although clean audio is wanted."""
        if self._mixer is None or self.mode is not DenoiseMode.ACTIVE:
            return False
        return self._lane is None or self._mixer.degraded

    @property
    def has_lane(self) -> bool:
        return self._lane is not None

    @property
    def came(self) -> int:
        """End of what went in; what goes out follows it by the denoiser's delay."""
        return self._buffer.position

    @property
    def arrived(self) -> int:
        """Where the last of what has arrived lies, waiting for its time, at the latest."""
        return self._buffer.position + self._buffer.delay + PACKET

    def receive(self, audio: ReceivedAudio, arrival: int) -> None:
        """Take audio from the publisher; `arrival` is in stream time."""
        self._buffer.push(audio.rtp_time, audio.samples, audio.rate, arrival)

    def reanchor(self) -> None:
        """Another connection follows, with an RTP time of its own."""
        self._buffer.reanchor()

    def set_mode(self, mode: DenoiseMode) -> None:
        """Switch between ACTIVE and BYPASSED."""
        if self._mixer is not None and mode is not DenoiseMode.ABSENT:
            self.mode = mode
            self._mixer.mode = mode

    def set_amount(self, amount: DenoiseAmount) -> None:
        """How much is taken out from the next hop on."""
        self._amount = amount
        if self._mixer is not None:
            self._mixer.strength = amount.strength
        if self._lane is not None:
            self._lane.post_filter(amount.post_filter)

    def feed(self, now: int, moment: int) -> None:
        """Take the hops that are due at `now` and hand them to the denoiser.

        `moment` is what the clock really says: after a stall later than the tick that is being made up for.
        """
        for hop in self._buffer.pull(now):
            self._note_gap(hop)
            if self._loudness is not None:
                self._loudness.came(hop)
            if self._raw is not None:
                self._raw.push(hop)
            if self._mixer is None:
                self._out(hop)
                continue
            index = self._mixer.push_raw(hop)
            if self._lane is None and hop.start >= self._lane_due:
                self._open_lane(hop.start)
            if self._lane is not None:
                self._lane.submit(index, hop.samples)
                self._submitted.append((index, moment))

    def emit(self, moment: int) -> None:
        """Send on what is ready at `moment`, the time that the clock really says."""
        if self._mixer is None:
            return
        if self._lane is not None:
            for index, samples in self._lane.collect():
                self._mixer.push_clean(index, samples)
        while self._submitted and moment - self._submitted[0][1] >= self._patience:
            self._submitted.popleft()
        awaited = self._submitted[0][0] if self._submitted else None
        while (hop := self._mixer.pull(awaited)) is not None:
            self._out(hop)

    def finish(self, moment: int) -> None:
        """Send on what is still held back, at the end of the stream.

        It fades out: the denoiser will not answer to the last of it any more.
        """
        self._end_gap(self._buffer.position)
        if self._mixer is None:
            return
        self.emit(moment)
        rest = self._mixer.drain()
        fade = np.linspace(1, 0, HOP * len(rest), dtype=np.float32).reshape(len(rest), HOP)
        for hop, gains in zip(rest, fade, strict=True):
            self._out(AudioFrame(hop.start, hop.samples * gains, hop.concealed))

    def close(self) -> None:
        """Give back what the pipeline holds."""
        self.count()
        if self._lane is not None:
            self._lane.close()
            self._lane = None

    def count(self) -> None:
        """Bring the metrics up to date."""
        buffer, mixer = self._buffer, self._mixer
        hops = (mixer.counts.clean, mixer.counts.late, mixer.counts.raw) if mixer is not None else (0, 0, 0)
        counts = (buffer.concealed, buffer.late, buffer.overflowed, *hops)
        concealed, late, overflowed, *outcomes = (new - old for new, old in zip(counts, self._counted, strict=True))
        self._counted = counts
        metrics.SAMPLES_CONCEALED.inc(concealed * HOP)
        metrics.FRAMES_LATE.inc(late)
        self.ahead = buffer.ahead
        AHEAD.dropped += overflowed
        AWAITED.dropped += outcomes[1]
        for outcome, number in zip(("clean", "late", "raw"), outcomes, strict=True):
            metrics.DENOISE_HOPS.labels(outcome).inc(number)

    def _out(self, hop: AudioFrame) -> None:
        if hop.start < 0:
            return
        self.position = hop.end
        if self._loudness is not None:
            self._loudness.went(hop)
        self._clean.push(hop)

    def _note_gap(self, hop: AudioFrame) -> None:
        if hop.concealed:
            if self._gap_start is None:
                self._gap_start = hop.start
        else:
            self._end_gap(hop.start)

    def _end_gap(self, end: int) -> None:
        start, self._gap_start = self._gap_start, None
        if start is not None and self._on_gap is not None and end - start >= MIN_GAP:
            self._on_gap(start, end)

    def _open_lane(self, at: int) -> None:
        try:
            self._lane = self._service.open()
            self._lane.post_filter(self._amount.post_filter)
        except Unavailable:
            self._lane_due = at + RETRY_LANE
