"""`clearcast publish` and `clearcast listen`."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeElapsedColumn

from server.audio.frame import Samples
from server.client.captions import CaptionPrinter, follow
from server.client.media import Writer, duration_s, open_writer, read_blocks
from server.client.signalling import get_json, http_session
from server.client.tokens import Token, token_for
from server.client.whep import Listening
from server.client.whip import BITRATE, MUSIC_BITRATE, Publication
from server.client.whip import publish as publish_blocks
from server.clock import SAMPLE_RATE
from server.errors import ClearcastError, DiskFull
from server.running import run_to_end

IDLE_S = 90.0
"""Without audio for so long, after some was heard, listening ends."""
POLL_S = 2.0
_SHOWN = 60
"""Characters of what is being said that stand beside the bar."""
RECONNECT_S = 60.0
"""How long `publish` tries to get back to a server: longer than one takes to start anew and wait."""

Told = Callable[[float], None]


def publish(options: argparse.Namespace) -> int:
    """Send a file into a channel in real time. Raises ClearcastError."""
    path = Path(options.file)
    length = duration_s(path)
    with _Bar("sending", None if options.loop else length) as (bar, row):

        def started(publication: Publication) -> None:
            bar.console.print(f"Live as stream {publication.stream_id}." if publication.stream_id else "Live.")

        seconds = run_to_end(
            publish_file(
                options.server,
                path,
                options.channel,
                token=token_for(options.server, options.token_file, not options.insecure),
                loop=options.loop,
                title=options.title,
                denoise=options.denoise,
                record=False if options.no_record else None,
                verify=not options.insecure,
                started=started,
                progress=lambda done: bar.update(row, completed=done),
                told=bar.console.print,
            )
        )
    Console(stderr=True).print(f"Sent {seconds:.1f} s.")
    return 0


def listen(options: argparse.Namespace) -> int:
    """Listen to a channel and keep what is heard, until the stream ends or a signal comes. Raises ClearcastError."""
    output = Path(options.output) if options.output else None
    with _Bar("waiting for audio", options.seconds) as (bar, row):
        printer = CaptionPrinter(
            line=partial(print, flush=True),
            show=lambda text: bar.update(row, description=text[-_SHOWN:] or "listening"),
        )
        quiet = None if options.captions else "listening"
        heard, concealed = run_to_end(
            record_stream(
                options.server,
                output,
                options.channel,
                token=token_for(options.server, options.token_file, not options.insecure),
                seconds=options.seconds,
                channels=2 if options.stereo else 1,
                verify=not options.insecure,
                progress=lambda done: bar.update(row, completed=done, description=quiet),
                captions=printer if options.captions else None,
            )
        )
    share = concealed / heard if heard else 0.0
    Console(stderr=True).print(f"Heard {heard:.1f} s, {100 * share:.1f} % of it made up for missing packets.")
    if output is not None:
        print(output)
    return 0 if heard else 1


async def publish_file(
    server: str,
    path: Path,
    channel: str | None = None,
    *,
    loop: bool = False,
    token: Token = None,
    title: str | None = None,
    denoise: str | None = None,
    record: bool | None = None,
    verify: bool = True,
    started: Callable[[Publication], None] | None = None,
    progress: Told | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> float:
    """Publish an audio file in real time; the seconds sent. `channel` None is one's own.

    A connection that is lost is taken up again within `RECONNECT_S`, and the file goes on where it was.
    """
    slug = channel or await own_channel(server, token, verify)
    music = denoise == "music"
    return await publish_blocks(
        f"{server.rstrip('/')}/whip/{quote(slug, safe='')}",
        read_blocks(path, loop, 2 if music else 1),
        bitrate=MUSIC_BITRATE if music else BITRATE,
        token=token,
        title=title,
        denoise=denoise,
        record=record,
        verify=verify,
        started=started,
        progress=progress,
        patience=RECONNECT_S,
        told=told,
    )


async def record_stream(
    server: str,
    output: Path | None,
    channel: str | None = None,
    *,
    seconds: float | None = None,
    channels: int = 1,
    token: Token = None,
    verify: bool = True,
    progress: Told | None = None,
    captions: CaptionPrinter | None = None,
) -> tuple[float, float]:
    """Listen until `seconds` of audio were heard or the stream has ended; the seconds heard, and how many of them
    were made up for missing packets. The file is closed properly whatever happens. `captions` is given what is said."""
    slug = channel or await own_channel(server, token, verify)
    base = server.rstrip("/")
    writer = await asyncio.to_thread(open_writer, output, channels) if output is not None else None
    try:
        async with await Listening.start(
            f"{base}/whep/{quote(slug, safe='')}", token=token, verify=verify
        ) as listening:
            watch = asyncio.create_task(_until_ended(f"{base}/api/v1/channels/{quote(slug, safe='')}", token, verify))
            watch.add_done_callback(lambda _: listening.finish())
            beside = [watch]
            if captions is not None:
                beside.append(asyncio.create_task(print_captions(base, slug, captions, token, verify)))
            try:
                return await _record(listening.audio(IDLE_S, channels), writer, seconds, progress)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
    finally:
        if writer is not None:
            await asyncio.to_thread(writer.close)


async def print_captions(
    server: str, slug: str, printer: CaptionPrinter, token: Token = None, verify: bool = True
) -> None:
    """Give `printer` what is said on a channel, in one stream after the other, until cancelled."""
    url = f"{server}/api/v1/channels/{quote(slug, safe='')}"
    following: asyncio.Task[None] | None = None
    stream_id = None
    async with http_session(token, verify) as http:
        try:
            for _ in itertools.count():
                with suppress(ClearcastError):
                    stream = (await get_json(http, url)).get("stream")
                    if stream is not None and stream["id"] != stream_id:
                        stream_id = stream["id"]
                        if following is not None:
                            following.cancel()
                        printer.begin()
                        following = asyncio.create_task(_print(server, stream_id, printer, token, verify))
                await asyncio.sleep(POLL_S)
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


async def _print(server: str, stream_id: str, printer: CaptionPrinter, token: Token, verify: bool) -> None:
    with suppress(ClearcastError):  # a server without captions: what is heard is kept all the same
        async for event in follow(server, f"captions:{stream_id}", token, verify):
            printer.take(event)


async def own_channel(server: str, token: Token = None, verify: bool = True) -> str:
    """The channel of whoever asks."""
    async with http_session(token, verify) as http:
        me = await get_json(http, f"{server.rstrip('/')}/api/v1/me")
    slug = me.get("channel")
    if not isinstance(slug, str):
        raise ClearcastError(f"{server} does not say which channel is yours: name one with --channel.")
    return slug


async def _record(
    audio: AsyncIterator[tuple[Samples, int]], writer: Writer | None, seconds: float | None, progress: Told | None
) -> tuple[float, float]:
    heard = concealed = 0
    limit = None if seconds is None else round(seconds * SAMPLE_RATE)
    async for samples, made_up in audio:
        kept = samples if limit is None else samples[: limit - heard]
        if writer is not None and len(kept):
            try:
                await asyncio.to_thread(writer.write, kept)
            except OSError as error:
                raise DiskFull(f"The file cannot be written any further: {error.strerror}.") from error
        heard += len(kept)
        concealed += min(made_up, len(kept))
        if progress is not None:
            progress(heard / SAMPLE_RATE)
        if limit is not None and heard >= limit:
            break
    return heard / SAMPLE_RATE, concealed / SAMPLE_RATE


async def _until_ended(channel_url: str, token: Token, verify: bool) -> None:
    """Returns once a stream was live on the channel and none is any more; never where the server cannot say."""
    live = False
    async with http_session(token, verify) as http:
        for _ in itertools.count():
            with suppress(ClearcastError):
                stream = (await get_json(http, channel_url)).get("stream")
                if live and stream is None:
                    return
                live = live or stream is not None
            await asyncio.sleep(POLL_S)


class _Seconds(ProgressColumn):
    """Seconds done, of how many where it is known."""

    def render(self, task: Any) -> Any:
        total = f" / {task.total:.0f} s" if task.total else " s"
        return f"{task.completed:.1f}{total}"


class _Bar:
    """A progress bar on stderr; stdout stays for results."""

    def __init__(self, text: str, total: float | None) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), _Seconds(), TimeElapsedColumn())
        # What goes to stdout is written above the bar where both are on a screen, and left alone where it is kept.
        self._progress = Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty())
        self._row: TaskID = self._progress.add_task(text, total=total)

    def __enter__(self) -> tuple[Progress, TaskID]:
        self._progress.start()
        return self._progress, self._row

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
