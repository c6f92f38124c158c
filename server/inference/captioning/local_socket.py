"""The caption worker's Unix socket, by which other processes of this machine reach its models."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ONLY_US = 0o600


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """An address of `path` for sockets, which take no more than 107 bytes, while the block lasts."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bound(path: Path) -> socket.socket:
    """A socket at `path`, for this account only; whatever an earlier worker left there is taken away."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o777 & ~ONLY_US)
    try:
        with short_name(path) as name:
            listener.bind(name)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def connected(path: Path) -> socket.socket:
    """A connection to the worker that listens at `path`. Raises OSError. Blocks: call it in a thread."""
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_name(path) as name:
            ours.connect(name)
    except OSError:
        ours.close()
        raise
    ours.setblocking(False)
    return ours
