"""Friends: looking for people, asking them, being asked, and wanting nothing to do with them; groups of friends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.accounts.circles import Circles
from server.accounts.notifications import Notifier
from server.accounts.presence import OnAir, PresenceBook, Seen, Sight
from server.clock import Clock
from server.errors import InvalidRequest
from server.store.names import fold
from server.store.paging import MAX_PAGE
from server.store.people_records import Asked, Profile, Relation
from server.store.records import Page
from server.store.store import Store


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as another person sees them."""

    profile: Profile
    seen: Seen | None = None
    """Whether they are here: told to friends only."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests without an answer, the newest first."""

    received: Sequence[Person] = ()
    sent: Sequence[Person] = ()


class FriendTold(Protocol):
    """Tells a person's pages what has changed."""

    def friend_request(self, to: str, person: Person) -> None: ...

    def requests(self, to: str, requests: Requests) -> None: ...

    def friend_added(self, to: str, person: Person) -> None: ...

    def friend_removed(self, to: str, user_id: str) -> None: ...


class Friends:
    """Who is whose friend. Whatever changes is in the database before anybody is told."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        circles: Circles,
        book: PresenceBook,
        sight: Sight,
        notifier: Notifier,
        told: FriendTold,
    ) -> None:
        self._store = store
        self._clock = clock
        self._circles = circles
        self._book = book
        self._sight = sight
        self._notifier = notifier
        self._told = told

    # ---- looking

    async def search(self, viewer: str, text: str) -> list[Person]:
        """People by the beginning of any of their names, few of them."""
        beginning = fold(text)
        return await self._persons(viewer, await self._store.friends.search(viewer, beginning) if beginning else [])

    async def person(self, viewer: str, user_id: str) -> Person:
        """Raises NotFound."""
        return (await self._persons(viewer, [await self._store.friends.profile(viewer, user_id)]))[0]

    async def page(self, viewer: str, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[Person]:
        """One's friends, by name."""
        page = await self._store.friends.friends(viewer, limit=limit, cursor=cursor)
        return Page(await self._persons(viewer, page.items), page.total, page.next)

    async def requests(self, viewer: str) -> Requests:
        received, sent = await self._store.friends.requests(viewer)
        return Requests([Person(profile) for profile in received], [Person(profile) for profile in sent])

    async def blocks(self, viewer: str) -> list[Person]:
        return [Person(profile) for profile in await self._store.friends.blocks(viewer)]

    async def _persons(self, viewer: str, profiles: Iterable[Profile]) -> list[Person]:
        """With who is here and who is live, of friends; one question about streams for all of them."""
        found = list(profiles)
        close = {item.id for item in found if item.relation in (Relation.FRIEND, Relation.SELF)}
        streams = {stream.stream_id: stream for user_id in close for stream in self._book.streams_of(user_id)}
        visible = await self._sight.visible(viewer, list(streams.values())) if streams else set()

        def sees(stream: OnAir) -> bool:
            return stream.stream_id in visible

        return [Person(item, self._book.seen(item.id, sees) if item.id in close else None) for item in found]

    # ---- requests

    async def ask(self, sender: str, recipient: str) -> Person:
        """Ask somebody to be a friend; where they have asked already both are friends at once.

        Raises InvalidRequest, NotFound, Conflict.
        """
        if sender == recipient:
            raise InvalidRequest("That is you.", code="yourself")
        asked = await self._store.friends.ask(sender, recipient, self._clock.wall())
        if asked is Asked.FRIENDS:
            await self._befriended(sender, recipient)
        elif asked is Asked.SENT:
            self._told.friend_request(recipient, await self.person(recipient, sender))
            self._told.requests(sender, await self.requests(sender))
            await self._notifier.tell(recipient, "friend_request", sender)
        return await self.person(sender, recipient)

    async def accept(self, recipient: str, sender: str) -> Person:
        """Raises NotFound, Conflict."""
        if await self._store.friends.accept(recipient, sender, self._clock.wall()):
            await self._befriended(recipient, sender)
        return await self.person(recipient, sender)

    async def withdraw(self, sender: str, recipient: str) -> bool:
        """Decline or cancel a request; whether there was one."""
        gone = await self._store.friends.withdraw(sender, recipient)
        if gone:
            await self._notifier.forget(recipient, sender, "friend_request")
            for user_id in (sender, recipient):
                self._told.requests(user_id, await self.requests(user_id))
        return gone

    async def _befriended(self, by: str, asker: str) -> None:
        self._circles.changed(by, asker)
        for viewer, other in ((by, asker), (asker, by)):
            self._told.friend_added(viewer, await self.person(viewer, other))
        await self._notifier.forget(by, asker, "friend_request")
        await self._notifier.tell(asker, "friend_accepted", by)

    # ---- endings

    async def part(self, user_id: str, other: str) -> bool:
        """End a friendship; whether there was one."""
        parted = await self._store.friends.part(user_id, other)
        if parted:
            await self._parted(user_id, other)
        return parted

    async def block(self, blocker: str, blocked: str) -> None:
        """Raises InvalidRequest, NotFound, Conflict."""
        if blocker == blocked:
            raise InvalidRequest("That is you.", code="yourself")
        pending = await self._pending(blocker, blocked)
        were_friends = await self._store.friends.block(blocker, blocked, self._clock.wall())
        if were_friends:
            await self._parted(blocker, blocked)
            return
        self._circles.changed(blocker, blocked)
        await self._forget_notices(blocker, blocked)
        if pending:
            for user_id in (blocker, blocked):
                self._told.requests(user_id, await self.requests(user_id))

    async def unblock(self, blocker: str, blocked: str) -> bool:
        """Whether they were blocked."""
        freed = await self._store.friends.unblock(blocker, blocked)
        if freed:
            self._circles.changed(blocker, blocked)
        return freed

    async def _pending(self, viewer: str, other: str) -> bool:
        """Whether one of both has asked; nobody is told of a block who would notice nothing otherwise."""
        found = (await self._store.friends.profiles(viewer, [other])).get(other)
        return found is not None and found.relation in (Relation.ASKS, Relation.REQUESTED)

    async def _parted(self, one: str, other: str) -> None:
        # The same for who was blocked: they see that a friend is gone, and not why.
        self._circles.changed(one, other)
        self._told.friend_removed(one, other)
        self._told.friend_removed(other, one)
        await self._forget_notices(one, other)

    async def _forget_notices(self, one: str, other: str) -> None:
        await self._notifier.forget(one, other)
        await self._notifier.forget(other, one)
