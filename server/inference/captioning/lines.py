"""The way from a process to the caption worker: all of its lanes over one connection, and again over the next."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Any, cast

from server.inference.caption_lane import CaptionOptions, Ear, LaneMemory, OnItems
from server.inference.captioning.items import from_plain
from server.inference.captioning.lane import WorkerCaptionLane
from server.inference.captioning.wire import Frame, FrameReader, encode
from server.log import get_logger

ROOM = 4 << 20
"""Bytes on their way to the worker, at most; what does not fit waits on the lanes' tapes."""

log = get_logger(__name__)


class _Connection(asyncio.Protocol):
    """One connection; frames go to whom it belongs to."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._reader = FrameReader()
        self.transport: asyncio.Transport | None = None
        self.full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        transport.set_write_buffer_limits(high=ROOM)
        self.transport = transport

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self._lines.pump()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._lines.take(self, frame)
        except (KeyError, TypeError, ValueError) as error:
            log.error("the caption worker says what nobody understands", reason=str(error))
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._lines.lost(self)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Lines:
    """For one event loop. Lanes stay when a connection goes; `connect` gives them the next one."""

    def __init__(self) -> None:
        self._lanes: dict[int, WorkerCaptionLane] = {}
        self._numbers = 0
        self._connection: _Connection | None = None
        self._heard: Mapping[Ear, bool] | None = None
        self.ready = asyncio.Event()
        """Set while a worker with its models is at the other end."""

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.transport is not None and self._heard is not None

    @property
    def writable(self) -> bool:
        return self.connected and self._connection is not None and not self._connection.full

    @property
    def backlog(self) -> int:
        """Undecided audio of the live lane that waits longest, samples."""
        return max((lane.backlog for lane in self._lanes.values() if not lane.file), default=0)

    def open(
        self, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory | None
    ) -> WorkerCaptionLane:
        self._numbers += 1
        lane = WorkerCaptionLane(self, self._numbers, options, start, on_items, memory)
        self._lanes[lane.number] = lane
        if self._heard is not None and self.connected:
            self.send("open", lane.number, lane.opens(self._heard))
        return lane

    def send(self, kind: str, lane: int, values: Mapping[str, Any], *arrays: Any) -> None:
        assert self._connection is not None and self._connection.transport is not None
        self._connection.transport.write(encode(kind, {"lane": lane, **values}, arrays))

    def leave(self, lane: int) -> None:
        if self._lanes.pop(lane, None) is not None and self.connected:
            self.send("close", lane, {})

    async def connect(self, ours: socket.socket) -> None:
        """A worker is at the other end of the socket; when it says who hears, all lanes begin again."""
        self.cut()
        self._heard = None
        self._connection = connection = _Connection(self)
        await asyncio.get_running_loop().create_unix_connection(lambda: connection, sock=ours)

    def died_of(self, lanes: Sequence[int]) -> None:
        """The worker died while it heard these."""
        for number in lanes:
            if number in self._lanes:
                self._lanes[number].died()

    def cut(self) -> None:
        """The worker is gone, or is to be."""
        if self._connection is not None:
            self._connection.abort()

    def close(self) -> None:
        """For good; nobody is told."""
        self._lanes.clear()
        connection, self._connection, self._heard = self._connection, None, None
        self.ready.clear()
        if connection is not None:
            connection.abort()

    # ---- from the connection

    def lost(self, connection: _Connection) -> None:
        """The connection has ended."""
        if connection is not self._connection:
            return
        self._connection = self._heard = None
        self.ready.clear()
        for lane in list(self._lanes.values()):
            lane.lost()

    def take(self, connection: _Connection, frame: Frame) -> None:
        """What the worker says. Raises BadFrame, KeyError, TypeError or ValueError for what means nothing."""
        if connection is not self._connection:
            return
        if frame.kind == "hello":
            self._begin({Ear(ear): bool(heard) for ear, heard in frame.values["hears"].items()})
            return
        lane = self._lanes.get(frame.values["lane"])
        if frame.kind == "said" and lane is not None:
            items = [from_plain(values) for values in frame.values["items"]]
            lane.said(items, int(frame.values["words"]), int(frame.values["speakers"]))
        elif frame.kind == "refused" and lane is not None:
            log.warning("the caption worker refuses a stream", reason=frame.values["message"])
            self._lanes.pop(lane.number)
            lane.refused(str(frame.values["message"]))

    def _begin(self, heard: Mapping[Ear, bool]) -> None:
        self._heard = heard
        for lane in list(self._lanes.values()):
            self.send("open", lane.number, lane.opens(heard))
        self.pump()
        self.ready.set()

    def pump(self) -> None:
        for lane in list(self._lanes.values()):
            if not self.writable:
                return
            lane.pump()
