"""The tables around recordings: files that people bring, collections, corrections, webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.store.schema import Base, UtcDateTime


class UploadRow(Base):
    """A file that was recorded elsewhere, from its first byte to the recording that it becomes."""

    __tablename__ = "uploads"
    __table_args__ = (
        Index("ix_uploads_owner_created_at_id", "owner", "created_at", "id"),
        Index("ix_uploads_owner_sha256", "owner", "sha256"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    """As its owner's machine called it."""
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes that are to come."""
    received: Mapped[int] = mapped_column(BigInteger)
    """Bytes that are here."""
    sha256: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20), index=True)
    detail: Mapped[str] = mapped_column(Text)
    batch: Mapped[str | None] = mapped_column(String(64), index=True)
    """Those that were sent together share it."""
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    diagnosis: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    recording_id: Mapped[str | None] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime(), index=True)


class CollectionRow(Base):
    """Recordings in an order that somebody gave them."""

    __tablename__ = "collections"
    __table_args__ = (Index("ix_collections_owner_created_at_id", "owner", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class CollectionItemRow(Base):
    """A recording's place in a collection."""

    __tablename__ = "collection_items"

    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
    recording_id: Mapped[str] = mapped_column(
        ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    position: Mapped[int]


class CaptionEditRow(Base):
    """What a person changed in a caption, so that it can be taken back."""

    __tablename__ = "caption_edits"
    __table_args__ = (Index("ix_caption_edits_stream_id_version_id", "stream_id", "version", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    stream_id: Mapped[str] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"))
    version: Mapped[str] = mapped_column(String(8))
    number: Mapped[int]
    """The caption's."""
    actor: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime())
    before: Mapped[dict[str, Any]] = mapped_column(JSON)
    after: Mapped[dict[str, Any]] = mapped_column(JSON)
    undone: Mapped[bool] = mapped_column(Boolean)


class DeliveryRow(Base):
    """An event on its way to somebody else's server."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_state_due_at", "state", "due_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    event: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int]
    status: Mapped[int | None]
    """What the other server answered last."""
    error: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime(), index=True)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime())


class SearchEntryRow(Base):
    """A stream that can be searched; `passages` hang on its number."""

    __tablename__ = "search_entries"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    stream_id: Mapped[str] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"), unique=True)
    version: Mapped[str] = mapped_column(String(8))
    """Which account of it is searched."""
    made_by: Mapped[int] = mapped_column(index=True)
    """Version of the rules by which texts were taken apart."""
    title_key: Mapped[str] = mapped_column(String(400), index=True)
    """By which titles are put in order: small letters without diacritics."""


class SearchPassageRow(Base):
    """Some captions that follow each other, or title, description and names, as tokens.

    SQLite finds them by the virtual table `search_words`, kept by triggers; PostgreSQL by an index on `said`.
    """

    __tablename__ = "search_passages"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False
    )
    """The entry's number and the passage's, see `search_index.SIZE`."""
    entry: Mapped[int] = mapped_column(ForeignKey("search_entries.number", ondelete="CASCADE"), index=True)
    said: Mapped[str] = mapped_column(Text)


class SummaryRow(Base):
    """What a language model wrote of a recording."""

    __tablename__ = "summaries"

    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    markdown: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())
    stamp: Mapped[str] = mapped_column(String(64))
    """Of the captions that it was made from: another one says that they have changed."""
