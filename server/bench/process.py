"""A file through the whole pipeline, as if somebody had uploaded it: `clearcast bench process`.

A server of its own takes the file, looks at it, takes the noise out, finds out who speaks and writes down what is said.
`speed` is how many seconds of audio that makes in one second, from the first byte to the end of the last job;
`speed_by_stage` says the same of each job for the time in which it was at work. A few seconds of sound go before it, so
that every process has loaded its models, as in a server that has been used before.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from server.audio.wav import write_wav
from server.bench.captions import model_folder
from server.bench.common import emit, note
from server.bench.local import LocalServer, local_server
from server.bench.memory import memory_ratio
from server.bench.voice import babble
from server.client.demo import TALK
from server.errors import Unavailable

BAR = 5.0
"""Times real time, with the small model, on two cores."""
MEMORY_BAR = 1.2
LIMIT_S = 3600.0
READY_S = 120.0
WARM_S = 4.0
OVER = ("done", "failed", "cancelled")
TUS = {"Tus-Resumable": "1.0.0"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench process`."""
    parser.add_argument("--audio", type=Path, default=TALK, help="the file (default: the talk of the demo)")
    parser.add_argument("--model", help="Whisper model, by name or folder (default: the small one that is bundled)")
    parser.add_argument("--no-memory", action="store_true", help="leave the comparison of two lengths out")
    parser.add_argument("--short", type=float, default=600.0, help="the shorter audio of that, seconds")
    parser.add_argument("--long", type=float, default=10_800.0, help="the longer one")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when the measurement completed."""
    folder = model_folder(arguments.model)
    result = asyncio.run(_measure(arguments.audio, folder))
    if not arguments.no_memory:
        note(f"memory: {arguments.short:.0f} s against {arguments.long:.0f} s …")
        result |= memory_ratio(arguments.short, arguments.long)
        result["memory_holds"] = result["memory_ratio"] < MEMORY_BAR
    emit({"file": arguments.audio.name, "model": folder.name, **result}, arguments)
    return 0


async def _measure(path: Path, folder: Path) -> dict[str, Any]:
    sound = await asyncio.to_thread(path.read_bytes)
    async with local_server(captions=True, captions_model=str(folder), disk_reserve_mb=0, log_level="error") as server:
        note(f"denoiser: {await server.wait_for_denoiser()}")
        await _until_captions(server)
        async with aiohttp.ClientSession(server.url) as http:
            warm = (babble(WARM_S) * np.float32(0.5)).astype(np.float32)
            await _finished(http, await _sent(http, "warm.wav", write_wav(warm)))
            began = time.monotonic()
            upload = await _finished(http, await _sent(http, path.name, sound))
            seconds = time.monotonic() - began
            jobs = [job for subject in (upload["id"], upload["recording_id"]) for job in await _jobs(http, subject)]
            async with http.get(f"/api/v1/recordings/{upload['recording_id']}") as answer:
                length = float((await answer.json())["duration_s"])
    return figures(length, seconds, {job["kind"]: _spent(job) for job in jobs})


def figures(length: float, seconds: float, spent: dict[str, float]) -> dict[str, Any]:
    """Of `length` seconds of audio made in `seconds`, and of each stage's own time."""
    return {
        "audio_s": round(length, 1),
        "seconds": round(seconds, 2),
        "speed": round(length / seconds, 2),
        "speed_by_stage": {name: round(length / max(0.001, own), 1) for name, own in spent.items()},
        "holds": length / seconds >= BAR,
    }


async def _until_captions(server: LocalServer) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            if (await server.get("/api/v1/config"))["captions"]["state"] != "starting":
                return
            await asyncio.sleep(0.1)


async def _sent(http: aiohttp.ClientSession, name: str, content: bytes) -> str:
    """Send a file by tus; the upload's id."""
    about = f"filename {base64.b64encode(name.encode()).decode()}"
    headers = TUS | {"Upload-Length": str(len(content)), "Upload-Metadata": about}
    async with http.post("/api/v1/uploads", headers=headers) as answer:
        answer.raise_for_status()
        address = answer.headers["Location"]
    headers = TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    async with http.patch(address, data=content, headers=headers) as answer:
        answer.raise_for_status()
    return address.removesuffix("/content").rpartition("/")[2]


async def _finished(http: aiohttp.ClientSession, upload_id: str) -> dict[str, Any]:
    """The upload once nothing more is done for it. Raises Unavailable where it failed, TimeoutError."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            async with http.get(f"/api/v1/uploads/{upload_id}") as answer:
                upload: dict[str, Any] = await answer.json()
            if upload["state"] in OVER and not await _busy(http, upload["recording_id"]):
                break
            await asyncio.sleep(0.1)
    if upload["state"] != "done":
        raise Unavailable(f"The file was not processed: {upload['detail'] or upload['state']}.")
    return upload


async def _busy(http: aiohttp.ClientSession, recording_id: str | None) -> bool:
    jobs = await _jobs(http, recording_id) if recording_id is not None else []
    return any(job["state"] in ("queued", "running") for job in jobs)


async def _jobs(http: aiohttp.ClientSession, subject: str) -> list[dict[str, Any]]:
    async with http.get("/api/v1/jobs", params={"subject": subject}) as answer:
        found: list[dict[str, Any]] = (await answer.json())["items"]
        return found


def _spent(job: dict[str, Any]) -> float:
    """Seconds from a job's last beginning to its end."""
    began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "ended_at"))
    return (ended - began).total_seconds()
