"""A stream outlives the server: its id, its timeline and its recording go on in the next run."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from server.audio.ogg import OggInfo, scan
from server.clock import PACKET, SAMPLE_RATE
from server.errors import ChannelLive, ResumeRefused
from server.rooms.messages import DenoiseMode, StreamChange, StreamState
from tests.rooms.band import Band
from tests.rooms.runs import Runs, end, settled, written
from tests.rooms.sound import level, play, tone, until
from tests.rooms.studio import heard


def scanned(path: Path) -> OggInfo:
    with path.open("rb") as file:
        return scan(file)


def spoken(path: Path) -> list[bool]:
    """Whether something is said in the middle of each second."""
    audio = play(path)
    return [level(audio[at + 9600 : at + 38_400]) > 0.05 for at in range(0, len(audio) - 40_000, SAMPLE_RATE)]


def shelf(runs: Runs) -> list[str]:
    folder = runs.now.settings.streams_dir
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_stream_goes_on_in_one_recording_on_one_timeline(runs: Runs, how: str) -> None:
    token = (await runs.now.publish(record=True, title="Bees")).resume_token
    await runs.run(3)
    await runs.now.host.update("stream-1", StreamChange(denoise=DenoiseMode.BYPASSED, denoise_strength=0.5))
    before = {name: scanned(runs.now.folder() / name) for name in ("clean.opus", "raw.opus")}
    started = runs.now.live()
    await (runs.stop() if how == "stop" else runs.kill())

    (waiting,) = await runs.begin(4)
    assert (waiting.id, waiting.state, waiting.title, waiting.started_at) == (
        ("stream-1", StreamState.RECONNECTING, "Bees", started.started_at)
    )
    assert (waiting.recording.id, waiting.recording.on) == ("stream-1", True)
    assert (waiting.denoise.mode, waiting.denoise.strength) == (DenoiseMode.BYPASSED, 0.5)
    assert abs(waiting.position - 3 * SAMPLE_RATE) < SAMPLE_RATE // 2
    assert waiting.reconnect_by == runs.now.clock.wall() + timedelta(seconds=5)
    assert [event.type for event in runs.now.events] == ["stream_state"]
    answer, listener = await runs.now.listen()
    assert answer.stream_id == "stream-1"
    await runs.run(1, source=None)
    assert runs.now.live().position == waiting.position
    with pytest.raises(ChannelLive):
        await runs.now.publish(principal="bob")
    with pytest.raises(ResumeRefused):
        await runs.now.publish(resume_token="made up")
    again = await runs.now.publish(title="not taken", resume_token=token if how == "stop" else None)
    assert again.stream_id == "stream-1"
    await runs.run(3)
    live = runs.now.live()
    assert (live.state, live.title, live.reconnect_by) == (StreamState.LIVE, "Bees", None)
    if how == "stop":
        assert again.resume_token == token
    else:  # the server does not know the token any more, whoever has it may still use it
        assert again.resume_token != token
        await runs.now.publish(resume_token=token)
    ended = await end(runs.now)

    assert ended.position == pytest.approx(11 * SAMPLE_RATE, abs=SAMPLE_RATE // 5)  # the denoiser holds some back
    for name, earlier in before.items():
        path = runs.now.folder() / name
        info = scanned(path)
        assert (info.serial, info.pre_skip, info.damages, info.closed) == (earlier.serial, earlier.pre_skip, (), True)
        assert info.last_sequence == info.pages - 1
        assert abs(info.duration_samples - ended.position) < PACKET
        assert len(play(path)) == info.duration_samples
        assert spoken(path) == [True] * 3 + [False] * 5 + [True] * 3
    assert len(heard(listener)[1]) > 2.5 * SAMPLE_RATE
    assert shelf(runs) == []

    events = [json.loads(line) for line in (runs.now.folder() / "events.jsonl").read_text().splitlines()]
    kinds = [(event["type"], event.get("state") or event.get("why")) for event in events]
    resumed = kinds.index(("gap", None))
    assert kinds[resumed - 1] == ("state", "reconnecting")
    assert kinds[resumed + 1 :][:2] == [("recording_on", None), ("state", "live")]
    gap = events[resumed]
    assert abs(gap["at"] - 3 * SAMPLE_RATE) < SAMPLE_RATE // 2
    assert gap["end"] == pytest.approx(8 * SAMPLE_RATE, abs=PACKET)
    assert gap["end"] % PACKET == 0


async def test_what_is_not_recorded_goes_on_too_and_nothing_is_left_of_it(runs: Runs) -> None:
    await runs.now.publish(record=False)
    assert shelf(runs) == []  # nobody was heard yet
    await runs.run(2)
    await settled(runs.now)
    assert shelf(runs) == ["stream-1.json"]
    kept = (runs.now.settings.streams_dir / "stream-1.json").read_text()
    await runs.kill()
    (waiting,) = await runs.begin(10)
    assert waiting.recording.id is None
    answer = await runs.now.publish()
    assert answer.resume_token is not None
    assert answer.resume_token not in kept
    await runs.run(2)
    live = runs.now.live()
    assert live.state is StreamState.LIVE
    assert live.position == pytest.approx(14 * SAMPLE_RATE, abs=SAMPLE_RATE // 5)
    changed = await runs.now.host.update("stream-1", StreamChange(record=True))
    assert changed.recording.on
    await runs.run(1)
    ended = await end(runs.now)
    assert abs(scanned(runs.now.folder() / "clean.opus").duration_samples - ended.position) < PACKET
    assert shelf(runs) == []


@pytest.mark.parametrize("duration", [480, 2880])
async def test_music_goes_on_too_whatever_the_length_of_its_packets(runs: Runs, duration: int) -> None:
    await runs.now.publish(denoise=DenoiseMode.MUSIC, record=True)
    for seconds in (1.05, 1.0):
        band = Band(runs.now, duration)
        for _ in range(round(seconds * 20)):
            await band.play(0.05)
            await written(runs.now)
        if seconds == 1.0:
            break
        await runs.kill()
        (waiting,) = await runs.begin(2)
        assert waiting.denoise.mode is DenoiseMode.MUSIC
        await runs.now.publish()  # whatever the offer asks for now
    ended = await end(runs.now)
    info = scanned(runs.now.folder() / "clean.opus")
    assert (info.channels, info.damages, info.closed) == (2, (), True)
    assert abs(info.duration_samples - ended.position) <= max(PACKET, duration)
    assert info.duration_samples == pytest.approx(4.05 * SAMPLE_RATE, abs=SAMPLE_RATE // 5)
    assert spoken(runs.now.folder() / "clean.opus")[:3] == [True, False, False]
    assert level(play(runs.now.folder() / "clean.opus")[-SAMPLE_RATE // 2 : -SAMPLE_RATE // 5]) > 0.05


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_when_nobody_comes_back_the_stream_is_over_where_it_was_cut(runs: Runs, how: str) -> None:
    await runs.now.publish(record=True)
    await runs.run(3)
    await (runs.stop() if how == "stop" else runs.kill())
    (waiting,) = await runs.begin(4)
    size = (runs.now.folder() / "clean.opus").stat().st_size
    await runs.run(4.9, source=None)
    assert runs.now.live().state is StreamState.RECONNECTING
    await runs.run(0.2, source=None)
    (over,) = runs.now.told("stream_ended")
    assert over.stream is not None
    assert over.stream.end_reason == ("shutdown" if how == "stop" else "server stopped")
    assert (over.stream.position, over.stream.recording.id) == (waiting.position, "stream-1")
    assert over.stream.ended_at is not None
    assert over.stream.ended_at <= waiting.started_at + timedelta(seconds=3.5)
    assert (runs.now.folder() / "clean.opus").stat().st_size == size  # it is the library that closes it
    await settled(runs.now)
    assert shelf(runs) == []


async def test_a_server_that_falls_again_while_it_waits_leaves_everything_as_it_was(runs: Runs) -> None:
    await runs.now.publish(record=True)
    await runs.run(3)
    await runs.kill()
    for how in ("kill", "stop", "kill"):
        (waiting,) = await runs.begin(2)
        await runs.run(1, source=None)
        await (runs.stop() if how == "stop" else runs.kill())
    await runs.begin(2)
    await runs.now.publish()
    await runs.run(2)
    ended = await end(runs.now)
    assert ended.position == pytest.approx(16 * SAMPLE_RATE, abs=SAMPLE_RATE // 5)
    assert spoken(runs.now.folder() / "clean.opus") == [True] * 3 + [False] * 11 + [True] * 2
    assert waiting.position < 3.1 * SAMPLE_RATE


async def test_what_is_too_old_or_cannot_be_read_does_not_come_back(runs: Runs) -> None:
    await runs.now.publish(record=False)
    await runs.run(1)
    await runs.kill()
    folder = runs.now.settings.streams_dir
    kept = json.loads((folder / "stream-1.json").read_text())
    wrecks = {
        "empty": "",
        "torn": json.dumps(kept)[:50],
        "another": json.dumps({**kept, "id": "stream-9"}),
        "later": json.dumps({**kept, "id": "later", "version": 99}),
        "nowhen": json.dumps({**kept, "id": "nowhen", "at": "2026-11-03T12:00:00"}),
    }
    for name, text in wrecks.items():
        (folder / f"{name}.json").write_text(text)
    (streams,) = await runs.begin(280)
    assert streams.id == "stream-1"
    assert shelf(runs) == ["stream-1.json"]
    await runs.kill()
    assert await runs.begin(25) == []
    assert shelf(runs) == []
    assert (await runs.now.publish()).stream_id == "stream-1"  # a new one: this run counts from 1


async def test_a_recording_that_was_closed_means_that_the_stream_was_over(runs: Runs) -> None:
    await runs.now.publish(record=True)
    await runs.run(1)
    await settled(runs.now)
    kept = (runs.now.settings.streams_dir / "stream-1.json").read_text()
    await end(runs.now)
    (runs.now.settings.streams_dir / "stream-1.json").write_text(kept)  # killed before it was removed
    assert await runs.begin(3) == []
    assert shelf(runs) == []


async def test_a_wall_clock_that_was_set_back_takes_nothing_from_the_timeline(runs: Runs) -> None:
    await runs.now.publish(record=True)
    await runs.run(3)
    await runs.kill()
    (waiting,) = await runs.begin(-60)
    await runs.now.publish()
    await runs.run(2)
    ended = await end(runs.now)
    assert ended.position == pytest.approx(waiting.position + 2 * SAMPLE_RATE, abs=SAMPLE_RATE // 5)
    info = scanned(runs.now.folder() / "clean.opus")
    assert abs(info.duration_samples - ended.position) < PACKET


async def test_where_the_recording_cannot_go_on_the_stream_does_and_says_so(runs: Runs) -> None:
    await runs.now.publish(record=True)
    await runs.run(2)
    await runs.stop()
    size = (runs.now.folder() / "clean.opus").stat().st_size
    await runs.begin(2, disk_reserve_mb=10**9)
    _, listener = await runs.now.listen()
    await runs.now.publish()
    await runs.run(1)
    await until(lambda: bool(runs.now.told("recording_failed")))
    live = runs.now.live()
    assert (live.state, live.recording.on, live.recording.id) == (StreamState.LIVE, False, "stream-1")
    assert "MB are free" in live.recording.detail
    assert len(listener.packets) > 40
    assert (runs.now.folder() / "clean.opus").stat().st_size == size
    await runs.stop()

    (runs.now.folder() / "clean.opus").write_bytes(b"something else" * 100)
    await runs.begin(2)
    await runs.now.publish()
    await runs.run(1)
    await until(lambda: bool(runs.now.told("recording_failed")))
    assert "damaged" in runs.now.live().recording.detail
    assert (runs.now.folder() / "clean.opus").read_bytes() == b"something else" * 100


async def test_a_recording_that_was_cut_before_its_first_audio_begins_there(runs: Runs) -> None:
    await runs.now.publish(record=True)
    await runs.run(1)
    await runs.kill()
    for cut in (0, 30, 100):
        path = runs.now.folder() / "clean.opus"
        path.write_bytes(path.read_bytes()[:cut])
        await runs.begin(1)
        await runs.now.publish()
        await runs.run(1)
        await runs.kill()
        assert runs.now.live().recording.on
        assert scanned(path).packets > 100


async def test_a_hundred_reconnects_are_one_stream_one_recording_and_no_new_listener(tmp_path: Path) -> None:
    runs = Runs(tmp_path, record_raw=False)
    studio = runs.now
    _, listener = await studio.listen()
    answer = await studio.publish(record=True, denoise=DenoiseMode.ABSENT)
    began = studio.clock.samples()
    await studio.run(0.4)
    for number in range(100):
        old = studio.peers.publishers[-1]
        if number % 3 == 0:
            old.state("lost")
            await studio.run(0.2, source=None)
        elif number % 3 == 1:
            await studio.run(1.1, source=None)  # silent, and taken over without a token
        again = await studio.publish(resume_token=answer.resume_token if number % 3 != 1 else None)
        assert again.stream_id == answer.stream_id
        if number % 3 == 2:
            await studio.run(0.2, tone, old)  # the new one is not there yet
        await studio.run(0.3)
        assert studio.live().state is StreamState.LIVE
    ended = await end(studio)
    passed = studio.clock.samples() - began
    assert abs(ended.position - passed) <= PACKET
    assert abs(scanned(studio.folder() / "clean.opus").duration_samples - passed) <= PACKET
    assert len(studio.peers.listeners) == 1
    assert not listener.closed
    assert abs(len(heard(listener)[1]) - passed) <= 5 * PACKET
    assert len(list(studio.settings.recordings_dir.iterdir())) == 1
    assert [publisher.closed for publisher in studio.peers.publishers] == [True] * 101
    assert studio.host._publishing._publishers == {}
    await asyncio.sleep(0)
    await runs.close()
