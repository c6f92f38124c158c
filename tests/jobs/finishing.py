"""A recording that is closed, and the job that finishes it: real files, a scripted lane."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.clock import SAMPLE_RATE
from server.inference.caption_lane import Ear
from server.jobs.final_pass import FinalPass
from server.jobs.finish import HEAR, KIND, MODELS, Finish
from server.jobs.runner import Patience, run_job
from server.recordings.audio import close
from server.recordings.files import RecordingFolders
from server.speech.processor import SpeakerTurn
from server.speech.voices import VoiceLimits
from server.store.database import database_url
from server.store.records import Job, RecordingState
from server.store.store import Store
from tests.jobs.recordings import write
from tests.jobs.scripted_lane import ScriptedFiles
from tests.speech.scripted import sound, spoken
from tests.store.rows import recording, talk

SECONDS = 4.0
LENGTH = round(SECONDS * SAMPLE_RATE)
LINES = spoken("this was said aloud.", start=0.5)
TURNS = [SpeakerTurn(0, LENGTH, "a", 1.0)]
MADE = ["checksums.json", "clean.opus", "events.jsonl", "peaks.json", "spectrogram.png"]
"""Files of a recording that is finished."""
HEARD = [*MADE, "turns.json"]
"""And of one that was heard again."""
EVENTS: list[dict[str, Any]] = [
    {"type": "stream", "at": 0, "denoise": "active", "strength": 0.8},
    {"type": "recording_on", "at": 0},
    {"type": "models", "at": 0, "models": [{"stage": "denoise", "name": "Model", "version": "1"}]},
    {"type": "listeners", "at": 24_000, "count": 2},
    {"type": "gap", "at": 48_000, "end": 52_800},
]


def _limits(model: str) -> VoiceLimits:
    return VoiceLimits(0.4, 0.1)


def _alone(live: Sequence[SpeakerTurn], offline: Sequence[SpeakerTurn]) -> Mapping[str, str]:
    return {}


def store_in(root: Path) -> Store:
    return Store(database_url(None, root))


def folder_in(root: Path) -> Path:
    """Where recordings lie."""
    return root / "recordings"


def finish_in(root: Path, store: Store, lane: ScriptedFiles | None = None) -> Finish:
    files = RecordingFolders(folder_in(root))
    ears = {Ear.WORDS: "clean", Ear.SPEAKERS: "clean"}
    final = FinalPass(store, files, lane or ScriptedFiles(LINES, TURNS), _alone, ears, _limits)
    return Finish(store, files, final, Patience())


async def closed(root: Path, store: Store, *, hear: bool = True) -> Job:
    """A recording that can be played, and its job."""
    stream = await talk(store)
    await store.save_stream(replace(stream, language="en", state="ended", ended_at=stream.started_at))
    folder = folder_in(root) / stream.id
    write(folder, sound(LINES, SECONDS))
    length, size = await asyncio.to_thread(close, folder / "clean.opus"), (folder / "clean.opus").stat().st_size
    await store.save_recording(
        recording(stream, state=RecordingState.READY.value, length=length, size_bytes=size, channel_slug="anna")
    )
    (folder / "events.jsonl").write_text("".join(json.dumps(event, separators=(",", ":")) + "\n" for event in EVENTS))
    wanted = {HEAR: hear, MODELS: [["final captions", "Ear", "2"]]}
    job = Job("job", KIND, stream.id, "local", datetime.now(UTC), parameters=wanted)
    await store.jobs.add(job)
    return job


async def do(store: Store, finish: Finish, job: Job) -> float | None:
    """As the process for jobs does it."""
    return await run_job(store, finish.kinds(), job.id)
