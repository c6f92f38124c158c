"""Unpacking an archive from somewhere else: nothing leaves its folder, nothing grows beyond what it may."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from server.errors import ModelCorrupt
from server.inference.download import CHUNK

_DAMAGE = (*(zipfile.BadZipFile, zipfile.LargeZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError),)


@contextmanager
def staging_beside(part: Path, name: str) -> Iterator[Path]:
    """A folder on the same disk as `part`, gone afterwards."""
    staging = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=part.parent))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def install(root: Path, target: Path) -> None:
    """Put a folder in the place of `target`."""
    root.chmod(0o755)
    old = root.parent / f"{target.name}-old"
    if target.exists():
        target.rename(old)
    root.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def unpack(name: str, archive: Path, folder: Path, max_size: int) -> None:
    """Unpack a zip file or a tar file, packed in any way. `name` is for people. Raises ModelCorrupt."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                _Place(name, folder, max_size).zip(file)
        else:
            with tarfile.open(archive) as tar:
                _Place(name, folder, max_size).tar(tar)
    except _DAMAGE as error:
        raise ModelCorrupt(f"{name} was fetched, but the file is damaged; nothing was installed.") from error
    except OSError as error:
        if error.errno is not None:
            raise
        # What bz2 and lzma say of a damaged file.
        raise ModelCorrupt(f"{name} was fetched, but the file is damaged; nothing was installed.") from error


class _Place:
    """Where an archive goes, and what is left of the room for it."""

    def __init__(self, name: str, folder: Path, room: int) -> None:
        self._name = name
        self._folder = folder
        self._room = room

    def zip(self, archive: zipfile.ZipFile) -> None:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            self._check(member.filename, member.file_size, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if not member.is_dir():
                with archive.open(member) as source:
                    self._write(member.filename, source)

    def tar(self, archive: tarfile.TarFile) -> None:
        for member in archive:
            self._check(member.name, member.size, member.isfile() or member.isdir())
            source = archive.extractfile(member) if member.isfile() else None
            if source is not None:
                with source:
                    self._write(member.name, source)

    def _check(self, name: str, size: int, plain: bool) -> None:
        path = PurePosixPath(name)
        unsafe = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
        if unsafe or not plain:
            raise ModelCorrupt(f"{self._name} contains a file with an unsafe name; nothing was installed.")
        self._room -= size
        if self._room < 0:
            raise ModelCorrupt(f"{self._name} is larger than it can be; nothing was installed.")

    def _write(self, name: str, source: IO[bytes]) -> None:
        place = self._folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
            file.flush()
            os.fsync(file.fileno())
