"""A recording is finished, step by step: measured and drawn, sealed, heard again as a whole.

Each step can be done again without harm and leaves nothing half done; which ones were done is in the job's row. What
takes longest, and may have to wait for a caption worker, comes last: the files have their checksums before, and once
more after it. The models of that worker listen from the beginning, while another process measures.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from server.audio.frame import Samples
from server.audio.ogg import OggError, OggInfo, read_packets, scan
from server.audio.opus import packet_duration
from server.audio.peaks import PauseMeter, PeakMeter, decode_file
from server.audio.spectrogram import SpectrogramMeter
from server.clock import PACKET, SAMPLE_RATE
from server.errors import DiskFull, NotFound, Unavailable
from server.jobs.final_pass import KIND as AGAIN
from server.jobs.final_pass import FinalPass, closed_recording
from server.jobs.hearing import Heard
from server.jobs.runner import Kind, Patience, Progress, Tells
from server.recordings import happened
from server.recordings.audio import MAX_PEAKS, Peaks, write_peaks
from server.recordings.facts import Facts, Gap, ModelUsed
from server.recordings.files import RecordingFolders, write_whole
from server.recordings.loudness import LoudnessMeter
from server.recordings.png import alpha_png
from server.recordings.seal import seal
from server.store.records import Job, Recording
from server.store.store import Store

KIND = "finish"
HEAR = "hear"
"""In a job's parameters: whether the recording is heard again."""
MODELS = "models"
"""The same: the models that will hear it, as (stage, name, version)."""

PIECE = 20 * SAMPLE_RATE
"""Samples that are worked on between two looks at whether the job is still wanted."""
DAMAGED = "damaged"

Take = Callable[[Samples], None]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a job's progress, from `low` to `high`."""

    progress: Tells
    low: float
    high: float

    async def tell(self, share: float, step: str) -> None:
        await self.progress.tell(self.low + (self.high - self.low) * min(1.0, share), step)


@dataclass(slots=True)
class Listening:
    """The models of the caption worker hear a recording; how far they are is told once that is the step."""

    progress: Tells | None = None
    heard: asyncio.Task[Heard] | None = None

    async def tell(self, share: float, step: str) -> None:
        if self.progress is not None:
            await self.progress.tell(share, step)


@dataclass(frozen=True, slots=True)
class Task:
    """What a step works on."""

    recording: Recording
    parameters: Mapping[str, Any]
    progress: Tells
    listening: Listening


Step = Callable[[Task], Awaitable[Mapping[str, Any]]]
"""Returns what is told as the job's result."""


class _Meters:
    """All that the sound is given to while it is decoded once."""

    def __init__(self, info: OggInfo) -> None:
        self.loudness = LoudnessMeter(info.channels)
        self.peaks, self.pauses = PeakMeter(MAX_PEAKS), PauseMeter()
        self.spectrogram = SpectrogramMeter(info.duration_samples)

    def take(self, samples: Samples) -> None:
        """The next samples, shape (n,) for one channel, (n, 2) for two."""
        self.loudness.push(samples)
        mono = samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float32)
        for meter in (self.peaks, self.pauses, self.spectrogram):
            meter.push(mono)


@dataclass(frozen=True, slots=True)
class Finish:
    """Does the jobs of one process."""

    store: Store
    files: RecordingFolders
    final: FinalPass
    patience: Patience

    def kinds(self) -> dict[str, Kind]:
        """To finish a recording, and to hear it again on wish."""
        return {
            KIND: Kind(self.work, self._limit_s, self._given_up),
            AGAIN: Kind(self.again, self._limit_s, self._given_up),
        }

    def steps(self, hear: bool) -> dict[str, tuple[float, Step]]:
        """By name, in order: how much of the whole each is, and what does it."""
        if not hear:
            return {"measure": (0.9, self._measure), "seal": (0.1, self._seal)}
        return {"measure": (0.1, self._measure), "seal": (0.02, self._seal), **self._hearing(0.88)}

    def _hearing(self, share: float) -> dict[str, tuple[float, Step]]:
        return {HEAR: (share - 0.02, self._hear), "seal-again": (0.02, self._seal)}

    async def work(self, job: Job, progress: Progress) -> dict[str, Any]:
        """Raises NotFound where there is no recording (any more), Conflict while it is not closed, Unavailable."""
        return await self._go(job, progress, self.steps(bool((job.parameters or {}).get(HEAR))))

    async def again(self, job: Job, progress: Progress) -> dict[str, Any]:
        """Only hear it. Raises the same."""
        return await self._go(job, progress, self._hearing(1.0))

    async def _go(self, job: Job, progress: Progress, steps: Mapping[str, tuple[float, Step]]) -> dict[str, Any]:
        recording = await closed_recording(self.store, job.subject, progress)
        await asyncio.to_thread(self.files.sweep, recording.id)
        names = list(steps)
        done = names.index(job.reached) + 1 if job.reached in steps else 0
        result: dict[str, Any] = {}
        low = 0.0
        async with self._listening(recording, HEAR in names[done:]) as listening:
            for number, (name, (share, step)) in enumerate(steps.items()):
                if number >= done:
                    part = Part(progress, low, low + share)
                    result |= await _worded(step(Task(recording, job.parameters or {}, part, listening)))
                    await progress.reach(name)
                low += share
        return result

    @asynccontextmanager
    async def _listening(self, recording: Recording, wanted: bool) -> AsyncIterator[Listening]:
        """Whoever is not needed any more stops listening."""
        listening = Listening()
        if wanted:
            listening.heard = asyncio.create_task(self.final.listen(recording, listening), name="listen")
        try:
            yield listening
        finally:
            if listening.heard is not None:
                listening.heard.cancel()
                await asyncio.gather(listening.heard, return_exceptions=True)

    async def _limit_s(self, job: Job) -> float:
        return self.patience.for_samples((await self.store.recording(job.subject)).length)

    async def _given_up(self, job: Job) -> None:
        await asyncio.to_thread(self.files.sweep, job.subject)

    # ---- the steps

    async def _measure(self, task: Task) -> Mapping[str, Any]:
        """All that is found by going through the sound, in one go: loudness, waveform, spectrogram, what the log tells.

        Nothing is changed in the sound.
        """
        recording, path = task.recording, self.files.audio(task.recording.id)
        info = await asyncio.to_thread(self._scan, recording.id)
        meters = _Meters(info)
        await self._through(task, info.channels, meters.take)
        log = await asyncio.to_thread(happened.read, self.files.events(recording.id), recording.length)
        damages = await asyncio.to_thread(_damages, path) if info.damages else []
        facts = Facts(
            loudness=await asyncio.to_thread(meters.loudness.loudness),
            gaps=tuple(sorted([*log.gaps, *damages], key=lambda gap: gap.start)),
            denoise=tuple(log.denoise),
            models=tuple(log.models),
            listeners=tuple(log.listeners),
        )
        await self.store.change_recording(recording.id, facts=facts.to_json())
        await asyncio.to_thread(self._draw, recording.id, meters)
        return {}

    def _draw(self, recording_id: str, meters: _Meters) -> None:
        """The waveform and the spectrogram, once for everybody who looks at them."""
        drawn = meters.peaks.peaks()
        outline = Peaks(drawn.step_seconds, list(drawn.values), list(meters.pauses.pauses()))
        write_peaks(self.files, recording_id, outline)
        write_whole(self.files.spectrogram(recording_id), alpha_png(meters.spectrogram.image()))

    async def _seal(self, task: Task) -> Mapping[str, Any]:
        """Checksums of all files."""
        await task.progress.tell(0.0, "Computing checksums")
        return {"files": await asyncio.to_thread(seal, self.files, task.recording.id)}

    async def _hear(self, task: Task) -> Mapping[str, Any]:
        """The final pass; the facts then say which models did it."""
        assert task.listening.heard is not None
        task.listening.progress = task.progress
        heard = await task.listening.heard
        result = await self.final.write(task.recording, heard, task.progress)
        facts = Facts.from_json((await self.store.recording(task.recording.id)).facts) or Facts()
        used = tuple(ModelUsed(*map(str, model)) for model in task.parameters.get(MODELS, ()))
        if used:
            kept = tuple(model for model in facts.models if not model.stage.startswith("final"))
            facts = replace(facts, models=kept + used)
            await self.store.change_recording(task.recording.id, facts=facts.to_json())
        return result

    # ---- the sound

    def _scan(self, recording_id: str) -> OggInfo:
        with self.files.audio(recording_id).open("rb") as file:
            return scan(file)

    async def _through(self, task: Task, channels: int, take: Take) -> None:
        """All of the sound, from front to end, in a thread and in pieces."""
        done, length = 0, max(1, task.recording.length)
        with await asyncio.to_thread(self.files.audio(task.recording.id).open, "rb") as file:
            source = decode_file(file, channels)
            while count := await asyncio.to_thread(_piece, source, take):
                done += count
                await task.progress.tell(done / length, "Measuring and drawing")


def _piece(source: Iterator[Samples], take: Take) -> int:
    """Samples that were taken; 0 at the end."""
    count = 0
    while count < PIECE:
        samples = next(source, None)
        if samples is None:
            break
        take(samples)
        count += len(samples)
    return count


def _damages(path: Path) -> list[Gap]:
    """Where the file has lost sound that it once had."""
    found: list[Gap] = []
    with path.open("rb") as file:
        position = -scan(file).pre_skip
        for packet in read_packets(file):
            end = position + (PACKET if packet is None else packet_duration(packet))
            if packet is None and end > 0:
                start = found.pop().start if found and found[-1].end == position else max(0, position)
                found.append(Gap(start, end, DAMAGED))
            position = end
    return found[: happened.MOST_GAPS]


async def _worded(step: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What a step says, its failures in words: a disk may have room later, a recording that is gone will not be back.

    Raises NotFound, DiskFull, Unavailable.
    """
    try:
        return await step
    except OggError as error:
        raise NotFound(f"The recording's audio cannot be read: {error.message}", code="no-audio") from error
    except FileNotFoundError as error:
        raise NotFound("The recording's audio is not there any more.", code="no-audio") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("The disk of recordings is full. Make room; the audio itself is whole.") from error
        reason = (error.strerror or str(error)).lower()
        raise Unavailable(f"The disk of recordings reports an error: {reason}.", code="disk") from error
