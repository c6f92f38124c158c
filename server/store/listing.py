"""Lists in parts. The statements of a list are put together once for each of its shapes, and then only asked.

To put a statement together takes SQLAlchemy longer than the database takes to answer it; so does one change of thread
after another between the steps of a session. What makes a page of a list differ from the next, who looks, whose it is,
where it begins, are parameters, and a page is one piece of work for `Database.ask`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, func, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from server.store.paging import from_cursor, to_cursor
from server.store.records import Item, Page

SHAPES = 128
"""Statements that are kept of one list; those that were not asked for longest are put together again."""
Names = frozenset[str]
"""What is given, by name: the parameters of a statement."""


@dataclass(frozen=True)
class Order:
    """How a list is sorted: by columns that are asked for under their own names; the last tells any two rows apart."""

    columns: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...]
    descending: bool = False
    to_cursor: Callable[..., str] = to_cursor
    """Makes a cursor of one row's values of the columns."""
    from_cursor: Callable[[str], tuple[Any, ...]] = from_cursor
    """Its inverse. Raises InvalidRequest."""


class Listing(Generic[Item]):
    """One kind of list.

    `query` puts a statement together, one row for each item, without order and limit: for the names of what is given,
    which stand in it as parameters, or make it another one by being there. `item` makes an item of a row. The first
    of `orders` is taken where none is named.
    """

    def __init__(
        self, query: Callable[[Names], Select[Any]], orders: Mapping[str, Order], item: Callable[[Any], Item]
    ) -> None:
        self._query = query
        self._orders = orders
        self._item = item
        self._first = next(iter(orders))
        self._statements = lru_cache(SHAPES)(self._build)

    def page(
        self, connection: Connection, given: Mapping[str, Any], *, limit: int, cursor: str | None, order: str = ""
    ) -> Page[Item]:
        """The part of the list that begins at `cursor`; what is None in `given` counts as not given.

        Raises InvalidRequest for a foreign cursor. Blocks.
        """
        values = {name: value for name, value in given.items() if value is not None}
        name = order or self._first
        sorting = self._orders[name]
        listing, counting = self._statements(frozenset(values), name, cursor is not None)
        after = sorting.from_cursor(cursor) if cursor is not None else ()
        begin = {f"after_{number}": value for number, value in enumerate(after)}
        rows = connection.execute(listing, {**values, **begin, "most": limit + 1}).all()
        whole = cursor is None and len(rows) <= limit
        total = len(rows) if whole else connection.execute(counting, values).scalar_one()
        following = None
        if len(rows) > limit:
            following = sorting.to_cursor(*(getattr(rows[limit - 1], str(column.key)) for column in sorting.columns))
        return Page([self._item(row) for row in rows[:limit]], total, following)

    def _build(self, names: Names, order: str, continued: bool) -> tuple[Select[Any], Select[Any]]:
        """The statements for the rows of a page and for how many there are altogether."""
        query, sorting = self._query(names), self._orders[order]
        counting = query.with_only_columns(func.count(), maintain_column_froms=True)
        if continued:
            place = tuple_(*sorting.columns)
            begin = tuple_(
                *(bindparam(f"after_{number}", type_=column.type) for number, column in enumerate(sorting.columns))
            )
            query = query.where(place < begin if sorting.descending else place > begin)
        columns = [column.desc() if sorting.descending else column for column in sorting.columns]
        return query.order_by(*columns).limit(bindparam("most", type_=Integer)), counting
