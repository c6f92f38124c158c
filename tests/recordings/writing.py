"""Recordings as the recorder leaves them, made in a moment."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np

from server.audio.ogg import OggOpusWriter
from server.audio.opus import OpusEncoder
from server.clock import PACKET

STARTED = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


def write_recording(
    root: Path,
    recording_id: str,
    seconds: float = 2.0,
    *,
    closed: bool = True,
    torn: bytes = b"",
    meta: dict[str, object] | None = None,
    version: str = "clean",
) -> Path:
    """A folder with a tone in it; `closed=False` as after kill -9, `torn` the beginning of a page that never came."""
    folder = root / recording_id
    folder.mkdir(parents=True, exist_ok=True)
    encoder = OpusEncoder(channels=1)
    ogg = OggOpusWriter(pre_skip=encoder.lookahead, serial=7)
    data = ogg.header()
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(PACKET) / 48_000)).astype(np.float32)
    for number in range(round(seconds * 50)):
        ogg.packet(encoder.encode(tone), PACKET)
        if number % 15 == 14:
            data += ogg.page()
    data += ogg.close() if closed else ogg.page()
    (folder / f"{version}.opus").write_bytes(data + torn)
    described = {
        "version": 1, "stream_id": recording_id, "channel_id": "", "host_name": "Anna", "title": "Überraschung",
        "started_at": STARTED.isoformat(),
    }  # fmt: skip
    (folder / "meta.json").write_text(json.dumps({**described, **(meta or {})}))
    return folder


def played_seconds(path: Path) -> float:
    """What a player makes of a file."""
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(audio=0)) / 48_000
