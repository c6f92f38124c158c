"""What administrators do to the accounts of others."""

from __future__ import annotations

from server.accounts.audit import AuditBook
from server.accounts.endings import Endings
from server.accounts.gate import Actor
from server.accounts.passwords import random_password
from server.accounts.users import People
from server.clock import Clock
from server.store.people_records import User
from server.store.store import Store


class Administration:
    """Whoever calls has asked the gate. Everything is noted in the audit log, by the address of the administrator."""

    def __init__(self, store: Store, clock: Clock, people: People, audit: AuditBook, endings: Endings) -> None:
        self._store = store
        self._clock = clock
        self._people = people
        self._audit = audit
        self._endings = endings

    async def disable(self, actor: Actor, user_id: str, disabled: bool, address: str) -> User:
        """Let nobody in with an account any more, or again; what belongs to it stays.

        Raises NotFound, Conflict where it is the last administrator's.
        """
        user = await self._store.users.change_rights(user_id, disabled_at=self._clock.wall() if disabled else None)
        if disabled:
            await self._people.shut_out(user)
        self._audit.put(actor, "disable-user" if disabled else "enable-user", "user", user.id, address)
        return user

    async def promote(self, actor: Actor, user_id: str, administrator: bool, address: str) -> User:
        """Make an administrator of somebody, or not any more. Raises NotFound, Conflict for the last one."""
        user = await self._store.users.change_rights(user_id, administrator=administrator)
        self._endings.tell(user.id)  # what is known of them is looked up again
        self._audit.put(actor, "promote-user" if administrator else "demote-user", "user", user.id, address)
        return user

    async def set_quota(self, actor: Actor, user_id: str, quota_bytes: int | None, address: str) -> User:
        """Room for somebody's recordings and uploads, 0 for no limit; None: as the settings say. Raises NotFound."""
        user = await self._store.users.change(user_id, quota_bytes=quota_bytes)
        self._audit.put(actor, "set-quota", "user", user.id, address)
        return user

    async def reset_password(self, actor: Actor, user_id: str, address: str) -> str:
        """Give an account a new random password, which is returned, and end all that was signed in. Raises NotFound."""
        user = await self._store.users.get(user_id)
        password = random_password()
        await self._people.set_password(actor, user, password, address)
        return password
