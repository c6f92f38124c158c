"""Everything about people, put together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from server.accounts.administration import Administration
from server.accounts.audit import AuditBook
from server.accounts.endings import Endings
from server.accounts.first import FirstAccount
from server.accounts.guests import Guests
from server.accounts.invitations import Invitations
from server.accounts.keeping import Keeping
from server.accounts.keys import Keys
from server.accounts.known import KnownActors
from server.accounts.links import LinkMaker
from server.accounts.passwords import Passwords
from server.accounts.profiles import Profiles
from server.accounts.sessions import Sessions
from server.accounts.signing import SigningKeys
from server.accounts.tokens import Tokens
from server.accounts.users import People
from server.clock import Clock
from server.config import Settings
from server.store.store import Store

UPKEEP_S = 3600.0


@dataclass(frozen=True)
class Accounts:
    """What the rest of the server asks about people."""

    people: People
    sessions: Sessions
    audit: AuditBook
    endings: Endings
    first: FirstAccount
    passwords: Passwords
    profiles: Profiles
    invitations: Invitations
    administration: Administration
    tokens: Tokens
    keys: Keys
    known: KnownActors
    """Of tokens and keys."""
    upkeep: asyncio.Task[None]
    keeping: Keeping
    links: LinkMaker
    guests: Guests

    async def close(self) -> None:
        """Write down what waits."""
        self.upkeep.cancel()
        await asyncio.gather(self.upkeep, return_exceptions=True)
        await self.keeping.close()
        await self.audit.close()
        self.passwords.close()


async def open_accounts(settings: Settings, store: Store, clock: Clock, passwords: Passwords | None = None) -> Accounts:
    """Start what needs to run beside; `passwords` costs what the defaults say where it is not given."""
    passwords, endings = passwords or Passwords(), Endings()
    sessions = Sessions(
        store,
        clock,
        endings,
        idle=timedelta(days=settings.session_idle_days),
        longest=timedelta(days=settings.session_days),
    )
    audit = AuditBook(store, clock, settings.audit_days)
    first = FirstAccount(store, settings.accounts)
    people = People(settings, store, clock, passwords, sessions, audit, first=first, endings=endings)
    profiles = Profiles(store, clock, people, passwords, sessions, audit)
    invitations = Invitations(settings, store, clock, audit)
    if settings.accounts:
        await passwords.warm_up()
        await first.start()
    signing = await asyncio.to_thread(SigningKeys.load, settings.data_dir / "keys.json", clock.wall())
    tokens, keys = Tokens(store, clock, signing, endings), Keys(store, clock, endings)
    audit.start()
    keeping = Keeping(settings, store, clock, sessions)
    administration = Administration(store, clock, people, audit, endings)
    links = await asyncio.to_thread(LinkMaker.load, settings.data_dir / "links.key")
    return Accounts(
        people=people,
        sessions=sessions,
        audit=audit,
        endings=endings,
        first=first,
        passwords=passwords,
        profiles=profiles,
        invitations=invitations,
        administration=administration,
        tokens=tokens,
        keys=keys,
        known=KnownActors(endings, clock),
        keeping=keeping,
        links=links,
        guests=Guests(clock),
        upkeep=asyncio.create_task(_keep_up(tokens), name="accounts"),
    )


async def _keep_up(tokens: Tokens) -> None:
    """Change signing keys when it is time, and forget what has long ended; for ever."""
    while True:
        await tokens.keep_fresh()
        await asyncio.sleep(UPKEEP_S)
