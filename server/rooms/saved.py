"""What is on the disk of every stream that is live, so that a later run of the server can go on with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from server.audio.ogg import OggError, scan
from server.clock import PACKET, SAMPLE_RATE, Clock
from server.log import get_logger
from server.rooms.caption_saved import SavedCaptions
from server.rooms.messages import SERVER_STOPPED, SHUTDOWN, DenoiseMode, PublishGrant, StreamInfo

VERSION = 1

KEPT_FOR = timedelta(minutes=5)
"""How long after its last sign of life a stream can go on."""

SAVE_EVERY = 10 * SAMPLE_RATE
"""Samples between two looks at the clock that are written down."""

MAX_BYTES = 1024 * 1024
"""Of one file. Captions that take more than their share go on with their numbers and names alone."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SavedStream:
    """One stream, as its file says. Of its resume tokens only SHA-256 sums are here."""

    id: str
    channel_id: str
    principal: str
    host_name: str
    title: str
    started_at: datetime
    denoise: DenoiseMode
    denoise_strength: float
    post_filter: bool
    record: bool
    """Whether it is being recorded."""
    recorded: bool
    """Whether any of it was."""
    raw: bool
    """Whether the audio before denoising is kept too."""
    tokens: list[str]
    length: int
    """Samples of the timeline that had gone out."""
    index: int
    """Where the timeline stood at `at`."""
    at: datetime
    stopped: bool = False
    """Whether the server was stopped in good order."""
    off_record_since: int | None = None
    """Where on the timeline the span began of which nothing is kept; None while everything is."""
    captions: SavedCaptions = field(default_factory=SavedCaptions)
    version: int = VERSION

    @classmethod
    def of(cls, info: StreamInfo, **own: Any) -> SavedStream:
        """A stream as it is, and what of it only its own server knows: all other fields."""
        return cls(
            id=info.id,
            channel_id=info.channel_id,
            principal=info.principal,
            host_name=info.host_name,
            title=info.title,
            started_at=info.started_at,
            denoise_strength=info.denoise.strength,
            post_filter=info.denoise.post_filter,
            recorded=info.recording.id is not None,
            length=info.position,
            **own,
        )

    @property
    def grant(self) -> PublishGrant:
        """What its publisher was given."""
        return PublishGrant(
            channel_id=self.channel_id,
            principal=self.principal,
            host_name=self.host_name,
            stream_id=self.id,
            title=self.title,
            denoise=self.denoise,
            record=self.record,
            denoise_strength=self.denoise_strength,
            post_filter=self.post_filter,
        )

    @property
    def why(self) -> str:
        """What became of the run of the server that it was live in."""
        return SHUTDOWN if self.stopped else SERVER_STOPPED


class Past:
    """The part of a stream that an earlier run of the server made; its timeline has gone on since."""

    def __init__(self, left: SavedStream, clock: Clock) -> None:
        self.left = left
        self.position = left.length
        passed = (clock.wall() - left.at).total_seconds()
        self._origin = clock.samples() - left.index - round(passed * SAMPLE_RATE)

    def base(self, now: int) -> int:
        """Where the timeline stands at a moment of the server's clock, to the packet, after all that has gone out."""
        return -(-max(self.position, now - self._origin) // PACKET) * PACKET


_ADAPTER = TypeAdapter(SavedStream)


class Shelf:
    """A folder with one small file for each live stream.

    What is put replaces what waits: of one stream at most one write is under way and one waits. A disk that does not
    take it costs nothing but the way back after a crash; it is told once, until it works again.
    """

    def __init__(self, folder: Path, executor: Executor) -> None:
        self._folder = folder
        self._executor = executor
        self._waiting: dict[str, SavedStream | None] = {}
        self._writing: dict[str, asyncio.Future[None]] = {}
        self._failing = False

    def put(self, stream: SavedStream) -> None:
        """Write a stream down; called on the event loop."""
        self._waiting[stream.id] = stream
        self._next(stream.id)

    def remove(self, stream_id: str) -> None:
        """A stream is over: it is not gone on with."""
        self._waiting[stream_id] = None
        self._next(stream_id)

    async def settle(self, patience: float | None = None) -> None:
        """Wait until everything that was put is on the disk, `patience` seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._writing:
                    await asyncio.wait(set(self._writing.values()))
                    await asyncio.sleep(0)

    def _next(self, stream_id: str) -> None:
        if stream_id in self._writing or stream_id not in self._waiting:
            return
        stream = self._waiting.pop(stream_id)
        job = asyncio.get_running_loop().run_in_executor(self._executor, self._write, stream_id, stream)
        self._writing[stream_id] = job
        job.add_done_callback(lambda job: self._written(stream_id, job))

    def _written(self, stream_id: str, job: asyncio.Future[None]) -> None:
        del self._writing[stream_id]
        error = None if job.cancelled() else job.exception()
        if error is not None and not self._failing:
            log.warning("live streams cannot be written down: a crash would end them", error=str(error))
        self._failing = error is not None
        self._next(stream_id)

    def _write(self, stream_id: str, stream: SavedStream | None) -> None:
        path = self._folder / f"{stream_id}.json"
        if stream is None:
            path.unlink(missing_ok=True)
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as file:
            file.write(_text(stream))
            file.flush()
            os.fdatasync(file.fileno())
        draft.replace(path)

    # ---- at the next start; these block

    def left(self, now: datetime, recordings: Path) -> list[SavedStream]:
        """The streams that an earlier run left live and that can go on, each as long as its recording really is."""
        found: dict[str, SavedStream] = {}
        for stream in sorted(self._read(), key=lambda stream: stream.at):
            whole = _as_recorded(stream, recordings / stream.id) if abs(now - stream.at) < KEPT_FOR else None
            if whole is not None:
                found[whole.channel_id] = whole  # the newest, should there be two of a channel
        return list(found.values())

    def clear(self, kept: Iterable[str]) -> None:
        """Throw away what belongs to no stream in `kept`."""
        wanted = {f"{stream_id}.json" for stream_id in kept}
        for path in self._folder.glob("*") if self._folder.is_dir() else ():
            if path.name not in wanted:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _read(self) -> Iterable[SavedStream]:
        for path in sorted(self._folder.glob("*.json")):
            try:
                with path.open("rb") as file:
                    stream = _ADAPTER.validate_json(file.read(MAX_BYTES))
            except (OSError, ValidationError) as error:
                log.warning("a stream of an earlier run cannot be read", file=path.name, error=str(error)[:200])
                continue
            if stream.version == VERSION and stream.at.tzinfo is not None and path.stem == stream.id:
                yield stream


def _text(stream: SavedStream) -> str:
    """The file of a stream."""
    captions = stream.captions
    values = asdict(replace(stream, captions=replace(captions, lane={})))
    values["captions"]["lane"] = captions.lane  # plain already, and the largest part: it is not copied
    text = json.dumps(values, ensure_ascii=False, default=_plain)
    if len(text.encode()) > MAX_BYTES:
        log.warning("a stream knows too much to write it all down", stream=stream.id, bytes=len(text))
        values["captions"].update(lane={}, tail=[])
        text = json.dumps(values, ensure_ascii=False, default=_plain)
    return text


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not written down")


def _as_recorded(stream: SavedStream, folder: Path) -> SavedStream | None:
    """The stream with the true length of its recording; None where that was closed: then the stream is over."""
    try:
        with (folder / "clean.opus").open("rb") as file:
            info = scan(file)
    except (OSError, OggError):
        return stream  # there was none, or the recorder will say what is wrong with it
    if info.closed:
        return None
    return replace(stream, length=max(stream.length, info.last_granule), recorded=True)
