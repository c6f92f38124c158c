"""Room for each person: what counts, who is asked, and what becomes of a live stream when it is used up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.clock import SAMPLE_RATE
from server.errors import QuotaReached
from server.recordings.files import RecordingFolders
from server.recordings.quota import GB, Quotas
from server.rooms.messages import StreamChange, StreamState
from server.store.database import database_url
from server.store.people_records import User
from server.store.store import Store
from tests.rooms.sound import play
from tests.rooms.studio import Studio
from tests.store.rows import NOW, channel, recording, talk

MB = 1_000_000


@dataclass
class House:
    """Somebody live, and a store; the host's time is moved on by the test."""

    studio: Studio
    store: Store
    quotas: Quotas

    async def kept(self, slug: str, size: int, **values: object) -> str:
        """A recording of the owner "local" that takes so many bytes."""
        stream = await talk(self.store, slug)
        await self.store.save_recording(recording(stream, state="ready", size_bytes=size, **values))
        return stream.id


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    studio = Studio(tmp_path)
    store = Store(database_url(None, tmp_path))
    await store.open()
    files = RecordingFolders(studio.settings.recordings_dir)
    yield House(studio, store, Quotas(store, files, studio.host, 0.001))
    await studio.host.close()
    await store.close()


async def test_recordings_count_those_in_the_bin_and_those_going_on_too(house: House) -> None:
    await house.kept("a", 300_000)
    await house.kept("b", 200_000, deleted_at=datetime.now(UTC))
    before = await house.quotas.storage("local")
    assert (before.used, before.bin, before.uploads, before.quota) == (500_000, 200_000, 0, MB)
    await house.studio.publish(principal="local", record=True)
    await house.studio.run(5)
    assert 20_000 < (await house.quotas.storage("local")).used - before.used < 100_000  # 64 kbit/s
    assert (await house.quotas.storage("somebody")).used == 0


async def test_a_word_of_an_administrator_goes_before_the_setting(house: House) -> None:
    await house.kept("a", 2 * MB)
    with pytest.raises(QuotaReached, match=r"2\.0 MB of 1\.0 MB are used"):
        await house.quotas.check_recording("local")
    await house.store.users.add(User("local", "local", "Anna", NOW), "hash", channel("own"), now=NOW)
    await house.store.users.change("local", quota_bytes=GB)
    await house.quotas.check_recording("local")
    await house.store.users.change("local", quota_bytes=0)
    assert (await house.quotas.storage("local")).quota is None


async def test_a_file_that_does_not_fit_is_refused(house: House) -> None:
    await house.kept("a", MB // 2)
    await house.quotas.check_upload("local", MB // 2)
    with pytest.raises(QuotaReached, match="no room for this file"):
        await house.quotas.check_upload("local", MB // 2 + 1)


async def test_a_stream_whose_owner_has_no_room_left_goes_on_and_says_so(house: House) -> None:
    studio = house.studio
    full = await house.kept("a", 940_000)
    _, listener = await studio.listen()
    await studio.publish(principal="local", record=True)
    await studio.run(2)
    await house.quotas.look()
    warned = studio.live().recording
    assert warned.on and "Little room is left" in warned.detail
    assert studio.told("stream_updated")

    await house.store.change_recording(full, size_bytes=990_000)
    await studio.run(1)
    await house.quotas.look()
    stream = studio.live()
    assert (stream.state, stream.recording.on) == (StreamState.LIVE, False)
    assert "the storage of this account is full" in stream.recording.detail
    told = studio.told("recording_failed")[-1]
    assert told.stage == "recording" and told.detail == stream.recording.detail
    await house.quotas.look()
    assert len(studio.told("recording_failed")) == 1  # said once
    heard_before = len(listener.packets)
    await studio.run(2)
    assert len(listener.packets) > heard_before + 90  # listeners go on hearing

    await house.store.change_recording(full, size_bytes=0)
    await studio.host.update(stream.id, StreamChange(record=True))
    await studio.run(1)
    assert studio.live().recording.detail == "" and studio.live().recording.on
    await studio.host.end(stream.id, "ended")
    await studio.host.settle()
    audio = play(studio.folder() / "clean.opus")
    assert len(audio) == pytest.approx(6 * SAMPLE_RATE, abs=SAMPLE_RATE // 2)  # silence where nothing was recorded


async def test_who_has_no_room_goes_live_without_a_recording_and_is_told_why(house: House) -> None:
    await house.kept("a", MB)
    why = await house.quotas.refusal("local")
    await house.studio.publish(principal="local", record=False, recording_detail=why)
    await house.studio.run(1)
    recorded = house.studio.live().recording
    assert (recorded.on, recorded.id) == (False, None) and "is full (1.0 MB of 1.0 MB are used)" in recorded.detail
