"""What Alembic runs: the migrations, on the connection that `server.store.database` hands over."""

from __future__ import annotations

from alembic import context

from server.store import library_schema, people_schema  # noqa: F401 - their tables belong to the metadata
from server.store.schema import Base


def run() -> None:
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    context.run_migrations()


run()
