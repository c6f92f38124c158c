"""Captions, speakers, known voices, jobs; the language of a stream."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from server.store.schema import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("streams", sa.Column("language", sa.String(16), nullable=True))
    _voices()
    _captions()
    _speakers()
    _jobs()


def _voices() -> None:
    op.create_table(
        "voices",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("centroids", sa.LargeBinary(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("consent_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_voices"),
    )
    op.create_index("ix_voices_owner_created_at_id", "voices", ["owner", "created_at", "id"])


def _captions() -> None:
    op.create_table(
        "captions",
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("version", sa.String(8), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("speakers", sa.JSON(), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("edited", sa.Text(), nullable=True),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("speakers_fixed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "version", "number", name="pk_captions"),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name="fk_captions_stream_id_streams", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_captions_stream_id_version_start_number", "captions", ["stream_id", "version", "start", "number"]
    )


def _speakers() -> None:
    op.create_table(
        "speakers",
        sa.Column("stream_id", sa.String(64), nullable=False),
        sa.Column("version", sa.String(8), nullable=False),
        sa.Column("label", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(80), nullable=True),
        sa.Column("source", sa.String(10), nullable=True),
        sa.Column("merged_into", sa.String(40), nullable=True),
        sa.Column("voice_id", sa.String(64), nullable=True),
        sa.Column("print_model", sa.String(200), nullable=True),
        sa.Column("print", sa.LargeBinary(), nullable=True),
        sa.Column("print_seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("stream_id", "version", "label", name="pk_speakers"),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name="fk_speakers_stream_id_streams", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["voice_id"], ["voices.id"], name="fk_speakers_voice_id_voices", ondelete="SET NULL"),
    )
    op.create_index("ix_speakers_voice_id", "speakers", ["voice_id"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("step", sa.String(200), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_owner_created_at_id", "jobs", ["owner", "created_at", "id"])
    op.create_index("ix_jobs_subject_created_at_id", "jobs", ["subject", "created_at", "id"])
    op.create_index("ix_jobs_state_created_at", "jobs", ["state", "created_at"])


def downgrade() -> None:
    op.drop_table("jobs")
    op.drop_table("speakers")
    op.drop_table("captions")
    op.drop_table("voices")
    with op.batch_alter_table("streams") as streams:
        streams.drop_column("language")
