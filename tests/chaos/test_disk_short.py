"""The disk of the recordings gets short of room while people are live, and has room again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.clock import PACKET, SAMPLE_RATE
from server.rooms.recorder import ROOM_AGAIN
from tests.chaos.scene import Ear, Follower, Speaker, at_the_end, decibels, request, tone, whole_server
from tests.disks import mounted
from tests.rooms.sound import play

SIZE, RESERVE = 12, 8
"""MB of the disk, and what is to stay free."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of recordings on a small disk of its own."""
    with mounted(tmp_path / "data" / "recordings", f"size={SIZE}m") as folder:
        yield folder


def leave(disk: Path, megabytes: float) -> None:
    """Fill the disk until only so much is free."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with (disk / "ballast").open("ab") as file:
        file.write(bytes(int(free - megabytes * 1_000_000)))


async def test_a_live_recording_is_warned_then_closed_and_may_go_on(disk: Path, tmp_path: Path) -> None:
    async with whole_server(tmp_path, disk_reserve_mb=RESERVE) as server:
        await request(server, "POST", "/api/v1/channels", json={"name": "Second", "slug": "second"})
        follower = await Follower.start(server)
        ear, speaker = await Ear.start(server), await Speaker.start(server)
        await ear.heard(0.5)

        await asyncio.to_thread(leave, disk, 6.0)
        told = await follower.wait("recording_told", stream=speaker.id, on=True)
        assert "until 4 MB" in told["detail"]
        stream = await server.get(f"/api/v1/streams/{speaker.id}")
        assert stream["recording"] == {"on": True, "id": speaker.id, "detail": told["detail"]}
        late = await Speaker.start(server, "second")
        refused = await follower.wait("recording_told", stream=late.id, on=False)
        assert "Not recording" in refused["detail"]
        health = await server.get("/health/ready")
        assert (health["status"], health["components"]["disk"]["state"]) == ("degraded", "degraded")

        await asyncio.to_thread(leave, disk, 2.0)
        told = await follower.wait("recording_told", stream=speaker.id, on=False)
        assert "Recording stopped: only" in told["detail"]
        await ear.heard(0.5)
        audio = await asyncio.to_thread(play, disk / speaker.id / "clean.opus")
        assert at_the_end(audio) == pytest.approx(decibels(tone()), abs=1)
        assert (await server.get(f"/api/v1/streams/{speaker.id}"))["state"] == "live"

        (disk / "ballast").unlink()
        for stream_id in (speaker.id, late.id):
            await follower.wait("recording_told", stream=stream_id, detail=ROOM_AGAIN)
        for talker in (speaker, late):
            path = f"/api/v1/streams/{talker.id}"
            assert (await request(server, "PATCH", path, json={"recording": True}))[0] == 200
            await talker.said(0.5)
            assert (await server.get(path))["recording"] == {"on": True, "id": talker.id, "detail": ""}
            await talker.stop()
            await follower.wait("recording_ready", id=talker.id)
        await ear.stop()
        ear.assert_whole()
        stream = await server.get(f"/api/v1/streams/{speaker.id}")
        audio = await asyncio.to_thread(play, disk / speaker.id / "clean.opus")
        assert len(audio) == pytest.approx(stream["duration_s"] * SAMPLE_RATE, abs=PACKET)
        await follower.stop()
