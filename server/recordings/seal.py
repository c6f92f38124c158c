"""Checksums of a recording's files, so that it can be said later whether they are what they were. Blocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from server.recordings.files import DRAFT, RecordingFolders, write_whole

PIECE = 1 << 20
"""Bytes read at a time."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One file, as it was."""

    sha256: str
    size: int


_SEALED = TypeAdapter(dict[str, Sealed])


def seal(folders: RecordingFolders, recording_id: str, told: Callable[[float], None] = lambda share: None) -> int:
    """Write down what every file of a recording is; returns how many there are. Raises OSError.

    `told` is called with the share that is done and may raise, and then nothing is written.
    """
    paths = sealable(folders, recording_id)
    whole, done = sum(path.stat().st_size for path in paths) or 1, 0

    def read(count: int) -> None:
        nonlocal done
        done += count
        told(min(1.0, done / whole))

    sums = {path.name: checksum(path, read) for path in paths}
    _write(folders, recording_id, sums)
    return len(sums)


def seal_one(folders: RecordingFolders, recording_id: str, path: Path) -> None:
    """One file of a recording was made anew: only its own checksum is another one. Raises OSError."""
    sealed = read_seal(folders, recording_id)
    if sealed is not None:
        _write(folders, recording_id, {**sealed, path.name: checksum(path)})


def _write(folders: RecordingFolders, recording_id: str, sums: Mapping[str, Sealed]) -> None:
    values = {"version": 1, "files": {name: asdict(known) for name, known in sums.items()}}
    write_whole(folders.checksums(recording_id), json.dumps(values, indent=1).encode())


def sealable(folders: RecordingFolders, recording_id: str) -> list[Path]:
    """Files that have a checksum: all but the checksums themselves and drafts. Raises OSError."""
    own = folders.checksums(recording_id)
    files = (path for path in sorted(own.parent.iterdir()) if path.is_file())
    return [path for path in files if path.name != own.name and not path.name.endswith(DRAFT)]


def read_seal(folders: RecordingFolders, recording_id: str) -> Mapping[str, Sealed] | None:
    """What was written down, by file name; None where nothing was, or nothing that can be read."""
    try:
        values = json.loads(folders.checksums(recording_id).read_bytes())
        return _SEALED.validate_python(values["files"])
    except (OSError, ValueError, ValidationError, KeyError, TypeError):
        return None


def checksum(path: Path, told: Callable[[int], None] = lambda count: None) -> Sealed:
    """SHA-256 and size of a file; `told` hears how many bytes were read each time. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
            told(len(piece))
    return Sealed(digest.hexdigest(), size)
