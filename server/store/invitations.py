"""Links with which one person each may register. Of their secrets only the SHA-256 is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy import delete, select

from server.errors import Conflict
from server.store.database import Database
from server.store.paging import count
from server.store.people_schema import InvitationRow


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link with which one person may register."""

    id: str
    created_by: str
    note: str
    """Whom it is for, in the words of whoever made it."""
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_by: str | None = None


class InvitationTable:
    """Invitations. Every method is one transaction; `UserTable.add` uses one up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, invitation: Invitation, token_hash: str, most: int) -> None:
        """Raises Conflict where somebody has `most` that nobody has used and that have not expired."""
        mine = (InvitationRow.created_by == invitation.created_by, InvitationRow.used_at.is_(None))
        open_ = select(InvitationRow.id).where(*mine, InvitationRow.expires_at > invitation.created_at)
        async with self._database.write() as session:
            if await count(session, open_) >= most:
                raise Conflict(f"There are {most} open invitations of yours already.", code="too-many-invitations")
            session.add(InvitationRow(**asdict(invitation), token_hash=token_hash))

    async def of_user(self, user_id: str, since: datetime) -> list[Invitation]:
        """Those made by somebody that had not expired at `since`, the newest first."""
        mine = (InvitationRow.created_by == user_id, InvitationRow.expires_at > since)
        query = select(InvitationRow).where(*mine).order_by(InvitationRow.created_at.desc(), InvitationRow.id)
        async with self._database.read() as session:
            rows = await session.scalars(query)
            return [Invitation(**{item.name: getattr(row, item.name) for item in fields(Invitation)}) for row in rows]

    async def remove(self, user_id: str, invitation_id: str) -> bool:
        """Whether somebody had made that one."""
        mine = delete(InvitationRow).where(InvitationRow.id == invitation_id, InvitationRow.created_by == user_id)
        async with self._database.write() as session:
            return await session.scalar(mine.returning(InvitationRow.id)) is not None

    async def purge(self, before: datetime) -> None:
        """Forget those that expired before a moment."""
        async with self._database.write() as session:
            await session.execute(delete(InvitationRow).where(InvitationRow.expires_at < before))
