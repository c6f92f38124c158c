"""Fetching a file over HTTP, going on where it was cut off."""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server.errors import ModelCorrupt, ModelMissing

Progress = Callable[[int, int | None], None]
"""Called with bytes so far and in all (None when unknown). What it raises stops the download, which can be resumed."""

CHUNK = 64 * 1024
TIMEOUT_S = 15.0
"""Longest wait for the next bytes."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is wanted. `name` is what people are told that it is."""

    name: str
    urls: tuple[str, ...]
    """The first that works is taken."""
    max_size: int
    """More bytes than this are not taken."""


class NotThere(ModelMissing):
    """Every address answered that there is no such file."""


class _Restart(Exception):
    """What is there already cannot be continued."""


def fetch(wanted: Download, part: Path, progress: Progress) -> None:
    """Have the file at `part`, from the first of its addresses that works.

    Raises NotThere where none of them has it, ModelMissing where it cannot be had, ModelCorrupt where it is too large.
    """
    reasons = []
    absent = 0
    for url in wanted.urls:
        try:
            try:
                _fetch(wanted, url, part, progress)
            except _Restart:
                part.unlink(missing_ok=True)
                _fetch(wanted, url, part, progress)
        except urllib.error.HTTPError as error:
            absent += error.code in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE)
            reasons.append(f"{url} answered {error.code} {error.reason}")
        except urllib.error.URLError as error:
            reasons.append(f"{url}: {error.reason}")
        except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError, _Restart) as error:
            reasons.append(f"{url}: {error or type(error).__name__}")
        else:
            return
    failure = NotThere if absent == len(wanted.urls) else ModelMissing
    raise failure(f"{wanted.name} could not be fetched: {'; '.join(reasons)}.")


def _fetch(wanted: Download, url: str, part: Path, progress: Progress) -> None:
    """Append to `part` until the file is whole (RFC 9110, section 14: range requests)."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "clearcast", "Accept-Encoding": "identity"}
    version = _noted(part)
    if have:
        headers["Range"] = f"bytes={have}-"
        if version:
            headers["If-Range"] = version
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - addresses come from the table above
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            if total and int(total[1]) == have:
                return
            raise _Restart("what was fetched before does not belong to this file") from error
        raise
    with answer:
        if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                raise _Restart("the server sent another part than was asked for")
        else:
            have = 0
        length = answer.headers.get("Content-Length")
        total_size = have + int(length) if length and length.isdigit() else None
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        note_of(part).write_text(json.dumps({"version": version}))
        _save(wanted, answer, part, have, total_size, progress)


def _save(
    wanted: Download, answer: http.client.HTTPResponse, part: Path, have: int, total: int | None, progress: Progress
) -> None:
    with part.open("ab" if have else "wb") as file:
        progress(have, total)
        while chunk := answer.read(CHUNK):
            have += len(chunk)
            if have > wanted.max_size:
                raise ModelCorrupt(f"{wanted.name} is larger than it can be; nothing was installed.")
            file.write(chunk)
            progress(have, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)


def note_of(part: Path) -> Path:
    """Beside an unfinished file: which version of it was being fetched."""
    return part.with_suffix(".json")


def _noted(part: Path) -> str | None:
    """A weak ETag may not be used to continue (RFC 9110, section 13.1.5)."""
    try:
        version = json.loads(note_of(part).read_text())["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, str) and not version.startswith("W/") else None
