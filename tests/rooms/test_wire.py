"""The whole media host over real WebRTC, in real time: one client publishes, another listens."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.clock import PACKET, SAMPLE_RATE
from server.errors import InvalidOffer
from server.inference.service import WorkerDenoiseService
from server.rooms.messages import ListenGrant, PublishGrant, StreamState
from tests.rooms.sound import decode, level, play
from tests.rooms.station import Station
from tests.rtc.peers import Ear, until


def missing(ear: Ear) -> int:
    """Packets between the first and the last that the listener did not get."""
    times = [time for time, _ in ear.packets]
    return (max(times) - min(times)) // PACKET + 1 - len(set(times))


def strongest(audio: np.ndarray[Any, Any]) -> float:
    """Hertz."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(audio)


async def test_a_tone_goes_through_to_a_listener_and_into_the_recording(station: Station) -> None:
    ear = await station.ear()
    talker = await station.talker()
    await talker.talk(100)
    await until(lambda: station.host.streams()[0].state is StreamState.LIVE)
    stream = station.host.live_on("main")
    assert stream is not None
    assert (stream.state, stream.listeners) == (StreamState.LIVE, 1)
    assert stream.denoise.state == "off"
    await station.host.end(stream.id, "ended")
    await until(lambda: "stream_ended" in station.kinds())
    assert missing(ear) == 0
    heard = decode([packet for _, packet in ear.packets])
    recorded = play(station.settings.recordings_dir / stream.id / "clean.opus")
    for audio in (heard, recorded):
        middle = audio[SAMPLE_RATE // 2 : SAMPLE_RATE * 3 // 2]
        assert strongest(middle) == pytest.approx(440, abs=2)
        # What came too late on a busy machine is silence: the second is heard in its loudest half.
        pieces = np.sort([level(middle[at : at + PACKET]) for at in range(0, len(middle), PACKET)])
        assert float(np.mean(pieces[25:])) == pytest.approx(0.3 / 2**0.5, rel=0.1)
    ended = station.events[-1].stream
    assert ended is not None
    assert abs(len(recorded) - ended.position) < PACKET
    assert ended.position >= 1.8 * SAMPLE_RATE


async def test_a_publisher_that_crashes_comes_back_into_its_stream(station: Station) -> None:
    ear = await station.ear()
    talker = await station.talker()
    await talker.talk(50)
    await talker.close()
    await until(lambda: station.host.streams()[0].state is StreamState.RECONNECTING)
    again = await station.talker()
    await again.talk(50)
    (stream,) = station.host.streams()
    await until(lambda: station.host.streams()[0].state is StreamState.LIVE)
    assert (stream.id, stream.listeners) == ("stream-2", 1)
    assert missing(ear) == 0  # silence in between, and packets all the time
    assert [event.type for event in station.events if event.type != "listeners"] == [
        "stream_state",
        "stream_started",
        "stream_state",
        "stream_state",
    ]


async def test_an_offer_that_means_nothing_changes_nothing(station: Station) -> None:
    grant = PublishGrant("main", "ann", "Ann", "stream-1", "Talk")
    for offer in ("", "hello", "v=0\r\n" * 20_000):
        with pytest.raises(InvalidOffer):
            await station.host.publish(offer[:60_000], grant)
        with pytest.raises(InvalidOffer):
            await station.host.listen(offer[:60_000], ListenGrant("main", "somebody"))
    assert station.host.streams() == []
    assert station.events == []
    await station.talker()
    assert len(station.host.streams()) == 1


@pytest.fixture
async def denoising_station(tmp_path: Path) -> AsyncIterator[Station]:
    # A busy machine is not what is tested: the denoiser may take as long as may be set.
    station = Station(tmp_path, denoise="RNNoise", denoise_deadline_ms=100)
    await station.host.start()
    yield station
    await station.close()


async def test_when_the_denoiser_is_killed_nobody_hears_a_gap(denoising_station: Station) -> None:
    station = denoising_station
    service = station.denoise
    assert isinstance(service, WorkerDenoiseService)
    assert await service.wait_ready(120)
    ear = await station.ear()
    talker = await station.talker(record=False)
    await talker.talk(60)
    async with asyncio.timeout(60):
        while station.host.streams()[0].denoise.state != "ok":
            await talker.talk(25)
    assert station.host.streams()[0].denoise.engine == "RNNoise"
    assert service.worker_pid is not None
    os.kill(service.worker_pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while "recovered" not in station.kinds() or station.host.streams()[0].denoise.state != "ok":
            await talker.talk(25)
    assert missing(ear) == 0
    machine = [event.type for event in station.events if event.stage == "denoise" and event.stream is None]
    assert machine == ["degraded", "recovered"]
