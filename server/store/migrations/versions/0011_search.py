"""Recordings are found by what is said in them; summaries that were written by a model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from server.store.schema import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WORDS = (
    # Tokens are made before: whatever is no blank belongs to one.
    "CREATE VIRTUAL TABLE search_words USING fts5("
    "said, content='search_passages', content_rowid='id', tokenize='ascii', prefix='1 2')"
)
OLD = "INSERT INTO search_words(search_words, rowid, said) VALUES ('delete', old.id, old.said);"
NEW = "INSERT INTO search_words(rowid, said) VALUES (new.id, new.said);"
TRIGGERS = {"insert": NEW, "delete": OLD, "update": OLD + NEW}
INDEXES = {
    "ix_recordings_deleted_at_length_id": ("recordings", ["deleted_at", "length", "id"]),
    "ix_recordings_deleted_at_size_bytes_id": ("recordings", ["deleted_at", "size_bytes", "id"]),
    "ix_speakers_name_stream_id": ("speakers", ["name", "stream_id"]),
    "ix_search_entries_made_by": ("search_entries", ["made_by"]),
    "ix_search_entries_title_key": ("search_entries", ["title_key"]),
    "ix_search_passages_entry": ("search_passages", ["entry"]),
}


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "search_entries",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("version", sa.String(8), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=False),
        sa.Column("title_key", sa.String(400), nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name="fk_search_entries_stream_id_streams", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_search_entries"),
        sa.UniqueConstraint("stream_id", name="uq_search_entries_stream_id"),
    )
    op.create_table(
        "search_passages",
        sa.Column("id", sa.Integer() if sqlite else sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry"], ["search_entries.number"], name="fk_search_passages_entry_search_entries", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_search_passages"),
    )
    op.create_table(
        "summaries",
        sa.Column("recording_id", sa.String(64), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("markdown", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name="fk_summaries_recording_id_recordings", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("recording_id", name="pk_summaries"),
    )
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)
    if sqlite:
        op.execute(WORDS)
        for event, work in TRIGGERS.items():
            op.execute(f"CREATE TRIGGER search_{event} AFTER {event} ON search_passages BEGIN {work} END")
    else:
        op.execute("CREATE INDEX ix_search_passages_said ON search_passages USING gin ((said::tsvector))")
        op.execute(
            "CREATE VIEW search_words AS SELECT id AS rowid, said::tsvector AS search_words FROM search_passages"
        )


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute("DROP TABLE search_words" if sqlite else "DROP VIEW search_words")
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
    for table in ("summaries", "search_passages", "search_entries"):
        op.drop_table(table)
