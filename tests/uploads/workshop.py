"""The jobs of a whole server, done by hand: real files and rows, a scripted denoiser, nobody who hears words."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from server.app import Server
from server.bench.memory import HalfAsLoud
from server.inference.caption_lane import CaptionLane, CaptionOptions, Ear, OnItems
from server.jobs.diagnose import Diagnose
from server.jobs.final_pass import FinalPass
from server.jobs.finish import Finish
from server.jobs.runner import Kind, Patience, run_job
from server.jobs.upload import ProcessUpload
from server.recordings.files import RecordingFolders
from server.speech.processor import SpeakerTurn
from server.speech.voices import VoiceLimits
from server.uploads.making import FileDenoiser, Maker
from server.uploads.options import DIAGNOSE, PROCESS
from tests.jobs.scripted_lane import ScriptedFiles

LONGEST_S = 60.0


def tone(seconds: float = 1.0, pitch: float = 440.0) -> bytes:
    """A WAV file."""
    samples = 8000 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * 48_000)) / 48_000)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


class Workshop:
    """Does jobs of a server whose own process for them was not started."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.services = server.services
        self.denoiser: FileDenoiser = HalfAsLoud()

    def kinds(self) -> Mapping[str, Kind]:
        settings, store, patience = self.server.settings, self.services.store, Patience()
        folders, files = self.services.uploads.folders, RecordingFolders(settings.recordings_dir)
        final = FinalPass(store, files, _deaf, _alone, {Ear.WORDS: "clean", Ear.SPEAKERS: "clean"}, _limits)
        process = ProcessUpload(store, folders, files, Maker(self._denoiser, LONGEST_S, 32_000), True, patience)
        look = Diagnose(store, folders, _deaf, LONGEST_S, patience)
        return {PROCESS: process.kind(), DIAGNOSE: look.kind(), **Finish(store, files, final, patience).kinds()}

    async def _denoiser(self) -> FileDenoiser:
        return self.denoiser

    async def do(self, *kinds: str) -> None:
        """All jobs that wait, of these kinds; side by side, as several workers would."""
        waiting = [job for job in await self.services.store.jobs.unfinished() if not kinds or job.kind in kinds]
        known = self.kinds()
        await asyncio.gather(*(run_job(self.services.store, known, job.id) for job in waiting))
        await self.tell()

    async def tell(self) -> None:
        """Have the server learn what has become of its jobs."""
        await self.services.jobs._look()
        while tasks := set(self.services.upload_progress._tasks):
            await asyncio.wait(tasks)

    async def all(self) -> None:
        """Until nothing is left to do."""
        for _ in range(10):
            if not await self.services.store.jobs.unfinished():
                return
            await self.do()
        raise AssertionError("there is always more to do")

    def recordings(self) -> list[str]:
        """Folders of recordings."""
        root = self.server.settings.recordings_dir
        return sorted(path.name for path in root.iterdir() if path.name != ".bin") if root.is_dir() else []

    def versions(self, recording_id: str) -> list[str]:
        """Of a recording's sound."""
        return sorted(path.stem for path in (self.server.settings.recordings_dir / recording_id).glob("*.opus"))

    def uploads(self) -> list[str]:
        """Folders of uploads."""
        return sorted(path.name for path in self.server.settings.uploads_dir.iterdir())


async def _deaf(options: CaptionOptions, on_items: OnItems, on_lost: Callable[[str], None]) -> CaptionLane:
    return await ScriptedFiles([], [])(options, on_items, on_lost)


def _alone(live: Sequence[SpeakerTurn], offline: Sequence[SpeakerTurn]) -> Mapping[str, str]:
    return {}


def _limits(model: str) -> VoiceLimits:
    return VoiceLimits(0.4, 0.1)
