"""How the database would find what is asked for: `Plans` listens to everything that a test asks, and explains it."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, event

from server.store import library_schema, people_schema  # noqa: F401 - their tables belong to the metadata
from server.store.schema import Base
from server.store.store import Store

WHOLE = re.compile(r"^SCAN (\w+)(?! USING INDEX)")
"""A table that is read from one end to the other; reading along an index is for lists that end after a page."""
ALIAS = re.compile(r"\b(\w+) AS (\w+)", re.IGNORECASE)
BY_RIGHT = {
    r"SELECT count\(\*\)(?!.* WHERE )": "how many there are: for administrators, or without accounts",
    r"SELECT count\(\*\) AS count_1 FROM (streams|channels) LEFT OUTER JOIN access_rules ": "whether one may see "
    "a thing is decided row by row; the page itself is read along an index, and a list that fits on it is not counted",
    r"SELECT streams.owner, .*sum\(recordings.size_bytes\)": "how much room everybody takes: for administrators",
    r"SELECT count\(\*\) AS count_1 FROM users WHERE users.id != ": "when the only administrator wants to leave",
    r"SELECT count\(\*\) AS count_1 FROM \(SELECT users.id AS id FROM users": "the same, and who is the first",
    r"DELETE FROM (api_keys|invitations|sessions|refresh_tokens|audit) WHERE \w+\.\w+ < ": "tidying, a few times a day",
    r"SELECT users.id FROM users WHERE users.password = ": "once, at the start",
    r"SELECT recordings.stream_id FROM recordings LEFT OUTER JOIN search_entries ": "once, at the start",
    r"SELECT count\(\*\) .*users.password != ": "whether there is an account yet",
    r"DELETE FROM invitations WHERE invitations.expires_at < ": "four times a day, of the few that there are",
}
"""Statements that read the whole of something, and why they may."""
READ = ("SELECT", "UPDATE", "DELETE", "WITH", "INSERT")


class Plans:
    """Every statement that is executed on a store's database."""

    def __init__(self, store: Store) -> None:
        self._database = store._database
        self.statements: dict[str, Any] = {}
        """What it was asked with, the last time."""
        self.count = 0
        for engine in self._database.engines:
            event.listen(engine, "before_cursor_execute", self._heard)

    def _heard(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith(READ):
            self.count += 1
            self.statements[statement] = parameters

    async def scans(self) -> list[str]:
        """Statements that read the whole of a table of ours, with the table before each."""
        for engine in self._database.engines:
            event.remove(engine, "before_cursor_execute", self._heard)
        return await self._database.ask(self._scans)

    def _scans(self, connection: Connection) -> list[str]:
        found = []
        for statement, parameters in self.statements.items():
            plain = " ".join(statement.split())
            first = parameters[0] if isinstance(parameters, list) else parameters
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", first)
            names = {alias: table for table, alias in ALIAS.findall(statement)}
            for *_, detail in plan:
                scanned = WHOLE.match(detail)
                if scanned is None:
                    continue
                table = names.get(scanned[1], scanned[1])
                if table in Base.metadata.tables and not any(re.match(pattern, plain) for pattern in BY_RIGHT):
                    found.append(f"{table}: {plain}")
        return found
