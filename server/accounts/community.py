"""How people know each other, put together: friends, presence, notices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from server.accounts.circles import Circles
from server.accounts.friends import Friends, FriendTold
from server.accounts.notifications import NewsTold, Notifier
from server.accounts.presence import PresenceBook, Sight
from server.accounts.presence_teller import PresenceTeller, PresenceTold
from server.accounts.push import PushService
from server.clock import Clock
from server.config import Settings
from server.store.people_records import Profile
from server.store.store import Store


class Told(FriendTold, NewsTold, PresenceTold, Protocol):
    """Tells people's pages."""

    def friend_changed(self, to: Iterable[str], profile: Profile) -> None: ...


class Community:
    """What the rest of the server asks about people who know each other. `start`, then `close`."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, circles: Circles, sight: Sight, told: Told
    ) -> None:
        self._store, self._circles, self._told = store, circles, told
        self.book = PresenceBook()
        self.groups = store.groups
        self.push = PushService(
            store.push, clock, settings.data_dir, settings.push_contact, private=settings.push_private
        )
        self.notices = Notifier(store, clock, circles, sight, self.push, told)
        self.presence = PresenceTeller(self.book, circles, sight, told)
        self.friends = Friends(store, clock, circles, self.book, sight, self.notices, told)

    async def start(self) -> None:
        """Raises Unavailable where the key that signs messages to browsers cannot be read."""
        await self.push.start()
        self.notices.start()
        self.presence.start()

    async def close(self) -> None:
        await self.presence.close()
        await self.notices.close()
        await self.push.close()

    async def profile_changed(self, user_id: str) -> None:
        """Somebody has another name, picture or words about themselves: friends who are there see it at once."""
        circle = await self._circles.of(user_id)
        viewers = [friend for friend in circle.friends if self._told.follows(friend)]
        if viewers:
            self._told.friend_changed(viewers, await self._store.friends.profile(user_id, user_id))

    def gone(self, user_id: str) -> None:
        """An account was deleted: friends who are there see it at once."""
        knowing = self._circles.knowing(user_id)
        self._circles.changed(user_id, *knowing)
        for other in knowing:
            self._told.friend_removed(other, user_id)
