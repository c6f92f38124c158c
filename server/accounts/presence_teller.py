"""Tells friends who is here: whoever has changed once, to those friends only who follow it just now."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Protocol

from server.accounts.circles import Circles
from server.accounts.presence import OnAir, PresenceBook, Seen, Sight
from server.errors import ClearcastError
from server.log import get_logger
from server.queues import Policy, Queue

MAX_CHANGED = 10_000
AT_ONCE = 50
"""Friends that are told between two breaths of the event loop."""
CHANGED = Queue(
    "presence",
    MAX_CHANGED,
    Policy.OLDEST,
    holds="people who came, went or are live, until their friends are told; each once",
    drop="Friends see what was before until their page begins anew.",
)

log = get_logger(__name__)


class PresenceTold(Protocol):
    """Tells people's pages."""

    def follows(self, user_id: str) -> bool:
        """Whether somebody has a page that wants to know of friends."""
        ...

    def presence(self, to: Iterable[str], user_id: str, seen: Seen) -> None: ...


class PresenceTeller:
    """Presence by the clock of the event loop. `start`, then `close`."""

    def __init__(self, book: PresenceBook, circles: Circles, sight: Sight, told: PresenceTold) -> None:
        self._book = book
        self._circles = circles
        self._sight = sight
        self._told = told
        self._changed: OrderedDict[str, None] = CHANGED.watch(OrderedDict())
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="presence")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ---- what happens

    def arrived(self, user_id: str) -> None:
        """Somebody opened a page."""
        if self._book.arrived(user_id):
            self.changed(user_id)

    def left(self, user_id: str) -> None:
        """Somebody closed one."""
        self._book.left(user_id, asyncio.get_running_loop().time())
        self._wake.set()

    def began(self, stream: OnAir) -> None:
        """A stream is live, or is called something else."""
        self.changed(*self._book.began(stream))

    def ended(self, stream_id: str) -> None:
        self.changed(*self._book.ended(stream_id))

    def listens(self, user_id: str, channel_id: str, *, here: bool) -> None:
        """Somebody has begun or ceased to listen to a channel."""
        told = self._book.listens if here else self._book.stops_listening
        if told(user_id, channel_id):
            self.changed(user_id)

    def access_changed(self, channel_id: str) -> None:
        """Other people than before may hear what is on a channel."""
        self.changed(*self._book.involved(channel_id))

    def changed(self, *user_ids: str) -> None:
        """Friends are to be told how these are now."""
        for user_id in user_ids:
            self._changed[user_id] = None
            if len(self._changed) > MAX_CHANGED:
                CHANGED.dropped += 1
                self._changed.popitem(last=False)
        if user_ids:
            self._wake.set()

    # ---- telling

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            self.changed(*self._book.gone(loop.time()))
            while self._changed:
                user_id, _ = self._changed.popitem(last=False)
                try:
                    await self._tell(user_id)
                except ClearcastError as error:
                    log.warning("friends are not told who is here", error=error.message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._book.due()):
                    await self._wake.wait()

    async def _tell(self, user_id: str) -> None:
        circle = await self._circles.of(user_id)
        viewers = [friend for friend in circle.friends if self._told.follows(friend)]
        streams = self._book.streams_of(user_id)
        for start in range(0, len(viewers), AT_ONCE):
            alike: dict[Seen, list[str]] = {}
            for viewer in viewers[start : start + AT_ONCE]:
                alike.setdefault(await self._seen(user_id, viewer, streams), []).append(viewer)
            for seen, these in alike.items():
                self._told.presence(these, user_id, seen)
            await asyncio.sleep(0)

    async def _seen(self, user_id: str, viewer: str, streams: Collection[OnAir]) -> Seen:
        visible = await self._sight.visible(viewer, streams) if streams else set()
        return self._book.seen(user_id, lambda stream: stream.stream_id in visible)
