"""What people are told: in the page, in a list to come back to, and by their browser where they want that."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from server.accounts.circles import Circles
from server.accounts.presence import OnAir, Sight
from server.accounts.push import Message, PushService
from server.clock import SAMPLE_RATE, Clock
from server.errors import ClearcastError
from server.log import get_logger
from server.queues import Policy, Queue
from server.store.ids import new_id
from server.store.paging import MAX_PAGE
from server.store.people_records import Notice, Profile
from server.store.records import Page
from server.store.store import Store

MAX_STREAMS = 256
MAX_QUIET = 2_000
QUIET = 600 * SAMPLE_RATE
"""After somebody went live, their friends are not told of it again for so long."""
STREAMS = Queue(
    "went_live",
    MAX_STREAMS,
    Policy.NEWEST,
    holds="streams that began, until friends are told",
    drop="Friends see that somebody is live, and are not told that they went live.",
)
TOLD_LATELY = Queue(
    "went_live_lately",
    MAX_QUIET,
    Policy.FORGET,
    holds="people whose friends were told in the last ten minutes that they are live",
    drop="Their friends are told again, if they begin again.",
)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """A notice, and whom it is about."""

    notice: Notice
    person: Profile


class NewsTold(Protocol):
    """Tells a person's pages."""

    def notification(self, to: Sequence[str], news: News) -> None: ...

    def notifications_read(self, to: str) -> None: ...


class Notifier:
    """Writes notices down, then tells. `start`, then `close`."""

    def __init__(
        self, store: Store, clock: Clock, circles: Circles, sight: Sight, push: PushService, told: NewsTold
    ) -> None:
        self._store = store
        self._clock = clock
        self._circles = circles
        self._sight = sight
        self._push = push
        self._told = told
        self._streams: deque[OnAir] = STREAMS.watch(deque())
        self._lately: OrderedDict[str, int] = TOLD_LATELY.watch(OrderedDict())
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="notices")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ---- telling

    async def tell(self, to: str, kind: str, person: str, **data: Any) -> None:
        """Tell somebody something about a person. What is told again replaces what was told before."""
        await self._store.notices.forget(to, person, kind)
        await self._tell([to], kind, person, data)

    def went_live(self, stream: OnAir) -> None:
        """A stream has begun: those friends who may hear it, and want to know, are told in a moment."""
        now = self._clock.samples()
        before = self._lately.get(stream.owner)
        if before is not None and now - before < QUIET:
            return
        if len(self._streams) >= MAX_STREAMS:
            STREAMS.dropped += 1
            return
        self._lately[stream.owner] = now
        self._lately.move_to_end(stream.owner)
        if len(self._lately) > MAX_QUIET:
            TOLD_LATELY.dropped += 1
            self._lately.popitem(last=False)
        self._streams.append(stream)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            while self._streams:
                stream = self._streams.popleft()
                try:
                    await self._tell_friends(stream)
                except ClearcastError as error:
                    log.warning("friends are not told who went live", error=error.message)
            self._wake.clear()
            await self._wake.wait()

    async def _tell_friends(self, stream: OnAir) -> None:
        circle = await self._circles.of(stream.owner)
        wishes = await self._store.notices.wishes(circle.friends)
        wanted = [user_id for user_id, wish in wishes.items() if wish.get("notify_live", True)]
        may = [user_id for user_id in wanted if await self._sight.visible(user_id, [stream])]
        data = {"stream_id": stream.stream_id, "slug": stream.slug, "title": stream.title}
        await self._tell(may, "friend_live", stream.owner, data, wishes)

    async def _tell(
        self,
        to: Sequence[str],
        kind: str,
        person: str,
        data: Mapping[str, Any],
        wishes: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        profile = (await self._store.friends.profiles(person, [person])).get(person)
        if profile is None or not to:
            return
        now = self._clock.wall()
        notices = [Notice(new_id(), user_id, kind, {"person": person, **data}, now) for user_id in to]
        await self._store.notices.add(notices)
        for notice in notices:
            self._told.notification([notice.user_id], News(notice, profile))
        if self._push.public_key is not None:
            wishes = wishes if wishes is not None else await self._store.notices.wishes(to)
            wanting = [user_id for user_id in to if wishes.get(user_id, {}).get("push", False)]
            await self._push.send(wanting, message(kind, profile, data))

    # ---- what was told

    async def page(self, user_id: str, limit: int = MAX_PAGE, cursor: str | None = None) -> tuple[Page[News], int]:
        """Newest first, and how many are unread; nothing about people whom one may not know of (any more)."""
        page, unread = await self._store.notices.page(user_id, limit=limit, cursor=cursor)
        people = {str(notice.data.get("person")) for notice in page.items}
        known = await self._store.friends.profiles(user_id, people)
        items = [News(notice, known[person]) for notice in page.items if (person := notice.data.get("person")) in known]
        return Page(items, page.total, page.next), unread

    async def read(self, user_id: str, up_to: str) -> bool:
        """Everything up to this one was seen; whether there was such a one."""
        found = await self._store.notices.read(user_id, up_to, self._clock.wall())
        if found:
            self._told.notifications_read(user_id)
        return found

    async def forget(self, user_id: str, person: str, kind: str | None = None) -> None:
        """What somebody was told of a person matters no more."""
        await self._store.notices.forget(user_id, person, kind)


def message(kind: str, person: Profile, data: Mapping[str, Any]) -> Message:
    """What a browser shows while the page is closed; `path` is where a click leads."""
    name = person.display_name
    if kind == "friend_live":
        return Message(f"{name} is live", str(data.get("title", "")), f"/listen/{data.get('slug', '')}")
    if kind == "friend_accepted":
        return Message(f"{name} is your friend now", "", f"/people/{person.id}")
    return Message(f"{name} would like to be your friend", "", "/friends")
