"""What comes of the jobs about uploads: each step is written down beside the upload, told, and leads to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from server.errors import ClearcastError, NotFound
from server.log import get_logger
from server.store.records import Job, JobState, Recording
from server.store.store import Store
from server.store.uploads import LOST, OVER, Upload, UploadState
from server.uploads.becoming import AnnounceRecording, Becoming
from server.uploads.desk import Announce, UploadDesk
from server.uploads.options import DIAGNOSE, PROCESS, UploadOptions

TIDY_S = 3600.0
SAME = "The same file was uploaded before: nothing was done twice."

log = get_logger(__name__)

Finish = Callable[[Upload, Recording], Awaitable[Job | None]]
"""Has a recording finished whose audio is whole; None where nothing is left to do."""


class UploadProgress:
    """Follows the jobs. News of one upload are dealt with in order."""

    def __init__(
        self,
        store: Store,
        desk: UploadDesk,
        becoming: Becoming,
        announce: Announce,
        announce_recording: AnnounceRecording,
        finish: Finish,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._table = store.uploads
        self._desk = desk
        self._becoming = becoming
        self._announce = announce
        self._announce_recording = announce_recording
        self._finish = finish
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()
        """News that are being dealt with: one for each change of a job, and those come once a second."""
        self._in_order = asyncio.Lock()
        self._finishing: dict[str, str] = {}
        """Uploads by the job that finishes their recording."""
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on with what an earlier run has left."""
        await self._desk.tidy()
        for upload in await self._table.in_states(
            [UploadState.RECEIVED, UploadState.CHECKING, UploadState.QUEUED, UploadState.PROCESSING]
        ):
            try:
                await self._catch_up(upload)
            except ClearcastError as error:
                log.error("an upload cannot go on", upload=upload.id, error=error.message)
        self._tidying = asyncio.create_task(self._keep_tidy(), name="uploads-tidy")

    async def close(self) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def job_told(self, job: Job) -> None:
        """A job has changed."""
        if job.kind in (DIAGNOSE, PROCESS) or job.id in self._finishing:
            task = asyncio.create_task(self._take(job), name=f"upload {job.subject}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self, job: Job) -> None:
        async with self._in_order:
            try:
                if job.id in self._finishing:
                    await self._finished(await self._table.get(self._finishing[job.id]), job)
                else:
                    await self._worked(await self._table.get(job.subject), job)
            except NotFound:
                self._finishing.pop(job.id, None)  # somebody has removed it
            except ClearcastError as error:
                log.error("what a job has done was not taken", job=job.id, error=error.message)

    async def _worked(self, upload: Upload, job: Job) -> None:
        checking = job.kind == DIAGNOSE
        match job.state:
            case JobState.RUNNING if checking:
                await self._change(upload, [UploadState.RECEIVED, UploadState.CHECKING], state=UploadState.CHECKING)
            case JobState.RUNNING:
                await self._change(upload, [UploadState.QUEUED, UploadState.PROCESSING], state=UploadState.PROCESSING)
            case JobState.QUEUED if not checking and upload.state in LOST:
                await self._retried(upload)
            case JobState.QUEUED if upload.state in LOST:
                await self._change(upload, [*LOST], state=UploadState.RECEIVED)
            case JobState.DONE if checking:
                await self._checked(upload, job)
            case JobState.DONE:
                await self._processed(upload)
            case JobState.FAILED:
                await self._lost(upload, UploadState.FAILED, job.error)
            case JobState.CANCELLED:
                await self._lost(upload, UploadState.CANCELLED, "Cancelled.")
            case _:
                self._announce("upload_updated", upload)

    async def _change(self, upload: Upload, only: list[UploadState], **values: Any) -> Upload | None:
        changed = await self._table.change(upload.id, self._now(), only=only, **values)
        self._announce("upload_updated", changed or upload)
        return changed

    async def _checked(self, upload: Upload, job: Job) -> None:
        """A file was looked at: it is one that was here before, or waits, or goes on at once."""
        result = dict(job.result or {})
        diagnosis = {**(upload.diagnosis or {}), **result.get("diagnosis", {})}
        known = [UploadState.RECEIVED, UploadState.CHECKING]
        if "again_of" not in diagnosis and "sha256" in result:
            earlier = await self._table.claim(upload.id, str(result["sha256"]), self._now())
            standing = [one for one in earlier if await self._counts(one, upload)]
            if standing:
                first = standing[0]
                same = {**diagnosis, "duplicate_of": first.id}
                done = UploadState.DONE.value
                changed = await self._change(
                    upload, known, state=done, diagnosis=same, recording_id=first.recording_id, detail=SAME
                )
                if changed is not None:
                    await self._desk.drop_files(upload)
                return
        ready = await self._change(upload, known, state=UploadState.READY_TO_START, diagnosis=diagnosis, detail="")
        if ready is not None and UploadOptions.of(ready.options).start == "at-once":
            await self._desk.start(ready)

    async def _counts(self, first: Upload, upload: Upload) -> bool:
        """Whether an earlier upload of the same content stands for a new one.

        Not where its recording has been deleted since, nor where it waits for somebody and the new one does not.
        """
        if first.state == UploadState.READY_TO_START:
            return UploadOptions.of(upload.options).start != "at-once"
        return first.state != UploadState.DONE or await self._becoming.whole(first.recording_id)

    async def _processed(self, upload: Upload) -> None:
        """The audio is whole."""
        if upload.state not in (UploadState.QUEUED, UploadState.PROCESSING) or upload.recording_id is None:
            return
        recording = await self._store.recording(upload.recording_id)
        self._announce_recording("recording_ready", recording)
        for same in await self._table.followers(upload):
            await self._change(same, [*OVER], state=UploadState.DONE.value, recording_id=recording.id, detail=SAME)
        job = await self._finish(upload, recording)
        if job is None:
            await self._change(upload, [UploadState.QUEUED, UploadState.PROCESSING], state=UploadState.DONE, detail="")
            return
        self._finishing[job.id] = upload.id
        await self._change(upload, [UploadState.QUEUED, UploadState.PROCESSING], state=UploadState.PROCESSING)

    async def _finished(self, upload: Upload, job: Job) -> None:
        """The recording's own job has changed."""
        if job.state in (JobState.QUEUED, JobState.RUNNING):
            self._announce("upload_updated", upload)
            return
        self._finishing.pop(job.id, None)
        detail = job.error if job.state == JobState.FAILED else ""
        await self._change(upload, [UploadState.PROCESSING], state=UploadState.DONE, detail=detail)

    async def _lost(self, upload: Upload, state: UploadState, detail: str) -> None:
        """Nothing comes of it: what was half done goes, the file stays for another try."""
        if upload.state in OVER:
            return
        await asyncio.to_thread(self._desk.folders.drop_work, upload.id)
        if upload.recording_id is not None:
            await self._becoming.unmake(upload.recording_id)
        known = [UploadState.RECEIVED, UploadState.CHECKING, UploadState.QUEUED, UploadState.PROCESSING]
        await self._change(upload, known, state=state.value, detail=detail)
        for same in await self._table.followers(upload):
            await self._change(same, [UploadState.DONE], state=state.value, recording_id=None, detail=detail)
        if upload.state in (UploadState.RECEIVED, UploadState.CHECKING):
            await self._desk.drop_files(upload)  # a file that holds nothing is of no use

    async def _retried(self, upload: Upload) -> None:
        """Its job is done once more."""
        changed = await self._change(upload, [*LOST], state=UploadState.QUEUED.value, detail="")
        if changed is not None:
            await self._desk.go_on(changed)

    async def _catch_up(self, upload: Upload) -> None:
        """What the job of an upload has done while nobody looked; a job where there is none."""
        kind = DIAGNOSE if upload.state in (UploadState.RECEIVED, UploadState.CHECKING) else PROCESS
        newest = (await self._store.jobs.page(None, subject=upload.id, kind=kind, limit=1)).items
        if newest and newest[0].state not in (JobState.QUEUED, JobState.RUNNING):
            await self._worked(upload, newest[0])
        elif not newest:
            await (self._desk.look_at_waiting() if kind == DIAGNOSE else self._desk.go_on(upload))

    async def _keep_tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            try:
                await self._desk.tidy()
                await self._desk.look_at_waiting()
            except ClearcastError as error:
                log.warning("uploads could not be tidied", error=error.message)
