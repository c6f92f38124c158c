"""Files that are made of recordings: shared, bounded, never half there."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from server.clock import SAMPLE_RATE
from server.errors import DiskFull, NotFound, Unavailable
from server.recordings.exports import conversions as module
from server.recordings.exports.audio import FORMATS, Cut
from server.recordings.exports.conversions import CONVERSIONS, Conversions, GivenUp
from server.recordings.files import RecordingFolders
from server.recordings.tracks import Mask
from tests.disks import mounted
from tests.recordings.sounding import clicks, read, write_long, write_opus


class Made:
    """Conversions over a folder with one recording, and how often each file was really made."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, limit_mb: int = 100, reserve_mb: int = 0) -> None:
        self.files = RecordingFolders(root)
        self.conversions = Conversions(self.files, limit_mb, reserve_mb)
        self.written: list[str] = []
        real = module.write

        def write(cut: Cut, target: Path, watch: Callable[[int], None]) -> None:
            self.written.append(cut.form.name)
            real(cut, target, watch)

        monkeypatch.setattr(module, "write", write)

    def cut(self, name: str = "flac", start: int = 0, end: int = 2 * SAMPLE_RATE, recording: str = "abc") -> Cut:
        return Cut(self.files.audio(recording), start, end, FORMATS[name])

    def exports(self) -> list[Path]:
        """Everything that was made, or is being made."""
        return list(self.files.root.rglob("exports/*"))

    def kept(self) -> set[str]:
        return {path.name for path in self.exports()}


@pytest.fixture
async def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Made]:
    write_opus(tmp_path / "abc" / "clean.opus", clicks(2 * SAMPLE_RATE, [1_000]))
    found = Made(tmp_path, monkeypatch)
    await found.conversions.start()
    yield found
    await found.conversions.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_file_is_made_once_and_its_date_stays(made: Made) -> None:
    path = await made.conversions.get("abc", made.cut())
    assert len(read(path)) == 2 * SAMPLE_RATE
    first = path.stat()
    assert await made.conversions.get("abc", made.cut()) == path
    assert (path.stat().st_mtime_ns, made.written) == (first.st_mtime_ns, ["flac"])
    assert path.stat().st_atime_ns > first.st_atime_ns


async def test_two_who_want_the_same_share_it_and_one_who_leaves_takes_nothing_away(made: Made) -> None:
    write_long(made.files.audio("abc"), 600)
    cut = made.cut(end=600 * SAMPLE_RATE)
    here = True
    leaving = asyncio.create_task(made.conversions.get("abc", cut, lambda: here))
    await until(lambda: made.conversions.making == 1)
    staying = asyncio.create_task(made.conversions.get("abc", cut))
    await until(lambda: bool(made.kept()))
    here = False
    with pytest.raises(GivenUp):
        await leaving
    path = await staying
    assert (made.written, made.kept()) == (["flac"], {path.name})


@pytest.mark.parametrize("how", ["gone", "cancelled", "closing"])
async def test_what_nobody_waits_for_is_given_up_and_leaves_nothing(made: Made, how: str) -> None:
    write_long(made.files.audio("abc"), 3_600)
    here = True
    asking = asyncio.create_task(made.conversions.get("abc", made.cut("m4a", end=3_600 * SAMPLE_RATE), lambda: here))
    await until(lambda: any(path.stat().st_size for path in made.exports()))
    assert all(name.endswith(".part") for name in made.kept())
    if how == "gone":
        here = False
    elif how == "cancelled":
        asking.cancel()
    else:
        await made.conversions.close()
    with pytest.raises((GivenUp, asyncio.CancelledError)):
        await asking
    await until(lambda: not made.kept())
    assert made.conversions.making == 0


async def test_what_was_not_asked_for_longest_goes_first_and_what_is_being_sent_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_opus(tmp_path / "abc" / "clean.opus", clicks(10 * SAMPLE_RATE, [1_000]))
    made = Made(tmp_path, monkeypatch, limit_mb=2)
    cuts = [made.cut("wav", end=8 * SAMPLE_RATE - number) for number in range(4)]  # 0.77 MB each
    paths = []
    for cut in cuts[:2]:
        paths.append(await made.conversions.get("abc", cut))
        made.conversions.release(paths[-1])
    await made.conversions.get("abc", cuts[0])  # the older one is used again, and is being sent
    paths.append(await made.conversions.get("abc", cuts[2]))
    made.conversions.release(paths[2])
    assert made.kept() == {paths[0].name, paths[2].name}
    paths.append(await made.conversions.get("abc", cuts[3]))
    assert made.kept() == {paths[0].name, paths[3].name}
    made.conversions.release(paths[0])
    made.conversions.release(paths[3])
    assert sum(path.stat().st_size for path in made.exports()) <= 2_000_000
    await made.conversions.close()


async def test_a_recording_in_the_bin_keeps_nothing_and_a_purged_one_leaves_nothing(made: Made) -> None:
    await made.conversions.get("abc", made.cut())
    await asyncio.to_thread(made.files.bin, "abc")
    assert made.kept() == set()
    await asyncio.to_thread(made.files.restore, "abc")
    await made.conversions.get("abc", made.cut())
    await asyncio.to_thread(made.files.remove, "abc")
    assert not (made.files.root / "abc").exists()
    with pytest.raises(NotFound):
        await made.conversions.get("abc", made.cut())


@pytest.mark.parametrize("name", ["flac", "m4a"])
async def test_a_recording_that_is_deleted_meanwhile_leaves_nothing(made: Made, name: str) -> None:
    write_long(made.files.audio("abc"), 3_600)
    asking = asyncio.create_task(made.conversions.get("abc", made.cut(name, end=3_600 * SAMPLE_RATE)))
    await until(lambda: any(path.stat().st_size for path in made.exports()))
    await asyncio.to_thread(made.files.bin, "abc")
    with pytest.raises(NotFound):
        await asking
    await asyncio.to_thread(made.files.purge, "abc")
    assert [path.name for path in made.files.root.rglob("*") if path.is_file()] == []


async def test_too_many_at_once_are_sent_away(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    before = CONVERSIONS.dropped
    write_long(made.files.audio("abc"), 3_600)
    cuts = [made.cut(end=3_600 * SAMPLE_RATE - number) for number in range(4)]
    asking = [asyncio.create_task(made.conversions.get("abc", cut)) for cut in cuts[:3]]
    await until(lambda: made.conversions.making == 3)
    with pytest.raises(Unavailable) as refused:
        await made.conversions.get("abc", cuts[3])
    assert (refused.value.code, refused.value.retry_after, CONVERSIONS.dropped - before) == ("busy", 60, 1)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await until(lambda: not made.kept())


async def test_what_a_crash_left_is_removed_at_the_next_start(made: Made) -> None:
    path = await made.conversions.get("abc", made.cut())
    made.conversions.release(path)
    left = path.with_name(".0123.flac.7f.part")
    left.write_bytes(b"half a file")
    await made.conversions.start()
    assert made.kept() == {path.name}


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "m4a", "opus"])
async def test_a_full_disk_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with mounted(tmp_path / "small", "size=700k") as root:
        write_long(root / "abc" / "clean.opus", 60)
        made = Made(root, monkeypatch)
        cut = replace(made.cut(name, end=60 * SAMPLE_RATE), mask=Mask([], inverted=True))
        with pytest.raises(DiskFull):
            await made.conversions.get("abc", cut)
        assert made.kept() == set()
        await made.conversions.close()


async def test_recordings_come_before_files_that_can_be_made_again(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await made.conversions.get("abc", made.cut())
    made.conversions.release(path)
    short = Made(made.files.root, monkeypatch, reserve_mb=1 + shutil.disk_usage(made.files.root).free // 1_000_000 * 2)
    with pytest.raises(DiskFull):
        await short.conversions.get("abc", short.cut("wav"))
    assert short.kept() == set()  # what could be spared was
    await short.conversions.close()


async def test_work_is_done_behind_everything_else(made: Made) -> None:
    loop = asyncio.get_running_loop()
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    theirs = await loop.run_in_executor(made.conversions._pool, os.getpriority, os.PRIO_PROCESS, 0)
    assert theirs > mine


async def test_a_file_is_made_while_somebody_asks_how_far_it_is(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE_S", 0.05)
    halfway, go_on = asyncio.Event(), threading.Event()
    loop, real = asyncio.get_running_loop(), module.write

    def write(cut: Cut, target: Path, watch: Callable[[int], None]) -> None:
        target.touch()
        watch(cut.length // 2)
        loop.call_soon_threadsafe(halfway.set)
        go_on.wait(30)
        real(cut, target, watch)

    monkeypatch.setattr(module, "write", write)
    shares = [await made.conversions.ready("abc", made.cut())]
    await halfway.wait()
    shares.append(await made.conversions.ready("abc", made.cut()))
    assert shares[0] is not None and shares[1] == 0.5
    go_on.set()
    async with asyncio.timeout(30):
        while await made.conversions.ready("abc", made.cut()) is not None:
            await asyncio.sleep(0.01)
    path = await made.conversions.get("abc", made.cut())
    made.conversions.release(path)
    assert made.written == ["flac"] and path.exists()  # made once: who then wants it has it at once


async def test_a_file_of_which_nobody_asks_any_more_is_given_up(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AT_ONCE_S", 0.0), ("ASK_AGAIN_S", 0.0), ("LOOK_S", 0.01)):
        monkeypatch.setattr(module, name, value)
    stopped = threading.Event()

    def endless(cut: Cut, target: Path, watch: Callable[[int], None]) -> None:
        target.touch()
        try:
            while True:
                watch(1)
                time.sleep(0.005)
        finally:
            stopped.set()

    monkeypatch.setattr(module, "write", endless)
    assert await made.conversions.ready("abc", made.cut()) is not None
    await asyncio.to_thread(stopped.wait, 30)
    await until(lambda: made.conversions.making == 0)
    await until(lambda: not made.exports())


async def test_what_cannot_be_made_is_told_to_whoever_asks_how_far_it_is(made: Made) -> None:
    with pytest.raises(NotFound):
        await made.conversions.ready("gone", made.cut(recording="gone"))
    assert made.conversions.making == 0
