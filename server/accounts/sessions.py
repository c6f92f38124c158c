"""Browser sessions: begun by signing in, kept alive by being used, ended by anybody who may."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from server.accounts.credentials import Credential, fingerprint
from server.accounts.endings import Endings
from server.accounts.gate import Actor, Role
from server.clock import Clock
from server.errors import NotFound, Unavailable
from server.queues import Policy, Queue
from server.store.ids import new_id
from server.store.people_records import User
from server.store.sessions import Session
from server.store.store import Store

KNOWN = 4096
FRESH_S = 5.0
"""Seconds for which the database is not asked again whether a session is still good: what another process ended is
noticed that late."""
SEEN_EVERY = timedelta(minutes=1)
"""How often it is written down that a session is in use."""
MOST = 50
"""Sessions of one user; beyond that the one not seen for longest ends."""

SESSIONS = Queue(
    "sessions",
    KNOWN,
    Policy.FORGET,
    holds="sessions of browsers, kept from the database",
    drop="The session is read from the database again.",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from."""

    address: str = ""
    agent: str = ""
    """What the program says of itself."""
    token: str = ""
    """The session's token that it carried, if any."""
    direct: bool = False
    """Whether it comes from this machine itself, through nobody."""


@dataclass(slots=True)
class _Known:
    session: Session
    user: User
    until: float
    """Monotonic, in seconds: from then on the database is asked again."""


def actor_for(user: User, credential: str) -> Actor:
    """Who acts, when `user` does in a browser."""
    role = Role.ADMINISTRATOR if user.administrator else Role.MEMBER
    return Actor(user.id, user.display_name, role, credential=credential)


class Sessions:
    """All sessions. They end `idle` after they were last used, and `longest` after they began."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        endings: Endings,
        *,
        idle: timedelta,
        longest: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.longest = longest
        self._store = store
        self._clock = clock
        self._endings = endings
        self._idle = idle
        self._monotonic = monotonic
        self._known: OrderedDict[str, _Known] = SESSIONS.watch(OrderedDict())
        self._ended = 0
        """Counts endings, so that what was read before one is not remembered after it."""
        endings.subscribe(self._forget)

    async def start(self, user: User, caller: Caller) -> str:
        """Begin a session and return its token; the one that the request carried ends, whosever it was."""
        now, token = self._clock.wall(), Credential.SESSION.new()
        agent, address = caller.agent[:200], caller.address[:64]
        session = Session(new_id(), user.id, now, now, now + min(self._idle, self.longest), agent, address)
        for gone in await self._store.sessions.add(session, fingerprint(token), MOST):
            self._endings.tell(user.id, gone)
        await self.leave(caller.token)
        return token

    async def leave(self, token: str) -> Actor | None:
        """End the session of a token; whose it was, None where it was none."""
        found = await self._find(token)
        if found is None:
            return None
        await self._store.sessions.remove(found.user.id, found.session.id)
        self._endings.tell(found.user.id, found.session.id)
        return actor_for(found.user, found.session.id)

    async def actor(self, token: str) -> Actor | None:
        """Who a token stands for; None where it stands for nobody, or no longer. Raises Unavailable."""
        found = await self._find(token)
        if found is None:
            return None
        now = self._clock.wall()
        if found.user.disabled_at is not None or found.session.expires_at <= now:
            return None
        if now - found.session.seen_at >= SEEN_EVERY:
            await self._seen(found, now)
        return actor_for(found.user, found.session.id)

    async def of_user(self, user_id: str) -> list[Session]:
        """Those that are good, the newest first."""
        return await self._store.sessions.of_user(user_id, self._clock.wall())

    async def end(self, user_id: str, session_id: str) -> None:
        """Raises NotFound."""
        if not await self._store.sessions.remove(user_id, session_id):
            raise NotFound("There is no such session; it may have ended.", code="unknown-session")
        self._endings.tell(user_id, session_id)

    async def end_all(self, user_id: str, but: str = "") -> int:
        """All of a user, but one; how many."""
        gone = await self._store.sessions.remove_all(user_id, but)
        for session_id in gone:
            self._endings.tell(user_id, session_id)
        return len(gone)

    async def look_again(self) -> None:
        """Tell of sessions that another process has ended, `clearcast user disable` say. Called every few seconds."""
        known = {entry.session.id: entry.user.id for entry in self._known.values()}
        if not known:
            return
        good = await self._store.sessions.good(list(known), self._clock.wall())
        for session_id in known.keys() - good:
            self._endings.tell(known[session_id], session_id)

    async def purge(self) -> None:
        """Forget those that have expired."""
        await self._store.sessions.purge(self._clock.wall())

    def changed(self, user: User) -> None:
        """What is remembered of somebody is no longer true."""
        for known in self._known.values():
            if known.user.id == user.id:
                known.user = user

    async def _find(self, token: str) -> _Known | None:
        if not Credential.SESSION.begins(token):
            return None
        key, now = fingerprint(token), self._monotonic()
        known = self._known.get(key)
        if known is not None and now < known.until:
            self._known.move_to_end(key)
            return known
        before = self._ended
        row = await self._store.sessions.find(key)
        self._known.pop(key, None)
        if row is None:
            return None
        found = _Known(*row, now + FRESH_S)
        if self._ended == before:
            self._known[key] = found
            if len(self._known) > KNOWN:
                SESSIONS.dropped += 1
                self._known.popitem(last=False)
        return found

    async def _seen(self, found: _Known, now: datetime) -> None:
        expires_at = min(now + self._idle, found.session.created_at + self.longest)
        found.session = replace(found.session, seen_at=now, expires_at=expires_at)
        try:
            await self._store.sessions.seen(found.session.id, now, expires_at)
        except Unavailable:  # it is only a note; the next minute's makes up for it
            return

    def _forget(self, user_id: str, credential: str) -> None:
        self._ended += 1
        gone = [
            key
            for key, known in self._known.items()
            if known.user.id == user_id and credential in ("", known.session.id)
        ]
        for key in gone:
            del self._known[key]
