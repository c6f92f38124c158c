"""How long the server holds on to sound: `clearcast bench latency`.

A WHIP publisher sends speech to a server of its own over loopback, a WHEP listener takes the packets. Cross-correlation
of what was sent with what the packets decode to says in which packet each piece of sound came back; the latency is the
time from sending the packet that holds a sample to receiving the packet whose decoding returns it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp
import numpy as np

from server.audio.frame import Samples
from server.audio.opus import OpusDecoder, OpusEncoder
from server.bench.common import emit, main, note
from server.bench.local import LocalServer, local_server
from server.bench.sound import find_clip
from server.client.whep import Listening
from server.client.whip import Publication
from server.clock import PACKET, SAMPLE_RATE
from server.rtc.reorder import RtpAudio

MARKERS = 300
WINDOW = SAMPLE_RATE // 5
"""Samples of sound that identify a marker: 200 ms."""
SEARCH = SAMPLE_RATE // 20
"""Samples around the overall delay in which a marker is looked for: 50 ms."""
LIKENESS = 0.5
"""A marker whose window matches less well than this is not counted."""
VOID_LATE = 0.01
"""A late hop goes out as it came, at its time: few of them change no figure, more say that the machine was busy."""
ATTEMPTS = 5


class Sender:
    """Opus packets of `voice`, to be sent in real time; notes when each went out."""

    def __init__(self, voice: Samples) -> None:
        self.sent: list[float] = []
        encoder = OpusEncoder(channels=1, bitrate=64_000)
        count = len(voice) // PACKET
        self._packets = [encoder.encode(voice[i * PACKET : (i + 1) * PACKET]) for i in range(count)]

    async def talk(self, publication: Publication) -> None:
        """Send one packet every 20 ms, from the beginning again after the last, until cancelled."""
        start = time.monotonic()
        while True:
            index = len(self.sent)
            await asyncio.sleep(max(0.0, start + index * PACKET / SAMPLE_RATE - time.monotonic()))
            self.sent.append(time.monotonic())
            publication.send(self._packets[index % len(self._packets)], index * PACKET)


@dataclass
class Heard:
    """RTP packets as they came: (sequence number, payload, time)."""

    packets: list[tuple[int, bytes, float]] = field(default_factory=list)

    def take(self, packet: RtpAudio) -> None:
        self.packets.append((packet.sequence, packet.payload, time.monotonic()))

    def decode(self) -> tuple[Samples, list[float]]:
        """The sound, 960 samples a packet, and when each packet came. Raises ValueError when one is missing."""
        decoder = OpusDecoder(channels=1)
        numbers = [number for number, _, _ in self.packets]
        if any(b - a != 1 for a, b in pairwise(numbers)):
            raise ValueError("packets went missing on the way back")
        return np.concatenate([decoder.decode(p) for _, p, _ in self.packets]), [at for _, _, at in self.packets]


async def play(server: LocalServer, mode: str, voice: Samples, seconds: float) -> tuple[Sender, Heard, float]:
    """Send `voice` for `seconds` and hear it; also the share of hops for which the denoiser was late."""
    channel = (await server.get("/api/v1/me"))["channel"]
    sender, heard = Sender(voice), Heard()
    async with aiohttp.ClientSession(server.url) as session, AsyncExitStack() as stack:
        listening = await Listening.start(f"{server.url}/whep/{channel}", on_packet=heard.take)
        stack.push_async_callback(listening.stop)
        publication = await Publication.start(f"{server.url}/whip/{channel}", denoise=mode, record=False)
        stack.push_async_callback(publication.stop)
        talking = asyncio.create_task(sender.talk(publication))
        stack.callback(talking.cancel)
        await asyncio.sleep(2.0)
        before = await hops(session)
        await asyncio.sleep(seconds)
        clean, late = (after - was for after, was in zip(await hops(session), before, strict=True))
    if mode == "active" and not clean:
        raise RuntimeError("no hop was denoised: the denoiser was off")
    return sender, heard, late / (clean + late) if clean + late else 0.0


async def hops(session: aiohttp.ClientSession) -> tuple[float, float]:
    """How many hops were denoised in time and how many were not, so far."""
    async with session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    counts = {"clean": 0.0, "late": 0.0}
    for line in lines:
        for outcome in counts:
            if line.startswith(f'clearcast_denoise_hops_total{{outcome="{outcome}"}}'):
                counts[outcome] = float(line.rsplit(" ", 1)[1])
    return counts["clean"], counts["late"]


def latencies(voice: Samples, sender: Sender, heard: Heard) -> list[float]:
    """The latency of each marker, in seconds. Raises ValueError when the sound cannot be recognised."""
    received, arrivals = heard.decode()
    sent = np.resize(voice[: len(voice) // PACKET * PACKET], len(sender.sent) * PACKET).astype(np.float32)
    overall = _delay(sent, received)
    random = np.random.default_rng(0)
    first, last = 2 * SAMPLE_RATE, min(len(sent), len(received) - overall) - WINDOW - SEARCH
    loud = float(np.sqrt((sent**2).mean()))
    figures: list[float] = []
    for at in random.integers(first, last, size=10 * MARKERS):
        window = sent[at : at + WINDOW]
        begin = at + overall - SEARCH
        if len(figures) == MARKERS or begin < 0 or np.sqrt((window**2).mean()) < loud / 2:
            continue
        place = received[begin : begin + WINDOW + 2 * SEARCH]
        shift, likeness = _match(window, place)
        if likeness >= LIKENESS:
            figures.append(arrivals[(begin + shift) // PACKET] - sender.sent[at // PACKET])
    if len(figures) < MARKERS // 3:
        raise ValueError(f"only {len(figures)} of {MARKERS} markers were recognised")
    return figures


def _delay(sent: Samples, received: Samples) -> int:
    """Where `sent` begins in `received`, in samples; negative when its beginning was not heard."""
    length = 1 << int(np.ceil(np.log2(len(sent) + len(received))))
    product = np.fft.irfft(np.fft.rfft(received, length) * np.conj(np.fft.rfft(sent, length)), length)
    best = int(np.abs(product).argmax())
    return best if best < length // 2 else best - length


def _match(window: Samples, place: Samples) -> tuple[int, float]:
    """Where in `place` something most like `window` begins, and the normalised correlation there."""
    products = np.correlate(place, window, "valid")
    energy = np.convolve(place**2, np.ones(len(window), np.float32), "valid")
    likeness = np.abs(products) / np.sqrt(energy * float((window**2).sum()) + 1e-12)
    best = int(likeness.argmax())
    return best, float(likeness[best])


async def measure(seconds: float, runs: int) -> dict[str, Any]:
    """The JSON object of the bench."""
    voice = (await asyncio.to_thread(find_clip)).noisy
    result: dict[str, Any] = {"runs": runs, "markers": MARKERS}
    figures: dict[str, list[tuple[float, float, float]]] = {"off": [], "on": []}
    async with local_server() as server:
        result["engine"] = await server.wait_for_denoiser()
        for number in range(2 * runs):
            name = ("off", "on")[number % 2]
            run = await measure_once(server, name, voice, seconds)
            if run is not None:
                figures[name].append(run)
                note(f"denoise {name}: p50 {run[1]:.1f} ms, p95 {run[0]:.1f} ms, late hops {run[2]:.2%}")
    for name, values in figures.items():
        best = min(values) if values else (None, None, None)
        result[f"p95_ms_{name}"], result[f"p50_ms_{name}"] = best[0], best[1]
        result[f"runs_counted_{name}"] = len(values)
    result["late_hops"] = min(figures["on"])[2] if figures["on"] else None
    return result


async def measure_once(
    server: LocalServer, name: str, voice: Samples, seconds: float
) -> tuple[float, float, float] | None:
    """(95th percentile, median, share of late hops) of one run, None when it was void `ATTEMPTS` times."""
    for _ in range(ATTEMPTS):
        sender, heard, late = await play(server, "active" if name == "on" else "absent", voice, seconds)
        try:
            markers = await asyncio.to_thread(latencies, voice, sender, heard)
        except ValueError as error:
            note(f"void: {error}")
            continue
        if late > VOID_LATE:
            note(f"void: {late:.2%} of the hops were late")
            continue
        return float(np.percentile(markers, 95)) * 1e3, float(np.median(markers)) * 1e3, late
    return None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench latency`."""
    parser.add_argument("--seconds", type=float, default=15.0, help="length of one run")
    parser.add_argument("--runs", type=int, default=3, help="runs with and without denoising; the best counts")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when the measurement completed."""
    result = asyncio.run(measure(arguments.seconds, arguments.runs))
    emit(result, arguments)
    return 0 if result["p95_ms_off"] is not None and result["p95_ms_on"] is not None else 1


if __name__ == "__main__":
    sys.exit(main("python -m server.bench.latency", __doc__, add_arguments, run))
