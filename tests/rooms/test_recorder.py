from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.ogg import scan
from server.audio.opus import OpusEncoder
from server.clock import PACKET, SAMPLE_RATE
from server.rooms import recorder
from server.rooms.disk import MB, DiskWatch
from server.rooms.eventlog import EventLog
from server.rooms.files import RecordingPlan
from server.rooms.recorder import BACKLOG, Recorder
from tests.disks import mounted
from tests.fakes import ManualClock
from tests.rooms.sound import level, play, tone, until

SECOND = SAMPLE_RATE


class Desk:
    """A recorder and the one who feeds it."""

    def __init__(self, folder: Path, raw: bool = False, reserve_mb: int = 0) -> None:
        self.encoder, self.raw_encoder = OpusEncoder(bitrate=64_000), OpusEncoder(bitrate=64_000)
        self.plan = RecordingPlan(folder / "one", self.encoder.lookahead, reserve_mb, raw)
        self.executor = ThreadPoolExecutor(2)
        self.events = EventLog(ManualClock().wall)
        self.failures: list[str] = []
        self.free = 10**12
        self.disk = DiskWatch(folder, reserve_mb, self.executor, self.look_again, lambda _: self.free)
        self.told: list[str] = []
        self.recorder = Recorder(
            self.plan, lambda: {"version": 1}, self.events, self.executor, self.failures.append, self.disk
        )
        self.position = 0

    def look_again(self) -> None:
        self.told.append(self.recorder.room_changed(self.position))

    async def feed(self, seconds: float, amplitude: float = 0.5) -> None:
        for number in range(round(seconds * 50)):
            if number % 10 == 0:
                await self.written()
            self.recorder.clean(self.position, self.encoder.encode(tone(self.position, amplitude)))
            self.recorder.raw(self.position, self.raw_encoder.encode(tone(self.position, amplitude / 2)))
            self.position += PACKET
        await self.written()

    async def written(self) -> None:
        await until(lambda: self.recorder._job is None)

    def file(self, name: str = "clean.opus") -> Path:
        return self.plan.folder / name

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file("events.jsonl").read_text().splitlines()]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.recorder.close()
    desk.executor.shutdown()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system with room for a quarter of a megabyte."""
    with mounted(tmp_path / "disk", "size=256k") as folder:
        yield folder


async def test_the_file_plays_what_was_recorded_at_its_time(desk: Desk) -> None:
    desk.recorder.start(0)
    await desk.feed(1)
    await desk.feed(1, amplitude=0.0)
    await desk.feed(1)
    await desk.recorder.close()
    audio = play(desk.file())
    assert len(audio) == 3 * SECOND
    reference = np.concatenate([tone(start) for start in range(0, SECOND - 960, PACKET)])
    first = audio[: len(reference)]
    correlation = float(np.dot(first, reference) / np.sqrt(np.dot(first, first) * np.dot(reference, reference)))
    assert correlation > 0.99  # in phase: position in the file is stream time to the sample
    assert level(audio[SECOND + 2000 : 2 * SECOND - 2000]) < 0.01
    assert level(audio[2 * SECOND + 2000 :]) > 0.3


async def test_time_that_was_not_recorded_is_silence_of_the_same_length(desk: Desk) -> None:
    desk.recorder.start(0)
    await desk.feed(1)
    desk.recorder.stop(desk.position)
    await desk.feed(2)
    desk.recorder.start(desk.position)
    await desk.feed(1)
    await desk.recorder.close()
    audio = play(desk.file())
    assert len(audio) == 4 * SECOND
    assert level(audio[SECOND + 2000 : 3 * SECOND - 2000]) < 0.001
    assert level(audio[3 * SECOND + 2000 :]) > 0.3
    assert [line["type"] for line in desk.lines()] == ["recording_on", "recording_off", "recording_on"]
    assert [line["at"] for line in desk.lines()] == [0, SECOND, 3 * SECOND]


async def test_an_hour_before_the_recording_was_switched_on_is_filled_quickly(desk: Desk) -> None:
    desk.position = 3600 * SECOND
    desk.recorder.start(desk.position)
    await desk.feed(1)
    await desk.recorder.close()
    with desk.file().open("rb") as file:
        info = scan(file)
    assert info.duration_samples == 3601 * SECOND
    assert info.closed
    assert not info.damages
    assert desk.file().stat().st_size < 1_500_000


async def test_raw_audio_lies_on_the_same_timeline(tmp_path: Path) -> None:
    desk = Desk(tmp_path, raw=True)
    desk.recorder.start(0)
    await desk.feed(1)
    await desk.recorder.close()
    desk.executor.shutdown()
    clean, raw = play(desk.file()), play(desk.file("raw.opus"))
    assert len(clean) == len(raw) == SECOND
    inner = slice(4800, SECOND - 4800)
    assert np.abs(clean[inner] / 2 - raw[inner]).max() < 0.05


async def test_what_is_on_the_disk_plays_although_nobody_closed_it(desk: Desk, tmp_path: Path) -> None:
    desk.recorder.start(0)
    await desk.feed(5)
    data = desk.file().read_bytes()
    for cut in (len(data), len(data) - 1, len(data) * 2 // 3):  # whole, in a page's last byte, anywhere
        torn = tmp_path / "torn.opus"
        torn.write_bytes(data[:cut])
        audio = play(torn)
        assert len(audio) >= 5 * SECOND * cut // len(data) - SECOND
        assert level(audio[4800:]) > 0.3


async def test_pages_reach_the_disk_every_third_of_a_second(desk: Desk) -> None:
    desk.recorder.start(0)
    await desk.written()
    for _ in range(10):
        await desk.feed(0.4)
        with desk.file().open("rb") as file:
            assert scan(file).duration_samples >= desk.position - 0.4 * SECOND


async def test_a_full_disk_stops_the_recording_and_keeps_it_whole(small_disk: Path) -> None:
    desk = Desk(small_disk)
    desk.recorder.start(0)
    while not desk.failures and desk.position < 120 * SECOND:
        await desk.feed(1)
    assert desk.failures == [
        "Recording stopped: the disk is full. What was recorded so far is kept; the stream goes on."
    ]
    assert not desk.recorder.on
    with desk.file().open("rb") as file:
        info = scan(file)
    assert info.torn_bytes == 0
    assert info.duration_samples > 5 * SECOND
    assert len(play(desk.file())) == info.duration_samples
    await desk.recorder.close()
    desk.executor.shutdown()


async def test_a_recording_goes_on_once_there_is_room_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(180_000))
    desk = Desk(small_disk)
    desk.recorder.start(0)
    while not desk.failures:
        await desk.feed(1)
    ballast.unlink()
    await desk.feed(1)
    desk.recorder.start(desk.position)
    await desk.feed(1)
    await desk.recorder.close()
    desk.executor.shutdown()
    with desk.file().open("rb") as file:
        info = scan(file)
    assert (info.closed, info.damages, info.duration_samples) == (True, (), desk.position)
    assert level(play(desk.file())[-SECOND + 2000 :]) > 0.3
    assert [line["type"] for line in desk.lines()] == ["recording_on", "recording_failed", "recording_on"]


async def test_no_recording_starts_on_a_disk_without_its_reserve(small_disk: Path) -> None:
    desk = Desk(small_disk, reserve_mb=500)
    desk.recorder.start(0)
    await desk.feed(1)
    assert desk.failures == ["Not recording: only 0 MB are free on the disk of recordings and 500 MB are to stay free."]
    assert not desk.recorder.exists
    assert not desk.plan.folder.exists()
    desk.executor.shutdown()


async def test_a_read_only_folder_is_named_as_the_reason(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    desk = Desk(small_disk)
    desk.recorder.start(0)
    await desk.feed(1)
    assert desk.failures == ["Recording stopped: the folder of recordings is read-only. The stream goes on."]
    await desk.recorder.close()
    desk.executor.shutdown()


async def test_a_removed_file_is_noticed(desk: Desk) -> None:
    desk.recorder.start(0)
    await desk.feed(1)
    desk.file().unlink()
    await desk.feed(1)
    assert desk.failures == ["Recording stopped: the folder of recordings is gone. The stream goes on."]


async def test_a_disk_that_hangs_stops_the_recording_after_thirty_seconds(desk: Desk) -> None:
    gate = threading.Event()
    for _ in range(2):
        desk.executor.submit(gate.wait, 60)
    desk.recorder.start(0)
    packet = desk.encoder.encode(tone(0))
    for number in range(BACKLOG + 10):
        desk.recorder.clean(number * PACKET, packet)
    assert desk.failures == [
        "Recording stopped: the disk is too slow. What was recorded so far is kept; the stream goes on."
    ]
    assert not desk.recorder.on
    gate.set()
    await desk.written()


async def test_the_folder_says_whose_recording_it_is_before_anything_else(desk: Desk) -> None:
    desk.recorder.start(0)
    await desk.written()
    assert json.loads(desk.file("meta.json").read_text()) == {"version": 1}
    assert desk.lines()[0] == {"type": "recording_on", "at": 0, "time": "2026-11-03T12:00:00.000Z"}


async def test_a_disk_that_hangs_keeps_the_files_and_lets_the_stream_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CLOSE_TIMEOUT", 0.1)
    desk.recorder.start(0)
    await desk.feed(1)
    assert not desk.recorder.held
    gate = threading.Event()
    for _ in range(2):
        desk.executor.submit(gate.wait, 60)
    await desk.recorder.close()
    assert desk.recorder.held
    gate.set()


async def test_switching_off_while_the_disk_is_busy_leaves_nothing_behind(desk: Desk) -> None:
    desk.recorder.start(0)
    await desk.feed(1)
    gate = threading.Event()
    for _ in range(2):
        desk.executor.submit(gate.wait, 60)
    for _ in range(20):
        desk.recorder.clean(desk.position, desk.encoder.encode(tone(desk.position)))
        desk.position += PACKET
    desk.recorder.stop(desk.position)
    gate.set()
    await desk.written()
    await desk.written()
    assert len(play(desk.file())) == desk.position - desk.plan.pre_skip
    assert desk.lines()[-1]["type"] == "recording_off"


async def test_a_disk_that_runs_short_is_told_then_the_recording_is_closed_and_may_go_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path, reserve_mb=100)
    desk.free = 150 * MB
    await desk.disk.look()
    desk.recorder.start(0)
    await desk.feed(1.0)
    assert (desk.told, desk.recorder.detail) == ([], "")

    desk.free = 90 * MB
    await desk.disk.look()
    assert desk.told == ["degraded"]
    assert "Only 90 MB" in desk.recorder.detail and "until 50 MB" in desk.recorder.detail
    await desk.feed(1.0)
    desk.free = 80 * MB
    await desk.disk.look()
    assert desk.told == ["degraded"]  # said once
    assert desk.recorder.on

    desk.free = 49 * MB
    await desk.disk.look()
    assert not desk.recorder.on
    assert desk.failures == [desk.recorder.detail]
    assert "only 49 MB" in desk.recorder.detail and "kept" in desk.recorder.detail
    await desk.written()
    assert len(play(desk.file())) == pytest.approx(2 * SECOND, abs=PACKET)  # all of it, playable as it lies
    assert [line["type"] for line in desk.lines()][-1] == "recording_off"
    await desk.feed(1.0)

    desk.recorder.start(desk.position)  # too early
    assert not desk.recorder.on and len(desk.failures) == 2
    desk.free = 105 * MB
    await desk.disk.look()
    assert not desk.told[-1]  # a little more than the reserve may be gone again in a moment
    desk.free = 150 * MB
    await desk.disk.look()
    assert desk.told[-1] == "recovered"
    assert "room again" in desk.recorder.detail
    desk.recorder.start(desk.position)
    assert desk.recorder.on and not desk.recorder.detail
    await desk.feed(1.0)
    await desk.recorder.close()
    desk.executor.shutdown()
    audio = play(desk.file())
    assert len(audio) == pytest.approx(4 * SECOND, abs=PACKET)
    assert level(audio[int(2.2 * SECOND) : int(2.8 * SECOND)]) < 0.001 < 0.3 < level(audio[int(3.2 * SECOND) :])


async def test_room_that_comes_back_in_time_takes_the_warning_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path, reserve_mb=100)
    desk.free = 150 * MB
    desk.recorder.start(0)
    for desk.free in (90 * MB, 150 * MB):
        await desk.disk.look()
    assert desk.told == ["degraded", "recovered"]
    assert (desk.recorder.on, desk.recorder.detail, desk.failures) == (True, "", [])
    await desk.recorder.close()
    desk.executor.shutdown()
