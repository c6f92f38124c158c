"""Whether the server stays as it is: `clearcast bench soak --minutes 10 --listeners 20`.

A server of its own carries one stream with the denoiser on, recorded, to real WebRTC listeners in another process, with
a page's event socket open. Memory, file descriptors and threads of the server and of its denoise worker are read every
second; growth is the slope of a straight line through what came after the first minute.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from server.audio.frame import Samples
from server.bench.common import emit, main, note
from server.bench.local import LocalServer, local_server
from server.bench.receivers import ReceiverProcess
from server.bench.sound import find_clip
from server.bench.voice import babble
from server.client.whip import Publication, publish
from server.clock import PACKET, SAMPLE_RATE
from server.queues import Policy

SETTLE_S = 60.0
"""What a process allocates in its first minute is no growth."""
MB_PER_MINUTE = 1.0
LAG_MS = 20.0
DROPPED = re.compile(r'clearcast_queue_dropped_total\{policy="(?P<policy>\w+)",queue="(?P<queue>\w+)"\}')
REHEARSAL_S = 60.0
DATABASE = re.compile(r"\.db(-wal|-shm)?$")
MOST_SHORT = 100
"""Packets that a receiver may have missed at both ends of the measurement, where it does not start with the others."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment."""

    at: float
    """Seconds of the monotonic clock."""
    memory_mb: float
    descriptors: int
    """Without the database's: its connections are kept once they are open, and bounded by their pool."""
    threads: int


@dataclass
class Watched:
    """A process that is looked at every second; `successor` finds the one that takes its place."""

    pid: int
    successor: Callable[[], int | None] = lambda: None
    seen: list[Usage] = field(default_factory=list)
    first: int = 0
    """Of the readings, the first of the process that runs now."""

    def look(self) -> None:
        """Take a reading. Raises OSError when the process has ended for good."""
        try:
            self._look()
        except (FileNotFoundError, ProcessLookupError):
            pid = self.successor()
            if pid is None:
                raise
            if pid != self.pid:
                self.pid, self.first = pid, len(self.seen)

    def _look(self) -> None:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if ":" in line
        )
        descriptors = _descriptors(self.pid)
        memory = int(status["VmRSS"].split()[0]) / 1024
        self.seen.append(Usage(time.monotonic(), memory, descriptors, int(status["Threads"])))

    def figures(self, name: str, settled: float) -> dict[str, Any]:
        """What the readings from the moment `settled` on say."""
        late = [usage for usage in self.seen[self.first :] if usage.at >= settled] or self.seen[-1:]
        first, last = late[0], late[-1]
        return {
            f"{name}_mb": [first.memory_mb, last.memory_mb],
            f"{name}_mb_per_minute": slope(late),
            f"{name}_descriptors": [first.descriptors, last.descriptors],
            f"{name}_threads": [first.threads, last.threads],
        }


def _descriptors(pid: int) -> int:
    """Raises FileNotFoundError, ProcessLookupError when the process has ended."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in the meantime
            count += DATABASE.search(str(descriptor.readlink())) is None
    return count


def slope(readings: list[Usage]) -> float | None:
    """Growth of memory in MB a minute; None for fewer than three readings."""
    if len(readings) < 3:
        return None
    minutes = np.array([usage.at for usage in readings]) / 60.0
    return float(np.polyfit(minutes - minutes[0], [usage.memory_mb for usage in readings], 1)[0])


def worker_of(server_pid: int) -> int | None:
    """The denoise worker among the server's children."""
    children = Path(f"/proc/{server_pid}/task/{server_pid}/children").read_text().split()
    for child in map(int, children):
        with contextlib.suppress(OSError):
            if b"server.inference.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
    return None


Figures = dict[str, float]
"""Samples of Prometheus text by name with labels."""


def parse(text: str) -> Figures:
    """The samples in Prometheus text."""
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def quantile(before: Figures, after: Figures, histogram: str, share: float) -> float | None:
    """A quantile of what a histogram took in between, straight lines within its buckets; None without anything."""
    start = f'{histogram}_bucket{{le="'
    edges = sorted((float(name[len(start) : -2]), name) for name in after if name.startswith(start))
    counts = [(edge, after[name] - before.get(name, 0.0)) for edge, name in edges]
    if not counts or counts[-1][1] <= 0:
        return None
    wanted, low, below = share * counts[-1][1], 0.0, 0.0
    for edge, count in counts:
        if count >= wanted:
            return low if edge == float("inf") else low + (edge - low) * (wanted - below) / (count - below)
        low, below = edge, count
    return low


def drops(before: Figures, after: Figures) -> dict[str, int]:
    """What queues had no room for in between, by queue; memories forget by design, late hops are told apart."""
    found: dict[str, int] = {}
    for name, count in after.items():
        told = DROPPED.fullmatch(name)
        if told is not None and told["policy"] not in (Policy.FORGET, Policy.ORIGINAL):
            more = int(count - before.get(name, 0.0))
            found |= {told["queue"]: more} if more else {}
    return found


def endless(sound: Samples) -> Iterator[Samples]:
    """Half a second after the other, for ever."""
    step = SAMPLE_RATE // 2
    whole = sound[: len(sound) // step * step].reshape(-1, step)
    yield from itertools.cycle(whole)


@asynccontextmanager
async def talking(server: LocalServer, channel: str) -> AsyncIterator[str]:
    """A publisher that talks all the while; the stream's id."""
    started: asyncio.Future[Publication] = asyncio.get_running_loop().create_future()
    clip = find_clip()
    sound = clip.noisy if len(clip.noisy) > SAMPLE_RATE else babble(10)
    work = asyncio.create_task(
        publish(f"{server.url}/whip/{channel}", endless(sound), denoise="active", started=started.set_result)
    )
    try:
        either: set[asyncio.Future[Any]] = {work, started}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
        yield started.result().stream_id or ""
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


@asynccontextmanager
async def watching(server: LocalServer, stream: str) -> AsyncIterator[list[int]]:
    """A page that follows the stream's events; how many came, in the list's only item."""
    count = [0]

    async def follow(socket: aiohttp.ClientWebSocketResponse) -> None:
        async for _ in socket:
            count[0] += 1

    async with aiohttp.ClientSession(server.url) as session, session.ws_connect("/api/v1/events") as socket:
        topics = [{"topic": topic} for topic in ("streams", "system", f"stream:{stream}")]
        await socket.send_json({"type": "subscribe", "topics": topics})
        task = asyncio.create_task(follow(socket))
        try:
            yield count
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def join(server: LocalServer, channel: str, receivers: ReceiverProcess, listeners: int) -> None:
    """Have `listeners` of the other process listen. Raises ConnectionError when not all can."""
    offers = (await receivers.ask(open=listeners))["offers"]
    answers = []
    async with aiohttp.ClientSession(server.url) as session:
        for offer in offers:
            headers = {"Content-Type": "application/sdp"}
            async with session.post(f"/whep/{channel}", data=offer, headers=headers) as response:
                if response.status != 201:
                    raise ConnectionError(f"a listener was answered {response.status}: {await response.text()}")
                answers.append(await response.text())
    connected = (await receivers.ask(connect=answers))["connected"]
    if connected != listeners:
        raise ConnectionError(f"only {connected} of {listeners} listeners connected")


async def metrics(server: LocalServer) -> Figures:
    async with aiohttp.ClientSession(server.url) as session, session.get("/metrics") as response:
        return parse(await response.text())


async def look_on(watched: dict[str, Watched], seconds: float) -> None:
    """A reading of every process each second; says now and then how it goes."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for second in range(int(seconds) + 1):
        await asyncio.sleep(max(0.0, start + second - loop.time()))
        for process in watched.values():
            await asyncio.to_thread(process.look)
        if second % 30 == 0:
            now = ", ".join(f"{name} {process.seen[-1].memory_mb:.1f} MB" for name, process in watched.items())
            note(f"{second:5d} s: {now}")


def missing(report: list[list[int | None]], expected: float) -> int:
    """Packets that listeners did not get: holes in the numbers, and whoever heard far too little."""
    lost = 0
    for packets, first, last in report:
        got = packets or 0
        holes = (last or 0) - first + 1 - got if first is not None else 0
        short = max(0, int(expected) - MOST_SHORT - got - holes)
        lost += holes + short
    return lost


async def idle(server: LocalServer) -> Usage:
    """The server while nobody is there; descriptors of closed connections need a moment to go."""
    process = Watched(server.process.pid)
    await asyncio.sleep(2.0)
    await asyncio.to_thread(process.look)
    return process.seen[-1]


async def measure(minutes: float, listeners: int) -> dict[str, Any]:
    """The JSON object of the bench. Raises TimeoutError, ConnectionError, OSError when something does not come up."""
    async with local_server(log_level="warning") as server:
        engine = await server.wait_for_denoiser()
        channel = (await server.get("/api/v1/me"))["channel"]
        await _rehearse(server, channel)
        before_all = await idle(server)
        receivers = await ReceiverProcess.start()
        try:
            async with talking(server, channel) as stream, watching(server, stream) as events:
                await join(server, channel, receivers, listeners)
                figures = await _soak(server, receivers, minutes)
                await receivers.ask(close=True)
        finally:
            await receivers.stop()
        after_all = await _let_go(server, before_all)
    result = {"minutes": minutes, "listeners": listeners, "engine": engine, **figures, "events": events[0]}
    result["idle_descriptors"] = [before_all.descriptors, after_all.descriptors]
    result["idle_threads"] = [before_all.threads, after_all.threads]
    result["idle_mb"] = [before_all.memory_mb, after_all.memory_mb]
    result["holds"] = holds(result)
    return result


async def _rehearse(server: LocalServer, channel: str) -> None:
    """One short stream, until its recording is worked on: the server keeps the process that does so, among others."""
    async with talking(server, channel):
        await asyncio.sleep(2.0)
    async with asyncio.timeout(REHEARSAL_S):
        while True:
            if any(job["attempts"] for job in (await server.get("/api/v1/jobs"))["items"]):
                return
            await asyncio.sleep(0.2)


async def _soak(server: LocalServer, receivers: ReceiverProcess, minutes: float) -> dict[str, Any]:
    await asyncio.sleep(2.0)
    successor = partial(worker_of, server.process.pid)
    worker = await asyncio.to_thread(successor)
    watched = {"server": Watched(server.process.pid)}
    if worker is not None:  # a worker that is started again while nothing runs has no successor for a moment
        watched["worker"] = Watched(worker, lambda: successor() or worker)
    before = await metrics(server)
    await receivers.ask(reset=True)
    began = time.monotonic()
    await look_on(watched, 60.0 * minutes)
    lasted = time.monotonic() - began
    report = (await receivers.ask(report=True))["received"]
    after = await metrics(server)
    settled = began + min(SETTLE_S, lasted / 2)

    def grown(name: str) -> int:
        return int(after.get(name, 0.0) - before.get(name, 0.0))

    figures: dict[str, Any] = {}
    for name, process in watched.items():
        figures |= process.figures(name, settled)
    figures |= {
        f"hops_{outcome}": grown(f'clearcast_denoise_hops_total{{outcome="{outcome}"}}')
        for outcome in ("clean", "late", "dropped")
    }
    lag = quantile(before, after, "clearcast_loop_lag_seconds", 0.99)
    return figures | {
        "loop_lag_p99_ms": None if lag is None else 1e3 * lag,
        "concealed_ms": grown("clearcast_samples_concealed_total") * 1000 // SAMPLE_RATE,
        "queues_dropped": drops(before, after),
        "packets": sum(item[0] for item in report),
        "packets_missing": missing(report, lasted * SAMPLE_RATE / PACKET),
        "worker_restarts": grown("clearcast_denoise_restarts_total"),
    }


async def _let_go(server: LocalServer, before: Usage) -> Usage:
    usage = await idle(server)
    for _ in range(20):  # a listener whose goodbye was lost is noticed after 30 s (RFC 7675)
        if usage.descriptors <= before.descriptors:
            break
        usage = await idle(server)
    return usage


def holds(result: dict[str, Any]) -> dict[str, bool]:
    """Which bars the figures keep."""
    growth = [result.get(f"{name}_mb_per_minute") for name in ("server", "worker")]
    constant = [result.get(f"{name}_{kind}") for name in ("server", "worker") for kind in ("descriptors", "threads")]
    return {
        "memory": all(value is None or value < MB_PER_MINUTE for value in growth),
        "hops": result["hops_dropped"] == 0 and result["worker_restarts"] == 0,
        "hops_in_time": result["hops_late"] == 0,
        "queues": not result["queues_dropped"],
        "descriptors_and_threads": all(pair is None or pair[0] == pair[1] for pair in constant),
        "packets": result["packets_missing"] == 0,
        "let_go": result["idle_descriptors"][1] <= result["idle_descriptors"][0],
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench soak`."""
    parser.add_argument("--minutes", type=float, default=10.0, help="how long; the first minute is not counted")
    parser.add_argument("--listeners", type=int, default=20, help="listeners of the one stream")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when the measurement completed."""
    try:
        result = asyncio.run(measure(arguments.minutes, arguments.listeners))
    except (TimeoutError, OSError) as error:
        note(f"the measurement did not complete: {error}")
        return 1
    emit(result, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main("python -m server.bench.soak", __doc__, add_arguments, run))
