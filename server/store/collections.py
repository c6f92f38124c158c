"""Collections: recordings in an order that somebody gave them."""

from __future__ import annotations

from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, String, bindparam, delete, func, insert, select, update

from server.errors import Conflict, NotFound
from server.store.access import forget_rules, seen, sighted
from server.store.database import Database
from server.store.library_schema import CollectionItemRow, CollectionRow
from server.store.listing import Listing, Names, Order
from server.store.lists import narrowed, parameter
from server.store.paging import MAX_PAGE
from server.store.people_records import Sight
from server.store.people_schema import UserRow
from server.store.records import Page
from server.store.schema import RecordingRow, StreamRow

MAX_COLLECTIONS = 500
"""Of one owner."""
MAX_ITEMS = 500
"""Recordings of one collection."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection without what is in it."""

    id: str
    owner: str
    title: str
    description: str
    created_at: datetime
    owner_name: str = ""
    count: int = 0
    """How many recordings of it one may see."""


class CollectionTable:
    """Collections. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, made: Collection) -> None:
        """Write a new one down. Raises Conflict: `too-many-collections`."""
        async with self._database.write() as session:
            number = await session.scalar(select(func.count()).where(CollectionRow.owner == made.owner)) or 0
            if number >= MAX_COLLECTIONS:
                raise Conflict(f"{MAX_COLLECTIONS} collections are the most.", code="too-many-collections")
            session.add(CollectionRow(**{name: getattr(made, name) for name in _STORED}))

    async def get(self, collection_id: str) -> Collection:
        """Raises NotFound."""
        async with self._database.read() as session:
            row = (await session.execute(_collections().where(CollectionRow.id == collection_id))).first()
        if row is None:
            raise NotFound("There is no such collection.", code="unknown-collection")
        return Collection(*row)

    async def change(self, collection_id: str, **values: Any) -> Collection:
        """Set title or description. Raises NotFound."""
        if values:
            async with self._database.write() as session:
                await session.execute(update(CollectionRow).where(CollectionRow.id == collection_id).values(**values))
        return await self.get(collection_id)

    async def remove(self, collection_id: str) -> None:
        """Delete it; the recordings stay."""
        async with self._database.write() as session:
            await session.execute(delete(CollectionRow).where(CollectionRow.id == collection_id))
            await forget_rules(session, [("collection", collection_id)])

    async def put(self, collection_id: str, recording_ids: Sequence[str]) -> None:
        """Have these recordings in it, in this order. Raises NotFound where one has gone.

        Those of it in the bin stay behind the one that they followed: whoever says what is in it does not see them.
        """
        try:
            async with self._database.write() as session:
                before = (await session.execute(_members(collection_id))).all()
                ids = _with_binned(list(dict.fromkeys(recording_ids)), [(row[0], row[1]) for row in before])
                rows = [
                    {"collection_id": collection_id, "recording_id": id_, "position": position}
                    for position, id_ in enumerate(ids)
                ]
                await session.execute(delete(CollectionItemRow).where(CollectionItemRow.collection_id == collection_id))
                if rows:
                    await session.execute(insert(CollectionItemRow), rows)
        except Conflict:
            raise NotFound("One of these is there no more.", code="unknown-recording") from None

    async def order(self, collection_id: str) -> dict[str, int]:
        """The place of each recording in it, the binned included."""
        row = CollectionItemRow
        query = select(row.recording_id, row.position).where(row.collection_id == collection_id)
        async with self._database.read() as session:
            return {item.recording_id: item.position for item in await session.execute(query)}

    async def page(
        self, *, limit: int = MAX_PAGE, cursor: str | None = None, sight: Sight | None = None, owner: str | None = None
    ) -> Page[Collection]:
        """Newest first. What `sight` may see, of `owner` where one is named."""
        given = {**sighted(sight, "collection"), "owner": owner}

        def ask(connection: Any) -> Page[Collection]:
            page = COLLECTIONS.page(connection, given, limit=limit, cursor=cursor)
            values = {**_named(sighted(sight, "recording")), "ids": [item.id for item in page.items]}
            counts = {row[0]: row[1] for row in connection.execute(_counting(frozenset(values)), values)}
            return Page([replace(item, count=counts.get(item.id, 0)) for item in page.items], page.total, page.next)

        return await self._database.ask(ask)


def _members(collection_id: str) -> Select[Any]:
    """Recordings in their order, and whether each is in the bin."""
    item = CollectionItemRow
    columns: list[Any] = [item.recording_id, RecordingRow.deleted_at.is_not(None)]
    query = select(*columns).join(RecordingRow, RecordingRow.id == item.recording_id)
    return query.where(item.collection_id == collection_id).order_by(item.position)


def _with_binned(ids: list[str], before: Sequence[tuple[str, bool]]) -> list[str]:
    """`ids`, and what is in the bin of those that were there before, each after the one that it followed."""
    found = list(ids)
    last = -1
    for id_, binned in before:
        if binned and id_ not in found:
            found.insert(last + 1, id_)
        if id_ in found:
            last = found.index(id_)
    return found


def _named(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


_STORED = ("id", "owner", "title", "description", "created_at")


def _collections() -> Select[Any]:
    columns = [getattr(CollectionRow, name) for name in _STORED]
    name = func.coalesce(UserRow.display_name, "").label("owner_name")
    return select(*columns, name).outerjoin(UserRow, UserRow.id == CollectionRow.owner)


def _listed(given: Names) -> Select[Any]:
    query = seen(_collections(), given, "collection", CollectionRow.id, CollectionRow.owner, CollectionRow.id)
    return narrowed(query, given, {"owner": CollectionRow.owner == parameter("owner")})


def _counting(given: Ids[str]) -> Select[Any]:
    """How many recordings of each of some collections one may see."""
    row = CollectionItemRow
    columns: list[Any] = [row.collection_id, func.count()]
    query = (
        select(*columns)
        .join(RecordingRow, RecordingRow.id == row.recording_id)
        .join(StreamRow, StreamRow.id == RecordingRow.stream_id)
        .where(row.collection_id.in_(bindparam("ids", expanding=True, type_=String())))
        .where(RecordingRow.deleted_at.is_(None))
        .group_by(row.collection_id)
    )
    return seen(query, frozenset(given), "recording", RecordingRow.id, StreamRow.owner, StreamRow.channel_id)


COLLECTIONS = Listing(
    _listed,
    {"newest": Order((CollectionRow.created_at, CollectionRow.id), descending=True)},
    lambda row: Collection(*row),
)
