"""What a process of Clearcast asks of the operating system."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from pathlib import Path

MANY_FILES = 65_536
"""Open files that are asked for: each WebRTC peer takes a socket for each address of the machine."""

PRIVATE = 0o027
"""What other accounts of the machine may not do with new files: anything; the group may read."""

URGENT = -10
"""Nice value of what has a deadline every 10 ms: the event loop of `serve` and the denoiser."""

PATIENT = 5
"""Nice value of what has seconds: captions, which must never make audio late."""

LARGE = 1 << 20
"""Bytes of a piece of memory that goes back to the system as soon as it is free."""
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""From malloc.h."""

AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux schedules sessions before processes, a nice value alone counts only within its session (sched(7))."""


def raise_priority(nice: int = URGENT) -> bool:
    """Ask to run before what has no deadline; whether it was granted (root, CAP_SYS_NICE or RLIMIT_NICE)."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        if AUTOGROUP.exists():
            AUTOGROUP.write_text(str(nice))
    except OSError:
        return False
    return True


def lower_priority(nice: int = PATIENT) -> None:
    """Let everything else run first."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        if AUTOGROUP.exists():
            AUTOGROUP.write_text(str(nice))


def lower_thread_priority(nice: int = PATIENT) -> None:
    """Let everything else run before the thread that calls this; Linux knows priorities of threads."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, nice)


def keep_memory_steady() -> None:
    """Give large pieces of memory back at once, and keep few heaps for threads (mallopt(3); other libraries have none).

    Else glibc learns from the first large ones to keep them all, and hours of audio leave its heaps in tatters.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)
        mallopt(_M_ARENA_MAX, 2)


def allow_many_files(wanted: int = MANY_FILES) -> int:
    """Raise the limit of open files towards `wanted`, as far as the system lets this account; the limit now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    allowed = wanted if hard == unlimited else min(wanted, hard)
    if soft != unlimited and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return allowed
    return soft


def keep_files_private() -> None:
    """Recordings, the database and keys are nobody else's business, wherever the data folder lies."""
    os.umask(PRIVATE)
