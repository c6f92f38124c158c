"""A file through a server of one's own in real time, and its caption events as a listener gets them."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from server.audio.frame import Samples
from server.bench import overheard
from server.bench.caption_figures import Told
from server.bench.common import note
from server.bench.local import LocalServer, local_server
from server.bench.soak import Figures, parse
from server.client.captions import follow
from server.client.whip import Publication, packets
from server.clock import PACKET, SAMPLE_RATE
from server.errors import Unavailable
from server.inference.caption_lane import TurnRevision, Turns
from server.speech.captions import Caption
from server.speech.processor import Word

READY_LIMIT_S = 120.0
WORKER = "server.inference.captioning.worker"
SILENCE = 150
"""Packets of silence after the audio at least, 3 s: as somebody who stops talking and then presses Stop."""
CAUGHT_UP_S = 2.0
"""So much undecided audio is the rule: a voice may begin."""
CATCH_UP_S = 90.0
"""A worker that was left behind gets so long before the stream is stopped."""
OVER_LIMIT_S = 40.0
"""After the end of the audio, until the last words are written and the stream is over."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Played:
    """What became of one stream."""

    told: list[Told] = field(default_factory=list)
    who: Sequence[Turns | TurnRevision] = ()
    """What the caption worker said of who speaks, on the timeline of the audio that was sent."""


@dataclass
class Watched:
    """What the server said of its captions, once a second."""

    shares: list[float] = field(default_factory=list)
    """Of the time that the recogniser worked."""
    steps: list[float] = field(default_factory=list)
    """Seconds of audio between two decodings of a stream."""
    gaps_s: float = 0.0
    """Speech that was not written down."""


@dataclass(frozen=True, slots=True)
class Run:
    """All streams, and what the caption worker took for them."""

    streams: Sequence[Played]
    processor_s: float
    wall_s: float
    peak_rss_mb: float
    state: str
    """Of the captions in the end; "ready" unless something failed."""
    watched: Watched


async def play(audio: Samples, streams: int, settings: Mapping[str, Any]) -> Run:
    """Publish `audio` into `streams` streams at once, from its beginning.

    Raises Unavailable when the server writes no captions.
    """
    sent = [bytes(packet) for packet in await asyncio.to_thread(lambda: list(packets(iter([audio]))))]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "who.json"
        run = await _play(sent, streams, settings, overheard.program(file))
        for played, who in zip(run.streams, await asyncio.to_thread(overheard.who, file, audio), strict=True):
            played.who = who
    return run


async def _play(sent: Sequence[bytes], streams: int, settings: Mapping[str, Any], program: tuple[str, ...]) -> Run:
    async with local_server(program=program, captions=True, **settings) as server:
        await wait_for_captions(server)
        pid = await asyncio.to_thread(worker_of, server.process.pid)
        before, began = processor_time(pid), time.monotonic()
        watched = Watched()
        watching = asyncio.create_task(_watch(server, watched))
        played = await asyncio.gather(*(_one(server, number, streams, sent) for number in range(streams)))
        watching.cancel()
        state = (await server.get("/api/v1/config"))["captions"]["state"]
        now = await asyncio.to_thread(worker_of, server.process.pid)
        if now != pid:  # it was started again
            before = 0.0
        took = time.monotonic() - began
        return Run(played, processor_time(now) - before, took, peak_rss_mb(now), state, watched)


async def _watch(server: LocalServer, watched: Watched) -> None:
    while True:
        figures = await _metrics(server)
        if figures.get("clearcast_captions_streams"):
            watched.shares.append(figures.get("clearcast_captions_busy", 0.0))
            watched.steps.append(figures.get("clearcast_captions_step_seconds", 0.0))
        watched.gaps_s = figures.get("clearcast_caption_gap_samples_total", 0.0) / SAMPLE_RATE
        await asyncio.sleep(1.0)


async def _metrics(server: LocalServer) -> Figures:
    async with aiohttp.ClientSession(server.url) as http, http.get("/metrics") as response:
        return parse(await response.text())


async def wait_for_captions(server: LocalServer) -> None:
    """Raises Unavailable."""
    captions: dict[str, Any] = {}
    try:
        async with asyncio.timeout(READY_LIMIT_S):
            while captions.get("recogniser") is None or captions["state"] == "starting":
                captions = (await server.get("/api/v1/config"))["captions"]
                if captions["state"] == "off":
                    raise Unavailable(f"There are no captions: {captions['detail']}")
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise Unavailable(f"There are no captions: {captions.get('detail')}") from None


async def _one(server: LocalServer, number: int, of: int, sent: Sequence[bytes]) -> Played:
    """One stream; they begin at different moments of the recogniser's step, as strangers do."""
    played = Played()
    silence = next(packets(iter([np.zeros(PACKET, np.float32)])))
    async with AsyncExitStack() as stack:
        slug = await make_channel(server, number)
        await asyncio.sleep(number * 0.5 / of)
        publication = await Publication.start(f"{server.url}/whip/{slug}", record=False)
        stack.push_async_callback(publication.stop)
        following = asyncio.create_task(_follow(server, str(publication.stream_id), played))
        stack.callback(following.cancel)
        start = time.monotonic()
        for index in itertools.count():
            if index % 100 == 0 and index >= len(sent) + SILENCE and await _caught_up(server, index - len(sent)):
                break
            await asyncio.sleep(max(0.0, start + index * PACKET / SAMPLE_RATE - time.monotonic()))
            publication.send(sent[index] if index < len(sent) else silence, index * PACKET)
            if index % 500 == 499 and not number:
                note(f"{(index + 1) * PACKET / SAMPLE_RATE:.0f} of {len(sent) * PACKET / SAMPLE_RATE:.0f} s")
        await publication.stop()
        await _until_over(server, slug)
        told = [Told(event.at - start, event.kind, event.caption) for event in played.told]
    return Played(told)


async def _caught_up(server: LocalServer, packets_of_silence: int) -> bool:
    """Whether the caption worker has little left to hear, or has had long enough for it."""
    backlog = (await _metrics(server)).get("clearcast_captions_backlog_seconds", 0.0)
    return backlog < CAUGHT_UP_S or packets_of_silence * PACKET / SAMPLE_RATE > CATCH_UP_S


async def _until_over(server: LocalServer, slug: str) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(OVER_LIMIT_S):
        while (await server.get(f"/api/v1/channels/{slug}"))["stream"] is not None:  # noqa: ASYNC110 - it is far away
            await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)  # the last events are on their way


async def _follow(server: LocalServer, stream_id: str, played: Played) -> None:
    """Collect the events of a stream, each at the time of this machine at which it came."""
    async for event in follow(server.url, f"captions:{stream_id}"):
        if event["type"] == "caption":
            data = event["data"]
            played.told.append(Told(time.monotonic(), data["kind"], caption_of(data["caption"])))


def caption_of(data: Mapping[str, Any]) -> Caption:
    """A caption as the server tells it."""
    return Caption(
        id=data["id"],
        rev=data["rev"],
        start=data["start"],
        end=data["end"],
        speakers=tuple(data["speakers"]),
        words=tuple(Word(**word) for word in data["words"]),
        committed=data["committed"],
        final=data["final"],
    )


async def make_channel(server: LocalServer, number: int) -> str:
    """A channel of the bench; its address."""
    wanted = {"name": f"Bench {number}", "slug": f"bench-{number}"}
    async with aiohttp.ClientSession(server.url) as http, http.post("/api/v1/channels", json=wanted) as answer:
        return str((await answer.json())["slug"])


def worker_of(server: int) -> int:
    """Process id of the caption worker of a server. Raises Unavailable. Reads /proc."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(fields[1]) == server and WORKER.encode() in command:
                return int(folder.name)
    raise Unavailable("The caption worker is not there.")


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process took, all threads. Reads /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_rss_mb(pid: int) -> float:
    """The most memory that a process held, MB. Reads /proc."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
