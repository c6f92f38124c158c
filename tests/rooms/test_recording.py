"""Recordings of live streams: what is in the file, at which moment, and what happens to the stream when it fails."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.frame import Samples
from server.audio.ogg import scan
from server.clock import PACKET, SAMPLE_RATE
from server.rooms.messages import DenoiseMode, StreamChange, StreamState
from tests.disks import mounted
from tests.rooms.sound import level, play, tone, until
from tests.rooms.studio import Studio, heard

ROOT = Path(__file__).parents[2]
MARKER = 3 * SAMPLE_RATE + 12_345


def click(start: int) -> Samples:
    """Silence with one short noise at sample MARKER of what the publisher says."""
    samples = np.zeros(PACKET, np.float32)
    noise = np.random.default_rng(5).uniform(-0.8, 0.8, 480).astype(np.float32)
    for index in range(480):
        if start <= MARKER + index < start + PACKET:
            samples[MARKER + index - start] = noise[index]
    return samples


def onset(audio: Samples) -> int:
    """Where the noise of `click` begins."""
    return int(np.argmax(np.correlate(audio, click_noise(), "valid")))


def click_noise() -> Samples:
    return np.random.default_rng(5).uniform(-0.8, 0.8, 480).astype(np.float32)


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    studio = Studio(tmp_path, record_raw=True)
    yield studio
    await studio.host.close()


def lines(studio: Studio) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (studio.folder() / "events.jsonl").read_text().splitlines()]


async def end(studio: Studio) -> int:
    """Ends the stream; its duration in samples."""
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    ended = studio.told("stream_ended")[-1].stream
    assert ended is not None
    return ended.position


async def test_a_sample_is_heard_and_recorded_at_the_same_stream_time(studio: Studio) -> None:
    _, listener = await studio.listen()
    await studio.publish(record=True, denoise=DenoiseMode.BYPASSED)
    origin = studio.clock.samples()
    await studio.run(5, source=click)
    position = await end(studio)
    began, audio = heard(listener)
    recorded, raw = play(studio.folder() / "clean.opus"), play(studio.folder() / "raw.opus")
    lookahead = 312
    at = onset(recorded)
    assert abs(at - onset(raw)) <= 1
    assert abs(onset(audio) + began - origin - lookahead - at) <= 1
    assert 0 <= at - MARKER <= SAMPLE_RATE // 10  # the play-out delay and nothing else
    assert abs(len(recorded) - position) < PACKET


async def test_the_file_keeps_stream_time_through_loss_and_switching(studio: Studio) -> None:
    _, listener = await studio.listen()
    await studio.publish(record=True)
    await studio.run(2)
    started = studio.told("stream_started")[0].stream
    assert started is not None
    assert started.recording.on
    studio.peers.publishers[0].state("lost")
    await studio.run(2, source=None)
    await studio.publish(record=False, title="not taken")
    await studio.run(2)
    await studio.host.update("stream-1", StreamChange(record=False))
    await studio.run(2)
    await studio.host.update("stream-1", StreamChange(record=True))
    await studio.run(2)
    position = await end(studio)
    audio = play(studio.folder() / "clean.opus")
    assert abs(len(audio) - position) < PACKET
    _, live = heard(listener)
    second = [level(audio[at : at + SAMPLE_RATE]) for at in range(SAMPLE_RATE // 2, 9 * SAMPLE_RATE, SAMPLE_RATE)]
    spoken = [value > 0.1 for value in second]
    assert spoken == [True, True, False, True, True, True, False, True, True]
    assert level(live[6 * SAMPLE_RATE + 9600 : 8 * SAMPLE_RATE]) > 0.1  # listeners heard what was not recorded
    kinds = [(line["type"], line.get("state")) for line in lines(studio) if line["type"] != "models"]
    assert kinds == [
        ("stream", None),
        ("recording_on", None),
        ("state", "live"),
        ("listeners", None),
        ("state", "reconnecting"),
        ("state", "live"),
        ("gap", None),
        ("recording_off", None),
        ("recording_on", None),
        ("state", "ended"),
    ]
    gap = next(line for line in lines(studio) if line["type"] == "gap")
    assert abs(gap["at"] - 2 * SAMPLE_RATE) < SAMPLE_RATE // 5
    assert abs(gap["end"] - 4 * SAMPLE_RATE) < SAMPLE_RATE // 5


async def test_a_recording_switched_on_late_begins_with_silence(studio: Studio) -> None:
    await studio.publish(record=False)
    await studio.run(30)
    assert studio.live().recording.id is None
    assert not studio.folder().exists()
    stream = await studio.host.update("stream-1", StreamChange(record=True))
    assert (stream.recording.on, stream.recording.id) == (True, "stream-1")
    await studio.run(2)
    position = await end(studio)
    audio = play(studio.folder() / "clean.opus")
    assert abs(len(audio) - position) < PACKET
    assert level(audio[: 29 * SAMPLE_RATE]) == 0
    assert level(audio[31 * SAMPLE_RATE :]) > 0.1
    assert lines(studio)[0]["type"] == "stream"  # the log knows the time before, too


async def test_the_folder_is_enough_to_know_what_was_recorded(studio: Studio) -> None:
    await studio.publish(record=True, title="Evening talk")
    await studio.run(1)
    await studio.host.update("stream-1", StreamChange(title="Night talk", denoise=DenoiseMode.BYPASSED))
    await studio.run(1)
    position = await end(studio)
    meta = json.loads((studio.folder() / "meta.json").read_text())
    assert (meta["stream_id"], meta["channel_id"], meta["host_name"]) == ("stream-1", "main", "Ann")
    assert (meta["title"], meta["position"], meta["end_reason"]) == ("Night talk", position, "ended")
    with (studio.folder() / "clean.opus").open("rb") as file:
        assert scan(file).closed
    changed = next(line for line in lines(studio) if line["type"] == "denoise")
    assert changed["mode"] == "bypassed"
    assert 0 < changed["at"] <= SAMPLE_RATE


@pytest.mark.allow_blocking(reason="the test itself reads the file while the event is being told")
async def test_everybody_is_told_of_the_end_when_the_file_is_whole(studio: Studio) -> None:
    await studio.publish(record=True)
    await studio.run(1)
    closed: list[bool] = []

    def look(event: Any) -> None:
        if event.type == "stream_ended":
            closed.append(scan((studio.folder() / "clean.opus").open("rb")).closed)

    studio.host._on_event = look
    await studio.host.end("stream-1", "ended")
    assert studio.host.streams() == []
    await studio.host.settle()
    assert closed == [True]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "size=128k") as folder:
        yield folder


async def test_when_the_disk_is_full_the_stream_goes_on(small_disk: Path) -> None:
    studio = Studio(small_disk)
    _, listener = await studio.listen()
    await studio.publish(record=True)
    while not studio.told("recording_failed"):
        await studio.run(1)
    (failed,) = studio.told("recording_failed")
    assert failed.stage == "recording"
    assert "disk is full" in failed.detail
    await studio.run(2)
    stream = studio.live()
    assert stream.state is StreamState.LIVE
    assert (stream.recording.on, stream.recording.id, stream.recording.detail) == (False, "stream-1", failed.detail)
    heard(listener)
    await studio.host.close()
    assert len(play(studio.folder() / "clean.opus")) > SAMPLE_RATE
    assert len(studio.told("recording_failed")) == 1


async def test_where_nothing_can_be_written_the_stream_still_starts(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    studio = Studio(small_disk)
    await studio.publish(record=True)
    await studio.run(1)
    await until(lambda: bool(studio.told("recording_failed")))
    assert "read-only" in studio.live().recording.detail
    assert (studio.live().state, studio.live().recording.id) == (StreamState.LIVE, None)
    await studio.host.close()


async def test_a_killed_server_has_lost_less_than_a_second(tmp_path: Path) -> None:
    for attempt in range(4):  # a busy machine may not have let the disk write in time
        position, file = await record_and_kill(tmp_path / str(attempt))
        audio = play(file)  # before anybody has repaired it
        if len(audio) > position - SAMPLE_RATE:
            break
    assert len(audio) > position - SAMPLE_RATE
    last = audio[-SAMPLE_RATE:]
    loudest = max(level(last[at : at + 4800]) for at in range(0, SAMPLE_RATE, 4800))
    assert loudest == pytest.approx(level(tone(0)), rel=0.1)
    assert [json.loads(line)["type"] for line in (file.parent / "events.jsonl").read_text().splitlines()]


async def record_and_kill(folder: Path) -> tuple[int, Path]:
    """How far a recording had come when its process was killed, samples, and what is left of it."""
    folder.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.rooms.on_air", folder, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    position = 0
    try:
        async with asyncio.timeout(60):
            while position < 2.5 * SAMPLE_RATE:
                position = int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()
    (file,) = folder.glob("recordings/*/clean.opus")
    return position, file


async def test_listeners_hear_the_tone_that_is_recorded(studio: Studio) -> None:
    _, listener = await studio.listen()
    await studio.publish(record=True, denoise=DenoiseMode.ABSENT)
    await studio.run(2)
    await end(studio)
    _, live = heard(listener)
    recorded = play(studio.folder() / "clean.opus")
    assert np.abs(live[312 : 312 + SAMPLE_RATE] - recorded[:SAMPLE_RATE]).max() < 0.01
    assert level(recorded[SAMPLE_RATE:]) == pytest.approx(level(tone(0)), rel=0.1)
