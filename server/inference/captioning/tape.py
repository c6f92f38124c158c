"""The audio of one ear that is not decided yet, so that a worker which dies loses none of it."""

from __future__ import annotations

from collections import deque

import numpy as np

from server.audio.frame import AudioFrame, Samples


class Tape:
    """Consecutive audio from `start` to `end` (48 kHz samples), and how much of it was sent; `begun` was its start."""

    def __init__(self, start: int) -> None:
        self.begun = self.start = self.end = self.sent = start
        self._frames: deque[AudioFrame] = deque()

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def unsent(self) -> int:
        """Samples."""
        return self.end - self.sent

    def append(self, frame: AudioFrame) -> None:
        """Raises ValueError when the frame does not follow."""
        if self.begun == self.end:
            self.begun = self.start = self.end = self.sent = frame.start
        if frame.start != self.end:
            raise ValueError(f"audio at sample {frame.start} does not follow {self.end}")
        self._frames.append(frame)
        self.end = frame.end

    def forget(self, before: int) -> None:
        """Drop what lies before a sample; a frame that begins before and ends after is cut."""
        self.start = max(self.start, min(before, self.end))
        while self._frames and self._frames[0].end <= self.start:
            self._frames.popleft()
        if self._frames and self._frames[0].start < self.start:
            first = self._frames.popleft()
            self._frames.appendleft(AudioFrame(self.start, first.samples[self.start - first.start :], first.concealed))
        self.sent = max(self.sent, self.start)

    def again(self) -> None:
        """Nothing was sent: another worker begins."""
        self.sent = self.start

    def take(self, most: int) -> AudioFrame:
        """The next unsent audio, at most so many samples; it counts as sent."""
        until = min(self.end, self.sent + most)
        pieces: list[Samples] = []
        for frame in reversed(self._frames):  # what was sent lies to the left, and may be long
            if frame.end <= self.sent:
                break
            if frame.start < until:
                pieces.append(frame.samples[max(0, self.sent - frame.start) : until - frame.start])
        start, self.sent = self.sent, until
        return AudioFrame(start, np.concatenate([np.zeros(0, np.float32), *reversed(pieces)]))
