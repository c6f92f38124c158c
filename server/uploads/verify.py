"""Whether the files of uploads are what their rows say. Looks, and changes nothing; a server may run meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from server.errors import NotFound
from server.recordings.verify import YOUNG_S, Problem
from server.store.store import Store
from server.store.uploads import OVER, Upload, UploadState
from server.uploads.folders import UploadFolders

MAKING = (UploadState.QUEUED, UploadState.PROCESSING)


async def verify_uploads(store: Store, folders: UploadFolders) -> tuple[int, list[Problem]]:
    """How many uploads were looked at, and what is wrong. Raises Unavailable."""
    rows = await store.uploads.in_states([*UploadState])
    found: list[Problem] = []
    for row in rows:
        if await asyncio.to_thread(_look, folders, row):
            found += await _still(store, folders, row.id)  # it may just have changed
    known = {row.id for row in rows}
    for entry in await asyncio.to_thread(_entries, folders.root):
        if entry.name not in known and await _nobodys(store, entry.name):
            text = "There are files of an upload, and the database knows nothing of them: the next start removes them."
            found.append(Problem(entry.name, "", "no-row", _path(folders, entry), text))
    return len(rows), found


async def _still(store: Store, folders: UploadFolders, upload_id: str) -> list[Problem]:
    try:
        return await asyncio.to_thread(_look, folders, await store.uploads.get(upload_id))
    except NotFound:
        return []


async def _nobodys(store: Store, upload_id: str) -> bool:
    try:
        await store.uploads.get(upload_id)
    except NotFound:
        return True
    return False


def _entries(root: Path) -> list[Path]:
    """What lies there, but what was just made: its row comes right after its folder."""
    if not root.is_dir():
        return []
    return sorted(entry for entry in root.iterdir() if time.time() - entry.stat().st_mtime > YOUNG_S)


def _look(folders: UploadFolders, row: Upload) -> list[Problem]:
    return list(_problems(folders, row))


def _problems(folders: UploadFolders, row: Upload) -> Iterator[Problem]:
    content, work = folders.content(row.id), folders.work(row.id)

    def problem(kind: str, path: Path, text: str) -> Problem:
        return Problem(row.id, row.name, kind, _path(folders, path), text)

    if not content.is_file():
        if row.received and row.state not in OVER:
            yield problem("missing", content, f"Its file is not there, though {row.received} bytes of it have come.")
    elif (size := content.stat().st_size) < row.received:
        yield problem("length", content, f"Only {size} of {row.received} bytes that have come are there.")
    elif row.state not in (UploadState.RECEIVING, *OVER) and size > row.size:
        yield problem("length", content, f"There are {size} bytes, more than the {row.size} that were announced.")
    elif row.state in OVER and not row.received:
        yield problem("unknown-file", content, "Its file should not be kept any more.")
    if work.exists() and row.state not in MAKING:
        yield problem("draft", work, "A recording of it was half made and never finished; nobody works on it.")


def _path(folders: UploadFolders, path: Path) -> str:
    return f"{folders.root.name}/{path.relative_to(folders.root)}"
