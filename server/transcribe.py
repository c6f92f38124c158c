"""`clearcast transcribe`: files written down by the pipeline of live streams, as fast as the machine allows.

The models are those of a server that runs on the same data folder, which comes first; else they are loaded here.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from server.audio.frame import Samples
from server.client.media import duration_s, read_blocks
from server.clock import SAMPLE_RATE
from server.config import Settings
from server.errors import ClearcastError, DiskFull, InvalidRequest, Unavailable
from server.inference.caption_lane import CaptionerStatus, CaptionLane, CaptionOptions, Ear, OnItems, Urgency
from server.inference.captioning.file_lane import open_file_lane
from server.inference.captioning.local_socket import connected
from server.inference.captioning.service import SOCKET, WorkerCaptionService
from server.jobs.hearing import Heard, OpenFile, Tell, hear
from server.log import configure_logging
from server.masking import secret_values
from server.running import run_to_end
from server.speech.final import Account, final_account
from server.speech.transcript import Transcript
from server.speech.transcript_forms import FORMATS

ATTEMPTS = 3
PAUSE_S = 2.0
"""How often a file is heard whose worker is lost, and how long between: it is started again meanwhile."""
READY_S = 120.0
HANG_S = 60.0
"""How long a worker of our own may take to be there again, and be silent: it may be the least of what runs here."""

Describe = Callable[[str], None]


def transcribe(settings: Settings, options: argparse.Namespace) -> int:
    """Transcribe every file that can be; returns 1 where one could not. Raises ClearcastError, KeyboardInterrupt."""
    configure_logging("error", settings.log_format, secret_values(settings))
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # what libraries of models tell programmers, in our worker too
    wish = CaptionOptions(language=_language(options.language), speakers=options.speakers, urgency=Urgency.FILE)
    if options.speakers is not None and options.speakers < 1:
        raise InvalidRequest("--speakers: somebody has to speak.")
    targets = [_target(Path(name), options) for name in options.files]
    outputs = [output for _, output, _ in targets if output is not None]
    if len(set(outputs)) < len(outputs):
        raise InvalidRequest("Two of the files have one name: their transcripts would overwrite each other.")
    return run_to_end(_all(settings, options, wish, targets))


async def _all(
    settings: Settings, options: argparse.Namespace, wish: CaptionOptions, targets: list[tuple[Path, Path | None, str]]
) -> int:
    status = 0
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        row = progress.add_task("starting", total=1.0)
        describe = partial(_described, progress, row)
        # A file that cannot be read is told before models are loaded for it.
        lengths = {}
        for path, _, _ in targets:
            try:
                lengths[path] = await asyncio.to_thread(_length, path)
            except ClearcastError as error:
                status = _tell(progress, error)
        if not lengths:
            return status
        async with _models(settings, describe) as (open_file, model):
            for path, output, form in targets:
                if path not in lengths:
                    continue
                progress.reset(row, total=1.0, description=path.name)

                async def tell(share: float, bar: Progress = progress) -> None:
                    bar.update(row, completed=share)

                try:
                    ears = partial(_ears, settings, path, options.no_denoise)
                    heard = await _heard(open_file, wish, ears, tell, lengths[path])
                    about = {"file": path.name, "model": model, "language": heard.language or wish.language}
                    text = await asyncio.to_thread(_written, heard, form, about)
                    await asyncio.to_thread(_write, text, output)
                except ClearcastError as error:
                    status = _tell(progress, error)
    return status


async def _heard(
    open_file: OpenFile, wish: CaptionOptions, ears: Callable[[], dict[Ear, Iterator[Samples]]], tell: Tell, length: int
) -> Heard:
    """The file, heard again from its beginning where the worker was lost. Raises ClearcastError."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await hear(open_file, wish, ears(), tell, length)
        except Unavailable as error:
            if error.code not in ("captions-lost", "captions-away"):
                raise
            await asyncio.sleep(PAUSE_S)
    return await hear(open_file, wish, ears(), tell, length)


def _written(heard: Heard, form: str, about: dict[str, Any]) -> str:
    """The transcript. Raises InvalidRequest where the model could hear nothing at all."""
    if heard.failures and not heard.words:
        raise InvalidRequest(f"{about['file']}: {heard.failures[0]}")
    account = final_account(heard.words, heard.turns, Account((), ()), {})
    about = {
        **about,
        "duration": round(heard.length / SAMPLE_RATE, 3),
        "gaps": [{"start": round(s / SAMPLE_RATE, 3), "end": round(e / SAMPLE_RATE, 3)} for s, e in heard.gaps],
    }
    return FORMATS[form](Transcript(account, about))


# ---- what is asked for


def _language(code: str | None) -> str | None:
    if code is not None and not re.fullmatch(r"[a-z]{2,3}", code):
        raise InvalidRequest("--language: a language is written like `en`.")
    return code


def _target(path: Path, options: argparse.Namespace) -> tuple[Path, Path | None, str]:
    """The file, where its transcript goes (None: standard output) and in which format. Raises InvalidRequest."""
    output = Path(options.output) if options.output else None
    folder = output is not None and (output.is_dir() or len(options.files) > 1 or options.output.endswith("/"))
    form = options.format
    if form is None and output is not None and not folder:
        form = output.suffix.lower().removeprefix(".")
        if form not in FORMATS:
            raise InvalidRequest(
                f"{output}: the name must end in {', '.join(f'.{name}' for name in FORMATS)}, or "
                "--format must say what it is."
            )
    form = form or "txt"
    return path, output / f"{path.name}.{form}" if output is not None and folder else output, form


def _length(path: Path) -> int:
    """Samples at 48 kHz, as far as the file says. Raises NotFound, MediaError."""
    if path.is_dir():
        raise InvalidRequest(f"{path} is a folder.")
    seconds = duration_s(path)
    next(read_blocks(path))  # a video without sound says so at once
    return round((seconds or 0.0) * SAMPLE_RATE)


def _ears(settings: Settings, path: Path, as_it_is: bool) -> dict[Ear, Iterator[Samples]]:
    """What each ear hears, as the settings say it of live streams."""
    versions = {Ear.WORDS: settings.captions_ear, Ear.SPEAKERS: settings.diarization_ear}
    if as_it_is or settings.denoise == "off":
        versions = dict.fromkeys(versions, "raw")
    sources: dict[str, Iterator[Samples]] = {}
    for version in versions.values():
        if version not in sources:
            raw = read_blocks(path)
            sources[version] = raw if version == "raw" else _cleaned(settings, raw)
    return {ear: sources[version] for ear, version in versions.items()}


def _cleaned(settings: Settings, blocks: Iterator[Samples]) -> Iterator[Samples]:
    """The audio without its noise, where it was."""
    from server.inference.cleaning import cleaned

    return cleaned(settings, blocks)


def _write(text: str, output: Path | None) -> None:
    """Raises DiskFull."""
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        draft = output.with_name(f".{output.name}.new")
        draft.write_text(text, encoding="utf-8", newline="")
        draft.replace(output)
    except OSError as error:
        raise DiskFull(f"{output} cannot be written: {(error.strerror or str(error)).lower()}.") from error


# ---- who hears


@asynccontextmanager
async def _models(settings: Settings, describe: Describe) -> AsyncIterator[tuple[OpenFile, str | None]]:
    """A running server's caption worker, or one of our own for as long as it is needed. Raises Unavailable."""
    shared = settings.data_dir / SOCKET
    if await asyncio.to_thread(_answers, shared):
        describe("waiting for the server's models")
        yield partial(open_file_lane, shared), None
        return
    with tempfile.TemporaryDirectory(prefix="clearcast-") as folder:
        own = settings.model_copy(update={"data_dir": Path(folder), "captions": True, "log_level": "error"})
        service = WorkerCaptionService(own, hang_s=HANG_S)

        async def open_file(options: CaptionOptions, on_items: OnItems, on_lost: Callable[[str], None]) -> CaptionLane:
            await service.wait_ready(READY_S)
            return await open_file_lane(Path(folder) / SOCKET, options, on_items, on_lost)

        describe("loading models")
        try:
            model = await _ready(service, describe)
            yield open_file, model
        finally:
            await service.close()


def _answers(socket: Path) -> bool:
    """Whether a worker listens there."""
    try:
        connected(socket).close()
    except OSError:
        return False
    return True


async def _ready(service: WorkerCaptionService, describe: Describe) -> str | None:
    """Wait until the worker hears; the model's name. Raises Unavailable where it never will."""
    changed = asyncio.Event()

    def told(status: CaptionerStatus) -> None:
        changed.set()
        if status.state == "starting" and status.detail:
            describe(status.detail)

    stop = service.subscribe(told)
    try:
        await service.start()
        while True:
            changed.clear()
            status = service.status
            if status.recogniser is not None and status.state in ("ready", "degraded"):
                return status.recogniser
            if status.state in ("off", "degraded"):
                raise Unavailable(status.detail or "The models cannot be had.", code="captions-off")
            await changed.wait()
    finally:
        stop()


# ---- people


def _described(progress: Progress, row: Any, text: str) -> None:
    progress.update(row, description=text)


def _tell(progress: Progress, error: ClearcastError) -> int:
    progress.console.print(f"clearcast: {error.message}", markup=False, highlight=False, soft_wrap=True)
    return 1
