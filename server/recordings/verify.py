"""Whether every recording is what it was: files, checksums, sound to the end, rows. Looks, and changes nothing.

A server may run meanwhile: what seems wrong is looked at a second time, and what is being recorded or worked on just
now is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.audio.ogg import OggError, read_packets, scan
from server.audio.opus import MAX_PACKET_SAMPLES, OpusDecoder, OpusError
from server.clock import PACKET, SAMPLE_RATE
from server.errors import NotFound
from server.recordings.files import DRAFT, RecordingFolders
from server.recordings.seal import Sealed, checksum, read_seal, sealable
from server.store.records import Recording, RecordingState
from server.store.store import Store

UNFINISHED = (RecordingState.RECORDING, RecordingState.FINISHING)
YOUNG_S = 60.0
"""A draft that is not older may be somebody's who is writing just now."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, in words for the operator."""

    recording: str
    """Its id."""
    title: str
    """Empty for files without a row."""
    kind: str
    """missing, changed, damaged, length, unknown-file, no-row, draft, unreadable."""
    path: str
    """Within the folder of recordings."""
    text: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found."""

    checked: int
    """Recordings that were looked at."""
    left_out: int
    """Those that are being recorded, closed or worked on."""
    problems: tuple[Problem, ...]


async def verify(store: Store, files: RecordingFolders, told: Callable[[str], None] = lambda title: None) -> Verified:
    """Look at all recordings; `told` is called with the title of each before it. Raises Unavailable."""
    rows = await store.keeping.every()
    problems: list[Problem] = []
    checked = left_out = 0
    for row in rows:
        if await _busy(store, row):
            left_out += 1
            continue
        told(row.title)
        found = await asyncio.to_thread(look, files, row)
        if found:
            found = await _still(store, files, row)
        problems += found
        checked += 1
    known = {row.id for row in rows}
    return Verified(checked, left_out, (*problems, *await _without_rows(store, files, known)))


async def _busy(store: Store, row: Recording) -> bool:
    """Whether somebody may be writing its files: then it cannot be said what they should be."""
    return row.state in UNFINISHED or bool(await store.jobs.unfinished(row.stream_id))


async def _still(store: Store, files: RecordingFolders, row: Recording) -> list[Problem]:
    """What is wrong when it is looked at again, unless the recording has changed or gone meanwhile."""
    try:
        now = await store.recording(row.id)
    except NotFound:
        return []
    return [] if await _busy(store, now) else await asyncio.to_thread(look, files, now)


async def _without_rows(store: Store, files: RecordingFolders, known: set[str]) -> list[Problem]:
    found = []
    for folders, where in ((files, ""), (files.in_bin(), "in the bin, ")):
        for recording_id in await asyncio.to_thread(_ids, folders):
            if recording_id in known or await _entered(store, recording_id):
                continue
            text = f"There are files, {where}and the database knows nothing of them"
            path = str(folders.audio(recording_id).parent.relative_to(files.root))
            remedy = ": the next start of the server enters them." if folders is files else "."
            found.append(Problem(recording_id, "", "no-row", path, text + remedy))
    return found


def _ids(folders: RecordingFolders) -> list[str]:
    return list(folders.ids())


async def _entered(store: Store, recording_id: str) -> bool:
    """Whether a stream has begun since the rows were read; its recording gets a row within seconds."""
    try:
        await store.stream(recording_id)
        await store.recording(recording_id)
    except NotFound:
        return False
    return True


def look(files: RecordingFolders, row: Recording) -> list[Problem]:
    """What is wrong with one recording. Blocks: as long as it takes to decode it."""
    folders = files.in_bin() if row.deleted_at is not None else files
    return list(_Look(files.root, folders, row).problems())


class _Look:
    def __init__(self, root: Path, folders: RecordingFolders, row: Recording) -> None:
        self._root = root
        self._folders = folders
        self._row = row
        self._folder = folders.audio(row.id).parent

    def problems(self) -> Iterator[Problem]:
        lost = self._row.state == RecordingState.FAILED  # it says so itself
        if not self._folder.is_dir():
            if not lost:
                yield self._problem("missing", self._folder, "Its files are not there.")
            return
        for version in ("clean", "raw") if self._row.has_raw else ("clean",):
            path = self._folders.audio(self._row.id, version)
            if path.is_file():
                yield from self._sound(path, version) if not lost else ()
            elif not lost:
                yield self._problem("missing", path, f"{path.name} is not there.")
        yield from self._sums()
        for draft in self._folder.glob(f"*{DRAFT}"):
            if time.time() - draft.stat().st_mtime > YOUNG_S:
                text = f"{draft.name} was never finished; the next start of the server removes it."
                yield self._problem("draft", draft, text)

    def _problem(self, kind: str, path: Path, text: str) -> Problem:
        return Problem(self._row.id, self._row.title, kind, str(path.relative_to(self._root)), text)

    def _sound(self, path: Path, version: str) -> Iterator[Problem]:
        """Whether it plays to its end, and how long it is."""
        try:
            with path.open("rb") as file:
                info = scan(file)
                broken = _undecodable(path)
        except (OggError, OSError) as error:
            reason = error.message if isinstance(error, OggError) else (error.strerror or str(error)).lower()
            yield self._problem("unreadable", path, f"{path.name} cannot be read: {reason}")
            return
        if not info.closed or info.torn_bytes:
            yield self._problem("damaged", path, f"{path.name} has no proper end.")
        if info.damages or broken:
            lost = f"{broken / SAMPLE_RATE:.2f} s of it cannot be played" if broken else "some of it was overwritten"
            yield self._problem("damaged", path, f"{path.name} is damaged: {lost}.")
        if version == "clean" and info.duration_samples != self._row.length:
            found, said = info.duration_samples / SAMPLE_RATE, self._row.length / SAMPLE_RATE
            yield self._problem("length", path, f"{path.name} is {found:.2f} s long, the database says {said:.2f} s.")

    def _sums(self) -> Iterator[Problem]:
        """Whether the files are those that were sealed; a recording that was never sealed has nothing to compare."""
        sealed = read_seal(self._folders, self._row.id)
        if sealed is None:
            if self._folders.checksums(self._row.id).exists():
                yield self._problem("unreadable", self._folders.checksums(self._row.id), "The checksums are damaged.")
            return
        there = {path.name: path for path in sealable(self._folders, self._row.id)}
        for name in sorted(sealed.keys() - there.keys()):
            if name not in ("clean.opus", "raw.opus"):  # said already
                yield self._problem("missing", self._folder / name, f"{name} is not there.")
        for name, path in there.items():
            if name not in sealed:
                text = f"{name} came after the recording was finished: nobody can say whether it is whole."
                yield self._problem("unknown-file", path, text)
            elif difference := _difference(path, sealed):
                yield self._problem("changed", path, difference)


def _difference(path: Path, sealed: Mapping[str, Sealed]) -> str:
    """In words; empty where there is none."""
    known = sealed[path.name]
    try:
        now = checksum(path)
    except OSError as error:
        return f"{path.name} cannot be read: {(error.strerror or str(error)).lower()}."
    if now == known:
        return ""
    if now.size != known.size:
        return f"{path.name} has changed: it was {known.size} bytes long and is {now.size}."
    return f"{path.name} has changed: its checksum is another one."


def _undecodable(path: Path) -> int:
    """Samples that are lost or that no decoder takes."""
    decoder, broken = OpusDecoder(1), 0
    with path.open("rb") as file:
        for packet in read_packets(file):
            if packet is None:
                broken += PACKET
                continue
            try:
                decoder.decode(packet, MAX_PACKET_SAMPLES)
            except OpusError:
                broken += PACKET
    return broken
