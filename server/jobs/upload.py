"""An uploaded file becomes a recording: its audio is made in a folder of its own, then put in place, then told."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from server import __version__
from server.audio.ogg import scan
from server.clock import SAMPLE_RATE
from server.errors import Conflict, InvalidRequest, NotFound
from server.jobs.runner import Kind, Patience, Progress
from server.recordings import audio
from server.recordings.files import RecordingFolders, write_whole
from server.store.records import Job, RecordingState, StoredStream
from server.store.store import Store
from server.store.uploads import Upload, UploadState
from server.uploads.folders import UploadFolders
from server.uploads.making import Maker
from server.uploads.options import UploadOptions

Step = Callable[[Upload, Job, Progress], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class ProcessUpload:
    """Makes recordings of the files of one process. Every step may be done twice, and leaves nothing twice."""

    store: Store
    folders: UploadFolders
    recordings: RecordingFolders
    maker: Maker
    denoise: bool
    """Whether this server takes noise out at all."""
    patience: Patience

    def kind(self) -> Kind:
        return Kind(self.work, self.limit_s, self.given_up)

    @property
    def steps(self) -> dict[str, Step]:
        """In their order, by the names under which they are written down once they are done."""
        return {"made": self._make, "placed": self._place, "told": self._tell}

    async def limit_s(self, job: Job) -> float:
        """How long it may take, by what the diagnosis has said of its length."""
        seconds = (job.parameters or {}).get("audio_s") or self.maker.longest_s
        return self.patience.for_samples(round(float(seconds) * SAMPLE_RATE))

    async def work(self, job: Job, progress: Progress) -> dict[str, Any]:
        """Returns what was made. Raises InvalidRequest where the file holds nothing, Conflict, Unavailable."""
        upload = await self.store.uploads.get(job.subject)
        if upload.state not in (UploadState.QUEUED, UploadState.PROCESSING) or upload.recording_id is None:
            raise Conflict("The upload is not ready to be worked on.", code="not-ready")
        names = list(self.steps)
        done = names.index(job.reached) + 1 if await asyncio.to_thread(self._has_made, upload, job.reached) else 0
        result: dict[str, Any] = {}
        for name in names[done:]:
            result |= await self.steps[name](upload, job, progress)
            await progress.reach(name)
        return result

    def _has_made(self, upload: Upload, reached: str) -> bool:
        """Whether what an earlier attempt has reached is still there: giving up takes it away."""
        assert upload.recording_id is not None
        placed = self.recordings.audio(upload.recording_id).exists()
        return reached in self.steps and (placed or (reached == "made" and self.folders.work(upload.id).exists()))

    async def _make(self, upload: Upload, job: Job, progress: Progress) -> dict[str, Any]:
        """The audio, in the upload's own folder: nobody sees it before it is whole."""
        wanted = UploadOptions.of(upload.options)
        folder = self.folders.work(upload.id)
        await asyncio.to_thread(self.folders.drop_work, upload.id)
        await asyncio.to_thread(folder.mkdir, parents=True)
        expected = float((job.parameters or {}).get("audio_s") or 0.0)
        step = "Taking the noise out" if wanted.denoise and self.denoise else "Reading the file"

        async def tell(seconds: float) -> None:
            await progress.tell(min(0.95, seconds / expected) if expected else 0.0, step)

        await progress.tell(0.0, step)
        made = await self.maker.make(self.folders.content(upload.id), folder, wanted.denoise and self.denoise, tell)
        if made.length == 0:
            raise InvalidRequest("Nothing in this file can be heard.", code="no-sound")
        assert upload.recording_id is not None
        stream = await self.store.stream(upload.recording_id)
        await asyncio.to_thread(_write_log, folder, made.engine)
        await asyncio.to_thread(_describe, folder, stream, upload, made.length)
        return {**asdict(made), "length": made.length}

    async def _place(self, upload: Upload, job: Job, progress: Progress) -> dict[str, Any]:
        """Into the folder of recordings, in one move."""
        await progress.tell(0.96, "Putting the recording in place")
        assert upload.recording_id is not None
        await self.store.recording(upload.recording_id)  # taken away meanwhile: NotFound
        await asyncio.to_thread(self._move, upload)
        return {}

    def _move(self, upload: Upload) -> None:
        assert upload.recording_id is not None
        source, target = self.folders.work(upload.id), self.recordings.audio(upload.recording_id).parent
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                shutil.rmtree(target)
            source.replace(target)

    async def _tell(self, upload: Upload, job: Job, progress: Progress) -> dict[str, Any]:
        """Measured, and written down that it is whole."""
        await progress.tell(0.98, "Measuring")
        assert upload.recording_id is not None
        try:
            measured = await asyncio.to_thread(audio.settle, self.recordings, upload.recording_id)
        except audio.NoAudio as error:
            raise InvalidRequest(str(error), code="no-sound") from error
        await self.store.change_stream(upload.recording_id, length=measured.length)
        await self.store.change_recording(
            upload.recording_id,
            state=RecordingState.READY.value,
            length=measured.length,
            size_bytes=measured.size_bytes,
            has_raw=measured.has_raw,
        )
        return {"length": measured.length}

    async def given_up(self, job: Job) -> None:
        """Take away what is half done. Rows are the server's business."""
        await asyncio.to_thread(self.folders.drop_work, job.subject)
        recording_id = (job.parameters or {}).get("recording")
        if recording_id is None:
            return
        try:
            whole = (await self.store.recording(recording_id)).state != RecordingState.FINISHING
        except NotFound:
            whole = False
        if not whole:
            await asyncio.to_thread(self.recordings.remove, recording_id)


def _describe(folder: Path, stream: StoredStream, upload: Upload, length: int) -> None:
    """What the recorder says of a live stream (`rooms.files.describe`): the folder can be understood by itself."""
    with (folder / "clean.opus").open("rb") as file:
        info = scan(file)
    about = {
        "version": 1,
        "origin": "upload",
        "stream_id": stream.id,
        "channel_id": stream.channel_id,
        "principal": upload.owner,
        "host_name": stream.host,
        "title": stream.title,
        "started_at": stream.started_at.isoformat(),
        "ended_at": stream.ended_at.isoformat() if stream.ended_at else None,
        "end_reason": stream.end_reason,
        "sample_rate": SAMPLE_RATE,
        "position": length,
        "pre_skip": info.pre_skip,
        "channels": info.channels,
        "denoise": stream.denoise_mode,
        "files": sorted(path.name for path in folder.glob("*.opus")),
        "sources": [upload.name],
    }
    write_whole(folder / "meta.json", json.dumps(about, indent=1, ensure_ascii=False).encode())


def _write_log(folder: Path, engine: str | None) -> None:
    """What a live stream's event log says of the same: how the noise was treated, and by what."""
    events: list[dict[str, Any]] = [
        {"type": "stream", "at": 0, "denoise": "active" if engine else "absent", "strength": 1.0},
        {"type": "recording_on", "at": 0},
    ]
    if engine is not None:
        used = {"stage": "denoise", "name": engine, "version": f"Clearcast {__version__}"}
        events.append({"type": "models", "at": 0, "models": [used]})
    lines = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    write_whole(folder / "events.jsonl", lines.encode())
