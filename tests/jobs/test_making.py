"""Which streams are heard again when they are over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.config import load_settings
from server.inference.caption_lane import CaptionerStatus
from server.jobs.final_pass import KIND
from server.jobs.making import FinalPasses
from server.jobs.service import JobService
from server.rooms.messages import CaptionsInfo, DenoiseInfo, DenoiseMode, RecordingInfo, StreamInfo, StreamState
from server.store.captions import CaptionBatch
from server.store.database import database_url
from server.store.records import CaptionVersion, RecordingState
from server.store.store import Store
from tests.store.rows import caption, channel, recording, stream


class Scene:
    """A store with recorded streams, and jobs that nobody does."""

    def __init__(self, store: Store, jobs: JobService) -> None:
        self.store = store
        self.jobs = jobs
        self.status = CaptionerStatus("ready", "base")
        self.passes = FinalPasses(jobs, store, lambda: self.status)

    async def recorded(self, slug: str) -> str:
        home = channel(slug)
        await self.store.add_channel(home)
        said = stream(home)
        await self.store.save_stream(said)
        await self.store.save_recording(recording(said, state=RecordingState.FINISHING.value))
        return said.id

    async def made(self) -> list[tuple[str, str, str]]:
        return [(job.kind, job.subject, job.owner) for job in await self.store.jobs.unfinished()]


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    store = Store(database_url(None, tmp_path))
    await store.open()
    jobs = JobService(load_settings(data_dir=tmp_path), store, lambda kind, job: None)
    monkeypatch.setattr(jobs._process, "start", lambda: None)
    yield Scene(store, jobs)
    await jobs.close()
    await store.close()


def ended(stream_id: str, captions: str = "ok", recorded: bool = True) -> StreamInfo:
    return StreamInfo(
        id=stream_id, channel_id="c", principal="local", host_name="Anna", title="Talk", state=StreamState.ENDED,
        started_at=datetime.now(UTC), denoise=DenoiseInfo(DenoiseMode.ABSENT, None, "off"),
        recording=RecordingInfo(False, stream_id if recorded else None), captions=CaptionsInfo(captions),
    )  # fmt: skip


async def test_a_stream_with_captions_and_a_recording_is_heard_again_once(scene: Scene) -> None:
    stream_id = await scene.recorded("anna")
    await scene.passes.over(ended(stream_id, captions="degraded"))
    await scene.passes.over(ended(stream_id))
    assert await scene.made() == [(KIND, stream_id, "local")]


async def test_no_captions_no_recording_or_nobody_who_hears_is_no_job(scene: Scene) -> None:
    stream_id = await scene.recorded("anna")
    await scene.passes.over(ended(stream_id, captions="off"))
    await scene.passes.over(ended(stream_id, recorded=False))
    scene.status = replace(scene.status, state="off")
    await scene.passes.over(ended(stream_id))
    await scene.passes.over(ended("unknown"))
    assert await scene.made() == []


async def test_what_a_crash_left_is_heard_again_where_it_was_captioned(scene: Scene) -> None:
    captioned, silent, done = [await scene.recorded(slug) for slug in ("anna", "ben", "carol")]
    for stream_id in (captioned, done):
        await scene.store.captions.save(CaptionBatch({stream_id: [caption(1)]}))
    await scene.store.captions.replace(done, CaptionVersion.FINAL, [caption(1)], [])
    await scene.passes.recovered({captioned, silent, done, "unknown"})
    assert [subject for _, subject, _ in await scene.made()] == [captioned]
