"""The files of one recording: the blocking half of the recorder, which runs in a thread."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server import metrics
from server.audio.ogg import OggError, OggOpusWriter, scan
from server.audio.opus import packet_duration
from server.audio.toc import silence_packets
from server.clock import PACKET, SAMPLE_RATE
from server.errors import DiskFull
from server.rooms.messages import StreamInfo

PAGE = 20 * PACKET
"""Samples on a page at most (0.4 s), even where a slow disk has let packets pile up: what a torn write may cost."""

SILENCE_PAGE = 50
"""Silence packets on one page (1 s) where a long stretch of missing time is filled."""

LAST_LINE = 64 * 1024
"""Bytes at the end of the event log in which its last line begins."""

HEADERS = 100
"""Bytes of a file that holds its headers and nothing else; what is shorter was cut off before any audio."""

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """What a recording is; fixed when it starts."""

    folder: Path
    pre_skip: int
    """Samples at the start of the decoded audio that a player leaves out (RFC 7845, section 4.2)."""
    reserve_mb: int
    raw: bool
    """Whether the audio before denoising is kept too."""
    channels: int = 1
    begun: bool = False
    """Whether an earlier run of the server has begun it."""


def describe(stream: StreamInfo, plan: RecordingPlan) -> dict[str, Any]:
    """What meta.json says, so that a recording can be recovered without a database."""
    return {
        "version": 1,
        "origin": "live",
        "stream_id": stream.id,
        "channel_id": stream.channel_id,
        "principal": stream.principal,
        "host_name": stream.host_name,
        "title": stream.title,
        "started_at": stream.started_at.isoformat(),
        "ended_at": stream.ended_at.isoformat() if stream.ended_at else None,
        "end_reason": stream.end_reason,
        "sample_rate": SAMPLE_RATE,
        "position": stream.position,
        "pre_skip": plan.pre_skip,
        "channels": plan.channels,
        "denoise": stream.denoise.mode.value,
        "files": ["clean.opus", "raw.opus"] if plan.raw else ["clean.opus"],
        "sources": list(stream.sources),
    }


@dataclass(slots=True)
class Batch:
    """What one visit to the disk writes; packets as (position, bytes)."""

    lines: list[str] = field(default_factory=list)
    clean: list[tuple[int, bytes]] = field(default_factory=list)
    duration: int = 0
    """Samples in `clean`."""
    raw: list[tuple[int, bytes]] = field(default_factory=list)
    meta: dict[str, Any] | None = None
    """The whole of meta.json, where it changed."""


class AppendFile:
    """A file that only grows, by whole pieces.

    A piece that does not fit is cut off again and kept; the next `append` tries it first. Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, FLAGS, 0o640)
        self._size = os.fstat(self._fd).st_size
        self._left = b""

    def append(self, data: bytes) -> None:
        """Write `data` and see it to the disk."""
        data = self._left + data
        self._left = data
        if os.fstat(self._fd).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "the file was removed")
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
            os.fdatasync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._left = b""
        self._size += len(data)
        metrics.RECORDED_BYTES.inc(len(data))

    def close(self) -> None:
        os.close(self._fd)


class OpusFile:
    """An unchained Ogg/Opus file whose position is stream time.

    Time for which no packet comes is written as silence packets, so that every player agrees on where it is.
    Raises OSError; whatever was written before stays whole.
    """

    def __init__(self, path: Path, plan: RecordingPlan) -> None:
        left = _left_open(path)
        self._ogg = left or OggOpusWriter(pre_skip=plan.pre_skip, serial=secrets.randbits(32), channels=plan.channels)
        self._channels = plan.channels
        self._file = AppendFile(path)
        self._new = None if left is not None else path
        self.position = self._ogg.position
        if left is not None:
            return
        try:
            self._file.append(self._ogg.header())
        except OSError:
            self.give_up()  # a later attempt starts afresh
            raise

    def write(self, packets: list[tuple[int, bytes]]) -> None:
        """Append packets and see them to the disk; what was left out between them is silence."""
        pages: list[bytes] = []
        for start, packet in packets:
            if start > self.position:
                pages.append(self._ogg.page())
                self._file.append(b"".join(pages))
                pages.clear()
                self._fill(start)
            if start == self.position:
                self._add(packet)
            if self._ogg.pending >= PAGE:
                pages.append(self._ogg.page())
        pages.append(self._ogg.page())
        self._file.append(b"".join(pages))

    def close(self) -> None:
        """End the stream (RFC 3533: the last page says so) and the file."""
        try:
            self._file.append(self._ogg.close(self.position))
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Let go of the file as it is: whole up to its last page, and open for whoever goes on with it."""
        self._file.close()

    def give_up(self) -> None:
        """Let go of the file; one in which nothing was recorded yet goes away."""
        self._file.close()
        if self._new is not None:
            self._new.unlink(missing_ok=True)

    def _add(self, packet: bytes) -> None:
        duration = packet_duration(packet)
        self._ogg.packet(packet, duration)
        self.position += duration

    def _fill(self, end: int) -> None:
        """Silence up to `end`: hours of it are a burst of work, so the event loop gets the interpreter in between."""
        pages: list[bytes] = []
        while self.position + PACKET <= end:
            count = min(SILENCE_PAGE, (end - self.position) // PACKET)
            self._ogg.silence(count)
            self.position += count * PACKET
            pages.append(self._ogg.page())
            if len(pages) == 10:
                self._file.append(b"".join(pages))
                pages.clear()
                time.sleep(0.0005)
        for packet in silence_packets(end - self.position, self._channels):
            self._add(packet)
        pages.append(self._ogg.page())
        self._file.append(b"".join(pages))


def _left_open(path: Path) -> OggOpusWriter | None:
    """The writer of a file that an earlier run of the server was cut off in, at the end of its last whole page.

    None where there is none, or nothing was recorded in it. Raises OSError (EILSEQ) where it cannot be gone on with.
    """
    try:
        with path.open("r+b") as file:
            info = scan(file)
            if info.packets == 0 and not info.closed:
                file.truncate(0)
                return None
            writer = OggOpusWriter.resumed(info)
            file.truncate(info.valid_bytes)
            os.fdatasync(file.fileno())
            return writer
    except FileNotFoundError:
        return None
    except OggError as error:
        if path.stat().st_size <= HEADERS:
            path.write_bytes(b"")
            return None
        raise OSError(errno.EILSEQ, error.message) from error


def _cut_torn_line(path: Path) -> None:
    """A line that a crash cut off would swallow the next one."""
    with path.open("a+b") as file:
        end = file.tell()
        file.seek(max(0, end - LAST_LINE))
        tail = file.read()
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):
            file.truncate(end - len(tail) + whole)


class RecordingFiles:
    """A recording's folder: meta.json, events.jsonl, clean.opus and, where wanted, raw.opus.

    Every method blocks and belongs in a thread, one call at a time.
    """

    def __init__(self, plan: RecordingPlan) -> None:
        self._plan = plan
        self._events: AppendFile | None = None
        self._files: list[OpusFile] = []

    @property
    def opened(self) -> bool:
        return bool(self._files)

    def write(self, batch: Batch) -> None:
        """Write a batch and see it to the disk; the first one makes the folder.

        Raises DiskFull where the reserve is not left before the start, else OSError.
        """
        if not self._files:
            self._open()
        if batch.meta is not None:
            self._write_meta(batch.meta)
        if self._events is not None and batch.lines:
            self._events.append("".join(batch.lines).encode())
        for file, packets in zip(self._files, (batch.clean, batch.raw), strict=False):
            if packets:
                file.write(packets)

    def close(self, batch: Batch, last: bool = True) -> None:
        """Write the last batch and close every file with its true duration; nothing where nothing was opened.

        Where it is not the `last` of the stream, the files are left as they are, for a later run to go on with.
        """
        if not self._files:
            return
        try:
            self.write(batch)
            while last and self._files:
                self._files.pop(0).close()
        finally:
            for file in self._files:
                file.abandon()
            if self._events is not None:
                self._events.close()
            self._files, self._events = [], None

    def _open(self) -> None:
        folder = self._plan.folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
        if free < self._plan.reserve_mb * 1_000_000:
            raise DiskFull(
                f"Not recording: only {free // 1_000_000} MB are free on the disk of recordings and "
                f"{self._plan.reserve_mb} MB are to stay free."
            )
        folder.mkdir(mode=0o750, exist_ok=True)
        opened: list[OpusFile] = []
        try:
            for name in ("clean.opus", "raw.opus") if self._plan.raw else ("clean.opus",):
                opened.append(OpusFile(folder / name, self._plan))
            _cut_torn_line(folder / "events.jsonl")
            self._events = AppendFile(folder / "events.jsonl")
        except OSError:
            for file in opened:
                file.give_up()
            raise
        self._files = opened
        _sync_folder(folder)
        _sync_folder(folder.parent)

    def _write_meta(self, meta: dict[str, Any]) -> None:
        target = self._plan.folder / "meta.json"
        draft = target.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(meta, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fdatasync(file.fileno())
        draft.replace(target)


_KEPT = "What was recorded so far is kept; the stream goes on."
_FULL = f"the disk is full. {_KEPT}"
_FORBIDDEN = "the server may not write to the folder of recordings. The stream goes on."
_GONE = "the folder of recordings is gone. The stream goes on."
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "the folder of recordings is read-only. The stream goes on.",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOENT: _GONE,
    errno.ENOTDIR: _GONE,
    errno.EILSEQ: f"the file is damaged and cannot be gone on with. {_KEPT}",
}


def explain(error: Exception) -> str:
    """Why a recording stopped, for the person who made it."""
    if isinstance(error, DiskFull):
        return error.message
    code = error.errno if isinstance(error, OSError) else None
    return f"Recording stopped: {_REASONS.get(code or 0, f'the disk reports an error. {_KEPT}')}"


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
