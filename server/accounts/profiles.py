"""What people change about themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from server.accounts import rules
from server.accounts.audit import AuditBook
from server.accounts.avatars import make_avatar
from server.accounts.gate import Actor
from server.accounts.passwords import Passwords
from server.accounts.sessions import Caller, Sessions
from server.accounts.users import People, SignedIn, known_words
from server.clock import Clock
from server.errors import Conflict, InvalidRequest, NotFound
from server.store.people_records import User
from server.store.store import Store

BIO_MOST = 1_000
PICTURES = 2
"""Pictures that are worked on at once."""


class Profiles:
    """Changes of accounts by whose they are."""

    def __init__(
        self, store: Store, clock: Clock, people: People, passwords: Passwords, sessions: Sessions, audit: AuditBook
    ) -> None:
        self._store = store
        self._clock = clock
        self._people = people
        self._passwords = passwords
        self._sessions = sessions
        self._audit = audit
        self._pictures = asyncio.Semaphore(PICTURES)

    async def change(
        self,
        actor: Actor,
        caller: Caller,
        *,
        display_name: str | None = None,
        bio: str | None = None,
        preferences: Mapping[str, Any] | None = None,
    ) -> User:
        """Set what is given; of the preferences, those that are given. Raises InvalidRequest."""
        values: dict[str, Any] = {}
        if display_name is not None:
            values["display_name"] = rules.display_name(display_name)
        if bio is not None:
            values["bio"] = rules.text_of_lines(bio, BIO_MOST)
        if preferences is not None:
            values["preferences"] = {**(await self._store.users.get(actor.id)).preferences, **preferences}
        user = await self._changed(actor.id, **values)
        chosen = [f"preference {name}" for name in preferences or ()]
        detail = ", ".join([*(name for name in values if name != "preferences"), *chosen])
        self._audit.put(actor, "change-profile", "user", user.id, caller.address, detail=detail)
        return user

    async def set_avatar(self, actor: Actor, data: bytes, caller: Caller) -> User:
        """A new picture. Raises InvalidRequest, TooLarge."""
        async with self._pictures:
            picture = await asyncio.to_thread(make_avatar, data)
        user = await self._changed(actor.id, avatar=picture, avatar_at=self._clock.wall())
        self._audit.put(actor, "change-profile", "user", user.id, caller.address, detail="picture")
        return user

    async def drop_avatar(self, actor: Actor, caller: Caller) -> User:
        user = await self._changed(actor.id, avatar=None, avatar_at=None)
        self._audit.put(actor, "change-profile", "user", user.id, caller.address, detail="no picture")
        return user

    async def avatar(self, user_id: str) -> bytes:
        """Somebody's picture, a JPEG. Raises NotFound."""
        picture = await self._store.users.avatar(user_id)
        if picture is None:
            raise NotFound("There is no such picture.", code="unknown-picture")
        return picture

    async def change_password(self, actor: Actor, current: str, new: str, caller: Caller) -> SignedIn:
        """Another password, and another session; all others end, and programs have to sign in again.

        Raises NotAllowed "wrong-password", InvalidRequest "weak-password", Conflict where somebody else was faster.
        """
        known = await self._people.confirm(actor, current, caller)
        user, password = known.user, rules.normal_password(new)
        words = known_words(user.name, user.display_name, user.email)
        await asyncio.to_thread(rules.check_password, password, *words)
        if not await self._store.users.change_password(user.id, known.password, await self._passwords.hash(password)):
            raise Conflict("The password was changed meanwhile.", code="password-changed")
        await self._people.shut_out(user)
        self._audit.put(actor, "change-password", "user", user.id, caller.address)
        return SignedIn(user, await self._sessions.start(user, caller))

    async def change_email(self, actor: Actor, password: str, email: str | None, caller: Caller) -> User:
        """Another e-mail address, or none. Raises NotAllowed "wrong-password", InvalidRequest, Conflict."""
        address = rules.email_address(email) if email else None
        await self._people.confirm(actor, password, caller)
        try:
            user = await self._changed(actor.id, email=address)
        except Conflict as error:  # whoever tries addresses to learn who is here leaves a trace
            self._audit.put(actor, "change-email", "user", actor.id, caller.address, error.code)
            raise
        self._audit.put(actor, "change-email", "user", user.id, caller.address)
        return user

    async def _changed(self, user_id: str, **values: Any) -> User:
        if not values:
            raise InvalidRequest("There is nothing to change.")
        user = await self._store.users.change(user_id, **values)
        self._sessions.changed(user)
        return user
