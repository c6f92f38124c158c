"""Lists as they are asked for: whole pages in one go, statements that are put together once."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from server.errors import Unavailable
from server.store import database
from server.store.friends import FRIENDS
from server.store.library import FILTERS, RECORDINGS
from server.store.lists import CHANNELS, STREAMS
from server.store.people_records import Sight
from server.store.records import Channel
from server.store.search import PARAMETERS
from server.store.store import Store
from tests.store.plans import Plans
from tests.store.rows import channel, recording, stream


async def talks(store: Store, home: Channel, minutes: range) -> None:
    for minute in minutes:
        await store.save_stream(talk := stream(home, minute))
        await store.save_recording(recording(talk))
        await store.add_channel(channel(f"{home.slug}-{minute}", minute))


@pytest.mark.parametrize("kind", ["recording", "stream", "channel"])
async def test_a_page_takes_as_many_statements_of_three_as_of_sixty(store: Store, kind: str) -> None:
    sight = Sight("local", frozenset({(kind, "x"), ("channel", "y")}))
    await store.add_channel(home := channel("anna"))
    pages = getattr(store, f"{kind}s")
    for minutes in (range(3), range(3, 60)):
        await talks(store, home, minutes)
        plans = Plans(store)
        page = await pages(limit=2, sight=sight)
        after = await pages(limit=2, sight=sight, cursor=page.next, owner="local")
        assert await plans.scans() == []
        assert plans.count == 4
        assert page.total == after.total == minutes.stop + (kind == "channel")


async def test_a_short_list_is_counted_without_asking_again(store: Store) -> None:
    await store.add_channel(home := channel("anna"))
    await talks(store, home, range(3))
    plans = Plans(store)
    page = await store.recordings(limit=3)
    assert (page.total, len(page.items), page.next, plans.count) == (3, 3, None, 1)


async def test_a_page_of_recordings_is_read_along_an_index_and_not_sorted(store: Store) -> None:
    await store.add_channel(home := channel("anna"))
    await talks(store, home, range(5))
    plans = Plans(store)
    await store.recordings(limit=2, sight=Sight("local"))
    (page,) = (found for found in plans.statements.items() if "ORDER BY" in found[0])

    def explain(connection: Connection) -> str:
        return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {page[0]}", page[1]).all())

    told = await store._database.ask(explain)
    assert "ix_recordings_deleted_at_created_at_id" in told
    assert "TEMP B-TREE" not in told


async def test_what_finds_no_room_is_refused_and_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MOST_QUESTIONS", 1)
    dropped, open_ = database.QUESTIONS.dropped, threading.Event()

    def slow(_connection: Connection) -> bool:
        return open_.wait(30)

    first = asyncio.create_task(store._database.ask(slow))
    while not database.QUESTIONS.lengths() or max(database.QUESTIONS.lengths()) < 1:
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await store.recordings()
    assert database.QUESTIONS.dropped == dropped + 1
    open_.set()
    assert await first
    assert (await store.recordings()).total == 0


def test_both_databases_take_every_shape_of_every_list() -> None:
    extra = [*FILTERS, "opened", "opened_channels", "title", *PARAMETERS[:2]]
    shapes = [frozenset({"me", *names}) for names in [(), extra, *zip(extra, strict=True)]]
    for listing in (CHANNELS, STREAMS, RECORDINGS, FRIENDS):
        for order in listing._orders:
            for names in shapes if order == listing._first else shapes[:2]:
                for statement in listing._build(names, order, True):
                    for dialect in (sqlite.dialect(), postgresql.dialect()):
                        assert str(statement.compile(dialect=dialect)).startswith("SELECT")
