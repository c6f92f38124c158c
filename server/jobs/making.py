"""When recordings are finished: once a stream is over, and at a start what an earlier run has left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from server.clock import SAMPLE_RATE
from server.errors import ClearcastError, Unavailable
from server.inference.caption_lane import SOFTWARE, CaptionerStatus
from server.jobs.finish import HEAR, KIND, MODELS
from server.jobs.line import AUDIO
from server.jobs.service import ASKED, LIVE, JobService
from server.log import get_logger
from server.rooms.messages import StreamInfo
from server.store.records import CaptionVersion, Job, Recording
from server.store.store import Store
from server.store.uploads import Upload
from server.uploads.options import UploadOptions

LATER = 1
"""Priority of recordings that nobody waits for: those of before there was this job, or whose job had failed."""

log = get_logger(__name__)


class Finishing:
    """Makes the jobs. Nothing is raised: a stream has ended well, and can be played, without being finished too."""

    def __init__(self, jobs: JobService, store: Store, captioner: Callable[[], CaptionerStatus]) -> None:
        self._jobs = jobs
        self._store = store
        self._captioner = captioner

    async def over(self, stream: StreamInfo) -> None:
        """A stream has ended, and that is written down."""
        if stream.recording.id is None:
            log.info("nothing to finish: the stream was not recorded", stream=stream.id)
            return
        captioned = stream.captions.state != "off"
        if not captioned:
            log.info("no final pass: the stream had no captions", stream=stream.id, reason=stream.captions.detail)
        await self.make(stream.id, hear=captioned)

    async def recovered(self, stream_ids: Iterable[str]) -> None:
        """Streams that an earlier run left were closed: those that were captioned are heard again as well."""
        for stream_id in sorted(stream_ids):
            hear = await self._unheard(stream_id)
            if hear is not None:
                await self.make(stream_id, hear=hear)

    async def uploaded(self, upload: Upload, recording: Recording) -> Job:
        """A file has become a recording; it is heard where somebody wants to know what is said in it."""
        return await self._make(recording, UploadOptions.of(upload.options).captions, ASKED)

    async def catch_up(self) -> None:
        """Recordings that were closed and never finished, as far as there is room for more jobs."""
        try:
            for recording in await self._store.keeping.never_finished(KIND):
                hear = await self._unheard(recording.stream_id)
                if hear is not None:
                    await self._make(recording, hear, LATER)
        except Unavailable as error:
            log.info("the other recordings are finished after the next start", reason=error.message)
        except ClearcastError as error:
            log.error("recordings that were never finished could not be looked at", error=error.message)

    async def make(self, recording_id: str, *, hear: bool) -> None:
        """Have one finished; `hear`: and heard again as a whole, where anybody hears."""
        try:
            await self._make(await self._store.recording(recording_id), hear, LIVE)
        except ClearcastError as error:
            log.error("a recording could not be given to be finished", recording=recording_id, error=error.message)

    async def _make(self, recording: Recording, hear: bool, priority: int) -> Job:
        status = self._captioner()
        if hear and status.state == "off":
            log.info("no final pass: captions are off", stream=recording.stream_id, reason=status.detail)
        wanted: dict[str, Any] = {HEAR: hear and status.state != "off", AUDIO: recording.length / SAMPLE_RATE}
        if wanted[HEAR]:
            names = {"captions": status.recogniser, "speakers": status.diarizer}
            wanted[MODELS] = [[f"final {stage}", name, SOFTWARE[stage]] for stage, name in names.items() if name]
        return await self._jobs.add(KIND, recording.id, recording.owner, priority=priority, parameters=wanted)

    async def _unheard(self, stream_id: str) -> bool | None:
        """Whether a stream has live captions and no others; None where it cannot be said, or there is no recording."""
        try:
            await self._store.recording(stream_id)
            captions = await self._store.captions.page(stream_id, CaptionVersion.LIVE, limit=1)
            final = await self._store.captions.version(stream_id) is CaptionVersion.FINAL
        except ClearcastError as error:
            log.info("a stream is not finished", stream=stream_id, reason=error.message)
            return None
        return bool(captions.items) and not final
