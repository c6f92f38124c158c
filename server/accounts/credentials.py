"""What people and programs prove themselves with: long random texts, of which the server keeps only a fingerprint."""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum

ENTROPY = 32
"""Random bytes of each: none is ever guessed, so a plain SHA-256 is enough to keep it by."""
HINT = 4
"""Letters after the prefix by which a person tells keys apart."""


class Credential(StrEnum):
    """What a text is for, by how it begins; logs and archives mask whatever begins like this."""

    SESSION = "cc_s_"
    REFRESH = "cc_r_"
    KEY = "cc_k_"
    STREAM_KEY = "cc_p_"
    INVITATION = "cc_i_"
    FIRST = "cc_f_"

    def new(self) -> str:
        """A fresh one: shown once, then forgotten."""
        return self.value + secrets.token_urlsafe(ENTROPY)

    def begins(self, text: str) -> bool:
        return text.startswith(self.value)


def fingerprint(text: str) -> str:
    """What is kept of a credential, and what it is found by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def hint(text: str) -> str:
    """How a key begins, to tell it from others."""
    return text[: len(Credential.KEY) + HINT]
