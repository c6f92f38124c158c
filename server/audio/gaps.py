"""Pieces of audio put in order and read without holes."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

import numpy as np

from server.audio.frame import Samples

FADE_SECONDS = 0.005
_QUIET = 1e-3
"""-60 dBFS: below this nobody hears samples go or come."""
_MISSED = 64
"""Holes that are remembered."""


class GaplessReader:
    """Takes pieces at any position, in any order, and is read once from front to end.

    Positions are in samples of the sender's rate. What has not come when it is read is made up: the last 5 ms played
    backwards and faded out, then silence; what follows is faded in over 5 ms. At most `capacity` samples ahead of the
    reading position are kept; what lies further ahead is refused.
    """

    def __init__(self, rate: int, capacity: int) -> None:
        self.position = 0
        """Next sample to be read."""
        self.heard = 0
        """End of the last real sample that was read."""
        self.made_up: list[tuple[int, int]] = []
        """Spans that were made up, counted in samples handed out; the caller drops those it is done with."""
        self.handed_out = 0
        self._missed: deque[tuple[int, int]] = deque(maxlen=_MISSED)
        self._capacity = capacity
        self._most_pieces = max(64, capacity * 1000 // rate)
        self._starts: list[int] = []
        self._pieces: list[Samples] = []
        fade = max(1, round(rate * FADE_SECONDS))
        self._rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)).astype(np.float32)
        self._faded_in = 0
        self._in_gap = True
        self._tail: Samples = np.zeros(0, np.float32)
        self._history: Samples = np.zeros(fade, np.float32)

    @property
    def empty(self) -> bool:
        """Whether nothing is left to be read."""
        return not self._starts

    @property
    def first(self) -> int:
        """Where the first piece begins; only when not empty."""
        return self._starts[0]

    @property
    def end(self) -> int:
        """Where the last piece ends; the reading position when empty."""
        return self._starts[-1] + len(self._pieces[-1]) if self._starts else self.position

    def start(self, position: int) -> int:
        """Begin reading at `position`; gives how many samples before it are let go."""
        dropped = 0
        while self._starts and self._starts[0] < position:
            keep = max(0, self._starts[0] + len(self._pieces[0]) - position)
            dropped += len(self._pieces[0]) - keep
            self._trim_first(keep)
        self.position = self.heard = position
        return dropped

    def _trim_first(self, keep: int) -> None:
        """Leave the last `keep` samples of the first piece, or remove it."""
        if keep:
            cut = len(self._pieces[0]) - keep
            self._starts[0] += cut
            self._pieces[0] = self._pieces[0][cut:]
        else:
            del self._starts[0], self._pieces[0]

    def put(self, position: int, samples: Samples, floor: int | None = None) -> tuple[int, int]:
        """Store what is new of a piece that begins at `position`: (samples stored, samples refused for room).

        What comes before `floor` (the reading position by default) is left out; the first of two samples for one
        position counts.
        """
        low = self.position if floor is None else floor
        begin, end = max(position, low), position + len(samples)
        base = self.position if floor is None else (self._starts[0] if self._starts else position)
        limit = base + self._capacity
        refused = max(0, end - max(limit, begin))
        end -= refused
        stored = 0
        while begin < end:
            index = bisect_right(self._starts, begin)
            if index and self._starts[index - 1] + len(self._pieces[index - 1]) > begin:
                begin = self._starts[index - 1] + len(self._pieces[index - 1])
                continue
            stop = min(end, self._starts[index]) if index < len(self._starts) else end
            if len(self._starts) >= self._most_pieces:
                return stored, refused + end - begin
            self._starts.insert(index, begin)
            self._pieces.insert(index, samples[begin - position : stop - position])
            stored += stop - begin
            begin = stop
        return stored, refused

    def rewind(self, position: int) -> None:
        """Go back to `position`, of what was only made up: nothing real is read twice."""
        self.position = max(position, self.heard)

    def skip(self, count: int) -> None:
        """Pass over `count` samples; for those that `quiet` allows."""
        self.position += count
        while self._starts and self._starts[0] < self.position:
            self._trim_first(max(0, self._starts[0] + len(self._pieces[0]) - self.position))
        self.heard = max(self.heard, self.position)

    def cut(self, count: int) -> None:
        """Leave `count` samples out, fading what came before into what comes after."""
        if not self._in_gap:
            self._tail = self._history[::-1] * self._rise[::-1]
            self._faded_in = 0
        self.skip(count)

    def quiet(self, count: int) -> bool:
        """Whether the next `count` samples are missing or too faint to be heard."""
        end = self.position + count
        for start, piece in zip(self._starts, self._pieces, strict=True):
            if start >= end:
                break
            part = piece[: end - start]
            if part.size and float(np.abs(part).max()) > _QUIET:
                return False
        return True

    def insert(self, count: int) -> Samples:
        """`count` made-up samples, as if they had been lost; the reading position stays."""
        block = np.zeros(count, np.float32)
        self._make_up(block, 0, count)
        self._remember(block)
        return block

    def read(self, count: int) -> Samples:
        """The next `count` samples, shape (count,), whatever has come."""
        block = np.zeros(count, np.float32)
        done = 0
        while done < count:
            if self._starts and self._starts[0] == self.position:
                size = min(count - done, len(self._pieces[0]))
                self._copy(block, done, size)
            else:
                size = min(count - done, self._starts[0] - self.position) if self._starts else count - done
                self._make_up(block, done, size)
                self._miss(size)
            done += size
        self._remember(block)
        return block

    def _miss(self, size: int) -> None:
        """Note that the next `size` positions are read without having come."""
        begin = self.position
        self.position += size
        if self._missed and self._missed[-1][1] == begin:
            begin = self._missed.pop()[0]
        self._missed.append((begin, self.position))

    def missed(self, begin: int, end: int) -> bool:
        """Whether any sample of this span was read without having come."""
        return any(begin < hole_end and hole_begin < end for hole_begin, hole_end in self._missed)

    def _copy(self, block: Samples, at: int, size: int) -> None:
        part = block[at : at + size]
        part[:] = self._pieces[0][:size]
        self._trim_first(len(self._pieces[0]) - size)
        self._in_gap = False
        if self._faded_in < len(self._rise):
            rise = self._rise[self._faded_in : self._faded_in + size]
            part[: len(rise)] *= rise
            self._faded_in += size
        self._add_tail(part)
        self.position += size
        self.heard = self.position

    def _make_up(self, block: Samples, at: int, size: int) -> None:
        if not self._in_gap:
            recent = np.concatenate([self._history, block[:at]])[-len(self._rise) :]
            self._tail = recent[::-1] * self._rise[::-1]
            self._in_gap = True
        self._faded_in = 0
        self._add_tail(block[at : at + size])
        start = self.handed_out + at
        if self.made_up and self.made_up[-1][1] == start:
            start = self.made_up.pop()[0]
        self.made_up.append((start, self.handed_out + at + size))

    def _add_tail(self, part: Samples) -> None:
        if self._tail.size:
            size = min(len(part), len(self._tail))
            part[:size] += self._tail[:size]
            self._tail = self._tail[size:]

    def _remember(self, block: Samples) -> None:
        self.handed_out += len(block)
        fade = len(self._rise)
        self._history = block[-fade:] if len(block) >= fade else np.concatenate([self._history, block])[-fade:]
