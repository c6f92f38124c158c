"""Lists in parts: each part names where the next one begins."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import InvalidRequest
from server.store.records import Item, Page

MAX_PAGE = 100


async def count(session: AsyncSession, query: Select[*tuple[Any, ...]]) -> int:
    """How many rows a query finds."""
    return await session.scalar(select(func.count()).select_from(query.subquery())) or 0


async def page_by_time(
    session: AsyncSession,
    query: Select[*tuple[Any, ...]],
    row: Any,
    item: Callable[[Any], Item],
    *,
    limit: int,
    cursor: str | None,
    oldest_first: bool = False,
) -> Page[Item]:
    """The part of what `query` finds that begins at `cursor`, newest first; `row` has `created_at` and `id`.

    Raises InvalidRequest for a foreign cursor.
    """
    total = await count(session, query.with_only_columns(row.id))
    place = tuple_(row.created_at, row.id)
    if cursor is not None:
        begin = from_cursor(cursor)
        query = query.where(place > begin if oldest_first else place < begin)
    order = (row.created_at, row.id) if oldest_first else (row.created_at.desc(), row.id.desc())
    rows = list(await session.scalars(query.order_by(*order).limit(limit + 1)))
    after = to_cursor(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
    return Page([item(found) for found in rows[:limit]], total, after)


def to_cursor(moment: datetime, row_id: str) -> str:
    """Where the rows after this one begin, in a list by time."""
    return _encoded(f"{moment.isoformat()}|{row_id}")


def from_cursor(cursor: str) -> tuple[datetime, str]:
    """What `to_cursor` was given. Raises InvalidRequest."""
    moment, bar, row_id = _decoded(cursor).partition("|")
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        raise _foreign() from None
    if not bar or parsed.tzinfo is None:
        raise _foreign()
    return parsed, row_id


def to_number_cursor(number: int) -> str:
    """Where the rows after this one begin, in a list by number."""
    return _encoded(f"#{number}")


def from_number_cursor(cursor: str) -> int:
    """What `to_number_cursor` was given. Raises InvalidRequest."""
    found = re.fullmatch(r"#([0-9]{1,9})", _decoded(cursor))
    if found is None:
        raise _foreign()
    return int(found[1])


def to_name_cursor(name: str) -> str:
    """Where the rows after this one begin, in a list by a unique name."""
    return _encoded(f"={name}")


def from_name_cursor(cursor: str) -> tuple[str]:
    """What `to_name_cursor` was given. Raises InvalidRequest."""
    text = _decoded(cursor)
    if not text.startswith("="):
        raise _foreign()
    return (text[1:],)


def to_values_cursor(*values: int | str | datetime) -> str:
    """Where the rows after this one begin, in a list by several values."""
    return _encoded(json.dumps([value.isoformat() if isinstance(value, datetime) else value for value in values]))


def values_cursor(*kinds: type) -> Callable[[str], tuple[Any, ...]]:
    """What reads a cursor that `to_values_cursor` made of values of these kinds; it raises InvalidRequest."""

    def read(cursor: str) -> tuple[Any, ...]:
        try:
            values = json.loads(_decoded(cursor))
            if not isinstance(values, list) or len(values) != len(kinds):
                raise _foreign()
            return tuple(_value(value, kind) for value, kind in zip(values, kinds, strict=True))
        except ValueError:
            raise _foreign() from None

    return read


def _value(value: Any, kind: type[Any]) -> Any:
    if kind is datetime and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("without a zone")
        return moment
    if not isinstance(value, kind) or isinstance(value, bool) or (isinstance(value, int) and abs(value) >= 2**63):
        raise ValueError("another kind of value")
    return value


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (ValueError, binascii.Error):
        raise _foreign() from None


def _foreign() -> InvalidRequest:
    return InvalidRequest("The cursor is not one that this server gave out.", code="invalid-cursor")
