"""A file's way through the caption worker of this machine, from any process of the same account.

A file can be heard again from its beginning, so nothing is kept here: where the worker is lost, so is the lane, and
whoever opened it is told. What comes after live streams takes as long as it takes; `backlog` says how far it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from server.audio.frame import AudioFrame
from server.errors import Unavailable
from server.inference.caption_lane import CaptionOptions, Ear, Finished, LaneMemory, OnItems
from server.inference.captioning.items import from_plain, options_values
from server.inference.captioning.local_socket import connected
from server.inference.captioning.wire import BadFrame, FrameReader, encode

LANE = 1
"""There is one on the connection."""

OnLost = Callable[[str], None]

_STOPPED = "The process that makes captions has stopped."


async def open_file_lane(socket: Path, options: CaptionOptions, on_items: OnItems, on_lost: OnLost) -> FileLane:
    """A lane to the worker that listens at `socket`. Raises Unavailable where none does.

    `on_lost` is called with words for a person when nothing more will be said before the end.
    """
    lane = FileLane(on_items, on_lost)
    try:
        ours = await asyncio.to_thread(connected, socket)
        await asyncio.get_running_loop().create_unix_connection(lambda: lane, sock=ours)
    except OSError as error:
        raise Unavailable("No process makes captions here just now.", code="captions-away") from error
    lane.send("open", {"options": options_values(options), "memory": {}})
    return lane


class FileLane(asyncio.Protocol):
    """See `CaptionLane`. Whoever pushes looks at `backlog` and waits."""

    memory = LaneMemory()

    def __init__(self, on_items: OnItems, on_lost: OnLost) -> None:
        self._on_items = on_items
        self._on_lost = on_lost
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._end = 0
        self._needed = 0
        self._over = False

    @property
    def backlog(self) -> int:
        """Samples (48 kHz) that were pushed and are not heard by everybody yet."""
        return max(0, self._end - self._needed)

    def push(self, ear: Ear, frame: AudioFrame) -> None:
        self._end = max(self._end, frame.end)
        self.send("audio", {"ear": ear.value, "start": frame.start}, frame.samples)

    def finish(self) -> None:
        self.send("finish", {})

    def close(self) -> None:
        self._over = True
        if self._transport is not None:
            self._transport.close()

    def send(self, kind: str, values: Mapping[str, Any], *arrays: Any) -> None:
        """A frame to the worker."""
        if not self._over and self._transport is not None:
            self._transport.write(encode(kind, {"lane": LANE, **values}, arrays))

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._lose(_STOPPED)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                if frame.kind == "refused":
                    self._lose(str(frame.values["message"]))
                elif frame.kind == "said" and not self._over:
                    self._said(frame.values)
        except (BadFrame, KeyError, TypeError, ValueError):
            self._lose("The process that makes captions says what nobody understands: it is of another version.")

    def _said(self, values: Mapping[str, Any]) -> None:
        items = [from_plain(item) for item in values["items"]]
        self._needed = min(int(values["words"]), int(values["speakers"]))
        if any(isinstance(item, Finished) for item in items):
            self.close()
        self._on_items(items)

    def _lose(self, reason: str) -> None:
        if not self._over:
            self.close()
            self._on_lost(reason)
