"""What a person makes of a caption."""

from __future__ import annotations

import unicodedata

from server.errors import InvalidRequest

LONGEST_TEXT = 2_000
"""Characters of a caption that a person writes."""


def clean_text(text: str) -> str:
    """One line of text as it is kept: whatever script and direction, no control characters. Raises InvalidRequest."""
    clean = " ".join(unicodedata.normalize("NFC", text).split())
    if not clean or len(clean) > LONGEST_TEXT:
        raise InvalidRequest(f"A caption has between 1 and {LONGEST_TEXT} characters; hide it to take it away.")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in clean):
        raise InvalidRequest("A caption contains no control characters.")
    return clean
