"""The models of diarization, shared by all streams, and the windows of many streams in one call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.inference.caption_lane import CaptionOptions, Urgency, VoicePrints
from server.inference.diarization.clustering import StreamSpeakers
from server.inference.diarization.embedding import Embedder, weights_of
from server.inference.diarization.hints import SpeakerHints
from server.inference.diarization.libraries import load_libraries
from server.inference.diarization.live import LiveDiarizer, LiveSettings, Said, Window
from server.inference.diarization.offline import RecordingDiarizer
from server.inference.diarization.segmentation import Segmenter
from server.speech.heard import Heard

Floats = NDArray[np.float32]

_BATCH = 16
"""Windows that the models are given at once."""


class Diarizer:
    """A segmentation and an embedding model. Not safe for several threads at once."""

    def __init__(self, segmenter: Segmenter, embedder: Embedder, settings: LiveSettings | None = None) -> None:
        self.segmenter = segmenter
        self.embedder = embedder
        self.settings = settings or LiveSettings()

    @classmethod
    def load(
        cls, segmentation: str, embedding: str, settings: LiveSettings | None = None, device: str = "cpu"
    ) -> Diarizer:
        """Each an ONNX file, or a checkpoint or hub name for pyannote. Raises `ModelMissing` or `ModelCorrupt`."""
        load_libraries()
        return cls(Segmenter.load(segmentation, device), Embedder.load(embedding, device), settings)

    @property
    def name(self) -> str:
        """Id of the embedding model: voice prints of another cannot be compared with its own."""
        return self.embedder.identity

    def open(
        self, options: CaptionOptions, start: int, voices: VoicePrints | None = None
    ) -> OpenDiarizer | RecordingDiarizer:
        """For a stream whose audio begins at `start` (48 kHz); `voices` are known from before, and keep their labels.

        A file is heard to its end before anything is said of it. Raises `InvalidRequest` for numbers of speakers that
        make no sense.
        """
        hints = SpeakerHints.of(options)
        if options.urgency is Urgency.FILE:
            return RecordingDiarizer(self.segmenter, self.embedder, hints, start)
        return self.open_live(hints, start, voices)

    def open_live(self, hints: SpeakerHints, start: int, voices: VoicePrints | None = None) -> OpenDiarizer:
        """A stream of which it is told at once who speaks."""
        speakers = StreamSpeakers(self.name, self.embedder.thresholds, hints, voices)
        return OpenDiarizer(self, LiveDiarizer(speakers, start, self.settings))

    def hear(self, pushed: Sequence[tuple[OpenDiarizer | RecordingDiarizer, Heard | None]]) -> list[list[Said]]:
        """The next audio of several streams, None where it has ended; what is said of each, in their order.

        Those that are live are heard together, of recordings each by itself. Of a recording nothing is said but how far
        it was heard, until `conclude`.
        """
        live = [(stream, heard) for stream, heard in pushed if isinstance(stream, OpenDiarizer)]
        answers = iter(self._hear_live(live) if live else ())
        return [
            next(answers)
            if isinstance(stream, OpenDiarizer)
            else stream.rest()
            if heard is None
            else stream.push(heard)
            for stream, heard in pushed
        ]

    def conclude(self, stream: OpenDiarizer | RecordingDiarizer) -> list[Said]:
        """Who spoke in a recording that was heard to its end: takes seconds where it is long, and no model."""
        return stream.conclude() if isinstance(stream, RecordingDiarizer) else []

    def _hear_live(self, pushed: Sequence[tuple[OpenDiarizer, Heard | None]]) -> list[list[Said]]:
        said: list[list[Said]] = [[] for _ in pushed]
        asked: list[tuple[int, Window]] = []
        for index, (stream, heard) in enumerate(pushed):
            windows = stream.live.rest() if heard is None else stream.live.take(heard)
            asked += [(index, window) for window in windows]
        for batch in (asked[first : first + _BATCH] for first in range(0, len(asked), _BATCH)):
            streams = [pushed[index][0].live for index, _ in batch]
            answers = self._answer([window for _, window in batch], [stream.speakers.alone for stream in streams])
            for (index, window), live, (probabilities, embeddings) in zip(batch, streams, answers, strict=True):
                said[index] += live.decide(window, probabilities, embeddings)
        for index, (stream, heard) in enumerate(pushed):
            if heard is None:
                said[index] += stream.live.conclude()
        return said

    def _answer(self, windows: Sequence[Window], alone: Sequence[bool]) -> list[tuple[Floats, Floats]]:
        """Probabilities and embeddings of each window; nobody is embedded who does not talk, or is the only one."""
        probabilities = self.segmenter.segment([window.samples for window in windows])
        wanted: list[tuple[int, int]] = []
        weights: list[Floats] = []
        for index, found in enumerate(probabilities):
            if alone[index]:
                continue
            penalised = weights_of(found)
            for speaker in np.flatnonzero(found.max(axis=0) >= self.embedder.thresholds.active):
                wanted.append((index, int(speaker)))
                weights.append(penalised[:, speaker])
        vectors = self.embedder.embed([windows[index].samples for index, _ in wanted], weights)
        answers = [(found, np.full((found.shape[1], vectors.shape[1] or 1), np.nan)) for found in probabilities]
        for (index, speaker), vector in zip(wanted, vectors, strict=True):
            answers[index][1][speaker] = vector
        return [(found, embeddings.astype(np.float32)) for found, embeddings in answers]


class OpenDiarizer:
    """One stream that is heard by itself."""

    def __init__(self, diarizer: Diarizer, live: LiveDiarizer) -> None:
        self.live = live
        self._diarizer = diarizer

    def push(self, heard: Heard) -> list[Said]:
        """The next audio, 16 kHz, without holes. Raises ValueError when it does not follow."""
        return self._diarizer.hear([(self, heard)])[0]

    def flush(self) -> list[Said]:
        """The audio ends here: the rest."""
        return self._diarizer.hear([(self, None)])[0]
