"""Captions reach the database as they become final, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.errors import Unavailable
from server.recordings import caption_journal as module
from server.recordings.caption_journal import CAPTIONS, CaptionJournal
from server.recordings.files import RecordingFolders
from server.recordings.library import Library
from server.recordings.recover import recover
from server.rooms.messages import RecordingInfo, StreamState, caption_info
from server.store.captions import CaptionBatch
from server.store.database import database_url
from server.store.records import CaptionVersion, StoredStream
from server.store.store import Store
from tests.recordings.saying import ADA, SECOND, caption, final, heard, log_line, speakers, write_log
from tests.recordings.test_journal import LIVE as STREAM
from tests.recordings.test_recover import HOME
from tests.recordings.writing import STARTED, write_recording

OVER = replace(STREAM, state=StreamState.ENDED, ended_at=STARTED)
ROW = StoredStream("abc", HOME.id, "local", "Anna", "Talk", "live", STARTED, recorded=True)


class Desk:
    """A journal over a real store."""

    def __init__(self, root: Path) -> None:
        self.root = root / "recordings"
        self.store = Store(database_url(None, root))
        self.journal = CaptionJournal(self.store, RecordingFolders(self.root))

    async def kept(self, stream: str = "abc") -> list[tuple[int, int, str]]:
        """Number, version and text of every caption in the database."""
        page = await self.store.captions.page(stream, CaptionVersion.LIVE)
        return [(item.id, item.rev, item.shown) for item in page.items]

    async def until_kept(self, *numbers: int) -> None:
        async with asyncio.timeout(30):
            while [number for number, _, _ in await self.kept()] != list(numbers):
                await asyncio.sleep(0.01)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.store.open()
    await made.store.add_channel(HOME)
    await made.store.save_stream(ROW)
    made.journal.start()
    yield made
    await made.journal.close()
    await made.store.close()


class Locked:
    """A database that refuses the next writes of captions; the number of batches that it took is `taken`."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refusing = False
        self.refused = 0
        self.taken: list[CaptionBatch] = []
        self._save = store.captions.save
        monkeypatch.setattr(store.captions, "save", self.save)

    async def save(self, batch: CaptionBatch) -> set[str]:
        if self.refusing:
            self.refused += 1
            raise Unavailable("locked")
        self.taken.append(batch)
        return await self._save(batch)

    def times(self, stream: str) -> int:
        """How often captions of a stream were offered to it."""
        return sum(stream in batch.captions for batch in self.taken)

    async def until_taken(self, stream: str, times: int) -> None:
        while self.times(stream) < times:
            await asyncio.sleep(0.005)

    async def until_refused(self, times: int = 1) -> None:
        async with asyncio.timeout(30):
            while self.refused < times:
                await asyncio.sleep(0.005)


async def test_what_becomes_final_is_in_the_database_soon(desk: Desk) -> None:
    desk.journal.put(replace(final(1), kind="interim", caption=caption(1, "not yet", final=False)))
    desk.journal.put(speakers(ADA, SECOND))
    desk.journal.put(final(1, "One"))
    desk.journal.put(final(2, "Two"))
    desk.journal.put(final(1, "One", rev=2, speakers=["S2"], edited=True, text="Won"))
    await desk.until_kept(1, 2)
    assert await desk.kept() == [(1, 2, "Won"), (2, 1, "Two")]
    told = caption_info(await desk.store.captions.get("abc", CaptionVersion.LIVE, 1))
    assert told == caption(1, "One", rev=2, speakers=["S2"], edited=True, text="Won")
    names = await desk.store.captions.speakers("abc", CaptionVersion.LIVE)
    assert [(item.label, item.name) for item in names] == [("S1", "Ada"), ("S2", None)]


async def test_what_waits_is_one_transaction(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Locked(desk.store, monkeypatch)
    await desk.store.save_stream(replace(ROW, id="def"))
    for number in range(1, 100):
        desk.journal.put(final(number))
        desk.journal.put(final(number, stream="def"))
    desk.journal.put(speakers(ADA))
    await desk.journal.settle(timeout=30)
    assert len(database.taken) == 1
    assert (len(await desk.kept()), len(await desk.kept("def"))) == (99, 99)


async def test_a_locked_database_gets_everything_later_and_nobody_waits_for_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_EVERY", 0.02)
    database = Locked(desk.store, monkeypatch)
    database.refusing = True
    desk.journal.put(final(1, "One"))
    await database.until_refused(2)
    await asyncio.wait_for(desk.journal.settle(timeout=60), 30)  # returns at once
    desk.journal.put(final(2, "Two"))
    desk.journal.put(final(1, "One", rev=2, text="Newer", edited=True))
    database.refusing = False
    await desk.until_kept(1, 2)
    assert await desk.kept() == [(1, 2, "Newer"), (2, 1, "Two")]


async def test_what_found_no_room_is_read_from_the_log(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_EVERY", 0.02)
    monkeypatch.setattr(module, "WAITING", 3)
    database = Locked(desk.store, monkeypatch)
    database.refusing = True
    before = CAPTIONS.dropped
    said = [final(number, f"number {number}") for number in range(1, 8)]
    write_log(desk.root, *(log_line(told) for told in said))
    for told in said:
        desk.journal.put(told)
    await database.until_refused()
    assert CAPTIONS.dropped > before
    database.refusing = False
    await desk.until_kept(1, 2, 3, 4, 5, 6, 7)


async def test_a_stream_whose_beginning_is_not_written_yet_is_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_EVERY", 0.02)
    monkeypatch.setattr(module, "TRIES", 1_000_000)
    desk.journal.put(final(1, stream="later"))
    desk.journal.put(final(1))
    await desk.until_kept(1)
    await desk.store.save_stream(replace(ROW, id="later"))
    async with asyncio.timeout(30):
        while not await desk.kept("later"):
            await asyncio.sleep(0.01)


async def test_a_stream_that_is_never_written_down_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_EVERY", 0.02)
    monkeypatch.setattr(module, "TRIES", 2)
    database = Locked(desk.store, monkeypatch)
    desk.journal.put(final(1, stream="never"))
    await asyncio.wait_for(database.until_taken("never", 3), 30)
    desk.journal.put(final(1))
    await desk.until_kept(1)
    await desk.journal.settle(timeout=30)
    assert database.times("never") == 3


async def test_nothing_is_kept_of_a_stream_that_was_not_recorded(desk: Desk) -> None:
    unrecorded = replace(OVER, recording=RecordingInfo(on=False))
    desk.journal.put(speakers(ADA))
    desk.journal.put(final(1))
    await desk.until_kept(1)
    desk.journal.put(final(2))
    await desk.journal.over(unrecorded)
    desk.journal.put(final(3))
    desk.journal.put(speakers(ADA, SECOND))
    await desk.journal.settle(timeout=30)
    assert await desk.kept() == []
    assert await desk.store.captions.speakers("abc", CaptionVersion.LIVE) == []


async def test_what_speakers_sound_like_is_written_now_and_then_and_at_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PRINTS_EVERY", 3600.0)
    database = Locked(desk.store, monkeypatch)
    desk.journal.put(speakers(ADA, SECOND))
    for seconds in (1.0, 2.0, 3.0):
        desk.journal.put(heard(S1=seconds))
        desk.journal.put(final(int(seconds)))
        await desk.journal.settle(timeout=30)
    assert sum("abc" in batch.prints for batch in database.taken) == 1
    desk.journal.put(heard(S1=4.0, S2=2.0))
    await desk.journal.over(OVER)
    await desk.journal.settle(timeout=30)
    await desk.journal.over(OVER)  # nothing is left to write: nobody waits for it
    await asyncio.wait_for(desk.journal.settle(timeout=3600), 30)
    kept = await desk.store.captions.prints("abc", CaptionVersion.LIVE)
    assert {label: (item.seconds, item.centroid.tolist()) for label, item in kept.items()} == {
        "S1": (4.0, [1, 0, 0]),
        "S2": (2.0, [0, 1, 0]),
    }


async def test_a_log_fills_in_what_a_crash_left_out_and_takes_nothing_back(desk: Desk) -> None:
    edited = final(2, "Two", rev=5, text="As a person wrote it", edited=True)
    desk.journal.put(edited)
    await desk.journal.settle(timeout=30)
    write_log(
        desk.root,
        log_line(final(1, "One")),
        '{"type": "state", "at": 0}\n',
        'no JSON, with a word about a "caption"\n',
        '{"type": "caption", "kind": "final", "caption": {"id": "x"}}\n[1]\n',
        '{"type": "caption", "kind": "interim", "caption": {}}\n',
        log_line(final(2, "Two")),
        log_line(final(2, "Two", rev=3, text="older", edited=True)),
        log_line(final(3, "Drei 你好 \u2028 <b>", rev=2)),
        log_line(speakers(ADA)),
        log_line(final(4, "torn"))[:60],
    )
    await desk.journal.fill_in(["abc", "nothing-there"])
    assert await desk.kept() == [(1, 1, "One"), (2, 5, "As a person wrote it"), (3, 2, "Drei 你好 \u2028 <b>")]
    assert [item.name for item in await desk.store.captions.speakers("abc", CaptionVersion.LIVE)] == ["Ada"]


async def test_a_start_knows_which_streams_were_cut_off(desk: Desk) -> None:
    library = Library(desk.store, RecordingFolders(desk.root), lambda kind, item: None)
    write_recording(desk.root, "abc", 1.0, closed=False)
    write_log(desk.root, log_line(final(1)))
    write_recording(desk.root, "unknown", 1.0, closed=False)  # the database was lost
    write_log(desk.root, log_line(final(1, stream="unknown")), stream="unknown")
    await desk.store.save_stream(replace(ROW, id="unrecorded", recorded=False))
    desk.journal.put(final(1, stream="unrecorded"))
    await desk.journal.settle(timeout=30)
    found = await recover(desk.store, library, HOME)
    await desk.journal.fill_in(found.streams)
    assert [len(await desk.kept(stream)) for stream in ("abc", "unknown", "unrecorded")] == [1, 1, 0]
    assert (await recover(desk.store, library, HOME)).streams == set()


async def test_whoever_reads_waits_for_what_was_said_before_and_no_longer(desk: Desk) -> None:
    going = True

    async def talk() -> None:
        number = 0
        while going:
            number += 1
            desk.journal.put(final(number))
            await asyncio.sleep(0.001)

    talking = asyncio.create_task(talk())
    try:
        for _ in range(3):
            await asyncio.sleep(0.01)
            last = max(number for _, number in desk.journal._captions) if desk.journal._captions else 0
            await asyncio.wait_for(desk.journal.settle(timeout=60), 50)
            if last:
                assert (await desk.store.captions.get("abc", CaptionVersion.LIVE, last)).id == last
    finally:
        going = False
        await talking
    await desk.journal.settle(timeout=60)
