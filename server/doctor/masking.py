"""Keeps secrets out of what is handed to others."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from server.config import PREFIX, SECRET, Settings

HIDDEN = "***"
SHORTEST = 4
"""A secret shorter than this is not looked for in texts: it would be found everywhere."""
MOST_BYTES = 16_384

_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|api_?key|private|cookie", re.IGNORECASE)
_PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"(://[^:/@\s\"']*:)[^@/\s\"']+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(authorization\W{1,4}(?:bearer|basic)?\s*)[^\s\"',]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(bearer\s+)[\w.~+/=-]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"([\w-]*(?:password|passwd|secret|token|credential|api[_-]?key|cookie)[\w-]*[\"']?\s*[=:]\s*[\"']?)"
            r"[^\s\"',;&}]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"(/wh[ie]p/[^/\s\"']+/)[\w.~-]{8,}"), rf"\1{HIDDEN}"),
)
"""What looks like a secret, whoever wrote it: keys, passwords in addresses, tokens, addresses of sessions."""


class Mask:
    """Replaces secrets in texts: those of these settings by value, and whatever looks like one."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        named = os.environ if environment is None else environment
        found = {value for name, value in named.items() if _SECRET_NAME.search(name)}
        for server in settings.ice_servers:
            found |= {server.username or "", server.credential or ""}
        found |= set(_in_address(settings.database_url or ""))
        found |= set(_in_files(settings.data_dir))
        if settings.tls_key is not None:
            found |= set(_lines(settings.tls_key))
        found |= {json.dumps(value)[1:-1] for value in found}  # as it stands in JSON
        self._values = sorted((value for value in found if len(value) >= SHORTEST), key=len, reverse=True)
        self._home = str(Path.home())

    def text(self, text: str) -> str:
        """The text without secrets, and without the name of the account where it is that of the home folder."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text.replace(self._home, "~") if len(self._home) > 1 else text

    def tree(self, value: Any) -> Any:
        """What JSON holds, with every text in it masked; it stays JSON."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.tree(part) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.tree(part) for part in value]
        return value

    def settings(self, settings: Settings) -> dict[str, Any]:
        """Every setting; of secret ones only whether they are set, and where they lead."""
        shown: dict[str, Any] = settings.model_dump(mode="json")
        for name in SECRET & shown.keys():
            if name == "ice_servers":
                shown[name] = [
                    {"urls": server.urls, "credential": bool(server.credential)} for server in settings.ice_servers
                ]
            elif shown[name]:
                shown[name] = HIDDEN
        if settings.database_url:
            shown["database_url"] = f"{urlsplit(settings.database_url).scheme}://{HIDDEN}"
        masked: dict[str, Any] = self.tree(shown)
        return masked

    def environment(self, environment: Mapping[str, str] | None = None) -> list[str]:
        """Names of Clearcast's variables that are set; no values."""
        return sorted(name for name in (os.environ if environment is None else environment) if name.startswith(PREFIX))


def _in_address(url: str) -> Iterable[str]:
    """What is secret in an address: its password, and parameters that are called so."""
    try:
        parts = urlsplit(url)
        password = parts.password or ""
    except ValueError:
        yield url
        return
    yield password
    yield unquote(password)
    yield from (value for name, value in parse_qsl(parts.query) if _SECRET_NAME.search(name))


def _in_files(folder: Path) -> Iterable[str]:
    """Lines of small files in the data folder that only their owner may read: what was generated there."""
    try:
        paths = [*folder.glob("*"), *folder.glob("secrets/*"), *folder.glob("tls/*")]
    except OSError:
        return
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        if path.is_file() and status.st_mode & 0o077 == 0 and status.st_size <= MOST_BYTES:
            yield from _lines(path)


def _lines(path: Path) -> Iterable[str]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        return
    # Numbers, a process id say, are no secrets, and neither are the words around a key.
    yield from (line.strip() for line in text.splitlines() if len(line.strip()) >= 8 and not line.startswith("-----"))
