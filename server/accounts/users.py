"""People and their accounts: registering, signing in, and changing what is theirs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NoReturn

from server.accounts import rules
from server.accounts.audit import AuditBook
from server.accounts.credentials import fingerprint
from server.accounts.endings import Endings
from server.accounts.first import FirstAccount
from server.accounts.gate import LOCAL_ID, NOBODY, Actor
from server.accounts.passwords import Passwords
from server.accounts.sessions import Caller, Sessions, actor_for
from server.accounts.throttle import Throttle
from server.clock import Clock
from server.config import Settings
from server.errors import ClearcastError, Conflict, NotAllowed, NotAuthenticated
from server.store.ids import new_id, slugify
from server.store.people_records import User
from server.store.records import Channel
from server.store.store import Store
from server.store.users import Credentials


@dataclass(frozen=True, slots=True)
class NewUser:
    """What somebody says who wants an account."""

    name: str
    password: str
    display_name: str = ""
    email: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody, and the token of the session that has begun."""

    user: User
    token: str


class People:
    """Everybody with an account."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        passwords: Passwords,
        sessions: Sessions,
        audit: AuditBook,
        *,
        first: FirstAccount,
        endings: Endings,
        throttle: Throttle | None = None,
    ) -> None:
        self._registration = settings.registration
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._sessions = sessions
        self._audit = audit
        self._first = first
        self._endings = endings
        self._throttle = throttle or Throttle()

    # Coming in

    async def register(self, wanted: NewUser, caller: Caller, invitation: str | None = None) -> SignedIn:
        """A new account, and its first session.

        Raises InvalidRequest for what breaks the rules, Conflict where the name is taken or nobody is there yet,
        NotAllowed where registration is closed or the invitation is not good.
        """
        if await self._first.open():
            raise Conflict("The first account is made on another page.", code="no-account-yet")
        if invitation is None and self._registration != "open":
            closed = self._registration == "closed"
            words = "Nobody new is let in here." if closed else "This needs an invitation."
            raise NotAllowed(words, code="registration-closed" if closed else "invitation")
        if self._registration == "closed":
            raise NotAllowed("Nobody new is let in here.", code="registration-closed")
        try:
            user, password = await self.prepared(wanted)
            used = fingerprint(invitation) if invitation is not None else None
            channel = self.channel_for(user)
            await self._store.users.add(user, password, channel, invitation=used, now=self._clock.wall())
        except ClearcastError as error:
            self._audit.put(NOBODY, "register", "user", "", caller.address, error.code, wanted.name)
            raise
        return await self._welcome(user, caller, "register")

    async def make_first(self, wanted: NewUser, caller: Caller, token: str) -> SignedIn:
        """The first account: an administrator's, who inherits what the one local user had.

        Raises NotAllowed where the caller is elsewhere and has no token, Conflict where there is an account.
        """
        if not await self._first.open():
            raise Conflict("There is an account already. Sign in, or ask to be let in.", code="first-exists")
        if not caller.direct and not self._first.fits(token):
            self._audit.put(NOBODY, "first-account", "user", "", caller.address, "first-token")
            raise NotAllowed("Open the link that the server's terminal shows.", code="first-token")
        user, password = await self.prepared(wanted, administrator=True)
        await self._store.users.add_first(user, password, self.channel_for(user), LOCAL_ID)
        return await self._welcome(user, caller, "first-account")

    async def sign_in(self, name: str, password: str, caller: Caller) -> SignedIn:
        """Begin a session for whoever has that name, or e-mail address, and password.

        Raises NotAuthenticated "wrong-credentials", as late for a name that nobody has as for a wrong password;
        NotAllowed "disabled"; TooManyRequests.
        """
        user = await self.check(name, password, caller)
        return await self._welcome(user, caller, "sign-in")

    async def add(self, actor: Actor, wanted: NewUser, administrator: bool, address: str) -> User:
        """An account that somebody makes for somebody else; the first of all is an administrator's.

        Raises InvalidRequest for what breaks the rules, Conflict where the name is taken.
        """
        first = await self._store.users.count() == 0
        user, password = await self.prepared(wanted, administrator=administrator or first)
        if first:
            await self._store.users.add_first(user, password, self.channel_for(user), LOCAL_ID)
        else:
            await self._store.users.add(user, password, self.channel_for(user), now=self._clock.wall())
        self._audit.put(actor, "add-user", "user", user.id, address)
        return user

    async def set_password(self, actor: Actor, user: User, password: str, address: str) -> None:
        """Give somebody another password, and end all that was signed in. Raises InvalidRequest "weak-password"."""
        plain = rules.normal_password(password)
        words = known_words(user.name, user.display_name, user.email)
        await asyncio.to_thread(rules.check_password, plain, *words)
        await self._store.users.change(user.id, password=await self._passwords.hash(plain))
        await self.shut_out(user)
        self._audit.put(actor, "reset-password", "user", user.id, address)

    async def check(self, name: str, password: str, caller: Caller) -> User:
        """Whose name and password these are. Raises as `sign_in` does."""
        known = rules.folded(name[: 2 * rules.EMAIL_MOST])
        self._throttle.take(known, caller.address)
        email = known if "@" in known else ""
        found = await self._store.users.credentials(name="" if email else known, email=email)
        plain = rules.normal_password(password)
        if not await self._passwords.verify(found.password if found is not None else None, plain) or found is None:
            self._refused(found.user if found is not None else None, known, caller)
        self._throttle.succeeded(known, caller.address)
        user = found.user
        if user.disabled_at is not None:
            self._audit.put(actor_for(user, ""), "sign-in", "user", user.id, caller.address, "disabled")
            raise NotAllowed("This account was disabled. An administrator can say why.", code="disabled")
        if self._passwords.stale(found.password):
            await self._store.users.change_password(user.id, found.password, await self._passwords.hash(plain))
        return user

    async def confirm(self, actor: Actor, password: str, caller: Caller) -> Credentials:
        """That whoever acts knows the password too. Raises NotAllowed "wrong-password", TooManyRequests."""
        found = await self._store.users.credentials(user_id=actor.id)
        name = found.user.name if found is not None else ""
        self._throttle.take(name, caller.address)
        plain = rules.normal_password(password)
        if not await self._passwords.verify(found.password if found is not None else None, plain) or found is None:
            self._audit.put(actor, "confirm", "user", actor.id, caller.address, "wrong-password")
            raise NotAllowed("That is not your password.", code="wrong-password")
        self._throttle.succeeded(name, caller.address)
        return found

    async def extend(self, actor: Actor, password: str, caller: Caller) -> SignedIn:
        """Stay signed in for as long as on the first day: another session in place of this one."""
        found = await self.confirm(actor, password, caller)
        return await self._welcome(found.user, caller, "extend-session")

    async def end_others(self, actor: Actor, caller: Caller) -> None:
        """Sign somebody out everywhere but where they ask from, programs too; keys stay."""
        await self._sessions.end_all(actor.id, but=actor.credential)
        await self._programs_out(actor.id)
        self._audit.put(actor, "end-other-sessions", "user", actor.id, caller.address)

    async def sign_out(self, caller: Caller) -> None:
        """End the session that the request carries, if any."""
        actor = await self._sessions.leave(caller.token)
        if actor is not None:
            self._audit.put(actor, "sign-out", "session", actor.credential, caller.address)

    async def shut_out(self, user: User) -> None:
        """End all that somebody has signed in with; keys for programs stay."""
        await self._sessions.end_all(user.id)
        await self._programs_out(user.id)
        self._endings.tell(user.id)

    async def _programs_out(self, user_id: str) -> None:
        now = self._clock.wall()
        families = {token.family for token in await self._store.keys.families(user_id, now)}
        await self._store.keys.revoke_families(user_id, now)
        for family in families:
            self._endings.tell(user_id, family)

    def _refused(self, user: User | None, name: str, caller: Caller) -> NoReturn:
        subject = user.id if user is not None else ""
        self._audit.put(NOBODY, "sign-in", "user", subject, caller.address, "wrong-credentials", name)
        raise NotAuthenticated("The name or the password is wrong.", code="wrong-credentials")

    async def _welcome(self, user: User, caller: Caller, action: str) -> SignedIn:
        token = await self._sessions.start(user, caller)
        self._audit.put(actor_for(user, ""), action, "user", user.id, caller.address)
        return SignedIn(user, token)

    # Parts

    async def prepared(self, wanted: NewUser, *, administrator: bool = False) -> tuple[User, str]:
        """A user as the database takes it, and the hash of the password. Raises InvalidRequest."""
        name = rules.sign_in_name(wanted.name)
        shown = rules.display_name(wanted.display_name or wanted.name)
        email = rules.email_address(wanted.email) if wanted.email else None
        password = rules.normal_password(wanted.password)
        await asyncio.to_thread(rules.check_password, password, *known_words(name, shown, email))
        user = User(new_id(), name, shown, self._clock.wall(), email, administrator)
        return user, await self._passwords.hash(password)

    def channel_for(self, user: User) -> Channel:
        """The channel that a new user begins with."""
        return Channel(new_id(), slugify(user.name), user.display_name, user.display_name, user.id, self._clock.wall())

    async def me(self, actor: Actor) -> tuple[User, Channel | None]:
        """Somebody who acts, and the channel they begin with. Raises NotFound."""
        return await self._store.users.get(actor.id), await self._store.users.channel(actor.id)


def known_words(name: str, shown: str, email: str | None) -> list[str]:
    """What a password of somebody must not hold."""
    parts = [name, *shown.split()]
    if email is not None:
        parts += [email, email.partition("@")[0]]
    return parts
