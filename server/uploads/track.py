"""One audio file of a recording that is being made: Opus in Ogg, position = time. Blocks: call it in a thread."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import numpy as np

from server.audio.frame import Samples
from server.audio.ogg import OggOpusWriter
from server.audio.opus import OpusEncoder
from server.clock import PACKET, SAMPLE_RATE


class Track:
    """Takes audio at 48 kHz, mono, in pieces of any length. Raises OSError."""

    def __init__(self, path: Path, bitrate: int, *, speech: bool) -> None:
        # Told that it is speech, libopus keeps more of it at 32 kbit/s; see `rooms.encode.speech_encoder`.
        self._encoder = OpusEncoder(bitrate=bitrate, signal="voice" if speech else "auto")
        self._ogg = OggOpusWriter(self._encoder.lookahead, serial=secrets.randbits(32))
        self._rest: Samples = np.zeros(0, np.float32)
        self._file = path.open("wb")
        self.length = 0
        self._file.write(self._ogg.header())

    def write(self, samples: Samples) -> None:
        self.length += len(samples)
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // PACKET * PACKET
        for start in range(0, whole, PACKET):
            self._ogg.packet(self._encoder.encode(joined[start : start + PACKET]))
            if self._ogg.pending >= SAMPLE_RATE:
                self._file.write(self._ogg.page())
        self._rest = joined[whole:]

    def finish(self) -> None:
        """The end, on the disk."""
        length = self.length
        # What the encoder holds back comes out behind silence.
        count = (-(len(self._rest) + self._encoder.lookahead)) % PACKET + self._encoder.lookahead
        self.write(np.zeros(count, np.float32))
        self._file.write(self._ogg.close(length))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.length = length

    def close(self) -> None:
        """Let go, whatever was written."""
        self._file.close()
