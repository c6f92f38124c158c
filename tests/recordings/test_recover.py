from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.errors import Conflict, NotFound
from server.recordings.audio import NoAudio, close
from server.recordings.files import RecordingFolders
from server.recordings.library import KEEP_BINNED, Library
from server.recordings.recover import recover
from server.store.database import database_url
from server.store.records import Channel, Recording, StoredStream
from server.store.store import Store
from tests.recordings.writing import STARTED, played_seconds, write_recording

HOME = Channel("home", "anna", "Anna", "Anna", "local", STARTED)


@dataclass
class Shelf:
    """A store, a folder and a library over both, as at a start."""

    store: Store
    library: Library
    root: Path
    told: list[tuple[str, str]] = field(default_factory=list)

    async def enter(self, recording_id: str, state: str = "recording", **values: object) -> None:
        stream = StoredStream(recording_id, HOME.id, "local", "Anna", "Kept title", "live", STARTED, recorded=True)
        await self.store.save_stream(stream)
        row = Recording(recording_id, recording_id, "Kept title", "", "", "", "", STARTED, state)
        await self.store.save_recording(replace(row, **values))  # type: ignore[arg-type]


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    store = Store(database_url(None, tmp_path))
    await store.open()
    await store.add_channel(HOME)
    root = tmp_path / "recordings"
    made = Shelf(
        store, Library(store, RecordingFolders(root), lambda kind, item: made.told.append((kind, item.id))), root
    )
    yield made
    await made.library.close()
    await store.close()


async def test_a_recording_that_a_crash_cut_short_gets_its_true_length(shelf: Shelf) -> None:
    await shelf.enter("abc")
    folder = write_recording(shelf.root, "abc", 3.0, closed=False, torn=b"OggS\x00\x00half a page")
    found = await recover(shelf.store, shelf.library, HOME)
    kept = await shelf.store.recording("abc")
    assert (found.recordings, found.failed) == (1, 0)
    assert (kept.state, kept.title) == ("recovered", "Kept title")
    assert kept.length / 48_000 == pytest.approx(3.0, abs=0.03)
    assert kept.size_bytes == (folder / "clean.opus").stat().st_size
    assert played_seconds(folder / "clean.opus") == pytest.approx(3.0, abs=0.03)
    stream = await shelf.store.stream("abc")
    assert (stream.state, stream.end_reason, stream.length) == ("ended", "server stopped", kept.length)
    assert stream.ended_at == STARTED + timedelta(seconds=kept.length / 48_000)
    assert (await shelf.library.peaks(kept)).peaks


async def test_recordings_survive_the_loss_of_the_database(shelf: Shelf) -> None:
    write_recording(shelf.root, "done", 1.0)
    write_recording(shelf.root, "cut", 2.0, closed=False, meta={"channel_id": "home", "title": "你好"})
    (shelf.root / "notes.txt").write_text("not a recording")
    (shelf.root / ".bin" / "old").mkdir(parents=True)
    await recover(shelf.store, shelf.library, HOME)
    page = await shelf.store.recordings()
    assert {(item.id, item.title, item.state) for item in page.items} == {
        ("done", "Überraschung", "recovered"),
        ("cut", "你好", "recovered"),
    }
    assert all(item.created_at == STARTED and item.host == "Anna" for item in page.items)


async def test_a_second_start_finds_nothing_to_do(shelf: Shelf) -> None:
    write_recording(shelf.root, "cut", 1.0, closed=False)
    await recover(shelf.store, shelf.library, HOME)
    before = (shelf.root / "cut" / "clean.opus").read_bytes()
    again = await recover(shelf.store, shelf.library, HOME)
    assert (again.recordings, again.failed) == (0, 0)
    assert (shelf.root / "cut" / "clean.opus").read_bytes() == before


@pytest.mark.parametrize("damage", ["empty", "noise", "headers", "missing", "meta"])
async def test_what_cannot_be_saved_is_said_and_does_not_stop_the_rest(shelf: Shelf, damage: str) -> None:
    folder = write_recording(shelf.root, "bad", 1.0, closed=False)
    file = folder / "clean.opus"
    whole = file.read_bytes()
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "noise":
            file.write_bytes(b"\x07" * 5_000)
        case "headers":
            file.write_bytes(whole[:60])
        case "missing":
            file.unlink()
        case "meta":
            file.unlink()
            (folder / "meta.json").write_text("[")
    write_recording(shelf.root, "good", 1.0, closed=False)
    found = await recover(shelf.store, shelf.library, HOME)
    assert (found.recordings, found.failed) == (1, 1)
    lost = await shelf.store.recording("bad")
    assert lost.state == "failed"
    assert lost.detail
    assert (await shelf.store.recording("good")).state == "recovered"


async def test_rows_without_files_are_failed(shelf: Shelf) -> None:
    await shelf.enter("gone")
    found = await recover(shelf.store, shelf.library, HOME)
    assert found.failed == 1
    assert "not there" in (await shelf.store.recording("gone")).detail


async def test_deleting_can_be_undone_for_thirty_days(shelf: Shelf) -> None:
    write_recording(shelf.root, "abc", 1.0)
    await shelf.enter("abc", "ready")
    await shelf.library.delete(await shelf.library.get("abc"))
    assert not (shelf.root / "abc").exists()
    with pytest.raises(NotFound):
        await shelf.library.get("abc")
    back = await shelf.library.restore(await shelf.store.recording("abc"))
    assert back.deleted_at is None
    assert (shelf.root / "abc" / "clean.opus").exists()

    await shelf.library.delete(back)
    now = datetime.now(UTC)
    assert await shelf.library.purge(now + KEEP_BINNED - timedelta(minutes=1)) == 0
    assert await shelf.library.purge(now + KEEP_BINNED + timedelta(minutes=1)) == 1
    assert not (shelf.root / ".bin" / "abc").exists()
    assert [kind for kind, _ in shelf.told] == ["recording_removed", "recording_updated", "recording_removed"]


async def test_what_is_being_recorded_cannot_be_deleted(shelf: Shelf) -> None:
    await shelf.enter("abc")
    with pytest.raises(Conflict):
        await shelf.library.delete(await shelf.library.get("abc"))


async def test_finishing_measures_and_tells(shelf: Shelf) -> None:
    write_recording(shelf.root, "abc", 1.0)
    write_recording(shelf.root, "abc", 1.0, version="raw")
    await shelf.enter("abc", "finishing")
    shelf.library.finish("abc")
    await shelf.library.close()
    kept = await shelf.library.get("abc")
    assert (kept.state, kept.has_raw) == ("ready", True)
    assert kept.length / 48_000 == pytest.approx(1.0, abs=0.03)
    assert shelf.told == [("recording_ready", "abc")]


async def test_peaks_are_drawn_again_when_they_are_lost(shelf: Shelf) -> None:
    folder = write_recording(shelf.root, "abc", 1.0)
    await shelf.enter("abc", "ready")
    kept = await shelf.library.get("abc")
    drawn = await shelf.library.peaks(kept)
    assert max(drawn.peaks) == pytest.approx(0.5, abs=0.15)
    assert drawn.step_s * len(drawn.peaks) == pytest.approx(1.0, abs=0.05)
    for text in ("", "{}", "[]", '{"step_s": "x", "peaks": 3}'):
        (folder / "peaks.json").write_text(text)
        assert await shelf.library.peaks(kept) == drawn
    shutil.rmtree(folder)
    with pytest.raises(NotFound):
        await shelf.library.peaks(kept)


def test_closing_leaves_a_closed_file_alone(tmp_path: Path) -> None:
    file = write_recording(tmp_path, "abc", 1.0) / "clean.opus"
    before = file.read_bytes()
    assert close(file) == pytest.approx(48_000, abs=1_000)
    assert file.read_bytes() == before
    with pytest.raises(NoAudio):
        close(tmp_path / "nothing.opus")


def test_ids_that_could_leave_the_folder_are_refused(tmp_path: Path) -> None:
    folders = RecordingFolders(tmp_path)
    for wrong in ("..", "a/b", ""):
        with pytest.raises(ValueError, match="not a recording's id"):
            folders.audio(wrong)
