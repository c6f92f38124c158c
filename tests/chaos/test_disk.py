"""The disk fills up, turns read-only, or loses the folder of recordings while people are live."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.bench.local import LocalServer
from server.clock import PACKET, SAMPLE_RATE
from tests.chaos.scene import (
    Ear,
    Follower,
    Speaker,
    at_the_end,
    decibels,
    recording_of,
    request,
    tone,
    until,
    whole_server,
)
from tests.disks import change, mounted
from tests.rooms.sound import play


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The whole data folder on a disk of 3 MB."""
    with mounted(tmp_path / "data", "size=3m") as disk:
        yield disk


@pytest.fixture
def own_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of recordings on a disk of its own."""
    with mounted(tmp_path / "data" / "recordings", "size=3m") as disk:
        yield disk


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4_096)


async def stream_of(server: LocalServer, speaker: Speaker) -> Any:
    return await server.get(f"/api/v1/streams/{speaker.id}")


async def record(server: LocalServer, speaker: Speaker) -> None:
    """Ask for the recording to go on."""
    status, stream = await request(server, "PATCH", f"/api/v1/streams/{speaker.id}", json={"recording": True})
    assert (status, stream["recording"]["on"]) == (200, True)


async def finished(server: LocalServer, recordings: Path, speaker: Speaker) -> float:
    """End the stream; seconds of its recording, which is as long as the stream and sounds to its end."""
    await speaker.stop()
    recording = await recording_of(server, speaker.id)
    audio = play(recordings / speaker.id / "clean.opus")
    stream = await stream_of(server, speaker)
    assert (recording["state"], stream["state"]) == ("ready", "ended")
    assert abs(len(audio) - round(stream["duration_s"] * SAMPLE_RATE)) <= PACKET
    assert at_the_end(audio) == pytest.approx(decibels(tone()), abs=1)
    return len(audio) / SAMPLE_RATE


@pytest.mark.slow
async def test_a_disk_that_fills_up_costs_the_recording_and_nothing_else(small_disk: Path, tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        await request(server, "POST", "/api/v1/channels", json={"name": "Second", "slug": "second"})
        follower = await Follower.start(server)
        ear = await Ear.start(server)
        speaker = await Speaker.start(server)
        await ear.heard(1.0)
        await asyncio.to_thread(fill, small_disk)
        told = await follower.wait("recording_told", stream=speaker.id, on=False)
        assert "disk is full" in told["detail"]
        assert "stream goes on" in told["detail"]

        late = await Speaker.start(server, "second")
        told = await follower.wait("recording_told", stream=late.id, on=False)
        assert "disk is full" in told["detail"]
        stream = await stream_of(server, late)
        assert (stream["state"], stream["recording"]["on"]) == ("live", False)
        assert stream["recording"]["detail"] == told["detail"]
        assert (await server.get("/api/v1/config"))["record_default"] is True
        await ear.heard(1.0)
        assert (await stream_of(server, speaker))["state"] == "live"

        (small_disk / "ballast").unlink()
        await record(server, speaker)
        await ear.heard(1.5)
        await finished(server, small_disk / "recordings", speaker)
        await late.stop()
        await ear.stop()
        ear.assert_whole()
        assert len(follower.told("degraded", stage="recording")) == 2
        await follower.stop()


@pytest.mark.slow
async def test_recordings_that_cannot_be_written_are_named_and_come_back(own_disk: Path, tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        follower = await Follower.start(server)
        ear = await Ear.start(server)
        change(own_disk, "ro")
        speaker = await Speaker.start(server)
        told = await follower.wait("recording_told", stream=speaker.id, on=False)
        assert "read-only" in told["detail"]
        stream = await stream_of(server, speaker)
        assert (stream["state"], stream["recording"]["on"], stream["recording"]["id"]) == ("live", False, None)
        await ear.heard(0.5)
        change(own_disk, "rw")
        await record(server, speaker)
        await ear.heard(1.5)
        await finished(server, own_disk, speaker)
        await ear.stop()
        ear.assert_whole()
        await follower.stop()


async def test_a_folder_of_recordings_that_is_removed_is_named_and_made_again(tmp_path: Path) -> None:
    recordings = tmp_path / "data" / "recordings"
    async with whole_server(tmp_path) as server:
        follower = await Follower.start(server)
        ear = await Ear.start(server)
        speaker = await Speaker.start(server)
        await ear.heard(1.0)
        await asyncio.to_thread(shutil.rmtree, recordings)
        told = await follower.wait("recording_told", stream=speaker.id, on=False)
        assert "is gone" in told["detail"]
        await ear.heard(0.5)
        await record(server, speaker)  # its file is gone for good: it says so again and does not pretend
        await until(lambda: len(follower.told("degraded", stream=speaker.id, stage="recording")) == 2)
        assert (await stream_of(server, speaker))["recording"]["on"] is False
        await ear.heard(0.5)
        await speaker.stop()
        lost = await recording_of(server, speaker.id, "failed")
        assert (lost["state"], lost["detail"] != "") == ("failed", True)
        status, problem = await request(server, "GET", f"/api/v1/recordings/{speaker.id}/audio")
        assert (status, problem["code"]) == (404, "no-audio")

        again = await Speaker.start(server)
        await again.said(1.0)
        await finished(server, recordings, again)
        await ear.stop()
        assert ear.missing() == 0
        await follower.stop()
