"""Broadcasts are listed without what was uploaded."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEX = "ix_streams_origin_started_at_id"


def upgrade() -> None:
    op.create_index(INDEX, "streams", ["origin", "started_at", "id"])


def downgrade() -> None:
    op.drop_index(INDEX, "streams")
