"""Recordings with words in them, as the recorder leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from server.audio.frame import Samples
from server.audio.ogg import OggOpusWriter
from server.audio.opus import OpusEncoder
from server.clock import PACKET


def write(folder: Path, samples: Samples, version: str = "clean") -> None:
    """A recording as the recorder leaves it: position equals stream time."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = OpusEncoder(bitrate=64_000)
    ogg = OggOpusWriter(pre_skip=encoder.lookahead, serial=7)
    data = ogg.header()
    padded = np.pad(samples, (0, encoder.lookahead + PACKET - (len(samples) + encoder.lookahead) % PACKET))
    for start in range(0, len(padded), PACKET):
        ogg.packet(encoder.encode(padded[start : start + PACKET]), PACKET)
        if start % (15 * PACKET) == 0:
            data += ogg.page()
    (folder / f"{version}.opus").write_bytes(data + ogg.close())
