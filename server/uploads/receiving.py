"""The bytes of uploads on their way to the disk: in parts, each at its place, resumable wherever they were cut off."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from server.errors import ClearcastError, Conflict, DiskFull, InvalidRequest, NotFound, TooLarge, Unavailable
from server.log import get_logger
from server.queues import Policy, Queue
from server.store.uploads import Upload, UploadState, UploadTable
from server.uploads.folders import UploadFolders

PIECE = 1 << 20
"""Bytes that are written at once."""
COMMIT = 16 << 20
"""Bytes after which it is written down that they are here."""
STALL_S = 60.0
"""A sender that sends nothing for so long is gone, and may come again."""
QUIET_S = 3.0
"""The same, where somebody asks how far the upload is: who asks wants to go on."""
ENDING_S = 1.0
"""How long somebody who asks waits for a part that is being received: it has been cut off, most of the time."""
ALGORITHMS = ("sha1", "sha256", "md5")
"""Of checksums, as tus names them; the first is the one that every server has."""

MOST = 64
RECEIVING = Queue(
    "uploads_receiving",
    MOST,
    Policy.NEWEST,
    holds="parts of uploads that are being received, with at most 1 MB of each in memory",
    drop="A part was answered 503 and asked to come again.",
)

log = get_logger(__name__)


class ChecksumMismatch(ClearcastError):
    """What came is not what was sent; nothing of it is kept."""

    code = "checksum-mismatch"


@dataclass(frozen=True, slots=True)
class Checksum:
    """Of one part."""

    algorithm: str
    digest: bytes


class _Part:
    """One part that is being received."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.heard_at = loop.time()
        self.heard = 0
        """Bytes that came."""
        self.timeout: asyncio.Timeout | None = None
        self.over = asyncio.Event()

    def give_up_if_quiet(self) -> None:
        """Wait for nothing more if the sender has said nothing for a while."""
        if self.timeout is not None and self._loop.time() - self.heard_at >= QUIET_S:
            self.timeout.reschedule(self._loop.time())


class Receiver:
    """Receives parts. Of one upload there is one at a time."""

    def __init__(self, table: UploadTable, folders: UploadFolders, now: Callable[[], datetime]) -> None:
        self._table = table
        self._folders = folders
        self._now = now
        self._parts: dict[str, _Part] = {}
        RECEIVING.measure(self, Receiver.parts)

    def parts(self) -> int:
        """How many are on their way."""
        return len(self._parts)

    def heard(self, upload_id: str) -> int:
        """Bytes of the part that is on its way, so far."""
        part = self._parts.get(upload_id)
        return part.heard if part is not None else 0

    def receiving(self, upload_id: str) -> bool:
        """Whether a part of it is on its way."""
        return upload_id in self._parts

    async def settle(self, upload_id: str) -> None:
        """Somebody asks how far an upload is: a part at its end is over first, and one whose sender is quiet ended."""
        part = self._parts.get(upload_id)
        if part is None:
            return
        part.give_up_if_quiet()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(part.over.wait(), ENDING_S)

    async def take(
        self, upload_id: str, offset: int, chunks: AsyncIterator[bytes], checksum: Checksum | None
    ) -> Upload:
        """Write a part that begins at `offset`; returns the upload with what is here of it now.

        Where the sender is cut off, what has come is kept, unless it has a checksum. Raises Conflict "upload-locked"
        while another part of it is received, "wrong-offset", "upload-over"; TooLarge, ChecksumMismatch, DiskFull,
        Unavailable, ClearcastError "too-slow".
        """
        if upload_id in self._parts:
            raise Conflict("Another part of this upload is being received.", code="upload-locked")
        if len(self._parts) >= MOST:
            RECEIVING.dropped += 1
            raise Unavailable("Too much is being uploaded just now.", code="too-many-uploads", retry_after=5)
        part = self._parts[upload_id] = _Part(asyncio.get_running_loop())
        try:
            upload = await self._table.get(upload_id)
            if upload.state != UploadState.RECEIVING:
                raise Conflict("This upload is not waiting for anything.", code="upload-over")
            if offset != upload.received:
                raise Conflict(f"The upload goes on at {upload.received}, not at {offset}.", code="wrong-offset")
            return await self._receive(upload, part, chunks, checksum)
        finally:
            del self._parts[upload_id]
            part.over.set()

    async def _receive(
        self, upload: Upload, part: _Part, chunks: AsyncIterator[bytes], checksum: Checksum | None
    ) -> Upload:
        writer = _Writer(upload, self._folders, checksum)
        try:
            async for piece in _pieces(chunks, part):
                await _on_disk(writer.write, piece)
                if checksum is None and writer.position - writer.kept >= COMMIT:
                    await self._commit(upload, writer.keep())
            writer.check()
            writer.keep()
        except ConnectionError:
            log.info("an upload was cut off", upload=upload.id, received=writer.position)
            raise
        finally:
            if checksum is None and writer.position <= upload.size:
                writer.keep()
            # Whoever is cut off or cancelled here has lost nothing: what came is on the disk, and written down.
            await asyncio.shield(self._end(upload, writer))
        return await self._table.get(upload.id)

    async def _end(self, upload: Upload, writer: _Writer) -> None:
        try:
            await _on_disk(self._folders.cut, upload.id, writer.kept)
        finally:
            await self._commit(upload, writer.kept)

    async def _commit(self, upload: Upload, received: int) -> None:
        await self._table.change(upload.id, self._now(), only=[UploadState.RECEIVING], received=received)


class _Writer:
    """Writes one part. `position` is what is written, `kept` what is to stay."""

    def __init__(self, upload: Upload, folders: UploadFolders, checksum: Checksum | None) -> None:
        self._upload = upload
        self._folders = folders
        self._checksum = checksum
        self._digest: Any = None
        if checksum is not None:
            if checksum.algorithm not in ALGORITHMS:
                raise InvalidRequest(f"Checksums are {', '.join(ALGORITHMS)}.", code="checksum-algorithm")
            self._digest = hashlib.new(checksum.algorithm, usedforsecurity=False)
        self.position = self.kept = upload.received

    def write(self, piece: bytes) -> None:
        """Blocks. Raises TooLarge, OSError."""
        if self.position + len(piece) > self._upload.size:
            raise TooLarge(f"The upload is longer than the {self._upload.size} bytes that were announced.")
        self._folders.write(self._upload.id, self.position, piece)
        if self._digest is not None:
            self._digest.update(piece)
        self.position += len(piece)

    def keep(self) -> int:
        self.kept = self.position
        return self.kept

    def check(self) -> None:
        """Raises ChecksumMismatch."""
        if self._checksum is not None and self._digest.digest() != self._checksum.digest:
            raise ChecksumMismatch("What came is not what was sent: the checksum differs. Send the part again.")


async def _pieces(chunks: AsyncIterator[bytes], part: _Part) -> AsyncIterator[bytes]:
    """The same bytes in pieces of a megabyte. Raises ClearcastError "too-slow" where nothing comes for a minute."""
    waiting = bytearray()
    loop = asyncio.get_running_loop()
    failure: BaseException | None = None
    while True:
        try:
            async with asyncio.timeout(STALL_S) as part.timeout:
                chunk = await anext(chunks, None)
        except TimeoutError:
            failure = ClearcastError("Nothing came any more: go on where it stopped.", code="too-slow")
        except ConnectionError as error:
            failure = error
        part.timeout = None
        if failure is not None or chunk is None:
            break
        part.heard_at = loop.time()
        part.heard += len(chunk)
        waiting += chunk
        if len(waiting) >= PIECE:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)  # what came before it broke off is kept
    if failure is not None:
        raise failure


async def _on_disk(work: Callable[..., None], *arguments: Any) -> None:
    """Raises DiskFull, NotFound where the upload was taken away meanwhile, Unavailable."""
    try:
        await asyncio.to_thread(work, *arguments)
    except FileNotFoundError:
        raise NotFound("There is no such upload.", code="unknown-upload") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("The server's disk is full. What has come is kept; try again later.") from error
        raise Unavailable(f"The upload cannot be written: {error.strerror}.", code="disk") from error
