"""When a final pass is made: once a stream is over that had captions and was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from server.clock import SAMPLE_RATE
from server.errors import ClearcastError
from server.inference.caption_lane import CaptionerStatus
from server.jobs.final_pass import KIND
from server.jobs.line import AUDIO
from server.jobs.service import LIVE, JobService
from server.log import get_logger
from server.rooms.messages import StreamInfo
from server.store.records import CaptionVersion, Job, Recording
from server.store.store import Store
from server.store.uploads import Upload
from server.uploads.options import UploadOptions

log = get_logger(__name__)


class FinalPasses:
    """Makes the jobs. Nothing is raised: a stream has ended well without its final pass too."""

    def __init__(self, jobs: JobService, store: Store, captioner: Callable[[], CaptionerStatus]) -> None:
        self._jobs = jobs
        self._store = store
        self._captioner = captioner

    async def over(self, stream: StreamInfo) -> None:
        """A stream has ended, and that is written down."""
        if stream.captions.state == "off":
            log.info("no final pass: the stream had no captions", stream=stream.id, reason=stream.captions.detail)
        elif stream.recording.id is None:
            log.info("no final pass: the stream was not recorded", stream=stream.id)
        else:
            await self._make(stream.id)

    async def recovered(self, stream_ids: Iterable[str]) -> None:
        """Streams that an earlier run left were closed: those that were captioned are heard again."""
        for stream_id in sorted(stream_ids):
            try:
                captions = await self._store.captions.page(stream_id, CaptionVersion.LIVE, limit=1)
                final = await self._store.captions.version(stream_id) is CaptionVersion.FINAL
            except ClearcastError as error:
                log.error("a stream could not be looked at", stream=stream_id, error=error.message)
                continue
            if captions.items and not final:
                await self._make(stream_id)

    async def uploaded(self, upload: Upload, recording: Recording) -> Job | None:
        """A file has become a recording; None where nobody wants to know what is said in it, or nobody can hear."""
        options = UploadOptions.of(upload.options)
        if not options.captions or self._captioner().state == "off":
            return None
        length = {AUDIO: recording.length / SAMPLE_RATE}
        return await self._jobs.add(KIND, recording.stream_id, recording.owner, parameters=length)

    async def _make(self, stream_id: str) -> None:
        status = self._captioner()
        if status.state == "off":
            log.info("no final pass: captions are off", stream=stream_id, reason=status.detail)
            return
        try:
            recording = await self._store.recording(stream_id)
            length = {AUDIO: recording.length / SAMPLE_RATE}
            await self._jobs.add(KIND, stream_id, recording.owner, priority=LIVE, parameters=length)
        except ClearcastError as error:
            log.error("the final pass could not be made", stream=stream_id, error=error.message)
