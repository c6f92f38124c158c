"""Music: what the publisher encoded reaches listeners and the disk as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from server.audio.ogg import read_packets, scan
from server.clock import HOP, SAMPLE_RATE
from server.errors import Conflict, Unavailable
from server.rooms.messages import DenoiseMode, Levels, StreamChange, StreamState
from tests.fakes import ManualClock
from tests.rooms.band import Band
from tests.rooms.studio import Studio

MUSIC = DenoiseMode.MUSIC


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    studio = Studio(tmp_path, record_raw=True)
    yield studio
    await studio.host.close()


def file(studio: Studio, name: str = "clean.opus") -> Path:
    return studio.folder() / name


def kept(studio: Studio) -> list[bytes]:
    with file(studio).open("rb") as opened:
        return [packet for packet in read_packets(opened) if packet is not None]


def played(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What a player plays, shape (channels, n): decoded by FFmpeg."""
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def strongest(audio: np.ndarray[Any, Any]) -> int:
    """Hertz."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return round(float(np.argmax(spectrum)) * SAMPLE_RATE / len(audio))


@pytest.mark.parametrize("duration", [120, 480, 960, 2880])
async def test_listeners_and_the_disk_get_what_was_sent(studio: Studio, duration: int) -> None:
    band = Band(studio, duration)
    await studio.publish(denoise=MUSIC, record=True)
    _, listener = await studio.listen()
    await band.play(3)
    assert [packet for _, packet in listener.packets] == band.sent
    times = [time for time, _ in listener.packets]
    assert times == list(range(times[0], times[0] + duration * len(times), duration))
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    assert kept(studio)[: len(band.sent)] == band.sent
    with file(studio).open("rb") as opened:
        info = scan(opened)
    assert info.closed
    assert info.channels == 2
    assert abs(info.duration_samples - 3 * SAMPLE_RATE) <= max(HOP, duration)
    left, right = played(file(studio))
    assert abs(len(left) - 3 * SAMPLE_RATE) <= max(HOP, duration)
    assert (strongest(left[24_000:72_000]), strongest(right[24_000:72_000])) == (440, 660)
    assert not file(studio, "raw.opus").exists()


async def test_what_is_said_of_it(studio: Studio) -> None:
    levels: list[Levels] = []
    studio.host._on_levels = levels.append
    await studio.publish(denoise=MUSIC, record=True)
    await Band(studio).play(2)
    await asyncio.sleep(0)
    info = studio.live()
    assert (info.denoise.mode, info.denoise.state, info.denoise.detail) == (MUSIC, "off", "")
    assert info.position == 2 * SAMPLE_RATE
    assert info.state is StreamState.LIVE
    assert studio.told("stream_started")[0].stream is not None
    assert len(levels) >= 9
    assert all(one.came == one.went for one in levels)
    assert all(-13 < value < -9 for one in levels[1:] for value in one.came)
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    meta = json.loads(file(studio, "meta.json").read_text())
    assert (meta["denoise"], meta["channels"], meta["files"]) == ("music", 2, ["clean.opus"])
    started = json.loads(file(studio, "events.jsonl").read_text().splitlines()[0])
    assert started["denoise"] == "music"


async def test_it_needs_no_denoiser_and_takes_no_place_in_it(studio: Studio) -> None:
    studio.denoise.limit = 1
    await studio.publish("one")
    with pytest.raises(Unavailable):
        await studio.publish("two")
    await studio.publish("two", denoise=MUSIC)
    await Band(studio).play(0.5)
    assert len(studio.denoise.lanes) == 0  # the talker has not said anything yet
    assert [stream.denoise.mode for stream in studio.host.streams()] == [DenoiseMode.ACTIVE, MUSIC]


async def test_it_works_where_denoising_is_switched_off(tmp_path: Path) -> None:
    studio = Studio(tmp_path, denoise="off")
    await studio.publish(denoise=MUSIC)
    _, listener = await studio.listen()
    band = Band(studio)
    await band.play(0.5)
    assert [packet for _, packet in listener.packets] == band.sent
    assert studio.live().denoise.detail == ""
    await studio.host.close()


async def test_it_is_fixed_when_the_stream_starts(studio: Studio) -> None:
    await studio.publish(denoise=MUSIC)
    await Band(studio).play(0.2)
    for mode in (DenoiseMode.ACTIVE, DenoiseMode.BYPASSED, DenoiseMode.ABSENT):
        with pytest.raises(Conflict):
            await studio.host.update("stream-1", StreamChange(denoise=mode))
    await studio.publish("other")
    await studio.run(0.2)
    with pytest.raises(Conflict):
        await studio.host.update("stream-2", StreamChange(denoise=MUSIC))


async def test_a_lost_packet_is_a_gap_for_listeners_and_made_up_in_the_recording(studio: Studio) -> None:
    await studio.publish(denoise=MUSIC, record=True)
    _, listener = await studio.listen()
    band = Band(studio)
    await band.play(2, lost=frozenset({20, 50, 51}))
    times = [time - listener.packets[0][0] for time, _ in listener.packets]
    assert times == [number * 960 for number in range(100) if number not in (20, 50, 51)]
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    packets = kept(studio)
    assert (packets[20], packets[50], packets[51]) == (b"\xfc",) * 3
    assert [packet for packet in packets[:100] if len(packet) > 1] == band.sent
    left, _ = played(file(studio))
    assert abs(len(left) - 2 * SAMPLE_RATE) <= HOP


async def test_a_publisher_that_comes_back_goes_on_in_the_same_recording(studio: Studio) -> None:
    """Whatever its offer asks for now: the stream goes on as it began."""
    await studio.publish(denoise=MUSIC, record=True)
    _, listener = await studio.listen()
    band = Band(studio)
    await band.play(1)
    studio.peers.publishers[-1].state("lost")
    await studio.run(4, None)
    assert studio.live().state is StreamState.RECONNECTING
    await studio.publish(denoise=DenoiseMode.ACTIVE)
    await band.play(1)
    assert studio.live().state is StreamState.LIVE
    assert studio.live().denoise.mode is MUSIC
    assert [packet for _, packet in listener.packets] == band.sent
    assert 4.9 * SAMPLE_RATE < listener.packets[50][0] - listener.packets[0][0] < 5.1 * SAMPLE_RATE
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    lines = [json.loads(line) for line in file(studio, "events.jsonl").read_text().splitlines()]
    gaps = [(line["at"], line["end"]) for line in lines if line["type"] == "gap"]
    assert gaps == [(SAMPLE_RATE, 5 * SAMPLE_RATE)]
    left, right = played(file(studio))
    assert abs(len(left) - 6 * SAMPLE_RATE) <= HOP
    assert float(np.abs(left[2 * SAMPLE_RATE : 4 * SAMPLE_RATE]).max()) < 0.01
    assert strongest(right[5 * SAMPLE_RATE + 12_000 :]) == 660


async def test_a_stream_of_speech_is_not_turned_into_music_by_who_comes_back(studio: Studio) -> None:
    await studio.publish()
    await studio.run(0.5)
    studio.peers.publishers[-1].state("lost")
    await studio.publish(denoise=MUSIC)
    assert studio.peers.publishers[-1].on_packet is None
    await studio.run(0.5)
    assert studio.live().denoise.mode is DenoiseMode.ACTIVE


async def test_mono_is_passed_on_as_well(studio: Studio) -> None:
    await studio.publish(denoise=MUSIC, record=True)
    _, listener = await studio.listen()
    band = Band(studio, channels=1)
    await band.play(1, lost=frozenset({30}))
    assert [packet for _, packet in listener.packets] == band.sent
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    left, right = played(file(studio))
    assert np.array_equal(left, right)
    assert strongest(left[4_800:24_000]) in range(435, 446)


async def test_recording_may_be_switched_on_later(studio: Studio) -> None:
    await studio.publish(denoise=MUSIC)
    band = Band(studio, 480)
    await band.play(1.01)
    await studio.host.update("stream-1", StreamChange(record=True))
    await band.play(1)
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    left, _ = played(file(studio))
    assert abs(len(left) - 2.01 * SAMPLE_RATE) <= HOP
    assert float(np.abs(left[: SAMPLE_RATE - 480]).max()) < 1e-3
    assert strongest(left[60_000:84_000]) == 440


async def test_what_waited_too_long_is_kept_and_not_heard(studio: Studio) -> None:
    """A second of stalled network, then all of it at once: listeners are back at the live edge."""
    await studio.publish(denoise=MUSIC, record=True)
    _, listener = await studio.listen()
    band = Band(studio)
    await band.play(1)
    await studio.run(1, None)
    publisher = studio.peers.publishers[-1]
    for _ in range(50):
        packet, left = band._next()
        publisher.play(packet, left)
        band.sent.append(packet)
    await band.play(1)
    assert 20 <= len(band.sent) - len(listener.packets) <= 30
    assert [packet for _, packet in listener.packets][-70:] == band.sent[-70:]
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    assert kept(studio)[: len(band.sent)] == band.sent


async def test_it_goes_on_after_the_server_was_away(tmp_path: Path) -> None:
    """As music, in the same file, at stream time."""
    first = Studio(tmp_path, reconnect_s=30)
    await first.publish(denoise=MUSIC, record=True)
    await Band(first, 480).play(1.01)
    await first.host.close()
    second = Studio(tmp_path, clock=ManualClock(77_000, first.clock.wall() + timedelta(seconds=2)), reconnect_s=30)
    await second.host.restore(await second.host.left())
    assert second.live().denoise.mode is MUSIC
    await second.publish()
    _, listener = await second.listen()
    band = Band(second, 480)
    await band.play(1)
    assert [packet for _, packet in listener.packets] == band.sent
    await second.host.end("stream-1", "ended")
    await second.host.settle()
    left, right = played(file(second))
    assert 2.9 * SAMPLE_RATE < len(left) < 4.2 * SAMPLE_RATE
    assert strongest(left[12_000:36_000]) == strongest(left[-36_000:-12_000]) == 440
    assert strongest(right[-36_000:-12_000]) == 660
    await second.host.close()
