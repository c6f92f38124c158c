"""`clearcast verify`: are recordings and uploads what they were? While a server runs or not; changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict, replace

from server.config import Settings
from server.recordings.files import RecordingFolders
from server.recordings.verify import Verified, verify
from server.store.database import database_url, must_be_there
from server.store.store import Store
from server.uploads.folders import UploadFolders
from server.uploads.verify import verify_uploads


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Say what is wrong; returns 1 where anything is. Raises ClearcastError."""
    url = database_url(settings.database_url, settings.data_dir)
    must_be_there(url)
    found, uploads = asyncio.run(_look(url, settings, quiet=options.json))
    if options.json:
        seen = {"checked": found.checked, "uploads": uploads, "left_out": found.left_out}
        values = {**seen, "ok": not found.problems}
        print(json.dumps({**values, "problems": [asdict(problem) for problem in found.problems]}, ensure_ascii=False))
    else:
        _tell(found, uploads)
    return 1 if found.problems else 0


async def _look(url: str, settings: Settings, *, quiet: bool) -> tuple[Verified, int]:
    """What was found, and how many uploads were looked at."""
    store = Store(url)  # not opened: that would bring the tables up to date
    try:
        found = await verify(store, RecordingFolders(settings.recordings_dir), _silent if quiet else _show)
        uploads, wrong = await verify_uploads(store, UploadFolders(settings.uploads_dir))
        return replace(found, problems=(*found.problems, *wrong)), uploads
    finally:
        await store.close()


def _silent(title: str) -> None:
    """A program reads it."""


def _show(title: str) -> None:
    """What is looked at just now, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{title[:60]} …", end="", file=sys.stderr, flush=True)


def _tell(found: Verified, uploads: int) -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    for problem in found.problems:
        name = f"“{problem.title}” ({problem.recording})" if problem.title else problem.recording
        print(f"{name}: {problem.text}\n    {problem.path}")
    rest = f"; {found.left_out} are being recorded or worked on and were left out" if found.left_out else ""
    verdict = f"{len(found.problems)} things are wrong" if found.problems else "nothing is wrong"
    also = f" and {uploads} uploads" if uploads else ""
    print(f"{found.checked} recordings{also} were looked at, {verdict}{rest}.")
