"""The tables. A change here needs a migration in `server/store/migrations/versions`; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite keeps no zone, so it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


class ChannelRow(Base):
    """The lasting address of a person's broadcasts."""

    __tablename__ = "channels"
    __table_args__ = (Index("ix_channels_created_at_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    host: Mapped[str] = mapped_column(String(200))
    owner: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class StreamRow(Base):
    """One broadcast. Lengths are samples at 48 kHz."""

    __tablename__ = "streams"
    __table_args__ = (
        Index("ix_streams_started_at_id", "started_at", "id"),
        Index("ix_streams_origin_started_at_id", "origin", "started_at", "id"),
        Index("ix_streams_owner_started_at_id", "owner", "started_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    channel_id: Mapped[str] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), index=True)
    owner: Mapped[str] = mapped_column(String(64))
    host: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime(), index=True)
    end_reason: Mapped[str] = mapped_column(String(200))
    length: Mapped[int] = mapped_column(BigInteger)
    origin: Mapped[str] = mapped_column(String(10), server_default="live")
    """"live", or "upload": then it was never broadcast."""
    listeners_peak: Mapped[int]
    denoise_mode: Mapped[str] = mapped_column(String(20))
    denoise_engine: Mapped[str | None] = mapped_column(String(40))
    recorded: Mapped[bool] = mapped_column(Boolean)
    language: Mapped[str | None] = mapped_column(String(16))
    vocabulary: Mapped[str] = mapped_column(Text, server_default="")
    translated: Mapped[bool] = mapped_column(Boolean, server_default=false())
    fewest_speakers: Mapped[int | None]
    most_speakers: Mapped[int | None]


class RecordingRow(Base):
    """What was kept of a stream. Its audio lies in a folder named by `id`."""

    __tablename__ = "recordings"
    __table_args__ = (
        Index("ix_recordings_created_at_id", "created_at", "id"),
        Index("ix_recordings_deleted_at_created_at_id", "deleted_at", "created_at", "id"),
        Index("ix_recordings_deleted_at_length_id", "deleted_at", "length", "id"),
        Index("ix_recordings_deleted_at_size_bytes_id", "deleted_at", "size_bytes", "id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    stream_id: Mapped[str] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    state: Mapped[str] = mapped_column(String(20), index=True)
    detail: Mapped[str] = mapped_column(Text)
    length: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    has_raw: Mapped[bool] = mapped_column(Boolean)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    description: Mapped[str] = mapped_column(Text, server_default="")
    trim_start: Mapped[int | None] = mapped_column(BigInteger)
    trim_end: Mapped[int | None] = mapped_column(BigInteger)
    """What is played and downloaded of it; all where nothing is said."""
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What was found when it was finished: loudness, gaps, where noise was removed, models."""


class CaptionRow(Base):
    """A final caption of one account of a stream. Times are samples at 48 kHz."""

    __tablename__ = "captions"
    __table_args__ = (Index("ix_captions_stream_id_version_start_number", "stream_id", "version", "start", "number"),)

    stream_id: Mapped[str] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[str] = mapped_column(String(8), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rev: Mapped[int]
    start: Mapped[int] = mapped_column(BigInteger)
    end: Mapped[int] = mapped_column(BigInteger)
    speakers: Mapped[list[str]] = mapped_column(JSON)
    """Labels, the main one first."""
    words: Mapped[list[Any]] = mapped_column(JSON)
    """[start, end, text, probability] of each."""
    text: Mapped[str] = mapped_column(Text)
    """As it is shown."""
    edited: Mapped[str | None] = mapped_column(Text)
    """What a person made of the words."""
    hidden: Mapped[bool] = mapped_column(Boolean)
    speakers_fixed: Mapped[bool] = mapped_column(Boolean)


class SpeakerRow(Base):
    """A speaker of one account of a stream."""

    __tablename__ = "speakers"
    __table_args__ = (Index("ix_speakers_name_stream_id", "name", "stream_id"),)

    stream_id: Mapped[str] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[str] = mapped_column(String(8), primary_key=True)
    label: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int]
    """1 for who spoke first."""
    name: Mapped[str | None] = mapped_column(String(80))
    source: Mapped[str | None] = mapped_column(String(10))
    merged_into: Mapped[str | None] = mapped_column(String(40))
    voice_id: Mapped[str | None] = mapped_column(ForeignKey("voices.id", ondelete="SET NULL"), index=True)
    print_model: Mapped[str | None] = mapped_column(String(200))
    print: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The centroid: float32, little-endian."""
    print_seconds: Mapped[float | None]


class VoiceRow(Base):
    """A known voice."""

    __tablename__ = "voices"
    __table_args__ = (Index("ix_voices_owner_created_at_id", "owner", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    model: Mapped[str] = mapped_column(String(200))
    dimensions: Mapped[int]
    centroids: Mapped[bytes] = mapped_column(LargeBinary)
    """One after the other: float32, little-endian."""
    seconds: Mapped[float]
    consent_at: Mapped[datetime] = mapped_column(UtcDateTime())
    description: Mapped[str] = mapped_column(Text, server_default="")
    active: Mapped[bool] = mapped_column(Boolean, server_default=true())
    """Whether speakers are compared with it."""
    verified: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Whether its owner has listened, and says that it is who it is called."""


class JobRow(Base):
    """Work that outlives a request."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_owner_created_at_id", "owner", "created_at", "id"),
        Index("ix_jobs_subject_created_at_id", "subject", "created_at", "id"),
        Index("ix_jobs_state_created_at", "state", "created_at"),
        Index("ix_jobs_created_at_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20))
    progress: Mapped[float]
    step: Mapped[str] = mapped_column(String(200))
    attempts: Mapped[int]
    error: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    priority: Mapped[int] = mapped_column(server_default="0")
    """Higher goes first."""
    parameters: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    reached: Mapped[str] = mapped_column(String(40), server_default="")
    """The last step that need not be done again, by its name."""
