"""What a stream is called."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from server.errors import InvalidRequest
from server.rooms.messages import MAX_TITLE


def clean_title(title: str) -> str:
    """A title on one line without control characters. Raises InvalidRequest above 200 characters."""
    text = "".join(" " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character for character in title)
    text = " ".join(text.split())
    if len(text) > MAX_TITLE:
        raise InvalidRequest(f"The title is longer than {MAX_TITLE} characters.", code="title-too-long")
    return text


def default_title(host_name: str, started_at: datetime) -> str:
    return f"{host_name}, {started_at.astimezone():%Y-%m-%d %H:%M}"[:MAX_TITLE]
