"""Everything of one person, as one zip file that is made while it is sent."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, BinaryIO

from server.clock import SAMPLE_RATE
from server.errors import Unavailable
from server.queues import Policy, Queue
from server.recordings.captions import CaptionDesk
from server.recordings.files import VERSIONS, RecordingFolders
from server.recordings.zipped import ZipPipe, stored
from server.speech.transcript import Transcript
from server.speech.transcript_forms import as_json, as_vtt
from server.store.records import CaptionVersion, StoredStream
from server.store.store import Store

AT_ONCE = 2
RETRY_AFTER = 60
README = """Everything that this Clearcast server has of you, but for passwords and keys, of which it knows no text.

account/      a list for each kind of thing: you, your channels, streams, recordings, friends, messages …
              Times are UTC, lengths are samples at 48,000 a second.
recordings/   a folder for each recording: audio (Ogg/Opus), and what was said, as it was heard live and as it was
              worked out afterwards
"""

EXPORTS = Queue(
    "exports",
    AT_ONCE,
    Policy.NEWEST,
    holds="people who are being sent all of their data",
    drop="Somebody was answered 503 and asked to come again in a minute.",
)


class Exports:
    """Makes such files, two at a time."""

    def __init__(self, store: Store, files: RecordingFolders, desk: CaptionDesk) -> None:
        self._store = store
        self._files = files
        self._desk = desk
        self._busy = 0
        EXPORTS.measure(self, lambda exports: exports.busy)

    @property
    def busy(self) -> int:
        return self._busy

    async def zip_of(self, user_id: str) -> AsyncGenerator[bytes, None]:
        """The file, part by part; whoever reads slowly makes it wait. Raises Unavailable before the first part."""
        if self._busy >= AT_ONCE:
            EXPORTS.dropped += 1
            raise Unavailable("Others are taking their data along just now.", code="busy", retry_after=RETRY_AFTER)
        self._busy += 1
        try:
            pipe = ZipPipe()
            with pipe.archive() as archive:
                async with aclosing(self._parts(user_id, archive, pipe)) as parts:
                    async for part in parts:
                        yield part
            yield pipe.take()
        finally:
            self._busy -= 1

    async def _parts(self, user_id: str, archive: zipfile.ZipFile, pipe: ZipPipe) -> AsyncGenerator[bytes, None]:
        archive.writestr("README.txt", README)
        everything = await self._store.belongings.everything(user_id)
        picture = await self._store.users.avatar(user_id)
        if picture is not None:
            archive.writestr("account/picture.jpg", picture)
        for name, rows in everything.items():
            await asyncio.to_thread(archive.writestr, f"account/{name}.json", _json(rows))
            yield pipe.take()
        for stream in everything["streams"]:
            async with aclosing(self._captions(str(stream["id"]), archive, pipe)) as parts:
                async for part in parts:
                    yield part
        for recording in everything["recordings"]:
            async with aclosing(self._audio(str(recording["id"]), archive, pipe)) as parts:
                async for part in parts:
                    yield part

    async def _captions(self, stream_id: str, archive: zipfile.ZipFile, pipe: ZipPipe) -> AsyncGenerator[bytes, None]:
        stream = await self._store.stream(stream_id)
        for version in CaptionVersion:
            account = await self._desk.account(stream_id, version)
            if not account.captions:
                continue
            transcript = Transcript(account, _about(stream, version))
            for form, write in (("vtt", as_vtt), ("json", as_json)):
                text = await asyncio.to_thread(write, transcript)
                name = f"recordings/{stream_id}/captions-{version.value}.{form}"
                await asyncio.to_thread(archive.writestr, name, text)
            yield pipe.take()

    async def _audio(self, recording_id: str, archive: zipfile.ZipFile, pipe: ZipPipe) -> AsyncGenerator[bytes, None]:
        for version in VERSIONS:
            try:
                source: BinaryIO = await asyncio.to_thread(self._files.audio(recording_id, version).open, "rb")
            except OSError:  # there is no such version, or it lies in the bin
                continue
            async with aclosing(stored(f"recordings/{recording_id}/{version}.opus", source, archive, pipe)) as parts:
                async for part in parts:
                    yield part


def _about(stream: StoredStream, version: CaptionVersion) -> dict[str, Any]:
    about = {"title": stream.title, "account": version.value, "language": stream.language}
    return about | {"duration": round(stream.length / SAMPLE_RATE, 3)}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
