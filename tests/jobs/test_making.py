"""Which recordings are finished when a stream is over, and which of them are heard again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.config import load_settings
from server.inference.caption_lane import CaptionerStatus
from server.jobs.finish import HEAR, KIND, MODELS
from server.jobs.making import LATER, Finishing
from server.jobs.service import LIVE, JobService
from server.rooms.messages import CaptionsInfo, DenoiseInfo, DenoiseMode, RecordingInfo, StreamInfo, StreamState
from server.store.captions import CaptionBatch
from server.store.database import database_url
from server.store.records import CaptionVersion, Job, RecordingState
from server.store.store import Store
from tests.store.rows import caption, channel, recording, stream


class Scene:
    """A store with recorded streams, and jobs that nobody does."""

    def __init__(self, store: Store, jobs: JobService) -> None:
        self.store = store
        self.jobs = jobs
        self.status = CaptionerStatus("ready", "base")
        self.finishing = Finishing(jobs, store, lambda: self.status)

    async def recorded(self, slug: str) -> str:
        home = channel(slug)
        await self.store.add_channel(home)
        said = stream(home)
        await self.store.save_stream(said)
        await self.store.save_recording(recording(said, state=RecordingState.FINISHING.value))
        return said.id

    async def made(self) -> dict[str, bool]:
        """Recordings that are to be finished, and whether they are heard again."""
        made = await self.store.jobs.unfinished()
        assert {(job.kind, job.owner) for job in made} <= {(KIND, "local")}
        return {job.subject: (job.parameters or {})[HEAR] for job in made}


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
    await scene.finishing.over(ended(stream_id, captions="degraded"))
    await scene.finishing.over(ended(stream_id))
    assert await scene.made() == {stream_id: True}
    [job] = await scene.store.jobs.unfinished()
    assert job.priority == LIVE and [model[:2] for model in (job.parameters or {})[MODELS]] == [
        ["final captions", "base"]
    ]


async def test_without_captions_or_anybody_who_hears_a_recording_is_finished_and_not_heard(scene: Scene) -> None:
    silent, late = [await scene.recorded(slug) for slug in ("anna", "ben")]
    await scene.finishing.over(ended(silent, captions="off"))
    scene.status = replace(scene.status, state="off")
    await scene.finishing.over(ended(late))
    assert await scene.made() == {silent: False, late: False}


async def test_what_was_not_recorded_is_no_job(scene: Scene) -> None:
    await scene.finishing.over(ended(await scene.recorded("anna"), recorded=False))
    await scene.finishing.over(ended("unknown"))
    assert await scene.made() == {}


async def test_what_a_crash_left_is_heard_again_where_it_was_captioned(scene: Scene) -> None:
    captioned, silent, done = [await scene.recorded(slug) for slug in ("anna", "ben", "carol")]
    for stream_id in (captioned, done):
        await scene.store.captions.save(CaptionBatch({stream_id: [caption(1)]}))
    await scene.store.captions.replace(done, CaptionVersion.FINAL, [caption(1)], [])
    await scene.finishing.recovered({captioned, silent, done, "unknown"})
    assert await scene.made() == {captioned: True, silent: False, done: False}


async def test_what_was_never_finished_is_at_the_next_start(scene: Scene) -> None:
    old, failed, cancelled, measured, binned = [await scene.recorded(slug) for slug in ("a", "b", "c", "d", "e")]
    now, ready = datetime.now(UTC), RecordingState.READY.value
    for recording_id in (old, failed, cancelled, measured, binned):
        await scene.store.change_recording(recording_id, state=ready)
    for recording_id in (failed, measured):
        await scene.store.change_recording(recording_id, facts={"gaps": []})
    await scene.store.change_recording(binned, deleted_at=now)
    for recording_id, state in ((failed, "failed"), (cancelled, "cancelled")):
        await scene.store.jobs.add(Job(f"of {recording_id}", KIND, recording_id, "local", now, state=state))
    await scene.finishing.catch_up()
    assert await scene.made() == {old: False, failed: False}
    assert {job.priority for job in await scene.store.jobs.unfinished()} == {LATER}
