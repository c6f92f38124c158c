"""What happens between people, made into events for their own pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from server.accounts.friends import Friends, Person, Requests
from server.accounts.notifications import News, Notifier
from server.accounts.presence import Seen
from server.backplane import EventHub
from server.store.people_records import Profile
from server.web import people_schemas as schemas
from server.web import people_views as views

FRIENDS = "friends"
NOTICES = "notifications"
SNAPSHOT_NOTICES = 50
MOST_FRIENDS = 1_000
"""That a snapshot holds: nobody has more."""


class PeopleAnnouncer:
    """Publishes on the personal topics `friends` and `notifications`, and gives their snapshots."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._friends: Friends
        self._notices: Notifier

    def serve(self, friends: Friends, notices: Notifier) -> None:
        """Show what these hold. To be called before anything happens."""
        self._friends, self._notices = friends, notices
        self._hub.provide_personal(FRIENDS, self._friends_now)
        self._hub.provide_personal(NOTICES, self._notices_now)

    # ---- friends

    def friend_request(self, to: str, person: Person) -> None:
        self._tell(FRIENDS, [to], "friend_request", {"person": _json(views.person(person))})

    def requests(self, to: str, requests: Requests) -> None:
        self._tell(FRIENDS, [to], "requests", _json(views.requests(requests)))

    def friend_added(self, to: str, person: Person) -> None:
        self._tell(FRIENDS, [to], "friend_added", {"person": _json(views.person(person))})

    def friend_changed(self, to: Iterable[str], profile: Profile) -> None:
        self._tell(FRIENDS, to, "friend_changed", {**_json(views.face(profile)), "bio": profile.bio})

    def friend_removed(self, to: str, user_id: str) -> None:
        self._tell(FRIENDS, [to], "friend_removed", {"id": user_id})

    def follows(self, user_id: str) -> bool:
        return self._hub.followed(f"{FRIENDS}:{user_id}")

    def presence(self, to: Iterable[str], user_id: str, seen: Seen) -> None:
        live = views.live(seen.live)
        data = {"id": user_id, "presence": seen.presence.value, "live": _json(live) if live is not None else None}
        self._tell(FRIENDS, to, "presence", data)

    # ---- notices

    def notification(self, to: Sequence[str], news: News) -> None:
        self._tell(NOTICES, to, "notification", _json(views.notice(news)))

    def notifications_read(self, to: str) -> None:
        self._tell(NOTICES, [to], "notifications_read", {})

    def _tell(self, topic: str, to: Iterable[str], type_: str, data: dict[str, Any]) -> None:
        self._hub.tell_people(topic, to, type_, data)

    # ---- snapshots

    async def _friends_now(self, topic: str, _viewer: object) -> dict[str, Any]:
        user_id = topic.partition(":")[2]
        page = await self._friends.page(user_id, MOST_FRIENDS)
        requests = await self._friends.requests(user_id)
        return _json(schemas.FriendsOut(items=views.people(page.items), requests=views.requests(requests)))

    async def _notices_now(self, topic: str, _viewer: object) -> dict[str, Any]:
        page, unread = await self._notices.page(topic.partition(":")[2], SNAPSHOT_NOTICES)
        return {"items": [_json(views.notice(item)) for item in page.items], "unread": unread}


def _json(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")
