"""WAV files in memory: mono, 48 kHz, 16 bits, as a page records and plays them."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.errors import InvalidRequest

HEADER_BYTES = 4096
"""Room for the header and for what programs write beside the audio."""


def read_wav(data: bytes) -> Samples:
    """The samples of a file, shape (n,), in [-1, 1]. Raises InvalidRequest for any other form."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError, struct.error, ValueError, RuntimeError, OSError):  # all of them from `wave`
        raise InvalidRequest("This is no WAV file with plain PCM audio.", code="invalid-audio") from None
    if form != (SAMPLE_RATE, 1, 2):
        rate, channels, width = form
        found = f"{rate} Hz, {channels} channels, {8 * width} bits"
        raise InvalidRequest(f"The audio must be mono, 48 kHz, 16 bits, not {found}.", code="invalid-audio")
    whole = frames[: len(frames) // 2 * 2]
    return np.frombuffer(whole, "<i2").astype(np.float32) / np.float32(32_768.0)


def write_wav(samples: Samples) -> bytes:
    """A whole file; what lies beyond [-1, 1] is cut off."""
    levels = np.clip(np.round(samples * 32_768.0), -32_768, 32_767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(levels.tobytes())
    return out.getvalue()
