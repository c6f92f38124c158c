"""A publisher is cut off over and over, and the server is stopped under it: one stream, one recording."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from server.audio.frame import Samples
from server.audio.ogg import scan
from server.audio.opus import OpusDecoder
from server.bench.local import free_port
from server.client.whip import publish
from server.clock import PACKET, SAMPLE_RATE, SystemClock
from tests.chaos.scene import (
    Ear,
    Follower,
    Speaker,
    decibels,
    own_channel,
    recording_of,
    request,
    tone,
    until,
    whole_server,
)
from tests.rooms.sound import play

CUTS = 10


def heard_again(ear: Ear, moments: list[int]) -> list[float]:
    """Seconds from each moment (samples of the clock) to the first packet with sound in it."""
    decoder = OpusDecoder(1)
    loud = [packet.arrival for packet in ear.packets if decibels(decoder.decode(packet.payload, PACKET)) > -30]
    return [(next(arrival for arrival in loud if arrival > moment) - moment) / SAMPLE_RATE for moment in moments]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_listener_hears_on_however_often_the_publisher_is_cut_off(tmp_path: Path) -> None:
    clock = SystemClock()
    async with whole_server(tmp_path) as server:
        follower = await Follower.start(server)
        ear = await Ear.start(server)
        speaker = await Speaker.start(server)
        stream_id, token = speaker.id, speaker.publication.resume_token
        await speaker.said(0.5)
        back: list[int] = []
        for number in range(CUTS):
            lost = speaker
            await lost.silence()  # the network is gone: no word, no packet
            await asyncio.sleep(0.3 if number % 2 else 1.1)
            back.append(clock.samples())
            speaker = await Speaker.start(server, resume_token=token if number % 2 else None)
            assert speaker.id == stream_id
            await speaker.said(0.5)
            await lost.publication.abandon()
        delays = heard_again(ear, back)
        assert (await request(server, "POST", f"/api/v1/streams/{stream_id}/end", json={}))[0] == 200
        recording = await recording_of(server, stream_id)
        stream = await server.get(f"/api/v1/streams/{stream_id}")
        assert (await server.get("/api/v1/recordings"))["total"] == 1
        assert len(follower.told("stream_started")) == 1
        assert follower.told("publisher_replaced", stream=stream_id)
        await speaker.stop()
        await ear.stop()  # the one connection of the beginning
        await follower.stop()
        ear.assert_whole(stall_s=4.0)
    print(f"heard again after {', '.join(f'{delay:.2f}' for delay in delays)} s")
    assert sorted(delays)[CUTS // 2] <= 1.5
    audio = play(tmp_path / "data" / "recordings" / stream_id / "clean.opus")
    assert abs(len(audio) - stream["duration_s"] * SAMPLE_RATE) <= PACKET
    assert recording["duration_s"] == pytest.approx(stream["duration_s"], abs=0.021)


def endless() -> Iterator[Samples]:
    return itertools.repeat(tone())


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_stream_goes_on_after_the_server_was_stopped_and_after_it_was_killed(tmp_path: Path) -> None:
    port = free_port()
    told: list[str] = []
    publishing: asyncio.Task[float] | None = None
    positions: list[float] = []
    stream_id = ""
    for ending in (signal.SIGTERM, signal.SIGKILL, None):
        async with whole_server(tmp_path, port=port) as server:
            if publishing is None:
                url = f"{server.url}/whip/{await own_channel(server)}"
                publishing = asyncio.create_task(publish(url, endless(), patience=60, told=told.append))
            else:
                (waiting,) = (await server.get("/api/v1/streams?state=live"))["items"]
                assert (waiting["id"], waiting["recording"]["id"]) == (stream_id, stream_id)
            ear = await Ear.start(server)
            await ear.heard(1.5)  # silence is not sent before the publisher is back
            (live,) = (await server.get("/api/v1/streams?state=live"))["items"]
            assert live["state"] == "live"
            stream_id = live["id"]
            positions.append(live["duration_s"])
            await ear.stop()
            if ending is None:
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)
                recording = await recording_of(server, stream_id)
                stream = await server.get(f"/api/v1/streams/{stream_id}")
            else:
                server.process.send_signal(ending)
                await server.process.wait()
                await until(lambda: len(told) % 2 == 1, 30)  # it has noticed by itself
    assert [line.split(".")[0] for line in told] == ["The connection was lost", "Live again"] * 2
    assert positions == sorted(positions)
    folder = tmp_path / "data" / "recordings" / stream_id
    with (folder / "clean.opus").open("rb") as file:
        info = scan(file)
    assert (info.closed, info.damages, info.pages) == (True, (), info.last_sequence + 1)
    audio = play(folder / "clean.opus")
    assert recording["state"] == "ready"
    assert abs(len(audio) - stream["duration_s"] * SAMPLE_RATE) <= PACKET
    loud = np.array([decibels(audio[at : at + PACKET]) > -30 for at in range(0, len(audio) - PACKET, PACKET)])
    assert loud[:25].any()
    assert loud[-50:].any()
    assert not loud.all()
