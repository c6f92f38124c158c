"""Reading what the recorder wrote: its true length, a proper end, its peaks. Blocks: call it in a thread."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from server.audio import ogg
from server.audio.peaks import file_peaks
from server.recordings.files import RecordingFolders, write_whole
from server.recordings.seal import seal_one

MAX_PEAKS = 1200
"""Columns of the drawing, at most."""


class NoAudio(Exception):
    """There is no audio, or none that can be read; the text is for a person."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a finished recording comes to. `length` is in samples at 48 kHz."""

    length: int
    size_bytes: int
    has_raw: bool


@dataclass(frozen=True, slots=True)
class Peaks:
    """The loudest sample, 0 to 1, of each step of `step_s` seconds."""

    step_s: float
    peaks: list[float]
    pauses: list[tuple[float, float]] = field(default_factory=list)
    """When nobody is heard for a second or more: (start, end), seconds."""


def settle(folders: RecordingFolders, recording_id: str) -> Measured:
    """Close the files where a crash left them open, and take their measure. Raises NoAudio, OSError."""
    length = close(folders.audio(recording_id))
    raw = folders.audio(recording_id, "raw")
    has_raw = raw.exists()
    if has_raw:
        try:
            close(raw)
        except NoAudio:
            has_raw = False
    return Measured(length, folders.size(recording_id), has_raw)


def close(path: Path) -> int:
    """End an Ogg/Opus file properly, cutting off a torn last page; returns its length in samples.

    A file that is closed already is left alone.
    """
    if not path.exists():
        raise NoAudio("Nothing had been written yet.")
    try:
        with path.open("r+b") as file:
            info = ogg.scan(file)
            if info.packets == 0:
                raise NoAudio("The file holds no audio that can be read.")
            if not info.closed or info.torn_bytes:
                info = ogg.close_tail(file)
                os.fsync(file.fileno())
    except ogg.OggError as error:
        raise NoAudio(error.message) from error
    return info.duration_samples


def peaks(folders: RecordingFolders, recording_id: str) -> Peaks:
    """The drawing of the clean audio, made once and kept beside it. Raises NoAudio, OSError."""
    kept = folders.peaks(recording_id)
    try:
        values = json.loads(kept.read_text())
        pauses = [(float(start), float(end)) for start, end in values["pauses"]]
        return Peaks(float(values["step_s"]), [float(value) for value in values["peaks"]], pauses)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    drawn = draw(folders.audio(recording_id))
    with contextlib.suppress(FileExistsError, FileNotFoundError):  # somebody else draws them as well
        write_peaks(folders, recording_id, drawn)
        seal_one(folders, recording_id, kept)
    return drawn


def write_peaks(folders: RecordingFolders, recording_id: str, drawn: Peaks) -> None:
    """Keep them. Raises OSError."""
    write_whole(folders.peaks(recording_id), json.dumps(asdict(drawn)).encode())


def draw(path: Path) -> Peaks:
    """Decode a whole file for its peaks."""
    if not path.exists():
        raise NoAudio("The recording's audio is not there.")
    try:
        with path.open("rb") as file:
            drawn = file_peaks(file, MAX_PEAKS)
    except ogg.OggError as error:
        raise NoAudio(error.message) from error
    return Peaks(drawn.step_seconds, list(drawn.values), list(drawn.pauses))
