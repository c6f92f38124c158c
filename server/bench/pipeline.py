"""Whether captions ever delay audio: `clearcast bench pipeline`.

A server of its own denoises, captions and records streams that talk without a pause, with a listener each. Counted are
hops for which the denoiser was late and how late the event loop woke, first without captions and then with them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import islice
from typing import Any

import aiohttp

from server.audio.frame import Samples
from server.bench.captions import model_folder
from server.bench.common import emit, main, note
from server.bench.live_captions import make_channel, wait_for_captions
from server.bench.local import LocalServer, local_server
from server.bench.soak import Figures, parse, quantile
from server.client.demo import TALK, mix
from server.client.media import read_blocks
from server.client.whep import Listening
from server.client.whip import publish
from server.clock import SAMPLE_RATE

SETTLE_S = 5.0
"""Connections are being made and models see their first audio."""
LATE = 0.001
LAG_MS = 10.0
SNR_DB = 10.0
HOPS = "clearcast_denoise_hops_total"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench pipeline`."""
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each of the two runs")
    parser.add_argument("--streams", type=int, default=1, help="how many talk at the same time")
    parser.add_argument("--model", help="Whisper model, by name or folder (default: the small one that is bundled)")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when the measurement completed."""
    folder = model_folder(arguments.model)
    result: dict[str, Any] = {"streams": arguments.streams, "seconds": arguments.seconds, "model": folder.name}
    for suffix, captions in (("_without", False), ("", True)):
        note(f"{'with' if captions else 'without'} captions …")
        settings = {"captions": captions, "captions_model": folder}
        figures = asyncio.run(measure(settings, arguments.streams, arguments.seconds))
        result |= {f"{name}{suffix}": value for name, value in figures.items()}
    late, lag = result["late_hops"], result["loop_lag_p99_ms"]
    result["holds"] = {"hops": late is not None and late <= LATE, "loop": lag is not None and lag <= LAG_MS}
    emit(result, arguments)
    return 0


async def measure(settings: dict[str, Any], streams: int, seconds: float) -> dict[str, Any]:
    """Share of late hops, 99th percentile of the loop's lag, and what the captions were doing meanwhile."""
    async with local_server(**settings) as server, AsyncExitStack() as stack:
        engine = await server.wait_for_denoiser()
        if settings["captions"]:
            await wait_for_captions(server)
        for number in range(streams):
            await _talk(server, number, seconds, stack)
        await asyncio.sleep(SETTLE_S)
        before = await figures_of(server)
        await asyncio.sleep(seconds)
        after = await figures_of(server)
    clean, late = (
        grown(before, after, f'clearcast_denoise_hops_total{{outcome="{kind}"}}') for kind in ("clean", "late")
    )
    lag = quantile(before, after, "clearcast_loop_lag_seconds", 0.99)
    return {
        "engine": engine,
        "late_hops": late / (clean + late) if clean + late else None,
        "loop_lag_p99_ms": None if lag is None else 1e3 * lag,
        "captions": int(grown(before, after, 'clearcast_captions_total{kind="final"}')),
        "captions_busy": after.get("clearcast_captions_busy"),
        "caption_gaps_s": grown(before, after, "clearcast_caption_gap_samples_total") / SAMPLE_RATE,
    }


async def _talk(server: LocalServer, number: int, seconds: float, stack: AsyncExitStack) -> None:
    """One stream and its listener, until the stack is closed."""
    slug = await make_channel(server, number)
    work = asyncio.create_task(publish(f"{server.url}/whip/{slug}", await asyncio.to_thread(sound, seconds)))
    stack.push_async_callback(lambda: asyncio.wait({work}))
    stack.callback(work.cancel)
    listening = await Listening.start(f"{server.url}/whep/{slug}", on_packet=lambda packet: None)
    stack.push_async_callback(listening.stop)


def sound(seconds: float) -> list[Samples]:
    """The bundled talk in a noisy room, long enough for a run: mixed beforehand, so that mixing takes no time then."""
    blocks: Iterator[Samples] = mix(read_blocks(TALK, loop=True), SNR_DB)
    return list(islice(blocks, round(2 * (seconds + 4 * SETTLE_S))))


async def figures_of(server: LocalServer) -> Figures:
    async with aiohttp.ClientSession(server.url) as http, http.get("/metrics") as response:
        return parse(await response.text())


def grown(before: Figures, after: Figures, name: str) -> float:
    return after.get(name, 0.0) - before.get(name, 0.0)


if __name__ == "__main__":
    sys.exit(main("python -m server.bench.pipeline", __doc__, add_arguments, run))
