"""Which audio of a stream goes out: what the denoiser made of it, or the original, equally delayed.

Pure: hops in, hops out, no clock. Time is counted in hops pushed, so the denoiser's answers may come early, late,
twice or never without moving anything on the timeline.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from server.audio.frame import AudioFrame, Samples
from server.clock import HOP
from server.speech.firstwords import FirstWords

PUNCTUAL_HOPS = 20
"""Answers in a row that must be in time before the clean audio is trusted again: 200 ms."""

SILENCE = 2.0**-15
"""RMS below one step of 16 bits: a muted microphone, or audio that was never received."""

SILENT_HOPS = 100
"""Silence after which the denoiser's memory does more harm than good: 1 s."""

_RAMP: Samples = (np.arange(1, HOP + 1, dtype=np.float32) / HOP).astype(np.float32)


DEEPEST_DB = 40.0
"""Attenuation limit of the greatest strength that still keeps some of the room."""


def dry_share(strength: float) -> float:
    """How much of the original is mixed back: everything at 0, nothing at 1.

    Between, the noise is attenuated by at most 40 dB · `strength`, as the published package's attenuation limit does.
    """
    return 0.0 if strength >= 1.0 else 10.0 ** (-DEEPEST_DB * max(0.0, strength) / 20.0)


class DenoiseMode(StrEnum):
    """ACTIVE and BYPASSED may change into one another while live; the others are fixed when the stream starts.

    ABSENT costs no delay. MUSIC has no denoiser either, and passes on what the publisher encoded, in stereo.
    """

    ABSENT = "absent"
    ACTIVE = "active"
    BYPASSED = "bypassed"
    MUSIC = "music"

    @property
    def denoises(self) -> bool:
        """Whether a stream in this mode has a place in the denoiser, in use or bypassed."""
        return self in (DenoiseMode.ACTIVE, DenoiseMode.BYPASSED)


def silent(samples: Samples) -> bool:
    """Whether there is nothing to hear, not even noise."""
    return float(np.dot(samples, samples)) < SILENCE * SILENCE * len(samples)


class SilenceWatch:
    """Tells when a long digital silence ends.

    A recurrent denoiser that has listened to nothing for long takes seconds to find its way back; one that starts
    afresh does not.
    """

    def __init__(self) -> None:
        self._hops = 0

    def resumes(self, samples: Samples) -> bool:
        """Whether this hop is the first with sound after at least `SILENT_HOPS` without."""
        if silent(samples):
            self._hops += 1
            return False
        long, self._hops = self._hops >= SILENT_HOPS, 0
        return long


@dataclass(slots=True)
class DenoiseCounts:
    """What became of the hops that went out, and of the answers."""

    clean: int = 0
    late: int = 0
    """The original went out although clean audio was wanted."""
    raw: int = 0
    """The original went out because it was wanted."""
    unused: int = 0
    """Answers that came too late, twice or for nothing."""


class DenoiseMixer:
    """Joins a stream's hops with the denoiser's answers at a constant lag.

    Modes: ABSENT passes everything on at once; ACTIVE gives the clean audio where it came in time and else the
    original; BYPASSED gives the original. Output always lags `lag` samples behind input except in ABSENT, so that
    changing the mode or losing the denoiser moves nothing. Every change between the two is faded over a hop; where
    no clean audio is there to fade from, the original comes in from the level at which the clean audio stopped.
    `strength` may be set at any time.
    """

    def __init__(
        self,
        delay: int,
        deadline_hops: int,
        mode: DenoiseMode = DenoiseMode.ACTIVE,
        strength: float = 1.0,
        keep_first_words: bool = False,
    ) -> None:
        """`delay` is the denoiser's lookahead in samples, a multiple of 480; `deadline_hops` how long answers may take.

        `strength`: see `dry_share`. With `keep_first_words` see `FirstWords`. Raises ValueError for anything else.
        """
        if delay % HOP or delay < 0 or deadline_hops < 1:
            raise ValueError("the delay must be a multiple of a hop and the deadline at least one hop")
        self.counts = DenoiseCounts()
        self._mode = mode
        self._ahead = delay // HOP
        self._lag = 0 if mode is DenoiseMode.ABSENT else self._ahead + deadline_hops
        self._waiting: deque[AudioFrame] = deque()
        self._first: int | None = None
        self._pushed = 0
        self._pulled = 0
        self._answers: dict[int, Samples] = {}
        self._clean = mode is DenoiseMode.ACTIVE
        self._late = False
        self._punctual = 0
        self.strength = strength
        self._dry = dry_share(strength)
        self._keeps = keep_first_words
        self._first_words = FirstWords()
        self._silence = SilenceWatch()
        self._last_raw: Samples = np.zeros(HOP, np.float32)
        self._last_clean: Samples = np.zeros(HOP, np.float32)

    @property
    def lag(self) -> int:
        """How far output lies behind input, in samples."""
        return self._lag * HOP

    @property
    def mode(self) -> DenoiseMode:
        return self._mode

    @mode.setter
    def mode(self, mode: DenoiseMode) -> None:
        """Switch; heard from the next hop that goes out. Raises ValueError to or from ABSENT, which is for good."""
        if mode is not self._mode and DenoiseMode.ABSENT in (mode, self._mode):
            raise ValueError("whether a stream has a denoiser is fixed when it starts")
        self._mode = mode

    @property
    def degraded(self) -> bool:
        """Whether the original goes out although clean audio is wanted."""
        return self._late and self._mode is DenoiseMode.ACTIVE

    @property
    def state(self) -> str:
        """ "ok", "degraded" or "off", as in `DenoiseInfo.state`."""
        if self._mode is not DenoiseMode.ACTIVE:
            return "off"
        return "degraded" if self._late else "ok"

    def push_raw(self, frame: AudioFrame) -> int:
        """Take the next hop of the stream; returns the index under which the denoiser is to be given it.

        Raises ValueError when the frame is not one hop, or does not follow the one before.
        """
        if len(frame.samples) != HOP:
            raise ValueError(f"a hop has {HOP} samples, not {len(frame.samples)}")
        if self._first is None:
            self._first = frame.start
        if frame.start != self._first + self._pushed * HOP:
            raise ValueError(f"hop at sample {frame.start} does not follow the one before")
        self._waiting.append(frame)
        self._pushed += 1
        return self._pushed - 1

    def push_clean(self, index: int, samples: Samples) -> None:
        """Take the answer to hop `index`: the clean audio that ends `delay` samples before that hop does."""
        content = index - self._ahead
        if content in self._answers or not self._pulled <= content < self._pushed:
            self.counts.unused += content >= 0
            return
        self._answers[content] = samples

    def pull(self, awaited: int | None = None) -> AudioFrame | None:
        """The next hop that is due, None when none is; call until then.

        `awaited` is the first hop that was submitted so recently that its answer may still come in time: after a
        stall many hops are pushed at once, and counting them says nothing of the time that the denoiser had.
        """
        if self._pushed - self._pulled <= self._lag:
            return None
        if awaited is not None and self._pulled + self._ahead >= awaited and self._worth_waiting():
            return None
        return self._out()

    def _worth_waiting(self) -> bool:
        """Whether the next hop needs an answer that is not there."""
        if self._mode is not DenoiseMode.ACTIVE or self._late:
            return False
        return self._pulled not in self._answers and not silent(self._waiting[0].samples)

    def drain(self) -> list[AudioFrame]:
        """Everything still held back, at the end of a stream."""
        return [self._out() for _ in range(len(self._waiting))]

    def _out(self) -> AudioFrame:
        frame = self._waiting.popleft()
        answer = self._answers.pop(self._pulled, None)
        self._pulled += 1
        if self._mode is DenoiseMode.ABSENT:
            self.counts.raw += 1
            return frame
        raw = frame.samples
        if answer is None and not self._late and silent(raw):
            answer = raw  # nothing in, nothing out: no answer is needed to know that
        self._judge(answer is not None)
        if answer is not None:
            answer = self._with_original(raw, answer)
        clean = self._mode is DenoiseMode.ACTIVE and not self._late
        self._count(clean)
        samples = self._mix(raw, answer, clean)
        self._clean = clean
        self._last_raw, self._last_clean = raw, raw if answer is None else answer
        return AudioFrame(frame.start, samples, frame.concealed)

    def _with_original(self, raw: Samples, answer: Samples) -> Samples:
        """The answer and as much of the original as is wanted; a change of that is spread over the hop."""
        dry = dry_share(self.strength)
        if self._keeps:
            if self._silence.resumes(raw):
                self._first_words = FirstWords()  # the denoiser starts afresh then, too
            dry = max(dry, self._first_words.share(raw, answer))
        before, self._dry = self._dry, dry
        if not before and not dry:
            return answer
        mixed: Samples = answer + (raw - answer) * (np.float32(before) + np.float32(dry - before) * _RAMP)
        return mixed

    def _judge(self, punctual: bool) -> None:
        self._punctual = self._punctual + 1 if punctual else 0
        if not punctual:
            self._late = True
        elif self._punctual >= PUNCTUAL_HOPS:
            self._late = False

    def _count(self, clean: bool) -> None:
        if self._mode is not DenoiseMode.ACTIVE:
            self.counts.raw += 1
        elif clean:
            self.counts.clean += 1
        else:
            self.counts.late += 1

    def _mix(self, raw: Samples, answer: Samples | None, clean: bool) -> Samples:
        if clean == self._clean:
            return answer if clean and answer is not None else raw
        if answer is None:
            answer = self._continued(raw)
        before, after = (raw, answer) if clean else (answer, raw)
        faded: Samples = before + (after - before) * _RAMP
        return faded

    def _continued(self, raw: Samples) -> Samples:
        """What the clean audio might have gone on as: the original at its level, joined to its last sample."""
        loudness = float(np.dot(self._last_raw, self._last_raw))
        kept = float(np.dot(self._last_clean, self._last_clean))
        gain = np.float32(min(1.0, (kept / loudness) ** 0.5)) if loudness > 0 else np.float32(1.0)
        quiet: Samples = raw * gain
        step = self._last_clean[-1] - quiet[0]
        joined: Samples = quiet + step * (1 - _RAMP)
        return joined
