"""Who spoke in a whole recording: heard from beginning to end first, then divided among as many speakers as there are.

The way of pyannote's pipeline (Bredin, "pyannote.audio 2.1 speaker diarization pipeline", 2023): local speakers of
overlapping windows, embedded where they talk alone, clustered over the whole recording, and put together again with
as many at once as the windows say. Of the audio nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import TurnRevision, Turns, VoicePrints
from server.inference.diarization.embedding import WINDOW, Embedder, weights_of
from server.inference.diarization.groups import assign, centroids_of, group
from server.inference.diarization.hints import SpeakerHints
from server.inference.diarization.segmentation import Segmenter
from server.speech.heard import HEARD_RATE, RATIO, Heard
from server.speech.processor import SpeakerTurn

Floats = NDArray[np.float32]
Said = Turns | TurnRevision | VoicePrints

_LENGTH = 10 * HEARD_RATE
"""Samples (16 kHz) of a window: what segmentation-3.0 was trained on."""
_HOP = HEARD_RATE
"""Samples from one window to the next."""
_VOICED = 2
"""Of so many windows one is asked what its speakers sound like, which is most of the work; the others say when how many
talk. All errors stay as they are, to a few thousandths; with windows two seconds apart they do not."""
_SURE_S = 1.0
"""Seconds that somebody has to talk alone in a window to be told from others by it."""
_SHORTEST_S = 0.1
"""A turn that is shorter, or a gap between two of a speaker, is none."""
_PIECE = 200
"""Turns that are told at once."""
_BLOCK = 64
"""Windows that are put together at once."""


@dataclass(frozen=True, slots=True, eq=False)
class _Local:
    """Somebody in a window: `alone` seconds without anybody else, and what that sounds like."""

    window: int
    speaker: int
    alone: float
    embedding: Floats


class RecordingDiarizer:
    """One recording; what is kept of it grows by 0.1 MB a minute.

    While it is heard nothing is known: `push` answers with empty turns up to where it has come. All is said in the
    end, as revisions of that.
    """

    def __init__(self, segmenter: Segmenter, embedder: Embedder, hints: SpeakerHints, start: int) -> None:
        """`start` is the 48 kHz index of the recording's first sample."""
        self._segmenter = segmenter
        self._embedder = embedder
        self._hints = hints
        self._start = self._end = start
        self._audio: Samples = np.zeros(0, np.float32)
        self._windows: list[NDArray[np.uint8]] = []
        self._voiced: set[int] = set()
        self._locals: list[_Local] = []

    def push(self, heard: Heard) -> list[Said]:
        """The next audio, 16 kHz. Raises ValueError when it does not follow."""
        if heard.start != self._end:
            raise ValueError(f"audio at sample {heard.start} does not follow {self._end}")
        self._end = heard.end
        self._audio = np.concatenate([self._audio, heard.samples])
        while len(self._audio) >= _LENGTH:
            self._hear(self._audio[:_LENGTH], len(self._windows) % _VOICED == 0)
            self._audio = self._audio[_HOP:].copy()
        return [Turns((), self._end)]

    def flush(self) -> list[Said]:
        """The recording ends here: who spoke, and what they sound like."""
        return [*self.rest(), *self.conclude()]

    def rest(self) -> list[Said]:
        """The recording ends here: the models hear what is left. `conclude` must follow."""
        if len(self._audio) > _LENGTH - _HOP or len(self._windows) - 1 not in self._voiced:
            self._hear(np.pad(self._audio, (0, _LENGTH - len(self._audio))), True)
        self._audio = self._audio[:0]
        return []

    def conclude(self) -> list[Said]:
        """Who spoke, and what they sound like. No model is asked: this may take its time in any thread."""
        sure = [local for local in self._locals if local.alone >= _SURE_S] or self._locals
        if not sure:
            return [Turns((), self._end)]
        vectors = np.stack([local.embedding for local in sure])
        seconds = np.array([local.alone for local in sure])
        groups = group(vectors, seconds, self._embedder.thresholds.same, self._hints.fewest, self._hints.most)
        centroids = centroids_of(vectors, seconds, groups)
        turns = self._turns(self._assigned(centroids), len(centroids))
        names = _names(turns)
        named = [SpeakerTurn(turn.start, turn.end, names[int(turn.speaker)], turn.probability) for turn in turns]
        prints = VoicePrints(
            self._embedder.identity,
            {label: centroids[speaker] for speaker, label in names.items()},
            {
                label: sum(turn.end - turn.start for turn in named if turn.speaker == label) / SAMPLE_RATE
                for label in names.values()
            },
        )
        return [Turns((), self._end), *_pieces(named, self._start, self._end), prints]

    def _hear(self, audio: Samples, voiced: bool) -> None:
        """One window (_LENGTH,); `voiced`: and what whoever talks in it sounds like."""
        probabilities = self._segmenter.segment([audio])[0]
        window = len(self._windows)
        self._windows.append(np.round(255 * probabilities).astype(np.uint8))
        if not voiced:
            return
        self._voiced.add(window)
        talking = [
            int(speaker) for speaker in np.flatnonzero(probabilities.max(axis=0) > self._embedder.thresholds.active)
        ]
        if not talking:
            return
        weights = weights_of(probabilities)
        span = len(weights) * WINDOW // _LENGTH
        pieces, heard, alone = [], [], []
        for speaker in talking:
            first = _densest(weights[:, speaker], span)
            sample = min(first * _LENGTH // len(weights), _LENGTH - WINDOW)
            pieces.append(audio[sample : sample + WINDOW])
            heard.append(weights[first : first + span, speaker])
            alone.append(float((heard[-1] > 0.5).sum()) * _LENGTH / len(weights) / HEARD_RATE)
        for speaker, seconds, vector in zip(talking, alone, self._embedder.embed(pieces, heard), strict=True):
            if not np.isnan(vector).any():
                self._locals.append(_Local(window, speaker, seconds, vector))

    def _assigned(self, centroids: Floats) -> dict[int, dict[int, int]]:
        """For each window its local speakers' speakers."""
        by_window: dict[int, list[_Local]] = {}
        for local in self._locals:
            by_window.setdefault(local.window, []).append(local)
        return {
            window: assign(
                [local.speaker for local in found], np.stack([local.embedding for local in found]), centroids
            )
            for window, found in by_window.items()
        }

    def _turns(self, assigned: dict[int, dict[int, int]], speakers: int) -> list[SpeakerTurn]:
        """The turns of all speakers, by number, in order of time."""
        if not self._windows:
            return []
        frames = len(self._windows[0])
        place = [round(window * _HOP * frames / _LENGTH) for window in range(len(self._windows))]
        total = place[-1] + frames
        edge = RATIO * _LENGTH / frames
        found: list[SpeakerTurn] = []
        for first in range(0, len(self._windows), _BLOCK):
            begin = place[first]
            until = place[first + _BLOCK] if first + _BLOCK < len(place) else total
            talking, mean = self._together(assigned, speakers, place, begin, until)
            for speaker in range(speakers):
                for low, high in _stretches(talking[:, speaker]):
                    start = self._start + round((begin + low) * edge)
                    end = min(self._end, self._start + round((begin + high) * edge))
                    if start < end:
                        probability = float(mean[low:high, speaker].mean())
                        found.append(SpeakerTurn(start, end, str(speaker), probability))
        return sorted(_joined(found), key=lambda turn: (turn.start, turn.end))

    def _together(
        self, assigned: dict[int, dict[int, int]], speakers: int, place: Sequence[int], begin: int, until: int
    ) -> tuple[NDArray[np.bool_], Floats]:
        """Who talks in the frames from `begin` to `until`, and how probable that is; both (frames, speakers)."""
        frames = len(self._windows[0])
        total = np.zeros((until - begin, speakers), np.float32)
        count = np.zeros(until - begin, np.float32)
        weight, voiced = np.full((2, until - begin), 1e-9, np.float32)
        shape = np.hamming(frames).astype(np.float32)
        for window, (start, quantised) in enumerate(zip(place, self._windows, strict=True)):
            low, high = max(start, begin), min(start + frames, until)
            if low >= high:
                continue
            probabilities = quantised.astype(np.float32)[low - start : high - start] / 255
            importance = shape[low - start : high - start]
            here = slice(low - begin, high - begin)
            weight[here] += importance
            # How many talk is the sum of the probabilities; a window that is not sure leaves it to the others.
            count[here] += importance * probabilities.sum(axis=1)
            if window in self._voiced:
                voiced[here] += importance
            for local, speaker in assigned.get(window, {}).items():
                total[here, speaker] += importance * probabilities[:, local]
        mean = total / voiced[:, None]
        at_once = np.round(count / weight).astype(int)
        rank = np.argsort(np.argsort(-mean, axis=1, kind="stable"), axis=1, kind="stable")
        return (rank < at_once[:, None]) & (mean > 0.05), mean


def _densest(weights: Floats, span: int) -> int:
    """Where `span` consecutive frames weigh most."""
    sums = np.cumsum(np.concatenate([[0.0], weights.astype(np.float64)]))
    return int(np.argmax(sums[span:] - sums[:-span]))


def _stretches(active: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(first frame, frame after the last) of each stretch."""
    edges = np.diff(active.astype(np.int8), prepend=0, append=0)
    yield from zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True)


def _joined(turns: Sequence[SpeakerTurn]) -> Iterator[SpeakerTurn]:
    """Turns of one speaker with shorter gaps closed, and without the shortest."""
    shortest = round(_SHORTEST_S * SAMPLE_RATE)
    by_speaker: dict[str, list[SpeakerTurn]] = {}
    for turn in sorted(turns, key=lambda turn: turn.start):
        own = by_speaker.setdefault(turn.speaker, [])
        if own and turn.start - own[-1].end <= shortest:
            last = own.pop()
            share = (last.end - last.start) / max(1, last.end - last.start + turn.end - turn.start)
            probability = share * last.probability + (1 - share) * turn.probability
            own.append(SpeakerTurn(last.start, turn.end, turn.speaker, probability))
        else:
            own.append(turn)
    for own in by_speaker.values():
        yield from (turn for turn in own if turn.end - turn.start >= shortest)


def _names(turns: Sequence[SpeakerTurn]) -> dict[int, str]:
    """Labels in the order in which the speakers first speak."""
    order = dict.fromkeys(int(turn.speaker) for turn in turns)
    return {speaker: f"S{number}" for number, speaker in enumerate(order, start=1)}


def _pieces(turns: Sequence[SpeakerTurn], start: int, end: int) -> Iterator[TurnRevision]:
    """All turns as revisions that follow each other and cut no turn."""
    piece: list[SpeakerTurn] = []
    reached = start
    for turn in turns:
        if len(piece) >= _PIECE and turn.start >= reached:
            yield TurnRevision(start, turn.start, tuple(piece))
            start, piece = turn.start, []
        piece.append(turn)
        reached = max(reached, turn.end)
    yield TurnRevision(start, max(end, reached), tuple(piece))
