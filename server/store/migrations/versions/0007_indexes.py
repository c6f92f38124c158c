"""Lists and tidying find their rows without reading whole tables."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_channels_created_at_id": ("channels", ["created_at", "id"]),
    "ix_streams_ended_at": ("streams", ["ended_at"]),
    "ix_recordings_state": ("recordings", ["state"]),
    "ix_recordings_deleted_at": ("recordings", ["deleted_at"]),
    "ix_jobs_created_at_id": ("jobs", ["created_at", "id"]),
    "ix_users_administrator": ("users", ["administrator"]),
    "ix_invitations_used_by": ("invitations", ["used_by"]),
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
