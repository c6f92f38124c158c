"""The connection: SQLite (WAL) in the data folder by default, PostgreSQL by address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy import create_engine as create_blocking_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from server.errors import Conflict, NotFound, SettingsError, Unavailable
from server.queues import Policy, Queue

BUSY_TIMEOUT_MS = 5_000
CONNECTIONS = 12
"""Kept open: with SQLite each is a thread, and to open one takes longer than most questions."""
READERS = 4
"""Threads that answer questions which are asked as one piece of work."""
MOST_QUESTIONS = 1_024
QUESTIONS = Queue(
    "questions",
    MOST_QUESTIONS,
    Policy.NEWEST,
    holds="lists that wait for the database",
    drop="Whoever asked for more was answered 503 and asked to come again.",
)
Answer = TypeVar("Answer")
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


def database_url(setting: str | None, data_dir: Path) -> str:
    """The SQLAlchemy address in use, with the asynchronous driver filled in. Raises SettingsError."""
    if setting is None:
        return f"sqlite+aiosqlite:///{(data_dir / 'clearcast.db').absolute()}"
    scheme, _, rest = setting.partition("://")
    address = f"{_DRIVERS.get(scheme, scheme)}://{rest}"
    try:
        name = make_url(address).get_backend_name()
    except ArgumentError:
        name = ""
    if name not in ("sqlite", "postgresql"):
        raise SettingsError("CLEARCAST_DATABASE_URL: must begin with sqlite:/// or postgresql://")
    return address


def must_be_there(url: str) -> None:
    """For whoever only looks: SQLite would make a database where there is none. Raises NotFound."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
        raise NotFound(f"There is no database at {place.database}. --data-dir names another data folder.")


def create_engine(url: str, **options: Any) -> AsyncEngine:
    """An engine whose SQLite connections wait for each other and keep foreign keys."""
    try:
        engine = create_async_engine(url, json_serializer=_json, **options)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"CLEARCAST_DATABASE_URL: this database needs the package {error.name}, which is not installed"
        ) from None
    if engine.dialect.name == "sqlite":
        _listen(engine.sync_engine)
    return engine


def _listen(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver would begin transactions by itself, and only before the first write: too late to take the lock.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


class Database:
    """Sessions on one engine. `open` brings the tables up to date first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=0)
        self._readers = _Readers(url) if self._engine.dialect.name == "sqlite" else None

    @property
    def engines(self) -> list[Engine]:
        """All that statements are executed on."""
        return [self._engine.sync_engine, *([self._readers.engine] if self._readers is not None else [])]

    async def open(self) -> None:
        """Migrate to the newest schema. Raises Unavailable with a text for the operator."""
        try:
            await asyncio.to_thread(migrate, self._url)
        except (SQLAlchemyError, OSError) as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            place = make_url(self._url).render_as_string(hide_password=True)
            raise Unavailable(f"The database cannot be opened: {reason} ({place})", code="database") from error

    async def close(self) -> None:
        if self._readers is not None:
            await asyncio.to_thread(self._readers.close)
        await self._engine.dispose()

    async def ask(self, work: Callable[[Connection], Answer]) -> Answer:
        """What `work` makes of one state of the database, which it does not change. Raises Unavailable.

        All of it is one piece: with SQLite in a thread, where a session changes threads several times for each
        statement, and takes more time for that than for the answers.
        """
        try:
            if self._readers is not None:
                return await self._readers.ask(work)
            async with self._engine.connect() as connection:
                return await connection.run_sync(work)
        except (DBAPIError, PoolTimeout) as error:
            raise _unreadable() from error

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one state of the database and changes nothing. Raises Unavailable."""
        try:
            async with AsyncSession(self._engine, expire_on_commit=False) as session:
                yield session
        except (DBAPIError, PoolTimeout) as error:
            raise _unreadable() from error

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session that holds the write lock from its first statement; commits at the end.

        Raises Conflict where rows contradict each other, Unavailable when the database stays locked or the disk
        takes nothing more.
        """
        try:
            async with AsyncSession(self._engine, expire_on_commit=False) as session:
                await session.connection(execution_options={"writing": True})
                yield session
                await session.commit()
        except IntegrityError as error:
            raise Conflict("This does not fit what is stored already.") from error
        except (DBAPIError, PoolTimeout) as error:
            raise Unavailable("The database takes no changes just now.", code="database", retry_after=5) from error

    async def check(self) -> None:
        """Raises when the database does not answer."""
        async with self.read() as session:
            await session.execute(text("SELECT 1"))


class _Readers:
    """Threads with connections of their own to the SQLite database."""

    def __init__(self, url: str) -> None:
        address = make_url(url).set(drivername="sqlite")
        self.engine = create_blocking_engine(address, json_serializer=_json, pool_size=READERS, max_overflow=0)
        _listen(self.engine)
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="questions")
        self._asked = 0
        QUESTIONS.measure(self, _Readers._waiting)

    async def ask(self, work: Callable[[Connection], Answer]) -> Answer:
        if self._asked >= MOST_QUESTIONS:
            QUESTIONS.dropped += 1
            raise _unreadable()
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, work)
        finally:
            self._asked -= 1

    def _waiting(self) -> int:
        return self._asked

    def _answer(self, work: Callable[[Connection], Answer]) -> Answer:
        with self.engine.connect() as connection:
            return work(connection)

    def close(self) -> None:
        """Blocks until what was asked is answered."""
        self._threads.shutdown()
        self.engine.dispose()


def _unreadable() -> Unavailable:
    return Unavailable("The database cannot be read just now.", code="database", retry_after=5)


def migrate(url: str) -> None:
    """Bring the tables to the newest version. Blocks: call in a thread."""
    asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(writing=True)
            await connection.run_sync(upgrade)
            await connection.commit()
    finally:
        await engine.dispose()


def upgrade(connection: Connection, version: str = "head") -> None:
    """Run every missing migration on `connection`, up to a version."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, version)
