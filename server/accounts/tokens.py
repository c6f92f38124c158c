"""Programs that sign in: a short-lived access token, and a refresh token for the next one.

A refresh token is used once. Who uses one again has copied it, or was copied from: nobody can tell which, so that the
whole family of tokens that began with one sign-in is revoked (RFC 9700, section 4.14.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.accounts.actions import Scope
from server.accounts.credentials import Credential, fingerprint
from server.accounts.endings import Endings
from server.accounts.gate import Actor, Role
from server.accounts.signing import LIFETIME, SigningKeys
from server.clock import Clock
from server.errors import ClearcastError, InvalidRequest, NotAllowed, NotAuthenticated, Unavailable
from server.log import get_logger
from server.store.ids import new_id
from server.store.people_records import RefreshToken, User
from server.store.store import Store

IDLE = timedelta(days=30)
"""A refresh token that is not used for so long ends."""
ABSOLUTE = timedelta(days=180)
"""After so long a program has to sign in again."""
FOR_PROGRAMS = frozenset({Scope.READ, Scope.LISTEN, Scope.PUBLISH, Scope.WRITE})
"""What a program may do unless it asks for less."""
NEVER = frozenset({Scope.ACCOUNT})
"""What no token is good for: only a person in a browser changes the account itself."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a program is given, shown once."""

    access_token: str
    refresh_token: str
    scopes: frozenset[Scope]
    user: User
    family: str
    expires_in: int = int(LIFETIME.total_seconds())
    """Seconds that the access token is good for."""


class Tokens:
    """Gives out tokens, and knows whose they are."""

    def __init__(self, store: Store, clock: Clock, signing: SigningKeys, endings: Endings) -> None:
        self._store = store
        self._clock = clock
        self._signing = signing
        self._endings = endings

    async def begin(self, user: User, client: str, scopes: Iterable[Scope] | None = None) -> Granted:
        """For a program whose user has just proved who they are. Raises what `allowed` raises."""
        granted = allowed(user, FOR_PROGRAMS if scopes is None else scopes)
        now = self._clock.wall()
        refresh = Credential.REFRESH.new()
        token = RefreshToken(new_id(), user.id, client, tuple(sorted(granted)), now, now + IDLE)
        for family in await self._store.keys.begin_family(token, fingerprint(refresh), now):
            self._endings.tell(user.id, family)
        return self._granted(token, user, refresh, now)

    async def refresh(self, text: str) -> Granted:
        """The next tokens of the family. Raises NotAuthenticated; a token that was used before ends the family."""
        now = self._clock.wall()
        successor = Credential.REFRESH.new()
        known = await self._store.keys.family_of(fingerprint(text))
        if known is None:
            raise _refused()
        ends = min(now + IDLE, known.created_at + ABSOLUTE)
        used = await self._store.keys.use_refresh_token(fingerprint(text), fingerprint(successor), now, ends)
        if isinstance(used, RefreshToken):
            log.warning("a refresh token was used twice: its family is revoked", user=used.user_id, family=used.family)
            self._endings.tell(used.user_id, used.family)
            raise _refused()
        if used is None or ends <= now:
            raise _refused()
        return self._granted(used[0], used[1], successor, now)

    async def revoke(self, text: str) -> RefreshToken | None:
        """End the family of a refresh token (RFC 7009); None where it is none of ours, which is no mistake."""
        token = await self._store.keys.family_of(fingerprint(text))
        if token is None:
            return None
        return token if await self.revoke_family(token.user_id, token.family) else None

    async def revoke_family(self, user_id: str, family: str) -> bool:
        """Sign a program out; whether it was signed in."""
        ended = await self._store.keys.revoke_families(user_id, self._clock.wall(), family)
        if ended:
            self._endings.tell(user_id, family)
        return ended

    async def revoke_all(self, user_id: str) -> None:
        """Sign all programs of a user out. Whoever calls this tells of the ending."""
        await self._store.keys.revoke_families(user_id, self._clock.wall())

    async def actor(self, text: str) -> Actor:
        """Whose an access token is. Raises NotAuthenticated: ended, revoked, or of somebody who is kept out."""
        now = self._clock.wall()
        claims = self._signing.verify(text, now)
        user = await self._store.keys.holder_of_family(claims.family, claims.user_id, now)
        if user is None:
            raise NotAuthenticated("This token was revoked: sign in again.")
        return actor_of(user, claims.scopes, claims.family, claims.expires_at)

    async def keep_fresh(self) -> None:
        """Change the signing key when it is time, and forget what has ended. Called now and then."""
        now = self._clock.wall()
        try:
            await self._store.keys.purge_refresh_tokens(now)
        except ClearcastError as error:
            log.error("tokens that have ended cannot be forgotten now", error=error.message)
        if self._signing.due(now):
            try:
                await asyncio.to_thread(self._signing.rotate, now)
            except Unavailable as error:
                log.error("the signing key cannot be changed now", error=error.message)
                return
            log.info("access tokens are signed with a new key")

    def _granted(self, token: RefreshToken, user: User, refresh: str, now: datetime) -> Granted:
        scopes = frozenset(Scope(name) for name in token.scopes)
        access = self._signing.sign(user.id, token.family, scopes, now)
        return Granted(access, refresh, scopes, user, token.family)


def allowed(user: User, scopes: Iterable[Scope]) -> frozenset[Scope]:
    """What a token of a user may be good for. Raises InvalidRequest, NotAllowed."""
    wanted = frozenset(scopes)
    if not wanted:
        raise InvalidRequest("A token that is good for nothing is of no use: name scopes.", code="scope")
    if wanted & NEVER:
        raise NotAllowed("Accounts are changed in the browser only.", code="scope")
    if Scope.ADMINISTER in wanted and not user.administrator:
        raise NotAllowed("Only administrators may have a token that administers.", code="scope")
    return wanted


def actor_of(user: User, scopes: frozenset[Scope] | None, credential: str, until: datetime | None = None) -> Actor:
    """The actor that a user is, with what the credential is good for."""
    role = Role.ADMINISTRATOR if user.administrator else Role.MEMBER
    return Actor(user.id, user.display_name, role, scopes, credential, until=until)


def _refused() -> NotAuthenticated:
    return NotAuthenticated("This refresh token is not good any more: sign in again.")
