"""Invitations: links that let one person each make an account."""

from __future__ import annotations

from datetime import timedelta

from server.accounts import rules
from server.accounts.audit import AuditBook
from server.accounts.credentials import Credential, fingerprint
from server.accounts.gate import Actor
from server.accounts.sessions import Caller
from server.clock import Clock
from server.config import Settings
from server.errors import NotAllowed, NotFound
from server.store.ids import new_id
from server.store.invitations import Invitation
from server.store.store import Store

MOST = 20
"""Invitations of one person that nobody has used yet."""
NOTE_MOST = 80
REMEMBERED = timedelta(days=30)
"""How long it is told what became of an invitation that has expired."""


class Invitations:
    """Everybody with an account may invite, unless registration is closed."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, audit: AuditBook) -> None:
        self._closed = settings.registration == "closed"
        self._store = store
        self._clock = clock
        self._audit = audit

    async def create(self, actor: Actor, note: str, days: int, caller: Caller) -> tuple[Invitation, str]:
        """A new invitation and its link, which is told once: the address after the host.

        Raises NotAllowed where registration is closed, Conflict where somebody has many open ones.
        """
        if self._closed:
            raise NotAllowed("Nobody new is let in here.", code="registration-closed")
        now, secret = self._clock.wall(), Credential.INVITATION.new()
        invitation = Invitation(new_id(), actor.id, rules.text_of_lines(note, NOTE_MOST), now, now + timedelta(days))
        await self._store.invitations.add(invitation, fingerprint(secret), MOST)
        self._audit.put(actor, "invite", "invitation", invitation.id, caller.address)
        return invitation, f"/register?invitation={secret}"

    async def of_user(self, actor: Actor) -> list[Invitation]:
        """Those that somebody made lately, the newest first."""
        return await self._store.invitations.of_user(actor.id, self._clock.wall() - REMEMBERED)

    async def take_back(self, actor: Actor, invitation_id: str, caller: Caller) -> None:
        """It lets nobody in any more. Raises NotFound."""
        if not await self._store.invitations.remove(actor.id, invitation_id):
            raise NotFound("There is no such invitation.", code="unknown-invitation")
        self._audit.put(actor, "take-invitation-back", "invitation", invitation_id, caller.address)
