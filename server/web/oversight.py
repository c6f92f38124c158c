"""What is open is closed when the right to it is lost: topics, sockets, long answers, listeners, publishers.

Rules, circles and credentials tell of their changes; what they may concern is looked at again, in a task of its own, a
few subscribers at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial

from server.accounts import Actor, may_see
from server.accounts.access import About, Change, about_recording, about_stream
from server.accounts.guests import Guest
from server.errors import ClearcastError, NotFound
from server.log import get_logger
from server.queues import Policy, Queue
from server.rooms.messages import StreamInfo
from server.web import hearing, recording_views, views
from server.web.services import Follower, Services

FILTERED = ("streams", "recordings")
"""Topics of which everybody sees a part of their own."""
AT_ONCE = 100
"""Subscribers that are asked between two breaths of the event loop."""
EXPIRY_EVERY = 1.0
"""Seconds between two looks at whether the credentials of what is open still hold."""
WAITING = Queue(
    "reviews",
    4096,
    Policy.EARLY,
    holds="changes of who may hear what, until what is open has been looked at again",
    drop="Too many changes at once: everything that is open was looked at again, once.",
)

log = get_logger(__name__)

Alive = Callable[[set[str]], Awaitable[set[str]]]
"""Those of some credentials that still hold."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Of these people other things are known now."""

    people: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Channel:
    """On this channel a stream has begun or ended."""

    id: str


class Oversight:
    """Follows what decides over access. `start`, then `close`."""

    def __init__(self, services: Services, alive: Alive | None = None) -> None:
        self._services = services
        self._alive = alive
        self._waiting: deque[Change | _Known | _Channel] = WAITING.watch(deque())
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks.append(asyncio.create_task(self._run(), name="oversight"))
        if self._alive is not None:
            self._tasks.append(asyncio.create_task(self._expire(self._alive), name="expiry"))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Wait until everything that has changed so far has been looked at."""
        await self._idle.wait()

    # ---- what is told

    def rule_changed(self, change: Change) -> None:
        """Somebody else may hear a channel, a stream or a recording from now on."""
        self._put(change)

    def circles_changed(self, people: frozenset[str]) -> None:
        """Some people are friends, blocked, banned or in a group, who were not before; or the other way round."""
        self._put(_Known(people))

    def on_air(self, channel_id: str) -> None:
        """A stream began or ended on a channel: who may listen goes by another rule now."""
        self._services.community.presence.access_changed(channel_id)
        self._put(_Channel(channel_id))

    def moved(self, guest: Guest, here: bool) -> None:
        """Somebody has begun or ceased to listen."""
        if guest.actor.id and self._services.settings.accounts:
            self._services.community.presence.listens(guest.actor.id, guest.channel_id, here=here)

    def ended(self, user_id: str, credential: str) -> None:
        """A session or key is good for nothing any more; without `credential` all of a user's. At once."""

        def theirs(actor: Actor) -> bool:
            return actor.id == user_id and credential in ("", actor.credential)

        self._cut(theirs)

    def _put(self, item: Change | _Known | _Channel) -> None:
        if len(self._waiting) >= WAITING.limit:  # type: ignore[operator]
            WAITING.dropped += 1
            people = frozenset(follower.viewer.actor.id for follower in self._services.followers)
            self._waiting.clear()
            self._waiting.append(_Known(people | {guest.actor.id for guest in self._services.guests.everybody()}))
        self._waiting.append(item)
        self._idle.clear()
        self._wake.set()

    # ---- looking again

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            item = self._waiting.popleft()
            try:
                match item:
                    case _Known():
                        await self._review_people(item.people)
                    case _Channel():
                        await self._review_listeners(self._services.guests.on(item.id))
                    case _:
                        await self._review_rule(item)
            except ClearcastError as error:
                log.error("what is open could not be looked at again", error=error.message)

    async def _review_people(self, people: frozenset[str]) -> None:
        services = self._services
        theirs = [follower for follower in self._services.followers if follower.viewer.actor.id in people]
        for topic in FILTERED:
            services.hub.begin_anew(topic)
        for follower in theirs:
            await follower.viewer.refresh()
        guests = [guest for guest in services.guests.everybody() if guest.actor.id in people]
        await self._review_listeners(guests)
        for follower in theirs:
            for topic, about in list(follower.topics.items()):
                if isinstance(about, About):
                    await self._review_topic(follower, topic, about)
                elif topic in FILTERED:
                    await services.hub.refresh(follower, topic)

    async def _review_rule(self, change: Change) -> None:
        services, (kind, id_) = self._services, change.thing
        if kind == "channel":
            await self._review_listeners(services.guests.on(id_))
            for topic in FILTERED:  # its link opens what is on it
                services.hub.begin_anew(topic)
            return
        live = services.media.stream(id_) if kind == "stream" else None
        if live is not None:  # those who listen are told why before the topic is closed to them
            services.community.presence.access_changed(live.channel_id)
            await self._review_listeners(services.guests.on(live.channel_id))
        for topic in (f"stream:{id_}", f"captions:{id_}", f"chat:{id_}"):
            async for follower in _slowly(self._following(topic)):
                await self._review_topic(follower, topic, follower.topics.get(topic))
        if live is not None:
            await self._review_stream(live, change)
        elif kind == "recording":
            await self._review_recording(id_, change)

    async def _review_stream(self, stream: StreamInfo, change: Change) -> None:
        hub = self._services.hub
        hub.begin_anew("streams")
        about = about_stream(stream)
        shown = views.for_all(await views.stream_on(self._services, stream))
        async for follower in _slowly(self._following("streams")):
            before, now = follower.viewer.saw(about, change.before), follower.viewer.sees(about)
            if now and not before:
                hub.tell(follower, "streams", "stream_updated", shown)
            elif before and not now:
                await hub.refresh(follower, "streams")

    async def _review_recording(self, recording_id: str, change: Change) -> None:
        hub = self._services.hub
        hub.begin_anew("recordings")
        try:
            recording = await self._services.library.get(recording_id)
        except NotFound:
            return
        about = about_recording(recording)
        shown = recording_views.told(self._services, recording)
        async for follower in _slowly(self._following("recordings")):
            before, now = follower.viewer.saw(about, change.before), follower.viewer.sees(about)
            if now and not before:
                hub.tell(follower, "recordings", "recording_updated", shown)
            elif before and not now:
                hub.tell(follower, "recordings", "recording_removed", {"id": recording_id})

    async def _review_topic(self, follower: Follower, topic: str, about: About | None) -> None:
        if about is None:
            return
        await follower.viewer.know([about])
        if not follower.viewer.sees(about):
            self._services.hub.tell(follower, topic, "removed", {"reason": "access", "session": None})
            self._services.hub.unsubscribe(follower, [topic])
            if follower.sole:
                follower.finish()

    async def _review_listeners(self, guests: Iterable[Guest]) -> None:
        services = self._services
        for guest in guests:
            channel = await services.channel(guest.channel_id)
            if not may_see(guest.actor, await hearing.to_listen(services, guest.actor, channel)):
                circle = await services.access.circle(guest.actor)
                await self.remove(guest, "banned" if channel.id in circle.bans else "access")

    async def remove(self, guest: Guest, reason: str) -> None:
        """Close a listener's connection; whoever sits at the page is told why first."""
        services = self._services
        live = services.media.live_on(guest.channel_id)
        topic = f"stream:{live.id}" if live is not None else ""
        for follower in self._following(topic):
            if follower.viewer.actor.id == guest.actor.id:
                services.hub.tell(follower, topic, "removed", {"reason": reason, "session": guest.peer_id})
        try:
            await services.media.remove(guest.peer_id, reason)
        except NotFound:  # it has just gone by itself
            return

    # ---- credentials

    def _cut(self, theirs: Callable[[Actor], bool]) -> None:
        """Close everything that hangs on credentials that ended."""
        for follower in self._services.followers:
            if theirs(follower.viewer.actor):
                follower.finish()
        gone = [guest.peer_id for guest in self._services.guests.everybody() if theirs(guest.actor)]
        gone += [talker.peer_id for talker in self._services.guests.talkers() if theirs(talker.actor)]
        if gone:
            task = asyncio.create_task(self._hang_up(gone), name="hang up")
            self._tasks.append(task)
            task.add_done_callback(self._tasks.remove)

    async def _hang_up(self, peers: Iterable[str]) -> None:
        for peer_id in peers:
            try:
                await self._services.media.remove(peer_id, "signed out")
            except NotFound:  # it has just gone by itself
                continue

    async def _expire(self, alive: Alive) -> None:
        """Sessions and keys that nobody ends run out all the same."""
        while True:
            await asyncio.sleep(EXPIRY_EVERY)
            used = {follower.viewer.actor.credential for follower in self._services.followers}
            used |= {guest.actor.credential for guest in self._services.guests.everybody()}
            used |= {talker.actor.credential for talker in self._services.guests.talkers()}
            used.discard("")
            try:
                dead = used - await alive(used) if used else set()
            except ClearcastError as error:
                log.warning("credentials could not be looked at", error=error.message)
                continue
            if dead:
                self._cut(partial(_uses, dead))

    def _following(self, topic: str) -> list[Follower]:
        return [item for item in self._services.hub.subscribers(topic) if isinstance(item, Follower)]


def watch_over(services: Services) -> Callable[[], Awaitable[None]]:
    """Begin to look after what is open; returns what ends it."""

    async def alive(credentials: set[str]) -> set[str]:
        return await services.store.access.alive(credentials, services.clock.wall())

    oversight = Oversight(services, alive if services.settings.accounts else None)
    services.oversight = oversight
    services.access.follow(oversight.rule_changed)
    services.circles.subscribe(oversight.circles_changed)
    services.endings.subscribe(oversight.ended)
    services.guests.subscribe(oversight.moved)
    oversight.start()
    return oversight.close


def _uses(credentials: Collection[str], actor: Actor) -> bool:
    return actor.credential in credentials


async def _slowly(followers: Collection[Follower]) -> AsyncIterator[Follower]:
    """One after the other, with pauses for whatever else happens."""
    for number, follower in enumerate(followers, 1):
        yield follower
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
