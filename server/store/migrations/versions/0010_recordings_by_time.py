"""A page of recordings is read along an index that leaves the binned ones out: none is sorted that is not shown."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_recordings_deleted_at", "recordings")
    op.create_index("ix_recordings_deleted_at_created_at_id", "recordings", ["deleted_at", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_recordings_deleted_at_created_at_id", "recordings")
    op.create_index("ix_recordings_deleted_at", "recordings", ["deleted_at"])
