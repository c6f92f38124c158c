"""Links that let in whoever has them: made from a key of this server, so that nothing secret is kept for each.

A link is the kind and id of what it opens, and a MAC (RFC 2104, SHA-256 cut to 128 bits) over them and the number of
the link, which counts how often it was made anew.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from server.errors import Unavailable
from server.store.people_records import Thing

KINDS = {"c": "channel", "s": "stream", "r": "recording", "k": "collection"}
LETTERS = {kind: letter for letter, kind in KINDS.items()}
MOST = 20
"""Links that one browser keeps; the oldest go."""
LONGEST = 120
"""Characters of a link that is worth looking at."""
FORM = re.compile(r"([csrk])\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{22})")
KEY_BYTES = 32
BYTES = 16
BETWEEN = "~"
"""Between the links of a cookie or a header."""


class Link(NamedTuple):
    """A link, taken apart. Whether it opens anything is another question."""

    thing: Thing
    mac: str


def parse(text: str) -> Link | None:
    """What somebody sends as a link; None where it cannot be one."""
    found = FORM.fullmatch(text) if len(text) <= LONGEST else None
    return Link((KINDS[found[1]], found[2]), found[3]) if found else None


def in_order(text: str) -> list[str]:
    """Links of a cookie or header that look like ones, the last `MOST` of them."""
    parts = text[-MOST * (LONGEST + 1) :].split(BETWEEN)
    return [part for part in parts if parse(part) is not None][-MOST:]


def add(links: Iterable[str], new: str) -> list[str]:
    """With one more at the end, and none too many."""
    return [*(link for link in links if link != new), new][-MOST:]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class LinkMaker:
    """Makes links and knows its own."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> LinkMaker:
        """With the key that a file holds; it is made where there is none. Blocks: call in a thread.

        Raises Unavailable where the file cannot be read or is no key.
        """
        try:
            with contextlib.suppress(FileExistsError), open(path, "xb", opener=_private) as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            key = path.read_bytes()
        except OSError as error:
            raise Unavailable(f"{path} cannot be read: {error.strerror}.") from error
        if len(key) != KEY_BYTES:
            raise Unavailable(f"{path} is damaged: it holds the key of all links. Delete it, and all links are new.")
        return cls(key)

    def make(self, thing: Thing, number: int) -> str:
        """The link of something that was made for the `number`th time."""
        kind, id_ = thing
        return f"{LETTERS[kind]}.{id_}.{self._mac(thing, number)}"

    def opens(self, links: Iterable[str], thing: Thing, number: int) -> bool:
        """Whether the link of that number is among `links`."""
        wanted = self.make(thing, number)
        return any(hmac.compare_digest(link, wanted) for link in links if link.isascii())

    def _mac(self, thing: Thing, number: int) -> str:
        kind, id_ = thing
        said = f"{kind}\0{id_}\0{number}".encode()
        mac = hmac.new(self._key, said, hashlib.sha256).digest()[:BYTES]
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")
