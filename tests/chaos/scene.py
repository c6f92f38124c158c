"""A whole server in a process of its own, and the people on it: who talks, who listens, who follows events."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from server.audio.frame import Samples
from server.audio.opus import OpusDecoder, OpusEncoder
from server.bench.local import PROGRAM, LocalServer, local_server
from server.client.whep import Listening
from server.client.whip import BITRATE, Publication
from server.clock import PACKET, SAMPLE_RATE
from server.rtc.reorder import RtpAudio
from tests.machine import Stalls

STALL_S = 1.5
"""Longest pause between two packets that a crowded machine is forgiven, beyond those that this process saw itself."""
MOST_THINNED = 50
"""Packets that a listener may lack where the server itself says that the machine had no time to encode them."""
ENCODER_DROPPED = re.compile(r'^clearcast_queue_dropped_total\{[^}]*queue="encode"[^}]*\} (\S+)$', re.MULTILINE)


def tone(seconds: float = 1.0, hertz: float = 440.0, level: float = 0.3) -> Samples:
    """A sine; whole seconds of it repeat without a seam."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def noise(seconds: float = 2.0, level: float = 0.05) -> Samples:
    """White noise of RMS `level`."""
    return np.random.default_rng(3).normal(0, level, int(seconds * SAMPLE_RATE)).astype(np.float32)


def decibels(samples: Samples) -> float:
    """RMS in dBFS."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


def at_the_end(samples: Samples) -> float:
    """Level of the loudest tenth of the last second, dBFS: a busy machine may have made a hole in the rest."""
    last = samples[-SAMPLE_RATE:]
    return max(decibels(last[at : at + 4800]) for at in range(0, len(last) - 4799, 4800))


@asynccontextmanager
async def whole_server(
    tmp_path: Path, program: tuple[str, ...] = PROGRAM, **settings: object
) -> AsyncIterator[LocalServer]:
    """A server process whose data folder is `tmp_path`/data; without a denoiser unless the settings name one.

    Fails when an exception reached its log, however well everything seemed to go.
    """
    tmp_path.mkdir(exist_ok=True)
    # A busy machine is not what is tested: the denoiser may take as long as may be set.
    chosen: dict[str, object] = {"denoise": "off", "denoise_deadline_ms": 100, "disk_reserve_mb": 0, **settings}
    async with local_server(tmp_path / "data", program, **chosen) as server:
        yield server
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-4000:]


def worker_of(server: LocalServer) -> int:
    """The process id of the server's denoise worker."""
    pid = server.process.pid
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    (worker,) = [pid for pid in children if b"server.inference.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return worker


async def request(server: LocalServer, method: str, path: str, **options: Any) -> tuple[int, Any]:
    """Status and JSON of a request (None where there is no body)."""
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, server.url + path, **options) as response,
    ):
        body = await response.read()
        return response.status, json.loads(body) if body else None


async def own_channel(server: LocalServer) -> str:
    slug: str = (await server.get("/api/v1/me"))["channel"]
    return slug


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait until `condition()` is true; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def recording_of(server: LocalServer, stream_id: str, state: str = "ready", seconds: float = 30.0) -> Any:
    """The recording of a stream that has ended, once it has come to `state`; else as it is after `seconds`."""
    limit = asyncio.get_running_loop().time() + seconds
    while True:
        recording = await server.get(f"/api/v1/recordings/{stream_id}")
        if recording.get("state") == state or asyncio.get_running_loop().time() > limit:
            return recording
        await asyncio.sleep(0.05)


class Speaker:
    """Somebody who says the same thing over and over, in real time. Use `start`, then `stop`."""

    def __init__(self, publication: Publication, sound: Samples) -> None:
        self.publication = publication
        self.id = str(publication.stream_id)
        self.sent = 0
        self.latest_s = 0.0
        """By how much a packet was sent too late at most: this process had no time."""
        self._sound = sound.reshape(-1, PACKET)
        self._encoder = OpusEncoder(1, bitrate=BITRATE)
        self._task = asyncio.create_task(self._talk())

    @classmethod
    async def start(
        cls, server: LocalServer, slug: str | None = None, sound: Samples | None = None, **options: Any
    ) -> Speaker:
        url = f"{server.url}/whip/{slug or await own_channel(server)}"
        return cls(await Publication.start(url, **options), tone() if sound is None else sound)

    async def said(self, seconds: float) -> None:
        """Wait until that much more has been said."""
        goal = self.sent + round(seconds * 50)
        await until(lambda: self.sent >= goal, seconds + 60)

    async def silence(self) -> None:
        """Say no more; the connection stays."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def stop(self) -> None:
        """End the stream."""
        await self.silence()
        await self.publication.stop()

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(max(0.0, began + self.sent * 0.02 - loop.time()))
            self.latest_s = max(self.latest_s, loop.time() - began - self.sent * 0.02)
            packet = self._encoder.encode(self._sound[self.sent % len(self._sound)])
            self.publication.send(packet, self.sent * PACKET)
            self.sent += 1


async def thinned(server: LocalServer) -> int:
    """Packets that the server says it had no time to encode; 0 when it is not there any more."""
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{server.url}/metrics") as response:
            text = await response.text()
    except aiohttp.ClientError:
        return 0
    return sum(int(float(count)) for count in ENCODER_DROPPED.findall(text))


class Ear:
    """Somebody who listens and keeps every packet. Use `start`, then `stop`."""

    def __init__(self, server: LocalServer, thinned_before: int) -> None:
        self.packets: list[RtpAudio] = []
        self.thinned = 0
        """Packets that were never made meanwhile, known after `stop`."""
        self._server = server
        self._thinned_before = thinned_before
        self.listening: Listening
        self._decoder = OpusDecoder(1)
        self._decoded: list[Samples] = []
        self.stalls = Stalls()

    @classmethod
    async def start(cls, server: LocalServer, slug: str | None = None) -> Ear:
        ear = cls(server, await thinned(server))
        url = f"{server.url}/whep/{slug or await own_channel(server)}"
        ear.listening = await Listening.start(url, on_packet=ear.packets.append)
        return ear

    async def heard(self, seconds: float) -> None:
        """Wait until that much more has come."""
        goal = len(self.packets) + round(seconds * 50)
        await until(lambda: len(self.packets) >= goal, seconds + 60)

    def sound(self, last_s: float | None = None) -> Samples:
        """What all packets, or those of the last seconds, decode to."""
        for packet in self.packets[len(self._decoded) :]:
            self._decoded.append(self._decoder.decode(packet.payload, PACKET))
        return np.concatenate(self._decoded if last_s is None else self._decoded[-round(last_s * 50) :])

    def quietest(self) -> float:
        """Level of the quietest tenth of the last half second, dBFS: a busy machine may have made the rest late."""
        last = self.sound(0.5)
        return min(decibels(last[at : at + 4800]) for at in range(0, len(last) - 4799, 4800))

    def missing(self) -> int:
        """Packets between the first and the last that never came."""
        numbers = [packet.sequence for packet in self.packets]
        return max(numbers) - min(numbers) + 1 - len(set(numbers))

    def gaps(self) -> list[int]:
        """Times between the packets' first samples as they were sent, other than the length of a packet."""
        times = [packet.rtp_time for packet in sorted(self.packets, key=lambda packet: packet.sequence)]
        return [b - a for a, b in itertools.pairwise(times) if b - a != PACKET]

    def longest_pause(self) -> float:
        """Seconds between two packets at most."""
        return float(max(np.diff([packet.arrival for packet in self.packets])) / SAMPLE_RATE)

    def assert_whole(self, stall_s: float = STALL_S) -> None:
        """Every packet came, the timeline has no hole, and there was no long wait."""
        assert self.missing() == 0, f"{self.missing()} packets are missing"
        gaps = self.gaps()
        lacking = sum(gaps) // PACKET - len(gaps)
        explained = all(gap > PACKET for gap in gaps) and lacking <= min(self.thinned, MOST_THINNED)
        assert explained, f"packets are {gaps} samples apart; the encoder left {self.thinned} out"
        pause = self.longest_pause()
        assert pause < stall_s + self.stalls.longest, f"a pause of {pause:.1f} s"

    async def stop(self) -> None:
        self.stalls.stop()
        self.thinned = await thinned(self._server) - self._thinned_before
        await self.listening.stop()


class Follower:
    """Somebody who follows events. Use `start`, then `stop`."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.events: list[dict[str, Any]] = []
        self.socket = socket
        self._http = http
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, server: LocalServer, *topics: str) -> Follower:
        http = aiohttp.ClientSession()
        socket = await http.ws_connect(f"{server.url}/api/v1/events")
        wanted = [{"topic": topic} for topic in topics or ("streams", "recordings")]
        await socket.send_json({"type": "subscribe", "topics": wanted})
        follower = cls(http, socket)
        await until(lambda: len(follower.events) >= len(wanted))
        return follower

    def told(self, kind: str, **data: Any) -> list[dict[str, Any]]:
        """The data of every event of that type in which `data` stands."""
        return [
            event["data"]
            for event in self.events
            if event["type"] == kind and data.items() <= {name: event["data"].get(name, ...) for name in data}.items()
        ]

    async def wait(self, kind: str, seconds: float = 30.0, **data: Any) -> dict[str, Any]:
        """The first such event, which may have come already."""
        await until(lambda: self.told(kind, **data), seconds)
        return self.told(kind, **data)[0]

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.socket.close()
        await self._http.close()

    async def _read(self) -> None:
        async for message in self.socket:
            self.events.append(json.loads(message.data))
