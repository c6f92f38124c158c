"""The support archive: what whoever helps needs to know, and no secret."""

from __future__ import annotations

import asyncio
import importlib.metadata
import io
import json
import os
import platform
import sys
import tarfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from server import __version__
from server.client.demo import running_server
from server.client.signalling import http_session
from server.config import Settings
from server.doctor.findings import Finding, as_json, as_text
from server.doctor.masking import Mask
from server.errors import ClearcastError, DiskFull, InvalidRequest

FOLDER = "clearcast-support"
LOG_LINES = 2000
LOG_LINE = 2000
"""Characters of a log line that are kept."""


def write_bundle(path: Path, settings: Settings, findings: Sequence[Finding], log: Path | None) -> list[str]:
    """Write the archive (tar.gz, readable by its owner alone); names of what is in it.

    Raises InvalidRequest where the log cannot be read, DiskFull where the archive cannot be written.
    """
    mask = Mask(settings)
    texts = {
        "report.txt": mask.text(as_text(findings)) + "\n",
        "report.json": _pretty(mask.tree(as_json(findings))),
        "settings.json": _pretty({"settings": mask.settings(settings), "variables_set": mask.environment()}),
        "versions.json": _pretty(mask.tree(versions())),
        **{name: mask.text(text) for name, text in asyncio.run(_from_server(settings)).items()},
    }
    if log is not None:
        texts["log.txt"] = mask.text(_tail(log))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, text in texts.items():
                _add(archive, name, text)
    except OSError as error:
        raise DiskFull(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from None
    return list(texts)


def versions() -> dict[str, object]:
    """Of Python, the system, and every package beside us."""
    packages = {item.metadata["Name"]: item.version for item in importlib.metadata.distributions()}
    return {
        "clearcast": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "packages": dict(sorted(packages.items(), key=lambda item: str(item[0]).lower())),
    }


async def _from_server(settings: Settings) -> dict[str, str]:
    """What a running server says of itself; nothing where none runs."""
    url = await running_server(settings)
    if url is None:
        return {}
    found = {}
    async with http_session(None, verify=False) as http:
        for name, path in (("health.json", "/health/ready"), ("metrics.txt", "/metrics")):
            try:
                async with http.get(url + path) as response:
                    found[name] = await response.text()
            except (aiohttp.ClientError, TimeoutError, ClearcastError) as error:
                found[name] = f"not to be had: {type(error).__name__}"
    return found


def _tail(path: Path) -> str:
    try:
        with path.open(errors="replace") as file:
            lines = deque(file, maxlen=LOG_LINES)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    return "".join(f"{line.rstrip()[:LOG_LINE]}\n" for line in lines)


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    member = tarfile.TarInfo(f"{FOLDER}/{name}")
    member.size, member.mtime, member.mode = len(data), int(time.time()), 0o600
    archive.addfile(member, io.BytesIO(data))


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
