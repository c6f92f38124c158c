"""Identifiers: short, random, safe in addresses and file names."""

from __future__ import annotations

import re
import secrets
import unicodedata

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_LENGTH = 12
MAX_SLUG = 40
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def new_id() -> str:
    """A fresh identifier: 60 random bits, no letters that are mistaken for one another."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def is_id(text: str) -> bool:
    """Whether `text` could have come from `new_id`, so that it may name a folder."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) is not None


def slugify(name: str) -> str:
    """A channel's address made from its name; random where the name has no Latin letters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].strip("-")
    return slug or f"channel-{new_id()[:6]}"
