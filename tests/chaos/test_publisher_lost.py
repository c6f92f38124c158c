"""A publisher's process is killed; its stream waits, ends, or goes on."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from server.audio.frame import Samples
from server.bench.local import LocalServer
from server.client.media import WavWriter
from server.client.whip import Publication
from server.clock import PACKET, SAMPLE_RATE
from server.errors import ChannelLive
from tests.chaos.scene import Ear, Follower, Speaker, decibels, own_channel, recording_of, tone, whole_server
from tests.machine import Stalls
from tests.rooms.sound import play

SPOILT_S = 0.15
"""A machine that held somebody up for this long has made holes in what was said."""


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    writer = WavWriter(path)
    writer.write(tone(30.0))
    writer.close()
    return path


async def publisher(server: LocalServer, talk: Path) -> asyncio.subprocess.Process:
    """`clearcast publish` in a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "publish", str(talk), "--server", server.url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


def without_short_holes(heard: np.ndarray) -> np.ndarray:
    """`heard`, one value a packet, with holes of up to 200 ms filled: a busy machine makes them, and they are no gap.

    Everything longer keeps its ends.
    """
    wide = np.convolve(np.pad(heard, 5, mode="edge"), np.ones(11), "valid") > 0
    return np.convolve(np.pad(wide, 5, mode="edge"), np.ones(11), "valid") > 10.5


async def kill(process: asyncio.subprocess.Process) -> float:
    process.send_signal(signal.SIGKILL)
    await process.wait()
    return time.monotonic()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_killed_publisher_comes_back_into_its_stream_or_ends_it(tmp_path: Path, talk: Path) -> None:
    for attempt in range(4):
        stalls = Stalls()
        audio = await recorded(tmp_path / str(attempt), talk)
        stalls.stop()
        if stalls.longest < SPOILT_S:
            break
    assert_talk_silence_talk_silence(audio)


async def recorded(tmp_path: Path, talk: Path) -> Samples:
    """What a recording holds whose publisher was killed, came back, and was silent in the end."""
    async with whole_server(tmp_path, reconnect_s=5) as server:
        follower = await Follower.start(server)
        ear = await Ear.start(server)
        process = await publisher(server, talk)
        stream_id = (await follower.wait("stream_started", 60))["id"]
        await ear.heard(1.5)
        slug = await own_channel(server)
        with pytest.raises(ChannelLive):  # the same person, while the first connection still sends
            await Publication.start(f"{server.url}/whip/{slug}")

        killed = await kill(process)
        waiting = await follower.wait("stream_state", id=stream_id, state="reconnecting")
        assert time.monotonic() - killed < 12  # 3 s of silence, and not the half minute of ICE
        assert waiting["reconnect_by"] is not None
        speaker = await Speaker.start(server)
        assert speaker.id == stream_id
        await speaker.said(1.5)
        back = await server.get(f"/api/v1/streams/{stream_id}")
        assert (back["state"], back["reconnect_by"]) == ("live", None)

        await speaker.silence()  # and the second one never comes back
        silent = time.monotonic()
        ended = await follower.wait("stream_ended", 60, id=stream_id)
        assert ended["end_reason"] == "lost"
        assert 3 + 5 - 1.5 < time.monotonic() - silent < 20
        recording = await recording_of(server, stream_id)
        await speaker.stop()
        await ear.stop()
        ear.assert_whole()  # silence is sent while nobody talks
        await follower.stop()

    stream = round(ended["duration_s"] * SAMPLE_RATE)
    audio = play(tmp_path / "data" / "recordings" / stream_id / "clean.opus")
    assert recording["state"] == "ready"
    assert abs(len(audio) - stream) <= PACKET
    return audio


def assert_talk_silence_talk_silence(audio: Samples) -> None:
    """What the recording holds is what was said, where it was said."""
    heard = [decibels(audio[at : at + PACKET]) > -30 for at in range(0, len(audio) - PACKET, PACKET)]
    spoken = without_short_holes(np.array(heard))
    changes = np.flatnonzero(np.diff(np.array([False, *spoken, False]).astype(int)))
    first, gap, second = changes[1] - changes[0], changes[2] - changes[1], changes[3] - changes[2]
    assert len(changes) == 4  # talk, silence, talk, silence
    assert first >= 70
    assert 50 < gap < 1000
    assert second >= 70
    inside = range((changes[1] + 7) * PACKET, (changes[2] - 6) * PACKET, PACKET)  # where the codec no longer rings
    assert max(decibels(audio[at : at + PACKET]) for at in inside) < -60
