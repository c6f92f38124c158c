"""A file's audio, made into the files of a recording: decoded, without its noise, encoded, all side by side."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.errors import DiskFull, Unavailable
from server.uploads.decoding import Decoding, decoding
from server.uploads.rows import LEAD, Batch, RowCutter
from server.uploads.track import Track

Tell = Callable[[float], Awaitable[None]]
"""Told how many seconds are done; what it raises ends the work."""


class FileDenoiser(Protocol):
    """Takes the noise out of rows, wherever that is done."""

    @property
    def engine(self) -> str:
        """The model's name."""
        ...

    @property
    def delay(self) -> int:
        """Samples that it looks ahead."""
        ...

    async def clean(self, rows: list[Samples], lead: int, first: bool) -> list[Samples]:
        """Rows without their noise and without their first `lead` and last `delay` samples. Raises Unavailable."""
        ...

    async def close(self) -> None: ...


OpenDenoiser = Callable[[], Awaitable[FileDenoiser]]
"""Raises Unavailable."""


@dataclass(slots=True)
class Made:
    """What came of it."""

    length: int = 0
    """Samples at 48 kHz."""
    engine: str | None = None
    """What took the noise out; None where nothing did."""
    mistakes: int = 0
    """Packets that could not be decoded."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each stage was busy; they run side by side."""

    def spent(self, stage: str, began: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes recordings of files."""

    open_denoiser: OpenDenoiser
    longest_s: float
    bitrate: int

    async def make(self, source: Path, folder: Path, denoise: bool, tell: Tell) -> Made:
        """Write clean.opus into `folder`, and raw.opus where the noise is taken out.

        Memory does not depend on the file's length. Raises InvalidRequest, Unavailable, DiskFull.
        """
        try:
            async with AsyncExitStack() as stack:
                return await self._make(stack, source, folder, denoise, tell)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull("The server's disk is full: the recording could not be made.") from error
            raise Unavailable(f"The recording cannot be written: {error.strerror}.", code="disk") from error

    async def _make(self, stack: AsyncExitStack, source: Path, folder: Path, denoise: bool, tell: Tell) -> Made:
        made = Made()
        opened = await stack.enter_async_context(decoding(source, self.longest_s))
        first = await asyncio.to_thread(
            Track, folder / ("raw.opus" if denoise else "clean.opus"), self.bitrate, speech=denoise
        )
        stack.callback(first.close)
        if not denoise:
            await self._copy(opened, first, made, tell)
        else:
            denoiser = await self.open_denoiser()
            stack.push_async_callback(denoiser.close)
            clean = await asyncio.to_thread(Track, folder / "clean.opus", self.bitrate, speech=True)
            stack.callback(clean.close)
            made.engine = denoiser.engine
            await _Cleaning(denoiser, first, clean, made, tell).run(opened)
            await asyncio.to_thread(clean.finish)
        await asyncio.to_thread(first.finish)
        made.length, made.mistakes = first.length, int(opened.result.get("mistakes", 0))
        return made

    async def _copy(self, opened: Decoding, track: Track, made: Made, tell: Tell) -> None:
        began = time.monotonic()
        async for samples in opened.blocks():
            made.spent("decode", began)
            began = time.monotonic()
            await asyncio.to_thread(track.write, samples)
            made.spent("encode", began)
            await tell(track.length / SAMPLE_RATE)
            began = time.monotonic()


class _Cleaning:
    """While one batch loses its noise it is encoded as it came, and the next one is decoded."""

    def __init__(self, denoiser: FileDenoiser, raw: Track, clean: Track, made: Made, tell: Tell) -> None:
        self._denoiser = denoiser
        self._raw = raw
        self._clean = clean
        self._made = made
        self._tell = tell
        self._cutter = RowCutter(denoiser.delay)
        self._going: asyncio.Task[None] | None = None

    async def run(self, opened: Decoding) -> None:
        try:
            began = time.monotonic()
            async for samples in opened.blocks():
                self._made.spent("decode", began)
                for batch in self._cutter.push(samples):
                    await self._next(batch)
                began = time.monotonic()
            for batch in self._cutter.flush():
                await self._next(batch)
            await self._settled()
        finally:
            if self._going is not None:
                self._going.cancel()
                await asyncio.gather(self._going, return_exceptions=True)

    async def _next(self, batch: Batch) -> None:
        await self._settled()
        self._going = asyncio.create_task(self._through(batch), name="denoise a batch")

    async def _settled(self) -> None:
        while self._going is not None and not self._going.done():
            await asyncio.wait([self._going], timeout=0.5)
            await self._tell(self._clean.length / SAMPLE_RATE)
        if self._going is not None:
            self._going.result()
            self._going = None

    async def _through(self, batch: Batch) -> None:
        rows, _ = await asyncio.gather(self._denoised(batch), self._encoded(self._write_raw, batch))
        await self._encoded(self._write_clean, batch, rows)

    async def _denoised(self, batch: Batch) -> list[Samples]:
        began = time.monotonic()
        rows = await self._denoiser.clean(batch.rows, LEAD, batch.first)
        self._made.spent("denoise", began)
        return rows

    async def _encoded(self, write: Callable[..., None], *what: Any) -> None:
        began = time.monotonic()
        await asyncio.to_thread(write, *what)
        self._made.spent("encode", began)

    def _write_raw(self, batch: Batch) -> None:
        for samples in batch.audio():
            self._raw.write(samples)

    def _write_clean(self, batch: Batch, rows: list[Samples]) -> None:
        for number, row in enumerate(rows):
            self._clean.write(np.asarray(row[: batch.kept(number)]))
