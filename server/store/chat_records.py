"""What people write beside a stream, as the rest of the server sees it: plain and frozen, free of the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ChatKind(StrEnum):
    """What a line of a chat is."""

    TEXT = "text"
    REACTION = "reaction"
    OPENED = "opened"
    """The owner lets people write."""
    CLOSED = "closed"
    """Nobody may write any more."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """What somebody wrote, or how they reacted, while a stream was live."""

    id: str
    stream_id: str
    at: int
    """Stream time, samples at 48 kHz."""
    user_id: str | None
    """None where the account is gone."""
    name: str
    """What the person was called then."""
    kind: ChatKind
    text: str
    created_at: datetime
    number: int = 0
    """Counts the messages of a stream from 1; 0 for one that is not kept."""
