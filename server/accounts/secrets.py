"""Secrets that are given out once: random, told apart by how they begin, and kept as their SHA-256 only."""

from __future__ import annotations

import hashlib
import secrets

SESSION = "cc_s_"
INVITATION = "cc_i_"
FIRST = "cc_f_"
LONGEST = 200
"""Characters of anything that could be one."""


def new_secret(prefix: str) -> str:
    """256 random bits."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret. It is random and long: there is nothing to slow down a search for (RFC 6819, 5.1.4)."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
