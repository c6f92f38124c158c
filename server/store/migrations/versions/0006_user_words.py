"""What people are found by when others look for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from server.store.names import search_words
from server.store.people_schema import WORD

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_words",
        sa.Column("word", WORD, nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_words_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("word", "user_id", name="pk_user_words"),
    )
    op.create_index("ix_user_words_user_id", "user_words", ["user_id"])
    _fill()


def _fill() -> None:
    users = sa.table("users", sa.column("id"), sa.column("name"), sa.column("display_name"))
    words = sa.table("user_words", sa.column("word"), sa.column("user_id"))
    connection = op.get_bind()
    for user_id, name, display_name in connection.execute(sa.select(users)).all():
        rows = [{"word": word, "user_id": user_id} for word in search_words(name, display_name)]
        if rows:
            connection.execute(words.insert(), rows)


def downgrade() -> None:
    op.drop_table("user_words")
