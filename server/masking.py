"""Keeps secrets out of what others read: log lines, reports, archives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from server.config import SECRET, Settings

HIDDEN = "***"
SHORTEST = 4
"""A secret shorter than this is not looked for in texts: it would be found everywhere."""

SECRET_NAME = re.compile(
    r"password|passwd|secret|token|credential|api_?key|private|cookie|authorization|ice_(pwd|ufrag)|\bsdp\b|fragment",
    re.IGNORECASE,
)
"""Names of what is never shown, of variables and of what a log line carries."""

_LINE_END = r"(?:\r?\n|\\r\\n|\\n)"
_PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    # A session description says where somebody is and how to take their place (RFC 8839).
    (re.compile(rf"v=0{_LINE_END}(?:[a-z]=(?:(?!{_LINE_END}).)*{_LINE_END}?)+"), "(SDP)"),
    (re.compile(r"(ice-(?:pwd|ufrag)\W{1,3})[\w+/]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(://[^:/@\s\"']*:)[^@/\s\"']+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(authorization\W{1,4}(?:bearer|basic)?\s*)[^\s\"',]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(bearer\s+)[\w.~+/=-]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"((?:password|passwd|secret|token|credential|api[_-]?key|cookie)[\w-]{0,40}+[\"']?+\s*+[=:]\s*+[\"']?+)"
            r"[^\s\"',;&}]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?<![\w-])eyJ[\w-]++\.[\w-]++\.[\w-]*+"), HIDDEN),
    # What the server gives out begins like this (`server.accounts.credentials`).
    (re.compile(r"(cc_[a-z]_)[\w-]++"), rf"\1{HIDDEN}"),
    # Thirty-two random bytes, as tokens are made of them here.
    (re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{43}(?![\w-])"), HIDDEN),
    (re.compile(r"(/wh[ie]p/[^/\s\"']+/)[\w.~-]{8,}"), rf"\1{HIDDEN}"),
)
"""What looks like a secret, whoever wrote it: keys, passwords in addresses, tokens, SDP, addresses of sessions.

Strangers write what is logged, and lines are masked on the event loop: no pattern may take more than a little time for
each character, whatever the text.
"""


class Masker:
    """Replaces secrets in texts: `values`, and whatever looks like one."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = sorted((value for value in values if len(value) >= SHORTEST), key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without secrets."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def tree(self, value: Any) -> Any:
        """What JSON holds, with every text in it masked; it stays JSON."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.tree(part) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.tree(part) for part in value]
        return value


def secret_values(settings: Settings) -> set[str]:
    """What is secret in the settings: credentials of TURN servers, the database's password, what signs webhooks."""
    found = {*_in_address(settings.database_url or ""), settings.webhook_secret or ""}
    for server in settings.ice_servers:
        found |= {server.username or "", server.credential or ""}
    return found


def settings_shown(settings: Settings) -> dict[str, Any]:
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
    return shown


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
    yield from (value for name, value in parse_qsl(parts.query) if SECRET_NAME.search(name))
