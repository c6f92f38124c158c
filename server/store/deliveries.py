"""Events on their way to other servers, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select, update

from server.store.database import Database
from server.store.library_schema import DeliveryRow
from server.store.paging import MAX_PAGE, page_by_time
from server.store.records import Page


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one other server."""

    id: str
    url: str
    event: str
    body: str
    created_at: datetime
    due_at: datetime
    state: str = DeliveryState.WAITING
    attempts: int = 0
    status: int | None = None
    """What the other server answered last."""
    error: str = ""


class DeliveryTable:
    """Deliveries. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        async with self._database.write() as session:
            session.add_all(DeliveryRow(**asdict(delivery)) for delivery in deliveries)

    async def waiting(self, limit: int) -> list[Delivery]:
        """What is to be sent, what is due first first; some of it may not be due yet."""
        query = select(DeliveryRow).where(DeliveryRow.state == DeliveryState.WAITING.value)
        async with self._database.read() as session:
            rows = await session.scalars(query.order_by(DeliveryRow.due_at).limit(limit))
            return [_delivery(row) for row in rows]

    async def change(self, delivery_id: str, **values: Any) -> None:
        async with self._database.write() as session:
            await session.execute(update(DeliveryRow).where(DeliveryRow.id == delivery_id).values(**values))

    async def page(self, *, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[Delivery]:
        """Newest first."""
        query = select(DeliveryRow)
        async with self._database.read() as session:
            return await page_by_time(session, query, DeliveryRow, _delivery, limit=limit, cursor=cursor)

    async def purge(self, before: datetime) -> None:
        """Forget what is older and over."""
        over = DeliveryRow.state != DeliveryState.WAITING.value
        async with self._database.write() as session:
            await session.execute(delete(DeliveryRow).where(DeliveryRow.created_at < before, over))


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(**{column.key: getattr(row, column.key) for column in row.__table__.columns})
