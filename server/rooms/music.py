"""A stream of music: the publisher's packets to listeners and onto the disk, untouched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from server import metrics
from server.audio.frame import AudioFrame, Samples
from server.audio.levels import rms_dbfs
from server.audio.passage import Arrived, Passage
from server.audio.sender_clock import LATE, SenderClock
from server.audio.toc import STEP
from server.clock import HOP, SAMPLE_RATE
from server.queues import Policy, Queue
from server.rooms.amount import DenoiseAmount
from server.rooms.loudness import Loudness, OnLevels
from server.rooms.messages import DenoiseMode
from server.rooms.peers import ReceivedAudio, ReceivedPacket
from server.rooms.pipeline import AHEAD

PATIENCE = 2 * SAMPLE_RATE
"""Samples for which the recording waits for packets before it fills their time: what a stalled network brings
at once is kept whole."""

MOST_WAITING = 1000
WAITING = Queue(
    "music",
    MOST_WAITING,
    Policy.EARLY,
    holds="packets of music on their way into the recording, until it is known how loud they are",
    drop="The processor is too slow: a packet went into the recording before its level was known. Nothing is lost.",
)

LONGEST = 2880
"""Samples in a publisher's packet at most: 60 ms."""

PRE_SKIP = 312
"""Samples by which the publisher's encoder is taken to delay: libopus's 6.5 ms, which browsers and OBS use."""

OnPacket = Callable[[int, bytes], None]


class LiveTimes:
    """Time stamps for listeners: they go as the publisher's do, and begin anew, at stream time, with each run."""

    def __init__(self) -> None:
        self._run = 0
        self._shift = 0
        self._last = -1
        self._end = 0

    def stamp(self, packet: ReceivedPacket, arrival: int, run: int) -> int | None:
        """Stream time of a packet's first sample; None for one that does not come after the one before."""
        if run != self._run:
            self._run = run
            self._shift = max(arrival, self._end) - packet.rtp_time
        at = packet.rtp_time + self._shift
        if at <= self._last:
            return None
        self._last, self._end = at, at + packet.duration
        return at


class Hops:
    """Cuts audio that lies on a timeline into hops whose start is a multiple of 480; what is missing is silence."""

    def __init__(self) -> None:
        self._start = 0
        self._rest: Samples = np.zeros(0, np.float32)

    def push(self, start: int, samples: Samples) -> list[AudioFrame]:
        """Take audio that begins at `start`, after all before it."""
        missing = start - self._start - len(self._rest)
        if missing > SAMPLE_RATE:
            self._start = start // HOP * HOP
            self._rest = np.zeros(0, np.float32)
            missing = start - self._start
        if missing < 0:
            samples, missing = samples[-missing:], 0
        joined = np.concatenate((self._rest, np.zeros(missing, np.float32), samples))
        whole = len(joined) // HOP * HOP
        hops = [AudioFrame(self._start + at, joined[at : at + HOP]) for at in range(0, whole, HOP)]
        self._start, self._rest = self._start + whole, joined[whole:]
        return hops


@dataclass(frozen=True, slots=True)
class _Waiting:
    packet: ReceivedPacket
    arrived: Arrived


class MusicPipeline:
    """What `Pipeline` is to speech, without denoiser, play-out delay and encoder.

    `on_live(at, packet)` gets each packet the moment it came, stamped in stream time as the publisher stamped it;
    `on_kept(start, packet)` the same packets gapless in stream time, as soon as their level is known. `on_gap` and
    `on_levels` are told what `Pipeline`'s are.
    """

    def __init__(
        self,
        *,
        on_live: OnPacket,
        on_kept: OnPacket,
        on_gap: Callable[[int, int], None] | None = None,
        on_levels: OnLevels | None = None,
    ) -> None:
        self.mode = DenoiseMode.MUSIC
        self.degraded = False
        self.has_lane = False
        self.position = 0
        """Length of the timeline."""
        self._on_live = on_live
        self._clock = SenderClock()
        self._times = LiveTimes()
        self._passage = Passage(on_kept, on_gap or (lambda start, end: None))
        self._waiting: deque[_Waiting] = WAITING.watch(deque())
        self._hops = Hops()
        self._loudness = Loudness(on_levels) if on_levels is not None else None
        self._overtaken = 0
        self._counted = (0, 0, 0, 0, 0)

    @property
    def came(self) -> int:
        """End of what is on its way into the recording."""
        return self._passage.position

    @property
    def arrived(self) -> int:
        """Where the last of what has arrived lies, at the latest."""
        return max(self.position, self._passage.position) + LONGEST

    def pass_on(self, packet: ReceivedPacket, arrival: int) -> None:
        """Take a packet from the publisher; `arrival` is in stream time."""
        lateness = self._clock.follow(packet.rtp_time, arrival)
        at = self._times.stamp(packet, arrival, self._clock.run) if lateness <= LATE else None
        if at is None:
            self._overtaken += 1
        else:
            self._on_live(at, packet.payload)
        arrived = Arrived(packet.rtp_time, packet.payload, packet.duration, arrival, self._clock.run, self._clock.floor)
        self._waiting.append(_Waiting(packet, arrived))
        if len(self._waiting) > MOST_WAITING:
            WAITING.dropped += 1
            self._keep(self._waiting.popleft(), None)

    def receive(self, audio: ReceivedAudio, arrival: int) -> None:
        """Take what a packet sounds like; those before it that were not decoded go into the recording as well."""
        said = (audio.rtp_time, audio.arrival)
        if not any((waiting.packet.rtp_time, waiting.packet.arrival) == said for waiting in self._waiting):
            return
        while self._waiting:
            waiting = self._waiting.popleft()
            if (waiting.packet.rtp_time, waiting.packet.arrival) == said:
                self._keep(waiting, audio.samples)
                return
            self._keep(waiting, None)

    def reanchor(self) -> None:
        """Another connection follows, with an RTP time of its own."""
        self._clock.reanchor()

    def set_mode(self, mode: DenoiseMode) -> None:
        """There is nothing to switch."""

    def set_amount(self, amount: DenoiseAmount) -> None:
        """There is nothing to take out."""

    def feed(self, now: int, moment: int) -> None:
        """Time goes on, whether packets come or not."""
        self.position = max(self.position, now // HOP * HOP)
        if not self._waiting:
            self._passage.fill((now - PATIENCE) // HOP * HOP)

    def emit(self, moment: int) -> None:
        """Packets have gone out when they came."""

    def finish(self, moment: int) -> None:
        """The stream ends: the recording gets what is held back, and is as long as the timeline."""
        while self._waiting:
            self._keep(self._waiting.popleft(), None)
        self._passage.finish(self.position // STEP * STEP)
        self.position = self._passage.position

    def close(self) -> None:
        """Give back what the pipeline holds."""
        self.count()

    def count(self) -> None:
        """Bring the metrics up to date."""
        passage = self._passage
        counts = (
            *(passage.made_up, passage.late + self._overtaken, passage.overflowed),
            *(passage.left_out, passage.repeated),
        )
        made_up, late, overflowed, left_out, repeated = (
            new - old for new, old in zip(counts, self._counted, strict=True)
        )
        self._counted = counts
        metrics.SAMPLES_CONCEALED.inc(made_up)
        metrics.FRAMES_LATE.inc(late)
        AHEAD.dropped += overflowed
        metrics.MUSIC_CORRECTIONS.labels("left out").inc(left_out)
        metrics.MUSIC_CORRECTIONS.labels("twice").inc(repeated)

    def _keep(self, waiting: _Waiting, samples: Samples | None) -> None:
        """Into the recording; a packet that was not decoded counts as loud, so that nothing is cut there."""
        level = rms_dbfs(samples) if samples is not None else 0.0
        start = self._passage.lay(waiting.arrived, level)
        if start is None or samples is None or self._loudness is None:
            return
        for hop in self._hops.push(start, samples):
            self._loudness.came(hop)
            self._loudness.went(hop)
