"""What the suite watches while asynchronous tests run: work that holds the event loop, tasks that are left behind.

Two kinds of holding are caught, both only in code of `server/`:

- calls that wait for a disk, the network or the clock (`Watch.calls`), found for certain whenever they happen;
- calls that compute for longer than `BUSY_S` (`Watch.busy`), found by looking at the loop's stack meanwhile. One call
  has to take that long in itself: a test that makes a thousand short ones without a pause is no fault of the
  server's. The thread's processor time counts, without what garbage collection took, and between two looks no more
  than `LOOK_MOST_S` of it: a crowded, slow or paused machine does not fail a test.
"""

from __future__ import annotations

import asyncio
import builtins
import functools
import gc
import hashlib
import io
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from time import clock_gettime
from types import FrameType
from typing import Any

BUSY_S = 0.5
LOOK_S = 0.05
LOOK_MOST_S = 2 * LOOK_S
SERVER = str(Path(__file__).parents[1] / "server") + os.sep
TESTS = str(Path(__file__).parent) + os.sep
AT_START = {"load_settings", "upgrade", "static_dir"}
"""Functions of `server/` that look at files once, before anybody is there to wait."""
HARMLESS_CALLERS = ("linecache.py", "tokenize.py", "traceback.py", "<frozen importlib")
"""Printing a traceback and importing read files on behalf of whoever caused them."""
COVERAGE = f"{os.sep}coverage{os.sep}"
"""Measuring coverage looks a file up when it first sees a function of it."""

WAITING: list[tuple[Any, str]] = [
    (time, "sleep"),
    (os, "fsync"),
    (os, "fdatasync"),
    *((os, name) for name in ("stat", "lstat", "listdir", "scandir", "mkdir", "open", "statvfs", "truncate")),
    *((os, name) for name in ("link", "remove", "rename", "replace", "rmdir", "symlink", "unlink", "utime")),
    (socket, "getaddrinfo"),
    (socket, "gethostbyname"),
    (sqlite3, "connect"),
    (hashlib, "scrypt"),
    (hashlib, "pbkdf2_hmac"),
    (subprocess.Popen, "wait"),
    (subprocess.Popen, "communicate"),
    (builtins, "open"),
    (io, "open"),
]


class Watch:
    """What has been seen since the last `clear`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.busy: list[str] = []
        self.running: tuple[int, float] | None = None
        """The thread of the callback that runs now, and that thread's processor time when it began."""
        self.collection_began: float | None = None
        self.collecting = 0.0
        """Processor time that garbage collection took in the callback that runs now: the suite's heap is its own."""

    def clear(self) -> None:
        self.calls.clear()
        self.busy.clear()


watch = Watch()


def install() -> None:
    """Start watching; once a process."""
    for owner, name in WAITING:
        setattr(owner, name, _reporting(getattr(owner, name), name))
    run = asyncio.Handle._run

    def timed(self: asyncio.Handle) -> None:
        watch.collecting, watch.collection_began = 0.0, None
        watch.running = (threading.get_ident(), time.thread_time())
        try:
            run(self)
        finally:
            watch.running = None

    asyncio.Handle._run = timed  # type: ignore[method-assign]
    gc.callbacks.append(_collected)
    threading.Thread(target=_look, name="busy-watch", daemon=True).start()


async def leftover_tasks(known: set[asyncio.Task[Any]], patience: float = 10.0) -> list[str]:
    """Tasks of this loop that are not in `known` and do not end by themselves in `patience` s; they are cancelled."""
    for _ in range(max(1, int(patience / 0.02))):
        left = asyncio.all_tasks() - known - {asyncio.current_task()}
        if not left:
            return []
        await asyncio.sleep(0.02)
    for task in left:
        task.cancel()
    await asyncio.wait(left, timeout=10)
    return [f"{task.get_name()}: {task.get_coro()!r}" for task in left]


def _reporting(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if asyncio._get_running_loop() is not None:
            culprit = _server_line(sys._getframe(1))
            if culprit and not _device(args) and not _starting(sys._getframe(1)):
                watch.calls.append(f"{name}() from {culprit}")
        return call(*args, **kwargs)

    return wrapper


def _device(args: tuple[Any, ...]) -> bool:
    return bool(args) and isinstance(args[0], str | Path) and str(args[0]).startswith(("/proc/", "/sys/", "/dev/"))


def _starting(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if code.co_name in AT_START and code.co_filename.startswith(SERVER):
            return True
        frame = frame.f_back
    return False


def _server_line(frame: FrameType | None) -> str | None:
    """The innermost line of ours that led to `frame`; None when there is none or the call is harmless."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(SERVER):
            if frame.f_code.co_name == "<module>":
                return None  # being imported: which test is the first to need it is chance
            return f"{name[len(SERVER) - len('server/') :]}:{frame.f_lineno} ({frame.f_code.co_name})"
        if name.endswith(HARMLESS_CALLERS) or name.startswith(HARMLESS_CALLERS) or COVERAGE in name:
            return None
        frame = frame.f_back
    return None


def _collected(phase: str, _info: dict[str, int]) -> None:
    running = watch.running
    if running is None or running[0] != threading.get_ident():
        return
    if phase == "start":
        watch.collection_began = time.thread_time()
    elif watch.collection_began is not None:
        watch.collecting += time.thread_time() - watch.collection_began
        watch.collection_began = None


class _Look:
    """The callback that runs, as it was seen at one moment, and how long its present call has computed so far."""

    def __init__(self, running: tuple[int, float], call: FrameType | None) -> None:
        self.running = running
        self.call = call
        self.thread_s = 0.0
        """Processor time of the callback without garbage collection, when it was looked at last."""
        self.call_s = 0.0
        self.told = False


def _look() -> None:
    look = None
    while True:
        threading.Event().wait(LOOK_S)
        running = watch.running
        if running is None or watch.collection_began is not None:
            look = look if running is not None and look is not None and look.running == running else None
            continue
        if look is None or look.running != running:
            look = _Look(running, None)
        _count(look)


def _count(look: _Look) -> None:
    """Add what has passed since the last look to the call that runs; tell of it once it is too much."""
    thread, began = look.running
    try:
        spent = clock_gettime(time.pthread_getcpuclockid(thread)) - began - watch.collecting
    except OSError:
        return
    frame = sys._current_frames().get(thread)
    if frame is None or watch.running != look.running or spent < LOOK_S:
        return
    passed, look.thread_s = spent - look.thread_s, spent
    call = _call(frame)
    if call is not look.call:
        look.call, look.call_s = call, 0.0
    elif _server_line(frame):
        look.call_s += max(0.0, min(passed, LOOK_MOST_S))
    if look.call_s >= BUSY_S and not look.told and _server_line(frame):
        look.told = True
        watch.busy.append(f"{look.call_s:.2f} s and counting:\n" + "".join(traceback.format_stack(frame)[-6:]))


def _call(frame: FrameType | None) -> FrameType | None:
    """The outermost frame of ours below whoever called us: the one call that the rest is part of."""
    call = None
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(SERVER):
            call = frame
        elif name.startswith(TESTS) and call is not None:
            return call
        frame = frame.f_back
    return call
