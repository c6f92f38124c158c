"""Uploads as their owners see them: announced, received, checked, made into recordings, taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from server.config import Settings
from server.errors import ClearcastError, Conflict, DiskFull, InvalidRequest, TooLarge, Unavailable
from server.log import get_logger
from server.store.ids import new_id
from server.store.records import Job
from server.store.store import Store
from server.store.uploads import OVER, Upload, UploadState, duplicate_of
from server.uploads.becoming import Becoming
from server.uploads.folders import UploadFolders
from server.uploads.options import DIAGNOSE, PROCESS, UploadOptions, clean_name
from server.uploads.receiving import Checksum, Receiver

MB = 1 << 20
MOST_COMING = 200
"""Uploads of one person that are not here yet."""

NOT_BEGUN = (UploadState.RECEIVING, UploadState.RECEIVED, UploadState.CHECKING, UploadState.READY_TO_START)
UNFINISHED = (*NOT_BEGUN, UploadState.QUEUED, UploadState.PROCESSING)

log = get_logger(__name__)

Announce = Callable[[str, Upload], None]
"""Told `upload_updated` or `upload_removed`, and the upload."""
CheckQuota = Callable[[str, int], Awaitable[None]]
"""Whether somebody may bring so many bytes more. Raises ClearcastError."""


class Jobs(Protocol):
    """What is asked of the queue."""

    async def add(self, kind: str, subject: str, owner: str, *, parameters: Mapping[str, Any] | None = None) -> Job: ...

    def check_room(self, more: int = 1) -> None: ...

    async def cancel(self, job_id: str) -> Job: ...


class UploadDesk:
    """Everything that people bring. Jobs do the work; what came of them is told to `UploadProgress`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        folders: UploadFolders,
        jobs: Jobs,
        becoming: Becoming,
        announce: Announce,
        check_quota: CheckQuota,
        now: Callable[[], datetime],
    ) -> None:
        self.folders = folders
        self._settings = settings
        self._store = store
        self._table = store.uploads
        self._jobs = jobs
        self._becoming = becoming
        self._announce = announce
        self._check_quota = check_quota
        self._now = now
        self._receiver = Receiver(store.uploads, folders, now)

    @property
    def largest(self) -> int:
        """Bytes of a file."""
        return self._settings.uploads_max_mb * MB

    def expires_at(self, upload: Upload) -> datetime:
        """When an upload that does not go on is taken away."""
        return upload.changed_at + timedelta(hours=self._settings.uploads_expire_hours)

    async def create(
        self, owner: str, name: str, size: int, batch: str | None = None, options: Mapping[str, Any] | None = None
    ) -> Upload:
        """Make room for a file of `size` bytes.

        Raises InvalidRequest "empty", TooLarge, DiskFull, Unavailable where too many are on their way.
        """
        if size == 0:
            raise InvalidRequest("The file is empty.", code="empty")
        if size > self.largest:
            raise TooLarge(f"A file may have {self._settings.uploads_max_mb} MB; this one has {size / MB:.0f}.")
        number, coming = await self._table.coming(owner)
        if number >= MOST_COMING:
            raise Unavailable("Too many of your uploads are unfinished.", code="too-many-uploads", retry_after=60)
        await self._check_quota(owner, coming + size)
        await self._check_disk(coming + size)
        upload = Upload(
            new_id(), owner, clean_name(name), size, self._now(), self._now(), batch=batch, options=options or {}
        )
        await self._begin_folder(upload.id)
        await self._table.add(upload)
        self._announce("upload_updated", upload)
        return upload

    async def _check_disk(self, size: int) -> None:
        free = await asyncio.to_thread(self.folders.free)
        if free - size < self._settings.disk_reserve_mb * MB:
            raise DiskFull("The server's disk has no room for this file.")

    async def _begin_folder(self, upload_id: str) -> None:
        try:
            await asyncio.to_thread(self.folders.begin, upload_id)
        except OSError as error:
            raise DiskFull(f"The server cannot keep uploads: {error.strerror}.") from error

    async def receive(
        self, upload: Upload, offset: int, chunks: AsyncIterator[bytes], checksum: Checksum | None = None
    ) -> Upload:
        """Take a part of the file, see `Receiver.take`. With the last one it is looked at."""
        received = await self._receiver.take(upload.id, offset, chunks, checksum)
        if received.received == received.size and received.state == UploadState.RECEIVING:
            return await self._arrived(received)
        return received

    async def settle(self, upload: Upload) -> Upload:
        """As far as it is here now; whoever asks wants to go on."""
        await self._receiver.settle(upload.id)
        return await self._table.get(upload.id)

    async def _arrived(self, upload: Upload) -> Upload:
        """It is all here: have it looked at, or say why that has to wait."""
        arrived = await self._table.change(
            upload.id, self._now(), only=[UploadState.RECEIVING], state=UploadState.RECEIVED.value
        )
        if arrived is None:
            return await self._table.get(upload.id)
        try:
            await self._jobs.add(DIAGNOSE, upload.id, upload.owner)
        except Unavailable as error:
            arrived = await self._set(arrived, detail=f"{error.message} It is looked at when there is room.")
        self._announce("upload_updated", arrived)
        return arrived

    async def look_at_waiting(self) -> None:
        """Have those looked at that came while the queue was full."""
        for upload in await self._table.in_states([UploadState.RECEIVED]):
            if (await self._store.jobs.page(None, subject=upload.id, limit=1)).items:
                continue
            try:
                await self._jobs.add(DIAGNOSE, upload.id, upload.owner)
            except Unavailable:
                return

    async def change(self, upload: Upload, options: Mapping[str, Any]) -> Upload:
        """Other options, while nothing has been made of the file. Raises Conflict."""
        changed = await self._table.change(upload.id, self._now(), only=NOT_BEGUN, options=dict(options))
        if changed is None:
            raise Conflict("This upload has been started already: run it again with other options.", code="started")
        self._announce("upload_updated", changed)
        return changed

    async def start(self, upload: Upload) -> Upload:
        """Make a recording of it. Raises Conflict where it has not been looked at or was started, Unavailable."""
        self._jobs.check_room()
        begun = await self._table.change(
            upload.id, self._now(), only=[UploadState.READY_TO_START], state=UploadState.QUEUED.value, detail=""
        )
        if begun is None:
            raise Conflict("This upload cannot be started now.", code="not-ready")
        try:
            return await self.go_on(begun)
        except ClearcastError as error:
            await self._set(begun, state=UploadState.READY_TO_START.value, detail=error.message)
            raise

    async def go_on(self, upload: Upload) -> Upload:
        """Rows for its recording, and the job that makes it; once for each upload, however often it is asked for."""
        recording = await self._becoming.make(upload, self._now())
        upload = await self._set(upload, recording_id=recording.id)
        about = {"recording": recording.id}
        if audio := (upload.diagnosis or {}).get("duration_s"):
            about["audio_s"] = audio
        await self._jobs.add(PROCESS, upload.id, upload.owner, parameters=about)
        self._announce("upload_updated", upload)
        return upload

    async def again(self, upload: Upload, options: Mapping[str, Any]) -> Upload:
        """The same file once more, with other options, as a recording of its own.

        Raises Conflict where it is not over, or where the file is not kept any more; QuotaReached, Unavailable.
        """
        if upload.state not in OVER:
            raise Conflict("This upload is not over yet.", code="not-over")
        source = duplicate_of(upload) or upload.id
        self._jobs.check_room()
        await self._check_quota(upload.owner, (await self._table.coming(upload.owner))[1] + upload.size)
        now = self._now()
        anew = Upload(
            new_id(), upload.owner, upload.name, upload.size, now, now,
            received=upload.size, state=UploadState.RECEIVED, options=dict(options),
            diagnosis={"again_of": source},
        )  # fmt: skip
        try:
            await asyncio.to_thread(self.folders.link, anew.id, source)
        except OSError:
            await asyncio.to_thread(self.folders.remove, anew.id)
            raise Conflict("The file is not kept any more: upload it again.", code="file-gone") from None
        await self._table.add(anew)
        await self._jobs.add(DIAGNOSE, anew.id, anew.owner)
        self._announce("upload_updated", anew)
        return anew

    async def remove(self, upload: Upload) -> None:
        """Forget it, whatever is being done with it; a recording that was made of it stays."""
        for job in await self._store.jobs.unfinished(upload.id):
            try:
                await self._jobs.cancel(job.id)
            except Conflict:
                continue  # it was over in that very moment
        heirs = await self._table.followers(upload)
        await self._table.forget(upload.id)
        if upload.state not in OVER:  # else it is another one's, or whole
            if upload.recording_id is not None:
                await self._becoming.unmake(upload.recording_id)
            if heirs:
                await self._hand_on(upload, heirs)
        await asyncio.to_thread(self._drop, upload.id)
        self._announce("upload_removed", upload)

    async def _hand_on(self, upload: Upload, heirs: list[Upload]) -> None:
        """One that stood for others is removed before anything was made of it: the first of them gets the file."""
        heir, rest = heirs[0], heirs[1:]
        try:
            await asyncio.to_thread(self.folders.link, heir.id, upload.id)
        except OSError as error:
            log.warning("an upload's file could not be handed on", upload=heir.id, error=error.strerror)
            return
        diagnosis = {name: value for name, value in (heir.diagnosis or {}).items() if name != "duplicate_of"}
        ready = UploadState.READY_TO_START.value
        heir = await self._set(heir, state=ready, diagnosis=diagnosis, recording_id=None, received=heir.size, detail="")
        for other in rest:
            await self._set(other, diagnosis={**(other.diagnosis or {}), "duplicate_of": heir.id}, recording_id=None)
        self._announce("upload_updated", heir)
        if UploadOptions.of(heir.options).start == "at-once":
            try:
                await self.start(heir)
            except ClearcastError as error:
                log.info("an upload waits to be started", upload=heir.id, reason=error.message)

    async def drop_files(self, upload: Upload) -> Upload:
        """Take its files away, and say so; where the disk does not let us, the next start does."""
        dropped = await asyncio.to_thread(self._drop, upload.id)
        return await self._set(upload, received=0) if dropped else upload

    def _drop(self, upload_id: str) -> bool:
        try:
            self.folders.remove(upload_id)
        except OSError as error:
            log.warning("an upload's files could not be removed", upload=upload_id, error=error.strerror)
            return False
        return True

    async def tidy(self) -> None:
        """Take away what does not go on, and files of which recordings were made long enough ago."""
        now = self._now()
        for upload in await self._table.in_states(
            [UploadState.RECEIVING], now - timedelta(hours=self._settings.uploads_expire_hours)
        ):
            if not self._receiver.receiving(upload.id):
                log.info("an upload that did not go on was removed", upload=upload.id, received=upload.received)
                await self.remove(upload)
        for upload in await self._table.in_states(OVER, now - timedelta(days=self._settings.uploads_keep_days)):
            if upload.received:
                await self.drop_files(upload)
        known = await self._table.ids()
        for upload_id in await asyncio.to_thread(lambda: list(self.folders.ids())):
            if upload_id not in known and upload_id not in await self._table.ids():
                await asyncio.to_thread(self._drop, upload_id)

    async def _set(self, upload: Upload, **values: Any) -> Upload:
        changed = await self._table.change(upload.id, self._now(), **values)
        assert changed is not None
        return changed
