from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.errors import Unavailable
from server.recordings import journal as module
from server.recordings.files import RecordingFolders
from server.recordings.journal import Journal
from server.recordings.library import Library
from server.rooms.messages import DenoiseInfo, DenoiseMode, MediaEvent, RecordingInfo, StreamInfo, StreamState
from server.store.database import database_url
from server.store.records import StoredStream
from server.store.store import Store
from tests.recordings.test_recover import HOME
from tests.recordings.writing import STARTED, write_recording

LIVE = StreamInfo(
    id="abc",
    channel_id=HOME.id,
    principal="local",
    host_name="Anna",
    title="Talk",
    state=StreamState.LIVE,
    started_at=STARTED,
    denoise=DenoiseInfo(DenoiseMode.ACTIVE, "RNNoise", "ok"),
    recording=RecordingInfo(on=True, id="abc"),
)


class Desk:
    """A journal with a real store; `said` is what it announced, in order."""

    def __init__(self, root: Path) -> None:
        self.store = Store(database_url(None, root))
        self.said: list[str] = []
        self.library = Library(
            self.store, RecordingFolders(root / "recordings"), lambda kind, _: self.said.append(kind)
        )
        self.journal = Journal(self.store, self.library, self._announce)

    async def _announce(self, event: MediaEvent) -> None:
        self.said.append(event.type)

    async def happen(self, *events: MediaEvent) -> None:
        for event in events:
            self.journal.put(event)
        await self.journal.settle()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.store.open()
    await made.store.add_channel(HOME)
    made.journal.start()
    yield made
    await made.journal.close()
    await made.library.close()
    await made.store.close()


async def test_a_stream_is_written_down_before_it_is_told(desk: Desk, tmp_path: Path) -> None:
    write_recording(tmp_path / "recordings", "abc", 1.0)
    await desk.happen(MediaEvent("stream_started", LIVE))
    assert (await desk.store.recording("abc")).state == "recording"

    renamed = replace(LIVE, title="New", position=48_000, listeners_peak=3)
    await desk.happen(MediaEvent("stream_updated", renamed))
    assert (await desk.store.recording("abc")).title == "New"

    ended = replace(renamed, state=StreamState.ENDED, ended_at=STARTED, end_reason="ended")
    await desk.happen(MediaEvent("stream_ended", ended))
    await desk.library.close()
    kept = await desk.store.stream("abc")
    assert (kept.state, kept.end_reason, kept.listeners_peak, kept.denoise_engine) == ("ended", "ended", 3, "RNNoise")
    assert (await desk.store.recording("abc")).state == "ready"
    assert desk.said == ["stream_started", "stream_updated", "stream_ended", "recording_ready"]


async def test_whoever_was_never_heard_leaves_no_trace(desk: Desk) -> None:
    silent = replace(LIVE, state=StreamState.CONNECTING, recording=RecordingInfo(on=True))
    over = replace(silent, state=StreamState.ENDED, ended_at=STARTED)
    await desk.happen(MediaEvent("stream_state", silent), MediaEvent("stream_ended", over))
    assert (await desk.store.streams()).total == 0
    assert desk.said == ["stream_state", "stream_ended"]


async def test_a_stream_that_ended_at_once_still_has_its_recording(desk: Desk, tmp_path: Path) -> None:
    write_recording(tmp_path / "recordings", "abc", 0.5)
    over = replace(LIVE, state=StreamState.ENDED, ended_at=STARTED, position=24_000)
    await desk.happen(MediaEvent("stream_ended", over))
    await desk.library.close()
    assert (await desk.store.recording("abc")).state == "ready"


async def test_a_recording_that_stopped_by_itself_says_why(desk: Desk) -> None:
    failed = replace(LIVE, recording=RecordingInfo(on=False, id="abc", detail="the disk is full"))
    await desk.happen(
        MediaEvent("stream_started", LIVE), MediaEvent("recording_failed", failed, "recording", "the disk is full")
    )
    assert (await desk.store.recording("abc")).detail == "the disk is full"


async def test_files_that_a_hanging_disk_holds_are_left_to_the_next_start(desk: Desk, tmp_path: Path) -> None:
    audio = write_recording(tmp_path / "recordings", "abc", 1.0, closed=False) / "clean.opus"
    before = audio.read_bytes()
    over = replace(LIVE, state=StreamState.ENDED, ended_at=STARTED, position=48_000)
    held = replace(over, recording=RecordingInfo(on=False, id="abc", held=True))
    await desk.happen(MediaEvent("stream_started", LIVE), MediaEvent("stream_ended", held))
    await desk.library.close()
    recording = await desk.store.recording("abc")
    assert (recording.state, recording.length, bool(recording.detail)) == ("finishing", 48_000, True)
    assert audio.read_bytes() == before
    assert "recording_ready" not in desk.said


async def test_what_cannot_be_written_is_told_all_the_same(desk: Desk) -> None:
    lost = replace(LIVE, channel_id="nowhere")
    await desk.happen(MediaEvent("stream_started", lost), MediaEvent("degraded", None, "denoise", "worker down"))
    assert desk.said == ["stream_started", "degraded"]


async def test_what_a_locked_database_refused_is_written_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_EVERY", 0.02)
    save, refusals = desk.store.save_stream, [Unavailable("locked")] * 3

    async def locked(stream: StoredStream) -> None:
        if refusals:
            raise refusals.pop()
        await save(stream)

    monkeypatch.setattr(desk.store, "save_stream", locked)
    over = replace(LIVE, state=StreamState.ENDED, ended_at=STARTED, position=48_000, recording=RecordingInfo(on=False))
    await desk.happen(MediaEvent("stream_started", LIVE), MediaEvent("stream_ended", over))
    assert desk.said == ["stream_started", "stream_ended"]
    for _ in range(1_500):
        if not desk.journal._unwritten:
            break
        await asyncio.sleep(0.02)
    assert (await desk.store.stream("abc")).state == "ended"


async def test_a_locked_database_holds_up_nothing_that_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = 0

    async def locked(stream: StoredStream) -> None:
        nonlocal attempts
        attempts += 1
        raise Unavailable("locked")

    monkeypatch.setattr(desk.store, "save_stream", locked)
    counts = [MediaEvent("listeners", LIVE)] * 50
    await desk.happen(MediaEvent("stream_started", LIVE), *counts, MediaEvent("stream_updated", LIVE))
    assert desk.said == ["stream_started", *["listeners"] * 50, "stream_updated"]
    assert attempts == 1
    assert [event.type for event in desk.journal._unwritten] == ["stream_started", "stream_updated"]


async def test_an_end_is_known_until_the_database_shows_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_EVERY", 0.02)
    save, gate, refused = desk.store.save_stream, asyncio.Event(), False

    async def slow(stream: StoredStream) -> None:
        nonlocal refused
        await gate.wait()
        if not refused:
            refused = True
            raise Unavailable("locked")
        assert desk.journal.ends() == {"abc": over}
        await save(stream)

    monkeypatch.setattr(desk.store, "save_stream", slow)
    over = replace(LIVE, state=StreamState.ENDED, ended_at=STARTED, position=48_000, recording=RecordingInfo(on=False))
    desk.journal.put(MediaEvent("stream_ended", over))
    assert desk.journal.ends() == {"abc": over}
    await asyncio.sleep(0.01)
    assert desk.journal.ends() == {"abc": over}
    gate.set()
    while desk.journal.ends():
        await asyncio.sleep(0.01)
    assert (await desk.store.stream("abc")).length == 48_000


async def test_a_late_event_that_breaks_something_does_not_stop_the_journal(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_EVERY", 0.0)
    failures: list[Exception] = [Unavailable("locked"), RuntimeError("nobody expected this")]

    async def broken(stream: StoredStream) -> None:
        raise failures.pop(0)

    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "save_stream", broken)
        await desk.happen(MediaEvent("stream_started", LIVE))
        while failures:
            await asyncio.sleep(0.01)
    await desk.happen(MediaEvent("stream_updated", LIVE))
    assert (await desk.store.stream("abc")).state == "live"


async def test_an_event_that_breaks_something_does_not_silence_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(stream: StoredStream) -> None:
        raise RuntimeError("nobody expected this")

    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "save_stream", broken)
        await desk.happen(MediaEvent("stream_started", LIVE))
    await desk.happen(MediaEvent("stream_updated", LIVE))
    assert desk.said == ["stream_updated"]
    assert (await desk.store.stream("abc")).state == "live"


async def test_under_load_only_listener_counts_are_dropped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE", 3)
    events = [MediaEvent("listeners", LIVE) for _ in range(10)] + [MediaEvent("stream_updated", LIVE)]
    await desk.happen(*events)
    assert desk.said == ["listeners"] * 3 + ["stream_updated"]
