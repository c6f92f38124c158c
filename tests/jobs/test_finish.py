"""A recording is finished: what is known of it afterwards, and what becomes of trouble."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from server.clock import SAMPLE_RATE
from server.jobs.final_pass import KIND as AGAIN
from server.jobs.finish import Finish
from server.recordings.facts import DenoiseSpan, Facts, Gap, ModelUsed
from server.recordings.seal import checksum, read_seal
from server.store.records import CaptionVersion, Job, JobState, RecordingState
from server.store.store import Store
from tests.disks import change, mounted
from tests.jobs.finishing import HEARD, LINES, MADE, TURNS, closed, do, finish_in, folder_in, store_in
from tests.jobs.scripted_lane import ScriptedFiles


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = store_in(tmp_path)
    await made.open()
    yield made
    await made.close()


def look_at(path: Path) -> tuple[str, int]:
    """Format and height of a picture, as another program reads it."""
    with av.open(str(path)) as picture:
        frame = next(picture.decode(video=0))
    return frame.format.name, frame.height


async def over(store: Store, finish: Finish, job: Job) -> Job:
    assert await do(store, finish, job) is None
    return await store.jobs.get(job.id)


async def test_a_finished_recording_is_measured_drawn_heard_and_sealed(tmp_path: Path, store: Store) -> None:
    job = await closed(tmp_path, store)
    finish = finish_in(tmp_path, store)
    done = await over(store, finish, job)
    folder = folder_in(tmp_path) / job.subject
    assert (done.state, done.reached, done.error) == (JobState.DONE, "seal-again", "")
    assert done.result is not None and done.result["words_added"] == 4
    assert sorted(path.name for path in folder.iterdir()) == HEARD
    recording = await store.recording(job.subject)
    facts = Facts.from_json(recording.facts)
    assert facts is not None and facts.loudness is not None and facts.loudness.true_peak_dbtp is not None
    assert facts.gaps == (Gap(48_000, 52_800, "lost"),)
    assert facts.denoise == (DenoiseSpan(0, recording.length, "active", 0.8),)
    assert facts.models == (ModelUsed("denoise", "Model", "1"), ModelUsed("final captions", "Ear", "2"))
    assert facts.listeners == ((24_000, 2),)
    drawn = json.loads((folder / "peaks.json").read_text())
    assert drawn["step_s"] * len(drawn["peaks"]) == pytest.approx(recording.length / SAMPLE_RATE, abs=drawn["step_s"])
    assert await asyncio.to_thread(look_at, folder / "spectrogram.png") == ("ya8", 256)
    sums = await asyncio.to_thread(read_seal, finish.files, job.subject)
    files = [folder / name for name in HEARD if name != "checksums.json"]
    assert sums == {path.name: await asyncio.to_thread(checksum, path) for path in files}


async def test_a_recording_is_heard_again_on_wish_and_sealed_after_it(tmp_path: Path, store: Store) -> None:
    job = await closed(tmp_path, store, hear=False)
    finish = finish_in(tmp_path, store)
    done = await over(store, finish, job)
    assert (done.reached, (await store.captions.page(job.subject, CaptionVersion.FINAL)).total) == ("seal", 0)
    (folder_in(tmp_path) / job.subject / "more.json").write_text("{}")  # as a later pass adds files
    again = Job("again", AGAIN, job.subject, "local", job.created_at)
    await store.jobs.add(again)
    assert (await over(store, finish, again)).state == JobState.DONE
    assert (await store.captions.page(job.subject, CaptionVersion.FINAL)).total == 1
    assert "more.json" in (await asyncio.to_thread(read_seal, finish.files, job.subject) or {})


async def test_what_an_earlier_attempt_has_done_is_not_done_again(tmp_path: Path, store: Store) -> None:
    job = await closed(tmp_path, store)
    lost = ScriptedFiles(LINES, TURNS, lose_at=1.0)
    assert await do(store, finish_in(tmp_path, store, lost), job) is not None  # the caption worker was lost
    waiting = await store.jobs.get(job.id)
    assert (waiting.state, waiting.reached) == (JobState.QUEUED, "seal")
    picture = folder_in(tmp_path) / job.subject / "spectrogram.png"
    drawn_at = picture.stat().st_mtime_ns
    assert (await over(store, finish_in(tmp_path, store), job)).state == JobState.DONE
    assert picture.stat().st_mtime_ns == drawn_at


async def test_a_recording_that_was_deleted_meanwhile_is_left_alone(tmp_path: Path, store: Store) -> None:
    job = await closed(tmp_path, store)
    await store.change_recording(job.subject, deleted_at=job.created_at)
    failed = await over(store, finish_in(tmp_path, store), job)
    assert (failed.state, failed.error) == (JobState.FAILED, "The recording was deleted.")
    assert not (folder_in(tmp_path) / job.subject / "peaks.json").exists()


async def test_sound_that_was_damaged_on_the_disk_is_a_gap(tmp_path: Path, store: Store) -> None:
    job = await closed(tmp_path, store, hear=False)
    path = folder_in(tmp_path) / job.subject / "clean.opus"
    data = bytearray(path.read_bytes())
    middle = data.index(b"OggS", len(data) // 2)
    data[middle + 100 : middle + 200] = bytes(100)
    path.write_bytes(bytes(data))
    assert (await over(store, finish_in(tmp_path, store), job)).state == JobState.DONE
    facts = Facts.from_json((await store.recording(job.subject)).facts)
    assert facts is not None
    [gap] = [gap for gap in facts.gaps if gap.kind == "damaged"]
    assert 0.1 < (gap.end - gap.start) / SAMPLE_RATE < 1.0


async def test_a_disk_that_is_full_is_told_and_leaves_nothing_half_done(tmp_path: Path, store: Store) -> None:
    with mounted(folder_in(tmp_path), "size=400k") as disk:
        job = await closed(tmp_path, store, hear=False)
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        finish = finish_in(tmp_path, store)
        assert await do(store, finish, job) is not None  # tried again later
        waiting = await store.jobs.get(job.id)
        assert waiting.reached == "" and "disk of recordings is full" in waiting.error
        assert not list((disk / job.subject).glob("*.new"))
        recording = await store.recording(job.subject)
        assert recording.state == RecordingState.READY
        ballast.unlink()
        assert (await over(store, finish, job)).state == JobState.DONE
        assert sorted(path.name for path in (disk / job.subject).iterdir()) == MADE


async def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path, store: Store) -> None:
    with mounted(folder_in(tmp_path), "size=2m") as disk:
        job = await closed(tmp_path, store, hear=False)
        change(disk, "ro")
        assert await do(store, finish_in(tmp_path, store), job) is not None
        assert "read-only" in (await store.jobs.get(job.id)).error
        change(disk, "rw")


def test_pictures_are_read_by_others_as_they_were_drawn(tmp_path: Path) -> None:
    import numpy as np

    from server.recordings.png import alpha_png

    levels = np.random.default_rng(7).integers(0, 256, (5, 9), np.uint8)
    data = alpha_png(levels)
    start = data.index(b"IDAT") + 4
    rows = zlib.decompress(data[start : data.index(b"IEND") - 8])
    assert len(rows) == 5 * (1 + 2 * 9)
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    with av.open(str(path)) as picture:
        frame = next(picture.decode(video=0))
        plane = np.frombuffer(bytes(frame.planes[0]), np.uint8).reshape(5, -1)[:, : 2 * 9]
    assert (plane[:, 1::2] == levels).all() and not plane[:, ::2].any()
