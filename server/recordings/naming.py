"""What a downloaded recording is called (RFC 6266, RFC 8187): any script, no path, nothing a shell trips over."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from urllib.parse import quote

MAX_NAME_BYTES = 180
_FORBIDDEN = re.compile(r'[\\/:*?"<>|\s]+')
_ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def download_name(title: str, created_at: datetime, extension: str) -> str:
    """A file name made from a title; the date where the title gives nothing."""
    visible = "".join(" " if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co") else letter for letter in title)
    name = _FORBIDDEN.sub(" ", unicodedata.normalize("NFC", visible)).strip(" .")
    while len(name.encode()) > MAX_NAME_BYTES:
        name = name[:-1].rstrip(" .")
    if not name or _RESERVED.fullmatch(name):
        name = f"Recording {created_at:%Y-%m-%d %H.%M}"
    return f"{name}.{extension}"


def content_disposition(name: str) -> str:
    """The header's value: a plain ASCII name for old clients and the whole name for all others."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem, dot, extension = plain.rpartition(".")
    plain = (re.sub(r"[^\w .()+-]", "_", stem).strip() or "recording") + dot + extension
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE_CHARACTERS)}"
