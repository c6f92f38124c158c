"""The tables of people: who they are, whom they know, and who may hear what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from server.store.schema import Base, UtcDateTime

WORD = String(80).with_variant(postgresql.VARCHAR(80, collation="C"), "postgresql")
"""Text that is compared character by character, so that all that begins alike lies together."""


def _user(*, index: bool = False, primary_key: bool = False) -> Mapped[str]:
    """A column that names a user, and goes with them."""
    return mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=index, primary_key=primary_key)


class UserRow(Base):
    """Somebody with an account."""

    __tablename__ = "users"
    __table_args__ = (Index("ix_users_created_at_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    """What one signs in with, in one spelling: NFKC, small letters."""
    display_name: Mapped[str] = mapped_column(String(80))
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    password: Mapped[str] = mapped_column(String(200))
    """argon2id, with its parameters."""
    administrator: Mapped[bool] = mapped_column(Boolean, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    bio: Mapped[str] = mapped_column(Text)
    avatar: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """A small square picture, made by this server."""
    avatar_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    preferences: Mapped[dict[str, Any]] = mapped_column(JSON)
    stream_key_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    stream_key_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    stream_key_hint: Mapped[str | None] = mapped_column(String(16))
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Room for recordings and uploads; None: as the settings say."""


class UserWordRow(Base):
    """A beginning that somebody is found by when others look for them, as `store.names` makes it."""

    __tablename__ = "user_words"

    word: Mapped[str] = mapped_column(WORD, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)


class SessionRow(Base):
    """A browser that is signed in."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = _user(index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime(), index=True)
    agent: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(64))


class RefreshTokenRow(Base):
    """One of a family of refresh tokens: each is used once, for an access token and its successor."""

    __tablename__ = "refresh_tokens"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    family: Mapped[str] = mapped_column(String(64), index=True)
    user_id: Mapped[str] = _user(index=True)
    client: Mapped[str] = mapped_column(String(200))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime(), index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class ApiKeyRow(Base):
    """A key for programs."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = _user(index=True)
    name: Mapped[str] = mapped_column(String(80))
    hint: Mapped[str] = mapped_column(String(16))
    """How it begins, to tell keys apart."""
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class InvitationRow(Base):
    """A link with which one person may register."""

    __tablename__ = "invitations"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_by: Mapped[str] = _user(index=True)
    note: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime(), index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    used_by: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)


class FriendshipRow(Base):
    """Two people who are friends; `low` sorts before `high`, so there is one row of them."""

    __tablename__ = "friendships"

    low: Mapped[str] = _user(primary_key=True)
    high: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class FriendRequestRow(Base):
    """Somebody would like to be somebody's friend."""

    __tablename__ = "friend_requests"

    sender: Mapped[str] = _user(primary_key=True)
    recipient: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class BlockRow(Base):
    """Somebody wants nothing to do with somebody."""

    __tablename__ = "blocks"

    blocker: Mapped[str] = _user(primary_key=True)
    blocked: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class GroupRow(Base):
    """A named list of people."""

    __tablename__ = "groups"
    __table_args__ = (UniqueConstraint("owner", "name", name="uq_groups_owner"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = _user()
    name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class GroupMemberRow(Base):
    """Somebody on such a list."""

    __tablename__ = "group_members"

    group_id: Mapped[str] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)


class AccessRuleRow(Base):
    """Who may hear a channel, a stream or a recording. Without a row nobody but its owner may."""

    __tablename__ = "access_rules"

    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    access: Mapped[str] = mapped_column(String(10))
    link_number: Mapped[int]
    """Counts how often the link was made anew: earlier ones open nothing."""
    locked: Mapped[bool] = mapped_column(Boolean)
    """Whether nobody new is let in."""


class AccessGrantRow(Base):
    """Somebody, or a group, that may hear what is for selected people or for groups."""

    __tablename__ = "access_grants"
    __table_args__ = (Index("ix_access_grants_subject_kind_subject_id", "subject_kind", "subject_id"),)

    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject_kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    """`user` or `group`."""
    subject_id: Mapped[str] = mapped_column(String(64), primary_key=True)


class BanRow(Base):
    """Somebody whom a channel's owner lets in no more."""

    __tablename__ = "bans"

    channel_id: Mapped[str] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class NotificationRow(Base):
    """What somebody is told."""

    __tablename__ = "notifications"
    __table_args__ = (Index("ix_notifications_user_id_created_at_id", "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = _user()
    kind: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class PushSubscriptionRow(Base):
    """A browser that wants to be told while the page is closed (RFC 8030)."""

    __tablename__ = "push_subscriptions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = _user(index=True)
    endpoint: Mapped[str] = mapped_column(String(1000), unique=True)
    keys: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class ChatMessageRow(Base):
    """What somebody wrote while a stream was live. `at` is stream time, samples at 48 kHz."""

    __tablename__ = "chat_messages"
    __table_args__ = (Index("ix_chat_messages_stream_id_number", "stream_id", "number", unique=True),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    stream_id: Mapped[str] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"))
    number: Mapped[int]
    at: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(10))
    """`text` or `reaction`."""
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class AuditRow(Base):
    """Who did what, to what, from where, and what came of it."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_at_id", "at", "id"),
        Index("ix_audit_actor_id_at_id", "actor_id", "at", "id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime())
    actor_id: Mapped[str] = mapped_column(String(64))
    actor_name: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    result: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(Text)
