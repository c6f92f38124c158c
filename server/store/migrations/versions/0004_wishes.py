"""How a stream is to be heard: its vocabulary, whether it is translated, how many people speak."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("streams", sa.Column("vocabulary", sa.Text(), nullable=False, server_default=""))
    op.add_column("streams", sa.Column("translated", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("streams", sa.Column("fewest_speakers", sa.Integer(), nullable=True))
    op.add_column("streams", sa.Column("most_speakers", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("streams") as streams:
        for name in ("most_speakers", "fewest_speakers", "translated", "vocabulary"):
            streams.drop_column(name)
