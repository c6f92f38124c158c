from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audio.wav import read_wav, write_wav
from server.errors import InvalidRequest


def made(rate: int = 48_000, channels: int = 1, width: int = 2, frames: bytes = b"\0\x40" * 100) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(frames)
    return out.getvalue()


def test_what_was_written_is_read() -> None:
    samples = np.linspace(-1, 1, 4801, dtype=np.float32)
    assert np.allclose(read_wav(write_wav(samples)), samples, atol=1 / 32_768)
    assert np.allclose(read_wav(write_wav(3 * samples)), np.clip(3 * samples, -1, 1), atol=1 / 32_768)
    assert np.array_equal(read_wav(made()), np.full(100, 0.5, np.float32))


@pytest.mark.parametrize("data", [made(44_100), made(channels=2), made(width=1), b"", b"RIFF", b"no wave" * 100])
def test_other_forms_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_wav(data)


@given(at=st.integers(0, 43), value=st.integers(0, 255), cut=st.integers(0, 244))
def test_damage_is_refused_or_read_and_nothing_else(at: int, value: int, cut: int) -> None:
    data = bytearray(made())
    data[at] = value
    try:
        samples = read_wav(bytes(data[:cut]))
    except InvalidRequest:
        return
    assert samples.ndim == 1 and np.isfinite(samples).all()
