"""The files of the page, kept in memory: what is sent for each is made once, and no request waits for a disk.

A document names its files by addresses that change with what is in them (`/static/~VERSION/js/app.js`), which browsers
keep for good; modules import each other by relative addresses, so one leads to all others of its version. Nothing is
built for that: the version is a part of the address that the server takes away again.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import os
import re
from dataclasses import dataclass
from pathlib import Path

from server.queues import Policy, Queue

TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
}
MOST = 1000
LARGEST = 1 << 20
"""Bytes of a file. The page has none that is larger; one that is would not be served."""
SMALLEST_PACKED = 500
"""Bytes from which on packing pays."""
_VERSIONED = re.compile(r"~([0-9a-f]+)/(.+)", re.DOTALL)

KEPT = Queue(
    "page_files",
    MOST,
    Policy.NEWEST,
    holds="files of the page, ready to be sent, each of 1 MiB at most",
    drop="The file is not part of the page: there are more than it should ever have.",
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is sent."""

    kind: str
    """Its content type, with the charset."""
    plain: bytes
    packed: bytes | None
    """The same by gzip; None where that saves nothing."""
    digest: str


class Files(dict[str, Asset]):
    """By name inside the folder. A dictionary that can be watched."""


class Assets:
    """The files of one folder. `look` reads files: call it in a thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: Files = KEPT.watch(Files())
        self.version = ""
        self._seen: tuple[tuple[str, int, int], ...] = ()

    def look(self) -> None:
        """Read what has changed since: whoever works on the page sees it when it is loaded anew."""
        seen = tuple(self._walk())
        if seen == self._seen:
            return
        files = Files()
        for name, _, size in seen:
            if size > LARGEST or len(files) >= MOST:
                KEPT.dropped += 1
                continue
            files[name] = _asset(self.root / name)
        whole = hashlib.sha256("".join(f"{name} {one.digest}\n" for name, one in files.items()).encode())
        self.files, self.version, self._seen = KEPT.watch(files), whole.hexdigest()[:16], seen

    def find(self, path: str) -> tuple[Asset, bool] | None:
        """What an address below `/static/` means, and whether it will mean that for good; None for nothing.

        A page that was loaded before the files changed asks by its own version, and gets what there is now.
        """
        versioned = _VERSIONED.fullmatch(path)
        asset = self.files.get(versioned[2] if versioned else path)
        return None if asset is None else (asset, versioned is not None and versioned[1] == self.version)

    @property
    def base(self) -> str:
        """Where documents find the files."""
        return f"/static/~{self.version}/"

    def _walk(self) -> list[tuple[str, int, int]]:
        found = []
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                told = path.stat()
                found.append((path.relative_to(self.root).as_posix(), told.st_mtime_ns, told.st_size))
        return sorted(found)


def _asset(path: Path) -> Asset:
    data = path.read_bytes()
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind.endswith(("json", "xml"))
    packed = gzip.compress(data, 6, mtime=0) if text and len(data) >= SMALLEST_PACKED else None
    if kind.startswith("text/") or kind.endswith("json"):
        kind += "; charset=utf-8"
    return Asset(kind, data, packed, hashlib.sha256(data).hexdigest()[:20])
