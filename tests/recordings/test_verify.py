"""What `clearcast verify` says of recordings that are not what they were; it never changes any."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.cli import main
from server.recordings.audio import NoAudio, peaks, settle
from server.recordings.files import RecordingFolders
from server.recordings.library import Library
from server.recordings.recover import recover
from server.recordings.seal import seal
from server.recordings.verify import verify
from server.store.database import database_url
from server.store.records import Job
from server.store.store import Store
from tests.recordings.writing import write_recording
from tests.store.rows import channel, recording, talk


@dataclass
class Shelf:
    """Recordings that are finished, in a data folder."""

    root: Path
    store: Store
    files: RecordingFolders

    async def keep(self, slug: str = "anna", *, raw: bool = False, **written: object) -> tuple[str, Path]:
        """A recording with checksums; its id and folder."""
        stream = await talk(self.store, slug)
        folder = await asyncio.to_thread(write_recording, self.files.root, stream.id, **written)
        if raw:
            await asyncio.to_thread(write_recording, self.files.root, stream.id, version="raw")
        measured = await asyncio.to_thread(settle, self.files, stream.id)
        found = {"length": measured.length, "size_bytes": measured.size_bytes, "has_raw": raw}
        await self.store.save_recording(recording(stream, state="ready", **found))
        await asyncio.to_thread(seal, self.files, stream.id)
        return stream.id, folder

    async def wrong(self) -> list[tuple[str, str]]:
        """Kind and file of everything that is wrong."""
        before = await asyncio.to_thread(state_of, self.files.root)
        found = await verify(self.store, self.files)
        assert await asyncio.to_thread(state_of, self.files.root) == before  # it looks, and changes nothing
        return [(problem.kind, Path(problem.path).name) for problem in found.problems]


def state_of(root: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    store = Store(database_url(None, tmp_path))
    await store.open()
    yield Shelf(tmp_path, store, RecordingFolders(tmp_path / "recordings"))
    await store.close()


def turn(path: Path, at: float) -> None:
    """One bit is another."""
    data = bytearray(path.read_bytes())
    data[round(at * len(data))] ^= 1
    path.write_bytes(bytes(data))


async def test_what_is_whole_is_said_to_be(shelf: Shelf) -> None:
    await shelf.keep(raw=True)
    binned, _ = await shelf.keep("ben")
    library = Library(shelf.store, shelf.files, lambda kind, item: None)
    await library.delete(await shelf.store.recording(binned))
    assert await shelf.wrong() == []
    assert (await verify(shelf.store, shelf.files)).checked == 2


async def test_a_drawing_from_before_pauses_is_made_anew_and_nothing_else_is_taken_for_whole(shelf: Shelf) -> None:
    recording_id, folder = await shelf.keep()
    (folder / "peaks.json").write_text(json.dumps({"step_s": 1.0, "peaks": [0.5]}))
    await asyncio.to_thread(seal, shelf.files, recording_id)
    drawn = await asyncio.to_thread(peaks, shelf.files, recording_id)
    assert json.loads((folder / "peaks.json").read_text())["pauses"] == [list(pause) for pause in drawn.pauses]
    assert await shelf.wrong() == []
    await asyncio.to_thread(turn, folder / "meta.json", 0.5)
    (folder / "peaks.json").unlink()
    await asyncio.to_thread(peaks, shelf.files, recording_id)
    assert await shelf.wrong() == [("changed", "meta.json")]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: turn(folder / "meta.json", 0.5), [("changed", "meta.json")]),
        (lambda folder: (folder / "meta.json").unlink(), [("missing", "meta.json")]),
        (lambda folder: (folder / "clean.opus").unlink(), [("missing", "clean.opus")]),
        (lambda folder: (folder / "raw.opus").unlink(), [("missing", "raw.opus")]),
        (lambda folder: turn(folder / "clean.opus", 0.5), [("damaged", "clean.opus"), ("changed", "clean.opus")]),
        (lambda folder: (folder / "new.json").write_text("{}"), [("unknown-file", "new.json")]),
        (lambda folder: (folder / "checksums.json").write_text("?"), [("unreadable", "checksums.json")]),
    ],
    ids=["a bit", "a file", "the audio", "the original", "a bit of sound", "one more", "the checksums"],
)
async def test_what_is_not_is_named(shelf: Shelf, spoil: Callable[[Path], object], told: list[tuple[str, str]]) -> None:
    _, folder = await shelf.keep(raw=True)
    await asyncio.to_thread(spoil, folder)
    assert await shelf.wrong() == told


async def test_a_tail_that_is_torn_off_is_told_and_closed_by_the_next_start(shelf: Shelf) -> None:
    recording_id, folder = await shelf.keep()

    def tear() -> None:
        path = folder / "clean.opus"
        os.truncate(path, path.stat().st_size - 300)

    await asyncio.to_thread(tear)
    assert {kind for kind, _ in await shelf.wrong()} == {"damaged", "length", "changed"}
    home = channel("home")
    await shelf.store.add_channel(home)
    await shelf.store.change_recording(recording_id, state="finishing")  # as a crash leaves it, before any checksum
    await asyncio.to_thread((folder / "checksums.json").unlink)
    library = Library(shelf.store, shelf.files, lambda kind, item: None)
    found = await recover(shelf.store, library, home)
    assert found.recordings == 1
    assert await shelf.wrong() == []


async def test_rows_without_files_and_files_without_rows(shelf: Shelf) -> None:
    _, folder = await shelf.keep()
    await asyncio.to_thread(folder.rename, folder.with_name("abcdefabcdef"))
    assert await shelf.wrong() == [("missing", folder.name), ("no-row", "abcdefabcdef")]


async def test_a_length_that_is_not_the_rows(shelf: Shelf) -> None:
    recording_id, _ = await shelf.keep()
    await shelf.store.change_recording(recording_id, length=5)
    assert await shelf.wrong() == [("length", "clean.opus")]


async def test_drafts_that_nobody_will_finish(shelf: Shelf) -> None:
    _, folder = await shelf.keep()
    draft = folder / "peaks.json.new"
    await asyncio.to_thread(draft.write_text, "{")
    assert await shelf.wrong() == []  # somebody may be writing it
    hour_ago = time.time() - 3600
    await asyncio.to_thread(os.utime, draft, (hour_ago, hour_ago))
    assert await shelf.wrong() == [("draft", "peaks.json.new")]
    assert await asyncio.to_thread(shelf.files.sweep, folder.name) == 1
    assert await shelf.wrong() == []


async def test_what_is_being_recorded_or_worked_on_is_left_out(shelf: Shelf) -> None:
    live, folder = await shelf.keep()
    await shelf.store.change_recording(live, state="recording")
    worked, other = await shelf.keep("ben")
    await shelf.store.jobs.add(Job("job", "finish", worked, "local", datetime.now(UTC)))
    for path in (folder, other):
        await asyncio.to_thread(turn, path / "clean.opus", 0.5)
    found = await verify(shelf.store, shelf.files)
    assert (found.checked, found.left_out, found.problems) == (0, 2, ())


async def test_recordings_that_say_themselves_that_they_failed_are_no_news(shelf: Shelf) -> None:
    recording_id, folder = await shelf.keep()
    await asyncio.to_thread((folder / "clean.opus").write_bytes, b"")
    await asyncio.to_thread((folder / "checksums.json").unlink)
    with pytest.raises(NoAudio):
        await asyncio.to_thread(settle, shelf.files, recording_id)
    await shelf.store.change_recording(recording_id, state="failed")
    assert await shelf.wrong() == []


async def test_the_command_says_it_in_words_or_as_json(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording_id, folder = await shelf.keep()
    where = ["--data-dir", str(shelf.root)]
    assert await asyncio.to_thread(main, ["verify", *where]) == 0
    assert "1 recordings were looked at, nothing is wrong." in capsys.readouterr().out
    await asyncio.to_thread(turn, folder / "meta.json", 0.5)
    assert await asyncio.to_thread(main, ["verify", *where]) == 1
    told = capsys.readouterr().out
    assert "“Talk”" in told and "meta.json has changed" in told
    assert await asyncio.to_thread(main, ["verify", "--json", *where]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["checked"]) == (False, 1)
    assert (said["problems"][0]["recording"], said["problems"][0]["kind"]) == (recording_id, "changed")


def test_where_there_is_no_database_none_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--data-dir", str(tmp_path)]) != 0
    assert list(tmp_path.iterdir()) == []
