"""Whoever is connected to the worker: frames in become commands to the engine, what streams say becomes frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from server.audio.frame import AudioFrame
from server.errors import ClearcastError
from server.inference.caption_lane import Ear
from server.inference.captioning.engine import Engine, Opening, Told
from server.inference.captioning.items import options_from, to_plain, voices, word
from server.inference.captioning.wire import BadFrame, Frame, FrameReader, encode
from server.log import get_logger
from server.queues import Policy, Queue
from server.speech.transcriber import Resume

MAX_UNREAD = 8 << 20
UNREAD = Queue(
    "caption_answers",
    MAX_UNREAD,
    Policy.READER,
    holds="bytes that the caption worker has to say to a process which does not read them",
    drop="The process was cut off; it connects again and goes on where it was.",
)

log = get_logger(__name__)


class Peer(asyncio.Protocol):
    """One connection. A frame that means nothing ends it, and only it."""

    def __init__(self, number: int, engine: Engine, on_gone: Callable[[int], None]) -> None:
        self.number = number
        self.on_lost: Callable[[], Any] = lambda: None
        self._engine = engine
        self._on_gone = on_gone
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._lanes: set[int] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        self._transport = transport
        self._send("hello", {"hears": {ear.value: heard for ear, heard in self._engine.hears.items()}})

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except BadFrame as error:
            log.warning("a connection to the caption worker is closed", reason=str(error))
            self._end()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for lane in self._lanes:
            self._engine.leave((self.number, lane))
        self._lanes.clear()
        self._on_gone(self.number)
        self.on_lost()

    def tell(self, lane: int, told: Told) -> None:
        items = [to_plain(item) for item in told.items]
        self._send("said", {"lane": lane, "items": items, "words": told.words, "speakers": told.speakers})

    def _send(self, kind: str, values: dict[str, Any]) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(encode(kind, values))
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            UNREAD.dropped += 1
            log.warning("a process does not read what the caption worker says, it is cut off")
            self._end()

    def _end(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _take(self, frame: Frame) -> None:
        try:
            self._command(frame)
        except ClearcastError as error:
            lane = int(frame.values["lane"])
            self._lanes.discard(lane)
            self._engine.leave((self.number, lane))
            self._send("refused", {"lane": lane, "code": error.code, "message": error.message})
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            if isinstance(error, BadFrame):
                raise
            raise BadFrame(f"{frame.kind}: {type(error).__name__}: {error}") from error

    def _command(self, frame: Frame) -> None:
        values = frame.values
        lane = values["lane"]
        if type(lane) is not int:
            raise BadFrame("a lane is a number")
        key = self.number, lane
        match frame.kind:
            case "open":
                if lane in self._lanes:
                    raise BadFrame("the lane is open")
                self._lanes.add(lane)
                self._engine.open(key, _opening(values))
            case "audio":
                (samples,) = frame.arrays
                if samples.ndim != 1:
                    raise BadFrame("audio has one dimension")
                start, decided = int(values["start"]), int(values.get("decided", 0))
                if lane in self._lanes:
                    self._engine.push(key, Ear(values["ear"]), AudioFrame(start, samples), decided)
            case "finish":
                self._engine.finish(key)
            case "close":
                self._lanes.discard(lane)
                self._engine.leave(key)
            case _:
                raise BadFrame(f"nobody knows {frame.kind!r}")


def _opening(values: Any) -> Opening:
    memory = values.get("memory") or {}
    resume = Resume(tuple(word(entry) for entry in memory.get("committed", [])), memory.get("language"))
    known = voices(memory["voices"]) if memory.get("voices") else None
    return Opening(options_from(values["options"]), resume, known)
