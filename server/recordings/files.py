"""Where a recording's files lie. Everything here touches the disk: call it in a thread."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from server.speech.processor import SpeakerTurn
from server.store.ids import is_id

BIN = ".bin"
EXPORTS = "exports"
TURNS = "turns.json"
VERSIONS = ("clean", "raw")
DRAFT = ".new"
"""How the names of files end that are not whole yet."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What whoever made a recording wrote down beside it; enough to find it again without a database."""

    channel_id: str
    title: str
    host: str
    started_at: datetime | None
    origin: str = "live"
    """"live" or "upload"."""


class RecordingFolders:
    """The folder of recordings: one folder each, and the bin."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def audio(self, recording_id: str, version: str = "clean") -> Path:
        """The Ogg/Opus file of a version, "clean" or "raw"."""
        return self._folder(recording_id) / f"{version}.opus"

    def peaks(self, recording_id: str) -> Path:
        return self._folder(recording_id) / "peaks.json"

    def spectrogram(self, recording_id: str) -> Path:
        return self._folder(recording_id) / "spectrogram.png"

    def checksums(self, recording_id: str) -> Path:
        """What every file of the recording was when it was finished."""
        return self._folder(recording_id) / "checksums.json"

    def events(self, recording_id: str) -> Path:
        """What happened in the stream, line by line."""
        return self._folder(recording_id) / "events.jsonl"

    def turns(self, recording_id: str) -> Path:
        """Who spoke when, once the whole recording was heard."""
        return self._folder(recording_id) / TURNS

    def write_turns(self, recording_id: str, turns: Iterable[SpeakerTurn]) -> None:
        """Keep who spoke when, as it was worked out from the whole recording."""
        values = [[turn.start, turn.end, turn.speaker, round(turn.probability, 4)] for turn in turns]
        write_whole(self.turns(recording_id), json.dumps(values).encode())

    def read_turns(self, recording_id: str) -> list[SpeakerTurn] | None:
        """The same; None where it was not kept."""
        try:
            kept = json.loads(self.turns(recording_id).read_text("utf-8"))
            return [SpeakerTurn(int(start), int(end), str(who), float(sure)) for start, end, who, sure in kept]
        except (OSError, ValueError, TypeError):
            return None

    def exports(self, recording_id: str) -> Path:
        """What was made of the recording for people to take along; all of it can be made again."""
        return self._folder(recording_id) / EXPORTS

    def all_exports(self) -> Iterator[Path]:
        """Such files of all recordings, those in the bin too."""
        yield from self.root.glob(f"*/{EXPORTS}/*")
        yield from self.root.glob(f"{BIN}/*/{EXPORTS}/*")

    def size(self, recording_id: str) -> int:
        """Bytes of all audio of a recording."""
        paths = [self.audio(recording_id, version) for version in VERSIONS]
        return sum(path.stat().st_size for path in paths if path.exists())

    def sweep(self, recording_id: str) -> int:
        """Remove drafts that nobody will finish; returns how many."""
        drafts = list(self._folder(recording_id).glob(f"*{DRAFT}"))
        for draft in drafts:
            draft.unlink(missing_ok=True)
        return len(drafts)

    def ids(self) -> Iterator[str]:
        """Every recording that has a folder, without the bin."""
        if not self.root.is_dir():
            return
        for entry in sorted(self.root.iterdir()):
            if entry.is_dir() and is_id(entry.name):
                yield entry.name

    def in_bin(self) -> RecordingFolders:
        """The recordings in the bin, as if they were not there."""
        return RecordingFolders(self.root / BIN)

    def read_meta(self, recording_id: str) -> Meta:
        """What meta.json says; empty texts for what it does not, or where it cannot be read."""
        values: Any = {}
        with contextlib.suppress(OSError, ValueError):
            values = json.loads((self._folder(recording_id) / "meta.json").read_text("utf-8"))
        if not isinstance(values, dict):
            values = {}
        try:
            started_at = datetime.fromisoformat(str(values.get("started_at", "")))
        except ValueError:
            started_at = None
        if started_at is not None and started_at.tzinfo is None:
            started_at = None
        texts = [str(values.get(name) or "")[:200] for name in ("channel_id", "title", "host_name")]
        origin = "upload" if values.get("origin") == "upload" else "live"
        return Meta(texts[0], texts[1], texts[2], started_at, origin)

    def exists(self, recording_id: str) -> bool:
        return self._folder(recording_id).is_dir()

    def modified_at(self, recording_id: str) -> float:
        """When the audio was last written, seconds since the epoch; the folder where there is none."""
        path = self.audio(recording_id)
        return (path if path.exists() else self._folder(recording_id)).stat().st_mtime

    def bin(self, recording_id: str) -> None:
        """Move a recording to the bin, without what was made of it."""
        shutil.rmtree(self.exports(recording_id), ignore_errors=True)
        self._move(self._folder(recording_id), self._binned(recording_id))

    def restore(self, recording_id: str) -> None:
        """Move a recording back from the bin."""
        self._move(self._binned(recording_id), self._folder(recording_id))

    def purge(self, recording_id: str) -> None:
        """Remove a binned recording for good."""
        shutil.rmtree(self._binned(recording_id), ignore_errors=True)

    def remove(self, recording_id: str) -> None:
        """Remove a recording for good, wherever it lies. Raises OSError, and then it can be tried again."""
        for folder in (self._folder(recording_id), self._binned(recording_id)):
            if folder.exists():
                shutil.rmtree(folder)

    def _folder(self, recording_id: str) -> Path:
        if not is_id(recording_id):
            raise ValueError(f"not a recording's id: {recording_id!r}")
        return self.root / recording_id

    def _binned(self, recording_id: str) -> Path:
        return self.root / BIN / self._folder(recording_id).name

    @staticmethod
    def _move(source: Path, target: Path) -> None:
        if not source.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that there is the whole of it or nothing, whenever it is cut off. Raises OSError.

    FileExistsError where somebody else is writing the same just now, or was cut off: `RecordingFolders.sweep`.
    """
    draft = path.with_name(path.name + DRAFT)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    with contextlib.ExitStack() as unless_written:
        unless_written.callback(draft.unlink, missing_ok=True)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(path)
        unless_written.pop_all()
