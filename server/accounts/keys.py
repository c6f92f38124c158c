"""Keys that people make for programs: API keys with scopes, and the one stream key for OBS and FFmpeg."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from server.accounts.actions import Scope
from server.accounts.credentials import Credential, fingerprint, hint
from server.accounts.endings import Endings
from server.accounts.gate import Actor
from server.accounts.tokens import actor_of, allowed
from server.clock import Clock
from server.errors import NotAuthenticated, Unavailable
from server.log import get_logger
from server.store.ids import new_id
from server.store.people_records import ApiKey, User
from server.store.store import Store

NOTED_EVERY = timedelta(minutes=1)
"""How exactly it is known when a key was used last."""

log = get_logger(__name__)


class Keys:
    """Makes keys, and knows whose they are. Every text is returned once and kept as a fingerprint."""

    def __init__(self, store: Store, clock: Clock, endings: Endings) -> None:
        self._store = store
        self._clock = clock
        self._endings = endings

    async def create(
        self, user: User, name: str, scopes: Iterable[Scope], expires_at: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """A new key and its text. Raises Conflict where there are too many, and what `allowed` raises."""
        text = Credential.KEY.new()
        granted = tuple(sorted(allowed(user, scopes)))
        key = ApiKey(new_id(), user.id, name, hint(text), granted, self._clock.wall(), None, expires_at)
        await self._store.keys.add_key(key, fingerprint(text))
        return key, text

    async def rotate(self, key: ApiKey) -> tuple[ApiKey, str]:
        """The same key with another text; the one before opens nothing from now on. Raises NotFound."""
        text = Credential.KEY.new()
        changed = await self._store.keys.replace_key(key.id, fingerprint(text), hint(text))
        self._endings.tell(key.user_id, key.id)
        return changed, text

    async def revoke(self, key: ApiKey) -> None:
        """It opens nothing any more, and whoever came in with it is sent away."""
        await self._store.keys.forget_key(key.id)
        self._endings.tell(key.user_id, key.id)

    async def new_stream_key(self, user_id: str) -> tuple[str, str]:
        """Another stream key instead of the one before: its text, and how it begins."""
        text = Credential.STREAM_KEY.new()
        await self._store.keys.set_stream_key(user_id, fingerprint(text), hint(text), self._clock.wall())
        self._endings.tell(user_id, stream_credential(user_id))
        return text, hint(text)

    async def drop_stream_key(self, user_id: str) -> None:
        """No stream key at all."""
        await self._store.keys.set_stream_key(user_id, None, None, self._clock.wall())
        self._endings.tell(user_id, stream_credential(user_id))

    async def actor(self, text: str) -> Actor:
        """Whose an API key is. Raises NotAuthenticated."""
        now = self._clock.wall()
        found = await self._store.keys.holder_of_key(fingerprint(text), now)
        if found is None:
            raise NotAuthenticated("This key opens nothing: it was revoked, has expired, or is another server's.")
        key, user = found
        if key.used_at is None or now - key.used_at > NOTED_EVERY:
            with contextlib.suppress(Unavailable):  # a full disk keeps nobody out
                await self._store.keys.key_used(key.id, now)
        return actor_of(user, frozenset(Scope(name) for name in key.scopes), key.id, key.expires_at)

    async def stream_actor(self, text: str) -> Actor:
        """Whose a stream key is, which is good for publishing and nothing else. Raises NotAuthenticated."""
        user = await self._store.keys.holder_of_stream_key(fingerprint(text))
        if user is None:
            raise NotAuthenticated("This stream key opens nothing: there is a newer one, or it is another server's.")
        return actor_of(user, frozenset({Scope.PUBLISH}), stream_credential(user.id))


def stream_credential(user_id: str) -> str:
    """The id of a user's stream key as a credential."""
    return f"stream-key:{user_id}"
