"""Where the files of uploads lie: each in a folder named by its id, never by anybody else. Blocks: call in a thread."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from server.store.ids import is_id

CHUNK = 1 << 20
"""Bytes that are read at once."""


class UploadFolders:
    """The folder of uploads."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def content(self, upload_id: str) -> Path:
        """What has come of the file."""
        return self._folder(upload_id) / "content"

    def work(self, upload_id: str) -> Path:
        """Where a recording is made of it, until it is whole."""
        return self._folder(upload_id) / "work"

    def begin(self, upload_id: str) -> None:
        """Raises OSError."""
        self._folder(upload_id).mkdir(parents=True, exist_ok=True)
        self.content(upload_id).touch(mode=0o640)

    def link(self, upload_id: str, other_id: str) -> None:
        """Give an upload the file of another one, without a second copy. Raises OSError."""
        self._folder(upload_id).mkdir(parents=True, exist_ok=True)
        os.link(self.content(other_id), self.content(upload_id))

    def write(self, upload_id: str, offset: int, data: bytes) -> None:
        """Put `data` where it belongs. Raises OSError."""
        with self.content(upload_id).open("r+b") as file:
            file.seek(offset)
            file.write(data)

    def cut(self, upload_id: str, size: int) -> None:
        """Leave only the first `size` bytes, and see them to the disk. Raises OSError."""
        with self.content(upload_id).open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def digest(self, upload_id: str) -> str:
        """SHA-256 of the whole file. Raises OSError."""
        digest = hashlib.sha256()
        with self.content(upload_id).open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def has_content(self, upload_id: str) -> bool:
        return self.content(upload_id).is_file()

    def drop_work(self, upload_id: str) -> None:
        """Take away what was half done. Raises OSError."""
        if self.work(upload_id).exists():
            shutil.rmtree(self.work(upload_id))

    def drop_content(self, upload_id: str) -> None:
        """The file itself is not needed any more. Raises OSError."""
        self.content(upload_id).unlink(missing_ok=True)

    def remove(self, upload_id: str) -> None:
        """Everything of an upload. Raises OSError, and then it can be tried again."""
        if self._folder(upload_id).exists():
            shutil.rmtree(self._folder(upload_id))

    def ids(self) -> Iterator[str]:
        """Every upload that has a folder."""
        if self.root.is_dir():
            yield from sorted(entry.name for entry in self.root.iterdir() if entry.is_dir() and is_id(entry.name))

    def free(self) -> int:
        """Bytes that are free on the disk. Raises OSError."""
        folder = self.root if self.root.is_dir() else self.root.parent
        return shutil.disk_usage(folder).free

    def _folder(self, upload_id: str) -> Path:
        if not is_id(upload_id):
            raise ValueError(f"not an upload's id: {upload_id!r}")
        return self.root / upload_id
