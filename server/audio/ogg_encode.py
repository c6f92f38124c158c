"""Sound to an Ogg/Opus file, as bytes that are there as soon as they can be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from server.audio.frame import Samples
from server.audio.ogg import OggOpusWriter
from server.audio.opus import OpusEncoder
from server.clock import PACKET, SAMPLE_RATE

MONO, STEREO = 64_000, 256_000
"""bit/s."""


class OggOpusEncoder:
    """Encodes one file at 48 kHz: `push` as often as there is sound, then `finish` once. Both return bytes of it."""

    def __init__(self, channels: int = 1, serial: int = 1, tags: Mapping[str, str] | None = None) -> None:
        self._encoder = OpusEncoder(channels, bitrate=MONO if channels == 1 else STEREO)
        self._ogg = OggOpusWriter(self._encoder.lookahead, serial, tags, channels=channels)
        self._rest = np.zeros((0,) if channels == 1 else (0, channels), np.float32)
        self._samples = 0
        self._begun = False

    def push(self, samples: Samples) -> bytes:
        """Take the next samples: shape (n,), or (n, 2) of a file with two channels."""
        self._samples += len(samples)
        out = [] if self._begun else [self._ogg.header()]
        self._begun = True
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // PACKET * PACKET
        for start in range(0, whole, PACKET):
            self._ogg.packet(self._encoder.encode(joined[start : start + PACKET]))
            if self._ogg.pending >= SAMPLE_RATE:
                out.append(self._ogg.page())
        self._rest = joined[whole:]
        return b"".join(out)

    def finish(self) -> bytes:
        """The end: a player plays exactly as many samples as were pushed."""
        written = self._samples
        # The encoder still holds its lookahead.
        count = (-(len(self._rest) + self._encoder.lookahead)) % PACKET + self._encoder.lookahead
        tail = self.push(np.zeros((count, *self._rest.shape[1:]), np.float32))
        return tail + self._ogg.close(written)
