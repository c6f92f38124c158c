"""The parts that Clearcast is made of: libopus, models, the database, and how fast noise removal is here."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from server.audio.levels import rms_dbfs
from server.audio.opus import OpusDecoder, OpusEncoder, library_version
from server.clock import PACKET, SAMPLE_RATE
from server.config import Settings
from server.doctor.findings import Finding, fails, look, ok
from server.errors import ClearcastError
from server.inference.known_models import MODELS
from server.inference.models import damaged, find_models
from server.store.database import Database, database_url

DATABASE_S = 10.0
HEADROOM_S = 90.0


def opus(_settings: Settings) -> Finding:
    """Whether libopus is there and a tone survives it."""
    try:
        version = library_version()
        encoder, decoder = OpusEncoder(channels=1, bitrate=32_000), OpusDecoder(channels=1)
        time = np.arange(10 * PACKET) / SAMPLE_RATE
        tone = (0.25 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
        heard = [decoder.decode(encoder.encode(packet)) for packet in tone.reshape(10, PACKET)]
    except ClearcastError as error:
        return fails("libopus", error.message, "Install it: `apt-get install libopus0`.")
    lost = rms_dbfs(tone[5 * PACKET :]) - rms_dbfs(np.concatenate(heard[5:]))
    if abs(lost) > 3:
        remedy = "Install another: `apt-get install libopus0`."
        return fails("libopus", f"{version} changes a tone by {lost:.0f} dB.", remedy, version=version)
    return ok("libopus", f"{version}; a tone survives it.", version=version)


def models(settings: Settings) -> Finding:
    """Whether the model that the settings name is there and as it was fetched."""
    wanted = settings.denoise
    if wanted not in MODELS:
        what = "RNNoise, which is part of the installation." if wanted == "RNNoise" else "None: noise removal is off."
        return ok("models", what)
    pull = f"`clearcast models pull {wanted}` fetches it (8 MB)."
    folders = find_models(wanted, settings)
    if not folders:
        later = " It is also fetched at the next start." if settings.models_download else ""
        return look("models", f"{wanted} is not installed; RNNoise stands in.", pull + later)
    folder = folders[0]
    sums = {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.glob("checkpoints/*.ckpt*"))}
    data = {"folder": str(folder), "sha256": sums}
    broken = damaged(folder)
    if broken:
        remedy = f"`clearcast models pull --again {wanted}` fetches it anew."
        return look(
            "models", f"{wanted} at {folder} has changed since it was fetched: {', '.join(broken)}.", remedy, **data
        )
    kept = "as it was fetched" if broken is not None else "no checksums lie beside it"
    short = ", ".join(f"{Path(name).name} {digest[:12]}…" for name, digest in sums.items())
    return ok("models", f"{wanted} at {folder} ({kept}; SHA-256 of {short}).", **data)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def database(settings: Settings) -> Finding:
    """Whether the database can be opened and is whole. Changes nothing."""
    try:
        url = database_url(settings.database_url, settings.data_dir)
        if url.startswith("sqlite"):
            return _sqlite(Path(url.partition(":///")[2]))
        asyncio.run(_ask(url))
    except ClearcastError as error:
        return fails("database", error.message, "Correct CLEARCAST_DATABASE_URL, or start the database.")
    except TimeoutError:
        what = f"It did not answer within {DATABASE_S:.0f} s."
        return fails("database", what, "Is it running, and does CLEARCAST_DATABASE_URL name it?")
    except OSError as error:
        return fails("database", f"It cannot be reached: {error.strerror or error}.", "Is it running?")
    return ok("database", "PostgreSQL answers.")


def _sqlite(path: Path) -> Finding:
    if not path.exists():
        return ok("database", f"SQLite, made at the first start as {path}.", path=str(path))
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=DATABASE_S)
        try:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            count = connection.execute("SELECT count(*) FROM recordings").fetchone()[0] if verdict == "ok" else 0
        finally:
            connection.close()
    except sqlite3.Error as error:
        what = f"{path} cannot be read: {error}."
        return fails("database", what, "Is it Clearcast's? Move it away to begin anew; recordings are found again.")
    if verdict != "ok":
        remedy = "Stop the server, move the file away and start again; recordings are found again."
        return fails("database", f"{path} is damaged: {verdict}.", remedy)
    return ok("database", f"SQLite at {path}, whole, with {count} recordings.", path=str(path), recordings=count)


async def _ask(url: str) -> None:
    database = Database(url)
    try:
        async with asyncio.timeout(DATABASE_S):
            await database.check()
    finally:
        await database.close()


def headroom(settings: Settings) -> Finding:
    """How many streams the denoiser keeps up with, measured in a process of its own: it may crash or hang."""
    name = "noise removal"
    if settings.denoise == "off":
        return ok(name, "Off by CLEARCAST_DENOISE.")
    command = [sys.executable, "-m", "server.doctor.headroom"]
    asked = settings.model_dump(
        mode="json", include={"denoise", "denoise_device", "denoise_threads", "denoise_levelling"}
    )
    asked["most"] = settings.denoise_streams or settings.max_streams
    asked["folders"] = (
        [str(path) for path in find_models(settings.denoise, settings)] if settings.denoise in MODELS else []
    )
    try:
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, timeout=HEADROOM_S, check=False
        )
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return fails(
            name, f"The denoiser did not load within {HEADROOM_S:.0f} s.", "The disk or processor is too slow."
        )
    except (ValueError, IndexError):
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return fails(name, f"The denoiser cannot run: {last}.", "Install again: remove .venv and `make run`.")
    if "error" in result:
        return fails(name, result["error"], "`clearcast models pull --again` fetches the model anew.")
    return _verdict(name, settings, result)


def _verdict(name: str, settings: Settings, result: dict[str, Any]) -> Finding:
    streams, chosen = result["streams"], settings.denoise_streams
    what = f"{result['engine']} on {result['device']}: a hop of one stream takes {result['p95_ms']:.1f} of 10 ms."
    if streams < 1:
        remedy = (
            "Listeners would hear the original. CLEARCAST_DENOISE=RNNoise is lighter; a busy machine may also do this."
        )
        return look(name, what, remedy, **result)
    if chosen is not None and streams < chosen:
        remedy = f"Lower CLEARCAST_DENOISE_STREAMS from {chosen}: with more than {streams} all would be too late."
        return look(name, f"{what} It keeps up with {_count(streams)}.", remedy, **result)
    if streams == result["most"]:
        setting = "CLEARCAST_MAX_STREAMS" if chosen is None else "CLEARCAST_DENOISE_STREAMS"
        what += f" The server takes {_count(streams)} at once, as many as {setting} allows."
    else:
        what += (
            f" The server takes {_count(streams)} at once with noise removal, what this machine was measured to carry."
        )
    if result["device"] == "cpu" and settings.denoise_device == "cuda":
        return look(name, what, "The card that CLEARCAST_DENOISE_DEVICE asks for cannot be used.", **result)
    return ok(name, what, **result)


def _count(streams: int) -> str:
    return f"{streams} stream" if streams == 1 else f"{streams} streams"
