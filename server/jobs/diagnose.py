"""A quick look at an uploaded file: its content's hash, what it is, how loud, how noisy, how many voices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.errors import ClearcastError, NotFound
from server.inference.caption_lane import CaptionOptions, Ear, Urgency
from server.jobs.hearing import OpenFile, hear
from server.jobs.runner import Kind, Patience, Progress
from server.log import get_logger
from server.store.records import Job
from server.store.store import Store
from server.uploads.decoding import decoding
from server.uploads.diagnosis import Levels
from server.uploads.folders import UploadFolders
from server.uploads.options import UploadOptions

HEARD_S = 60
"""Of the sample, in which voices are counted."""
VOICES_S = 60.0
"""How long counting them may take; what takes longer is not quick."""
SOME_SECONDS = 1.5
"""Of speech that makes a voice."""

log = get_logger(__name__)


@dataclass(slots=True)
class _Sample:
    levels: Levels = field(default_factory=Levels)
    pieces: list[Samples] = field(default_factory=list)
    length: int = 0

    def push(self, samples: Samples) -> None:
        self.levels.push(samples)
        room = HEARD_S * SAMPLE_RATE - self.length
        if room > 0:
            self.pieces.append(samples[:room].copy())
        self.length += len(samples)


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Looks at the files of one process."""

    store: Store
    folders: UploadFolders
    open_file: OpenFile
    longest_s: float
    patience: Patience

    def kind(self) -> Kind:
        return Kind(self.work, self.limit_s)

    async def limit_s(self, job: Job) -> float:
        """How long it may take: a look is quick."""
        return self.patience.least_s

    async def work(self, job: Job, progress: Progress) -> dict[str, Any]:
        """Returns the hash and the diagnosis. Raises InvalidRequest where the file is none that is taken."""
        upload = await self.store.uploads.get(job.subject)
        await progress.tell(0.0, "Reading the file")
        try:
            digest = await asyncio.to_thread(self.folders.digest, upload.id)
        except OSError:
            raise NotFound("The file is not kept any more.", code="file-gone") from None
        await progress.tell(0.3, "Looking at the file")
        sample = _Sample()
        async with decoding(self.folders.content(upload.id), self.longest_s, sample=True) as opened:
            async for samples in opened.blocks():
                await asyncio.to_thread(sample.push, samples)
                await progress.tell(0.4, "Looking at the file")
        level, noise, difference = sample.levels.found()
        wanted = UploadOptions.of(upload.options)
        # Who does not wait for the diagnosis is told by the pass over the whole file, soon and better.
        counted = wanted.diarize and not (wanted.start == "at-once" and wanted.captions)
        speakers = await self._voices(sample, progress) if counted and level is not None else None
        known = {name: opened.result[name] for name in ("duration_s", "format", "channels", "sample_rate")}
        found = {**known, "level_dbfs": level, "noise_dbfs": noise, "snr_db": difference, "speakers": speakers}
        return {"sha256": digest, "diagnosis": found}

    async def _voices(self, sample: _Sample, progress: Progress) -> int | None:
        """How many voices are in the sample; None where nobody can tell just now."""

        async def tell(share: float) -> None:
            await progress.tell(0.5 + 0.5 * share, "Counting voices")

        audio: Samples = np.concatenate(sample.pieces)
        # Nobody asks for words: the recogniser is given silence.
        ears: dict[Ear, Iterator[Samples]] = {
            Ear.WORDS: iter([np.zeros(len(audio), np.float32)]), Ear.SPEAKERS: iter([audio])
        }  # fmt: skip
        try:
            async with asyncio.timeout(VOICES_S):
                heard = await hear(self.open_file, CaptionOptions(urgency=Urgency.FILE), ears, tell, len(audio))
        except (ClearcastError, TimeoutError) as error:
            log.info("voices were not counted", reason=str(error))
            return None
        spoken: dict[str, int] = {}
        for turn in heard.turns:
            spoken[turn.speaker] = spoken.get(turn.speaker, 0) + turn.end - turn.start
        return sum(length >= SOME_SECONDS * SAMPLE_RATE for length in spoken.values()) or None
