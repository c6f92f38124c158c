from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from server.errors import Conflict, InvalidRequest, NotFound, SettingsError, Unavailable
from server.store import library_schema, people_schema  # noqa: F401 - their tables belong to the metadata
from server.store.captions import CaptionBatch
from server.store.database import create_engine, database_url, migrate, upgrade
from server.store.folder import prepare_folders
from server.store.ids import SLUG, is_id, new_id, slugify
from server.store.schema import Base
from server.store.store import Store
from tests.store.rows import NOW, caption, channel, recording, stream

AT = {"now": "2026-11-03 12:00:00.000000"}


async def test_migrations_build_what_the_models_say(tmp_path: Path) -> None:
    url = database_url(None, tmp_path)
    await asyncio.to_thread(migrate, url)
    engine = create_engine(url)

    def differences(connection: Connection) -> list[object]:
        opts = {"compare_type": True, "include_object": lambda _, name, *__: not name.startswith("search_words")}
        context = MigrationContext.configure(connection, opts=opts)  # a virtual table is several, of SQLite's own
        return list(compare_metadata(context, Base.metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        constraints = (await connection.execute(text("select sql from sqlite_master where name = 'streams'"))).scalar()
    await engine.dispose()
    assert "ON DELETE CASCADE" in str(constraints)


async def test_a_database_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    url = database_url(None, tmp_path)
    engine = create_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(upgrade, "0001")
        await connection.execute(text("insert into channels values ('c', 'anna', 'Anna', 'Anna', 'local', :now)"), AT)
        of_stream = "('s', 'c', 'local', 'Anna', 'Talk', 'ended', :now, :now, 'left', 480, 1, 'active', null, 1)"
        await connection.execute(text(f"insert into streams values {of_stream}"), AT)
        await connection.commit()
    await engine.dispose()
    store = Store(url)
    await store.open()
    kept = await store.stream("s")
    assert (kept.title, kept.length, kept.language) == ("Talk", 480, None)
    assert (kept.vocabulary, kept.translated, kept.most_speakers) == ("", False, None)
    assert await store.captions.save(CaptionBatch({"s": [caption(1)]})) == set()
    await store.close()


async def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        again = Store(database_url(None, tmp_path))
        await again.open()
        await again.close()


async def test_sqlite_keeps_a_write_ahead_log_and_foreign_keys(store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "clearcast.db") as plain:
        assert plain.execute("pragma journal_mode").fetchone() == ("wal",)
    lost = stream(channel("nowhere"))
    with pytest.raises(Conflict) as caught:
        await store.save_stream(lost)
    assert "FOREIGN KEY" in str(caught.value.__cause__)


async def test_writers_take_turns(store: Store) -> None:
    await asyncio.gather(*(store.add_channel(channel(f"c{number}", number)) for number in range(20)))
    assert (await store.channels()).total == 20


async def test_a_locked_database_is_an_error_that_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.store.database.BUSY_TIMEOUT_MS", 50)
    other = sqlite3.connect(tmp_path / "clearcast.db", isolation_level=None)
    fresh = Store(database_url(None, tmp_path))
    other.execute("begin immediate")
    try:
        with pytest.raises(Unavailable):
            await fresh.add_channel(channel("late"))
    finally:
        other.execute("rollback")
        other.close()
        await fresh.close()


async def test_an_address_is_given_once(store: Store) -> None:
    await store.add_channel(channel("anna"))
    with pytest.raises(Conflict) as caught:
        await store.add_channel(channel("anna"))
    assert caught.value.code == "slug-taken"


async def test_pages_follow_each_other_without_a_gap(store: Store) -> None:
    home = channel("anna")
    await store.add_channel(home)
    streams = [stream(home, minutes // 2) for minutes in range(7)]  # pairs that began at the same moment
    for item in streams:
        await store.save_stream(item)
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.streams(limit=2, cursor=cursor)
        assert page.total == 7
        seen += [item.id for item in page.items]
        cursor = page.next
        if cursor is None:
            break
    newest_first = sorted(streams, key=lambda item: (item.started_at, item.id), reverse=True)
    assert seen == [item.id for item in newest_first]


@pytest.mark.parametrize("cursor", ["", "%%%", "bm9wZQ", "MjAyNi0xMS0wM3xh", "🙂"])
async def test_cursors_of_others_are_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        await store.streams(cursor=cursor)


async def test_times_come_back_in_utc(store: Store) -> None:
    home = channel("anna")
    await store.add_channel(home)
    item = replace(stream(home), started_at=NOW.astimezone(datetime.now().astimezone().tzinfo), ended_at=None)
    await store.save_stream(item)
    kept = await store.stream(item.id)
    assert kept.started_at == NOW
    assert kept.started_at.tzinfo is UTC
    with pytest.raises(Exception, match="without a zone"):
        await store.save_stream(replace(item, started_at=NOW.replace(tzinfo=None)))


async def test_a_recording_knows_where_it_came_from_and_leaves_lists_when_binned(store: Store) -> None:
    home = channel("anna")
    await store.add_channel(home)
    talk = stream(home)
    await store.save_stream(talk)
    await store.save_recording(recording(talk))
    kept = await store.recording(talk.id)
    assert (kept.host, kept.owner, kept.channel_slug) == ("Anna", "local", "anna")
    assert [item.id for item in await store.unfinished_recordings()] == [talk.id]
    await store.change_recording(talk.id, state="ready", length=96_000, deleted_at=NOW)
    assert (await store.recordings()).items == []
    assert (await store.recording(talk.id)).length == 96_000
    assert [item.id for item in await store.deleted_recordings(NOW + timedelta(seconds=1))] == [talk.id]
    await store.forget_recording(talk.id)
    with pytest.raises(NotFound):
        await store.recording(talk.id)
    with pytest.raises(NotFound):
        await store.change_recording(talk.id, state="ready")


async def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "clearcast.db").write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    broken = Store(database_url(None, tmp_path))
    with pytest.raises(Unavailable, match="not a database"):
        await broken.open()
    await broken.close()


def test_addresses_of_databases() -> None:
    assert database_url("sqlite:////var/x.db", Path()) == "sqlite+aiosqlite:////var/x.db"
    assert database_url("postgresql://u:p@h/d", Path()) == "postgresql+asyncpg://u:p@h/d"
    with pytest.raises(SettingsError, match="asyncpg"):
        create_engine("postgresql+asyncpg://u:p@h/d")
    for wrong in ("mysql://h/d", "nonsense", ""):
        with pytest.raises(SettingsError, match="CLEARCAST_DATABASE_URL"):
            database_url(wrong, Path())


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Anna's Show", "anna-s-show"), ("Élodie", "elodie"), ("--", None), ("你好", None), ("a" * 90, "a" * 40)],
)
def test_addresses_are_made_from_names(name: str, slug: str | None) -> None:
    made = slugify(name)
    assert SLUG.fullmatch(made)
    assert slug is None or made == slug


def test_ids_may_name_folders() -> None:
    assert is_id(new_id())
    for wrong in ("", "..", "a/b", ".bin", "a" * 65):
        assert not is_id(wrong)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    from server.config import load_settings
    from server.errors import DiskFull

    (tmp_path / "file").write_text("")
    with pytest.raises(DiskFull, match="part of the path is a file"):
        prepare_folders(load_settings(data_dir=tmp_path / "file" / "data"))
    prepare_folders(load_settings(data_dir=tmp_path / "new" / "data"))
    assert (tmp_path / "new" / "data").stat().st_mode & 0o077 == 0
