"""What is kept of recordings: trims, descriptions, findings; uploads, collections, corrections, webhooks."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from server.store.schema import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_uploads_owner_created_at_id": ("uploads", ["owner", "created_at", "id"]),
    "ix_uploads_owner_sha256": ("uploads", ["owner", "sha256"]),
    "ix_uploads_state": ("uploads", ["state"]),
    "ix_uploads_batch": ("uploads", ["batch"]),
    "ix_uploads_recording_id": ("uploads", ["recording_id"]),
    "ix_uploads_changed_at": ("uploads", ["changed_at"]),
    "ix_collections_owner_created_at_id": ("collections", ["owner", "created_at", "id"]),
    "ix_collection_items_recording_id": ("collection_items", ["recording_id"]),
    "ix_caption_edits_stream_id_version_id": ("caption_edits", ["stream_id", "version", "id"]),
    "ix_webhook_deliveries_state_due_at": ("webhook_deliveries", ["state", "due_at"]),
    "ix_webhook_deliveries_created_at": ("webhook_deliveries", ["created_at"]),
}


def _columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    """What tables get."""
    return {
        "streams": (sa.Column("origin", sa.String(10), nullable=False, server_default="live"),),
        "recordings": (
            sa.Column("description", sa.Text(), nullable=False, server_default=""),
            sa.Column("trim_start", sa.BigInteger(), nullable=True),
            sa.Column("trim_end", sa.BigInteger(), nullable=True),
            sa.Column("facts", sa.JSON(), nullable=True),
        ),
        "voices": (
            sa.Column("description", sa.Text(), nullable=False, server_default=""),
            sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true()),
            sa.Column("verified", sa.Boolean(), nullable=False, server_default=sa.false()),
        ),
        "jobs": (
            sa.Column("priority", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("parameters", sa.JSON(), nullable=True),
            sa.Column("reached", sa.String(40), nullable=False, server_default=""),
        ),
        "users": (sa.Column("quota_bytes", sa.BigInteger(), nullable=True),),
    }


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    _uploads()
    _collections()
    _edits()
    _deliveries()
    for name, (table, names) in INDEXES.items():
        op.create_index(name, table, names)


def _uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("batch", sa.String(64), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("diagnosis", sa.JSON(), nullable=True),
        sa.Column("recording_id", sa.String(64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )


def _collections() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
    )
    op.create_table(
        "collection_items",
        sa.Column("collection_id", sa.String(64), nullable=False),
        sa.Column("recording_id", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name="fk_collection_items_collection_id_collections",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name="fk_collection_items_recording_id_recordings", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "recording_id", name="pk_collection_items"),
    )


def _edits() -> None:
    op.create_table(
        "caption_edits",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("version", sa.String(8), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("undone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name="fk_caption_edits_stream_id_streams", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_caption_edits"),
    )


def _deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
    )


def downgrade() -> None:
    for table in ("webhook_deliveries", "caption_edits", "collection_items", "collections", "uploads"):
        op.drop_table(table)
    for table, columns in _columns().items():
        with op.batch_alter_table(table) as altered:
            for column in columns:
                altered.drop_column(column.name)
