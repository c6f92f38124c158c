"""The data folder: everything that must survive a restart."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from server.config import Settings
from server.errors import DiskFull, Unavailable


def prepare_folders(settings: Settings) -> None:
    """Make the data folder, private to this account. Raises DiskFull where it cannot be written to."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.recordings_dir.mkdir(exist_ok=True)
        settings.uploads_dir.mkdir(exist_ok=True)
        _probe(settings.data_dir)
        _probe(settings.recordings_dir)
    except OSError as error:
        reason = {
            errno.ENOSPC: "the disk is full",
            errno.EROFS: "the disk is read-only",
            errno.EACCES: "this account may not write there",
            errno.EPERM: "this account may not write there",
            errno.ENOTDIR: "part of the path is a file",
            errno.EEXIST: "there is a file of that name",
        }.get(error.errno or 0, (error.strerror or str(error)).lower())
        folder = settings.data_dir.absolute()
        raise DiskFull(
            f"The data folder {folder} cannot be used: {reason}. CLEARCAST_DATA_DIR names another one."
        ) from None


def _probe(folder: Path) -> None:
    path = folder / f".probe-{os.getpid()}"
    path.write_bytes(b"clearcast")
    path.unlink()


def lock_folder(settings: Settings) -> int:
    """Keep other servers out of the data folder; returns the descriptor that holds the lock.

    Two servers on one folder would close each other's recordings. Raises Unavailable.
    """
    path = settings.data_dir / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        folder = settings.data_dir.absolute()
        raise Unavailable(
            f"Another server (process {owner}) uses the data folder {folder}. Stop it, or choose another folder with "
            "CLEARCAST_DATA_DIR or --data-dir.",
            code="locked",
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor
