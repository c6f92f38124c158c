"""What somebody may take along of a recording, found and made: sound, tracks, samples."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from server.audio import ogg_range
from server.audio.frame import Samples
from server.audio.ogg import OggError
from server.audio.wav import write_wav
from server.clock import SAMPLE_RATE
from server.errors import Conflict, InvalidRequest, NotFound
from server.recordings.captions import CaptionDesk
from server.recordings.exports.audio import AudioFormat, Cut
from server.recordings.exports.conversions import Conversions, Present
from server.recordings.files import RecordingFolders
from server.recordings.naming import download_name
from server.recordings.tracks import ROOM, Span, Tracks
from server.recordings.zipped import ZipPipe, stored
from server.store.records import CaptionVersion, Recording, RecordingState

BETWEEN = SAMPLE_RATE // 5
"""Silence between the pieces of a sample, samples (0.2 s)."""
_SOFT = SAMPLE_RATE // 100
"""Samples in which a piece begins and ends."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a recording, in seconds of its whole timeline; None: from its beginning, to its end.

    With `whole` what was trimmed away counts too.
    """

    start_s: float | None = None
    end_s: float | None = None
    whole: bool = False


ALL = Wanted()


def span(recording: Recording, wanted: Wanted = ALL) -> Span:
    """What that comes to, samples. Raises InvalidRequest where nothing is left, Conflict while it is not finished."""
    if recording.state in (RecordingState.RECORDING, RecordingState.FINISHING):
        raise Conflict("The recording is not finished yet.", code="still-recording")
    if recording.state == RecordingState.FAILED:
        raise NotFound("The recording has no audio.", code="no-audio")
    first, last = 0, recording.length
    if not wanted.whole:
        first, last = max(first, recording.trim_start or 0), min(last, recording.trim_end or last)
    start = first if wanted.start_s is None else max(first, round(wanted.start_s * SAMPLE_RATE))
    end = last if wanted.end_s is None else min(last, round(wanted.end_s * SAMPLE_RATE))
    if start >= end:
        raise InvalidRequest("There is nothing of the recording between these times.", code="invalid-range")
    return start, end


class ExportDesk:
    """Everything of recordings that is made for people to take along. Whoever calls has asked the gate."""

    def __init__(self, files: RecordingFolders, captions: CaptionDesk, conversions: Conversions) -> None:
        self.conversions = conversions
        self._files = files
        self._captions = captions

    # ---- sound

    async def cut(
        self,
        recording: Recording,
        form: AudioFormat,
        version: str = "clean",
        wanted: Wanted = ALL,
        track: str | None = None,
    ) -> Cut | None:
        """What a file is to hold; None where it is the recorded file as it lies there.

        Raises NotFound, InvalidRequest, Conflict.
        """
        source = self._files.audio(recording.id, version)
        recorded = form.name == "opus" and track is None
        if recorded and wanted == ALL and recording.trim_start is None and recording.trim_end is None:
            return None
        start, end = span(recording, wanted)
        if recorded and (start, end) == (0, recording.length):
            return None
        if track is not None:
            return self._track(recording, form, source, await self.tracks(recording, wanted), track)
        return Cut(source, start, end, form, tags=_tags(recording, recording.title, recording.host))

    @staticmethod
    def _track(recording: Recording, form: AudioFormat, source: Path, tracks: Tracks, label: str) -> Cut:
        name = tracks.name(label)
        tags = _tags(recording, f"{recording.title} ({name})", recording.host if label == ROOM else name)
        return Cut(source, tracks.start, tracks.end, form, tracks.mask(label), tags)

    # ---- tracks

    async def tracks(self, recording: Recording, wanted: Wanted = ALL) -> Tracks:
        """Who spoke when, in a part of the recording. Raises InvalidRequest, Conflict."""
        start, end = span(recording, wanted)
        version = await self._captions.version(recording.stream_id)
        account = await self._captions.account(recording.stream_id, version)
        turns = None
        if version is CaptionVersion.FINAL:
            turns = await asyncio.to_thread(self._files.read_turns, recording.id)
        return await asyncio.to_thread(Tracks, account, start, end, turns)

    async def sample(self, recording: Recording, label: str) -> bytes:
        """Five seconds of one speaker, as a WAV file. Raises NotFound, Conflict."""
        tracks = await self.tracks(recording)
        pieces = tracks.alone(label)
        try:
            return await asyncio.to_thread(_sample, self._files.audio(recording.id), pieces)
        except (OSError, OggError):
            raise NotFound("The recording has no such audio.", code="no-audio") from None

    async def tracks_zip(
        self, recording: Recording, form: AudioFormat, present: Present, wanted: Wanted = ALL
    ) -> AsyncGenerator[bytes, None]:
        """Every track and the room as one file, made while it is sent. Raises what making a track raises."""
        tracks = await self.tracks(recording, wanted)
        pipe = ZipPipe()
        with pipe.archive() as archive:
            labels = [*(track.label for track in tracks.listed()), ROOM]
            for number, label in enumerate(labels, 1):
                cut = self._track(recording, form, self._files.audio(recording.id), tracks, label)
                name = download_name(f"{number:02d} {tracks.name(label)}", recording.created_at, form.name)
                path = await self.conversions.get(recording.id, cut, present)
                try:
                    async with aclosing(self._entry(name, path, archive, pipe)) as parts:
                        async for part in parts:
                            yield part
                finally:
                    self.conversions.release(path)
        yield pipe.take()

    async def _entry(
        self, name: str, path: Path, archive: zipfile.ZipFile, pipe: ZipPipe
    ) -> AsyncGenerator[bytes, None]:
        source = await asyncio.to_thread(path.open, "rb")
        async with aclosing(stored(name, source, archive, pipe)) as parts:
            async for part in parts:
                yield part


def _tags(recording: Recording, title: str, artist: str) -> dict[str, str]:
    return {"title": title, "artist": artist, "date": f"{recording.created_at:%Y-%m-%d}"}


def _sample(source: Path, pieces: list[Span]) -> bytes:
    """Blocks. Raises OSError, OggError."""
    parts: list[Samples] = []
    with source.open("rb") as file:
        for start, end in pieces:
            piece = np.concatenate(list(ogg_range.decode_range(file, start, end)))
            soft = np.minimum(1.0, np.arange(1, len(piece) + 1, dtype=np.float32) / _SOFT)
            parts += [piece * soft * soft[::-1], np.zeros(BETWEEN, np.float32)]
    return write_wav(np.concatenate(parts[:-1]))
