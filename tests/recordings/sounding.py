"""Recordings of known sound, and what independent readers make of files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from server.audio.frame import Samples
from server.audio.ogg import OggOpusWriter
from server.audio.opus import OpusEncoder
from server.clock import PACKET, SAMPLE_RATE


def clicks(length: int, places: Sequence[int], level: float = 0.5) -> Samples:
    """A quiet tone in noise, with loud clicks of 2 ms at known samples."""
    sound = 0.02 * np.sin(2 * np.pi * 300 * np.arange(length) / SAMPLE_RATE).astype(np.float32)
    sound += 0.002 * np.random.default_rng(length).standard_normal(length).astype(np.float32)
    for place in places:
        sound[place : place + 96] = level * np.sign(np.sin(2 * np.pi * 3000 * (np.arange(96) + 0.5) / SAMPLE_RATE))
    return sound


def heard_clicks(sound: Samples, level: float = 0.2) -> list[int]:
    """Where they begin: the first loud sample after 100 ms without one."""
    loud = np.flatnonzero(np.abs(sound) > level)
    first = np.diff(loud, prepend=-SAMPLE_RATE) > SAMPLE_RATE // 10
    return [int(place) for place in loud[first]]


def write_opus(path: Path, sound: Samples, bitrate: int = 64_000) -> Path:
    """As the recorder leaves it: shape (n,), or (n, 2) for music."""
    channels = 1 if sound.ndim == 1 else 2
    encoder = OpusEncoder(channels, bitrate)
    ogg = OggOpusWriter(encoder.lookahead, 7, channels=channels)
    padded = np.concatenate([sound, np.zeros((2 * PACKET, *sound.shape[1:]), np.float32)])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(ogg.header())
        for number, start in enumerate(range(0, len(sound) + encoder.lookahead, PACKET)):
            ogg.packet(encoder.encode(padded[start : start + PACKET]))
            if number % 15 == 14 and start + PACKET < len(sound):
                file.write(ogg.page())
        file.write(ogg.close(len(sound)))
    return path


def write_long(path: Path, seconds: int) -> Path:
    """The same two seconds again and again: hours of it are written in a moment."""
    encoder = OpusEncoder(1, 32_000)
    sound = clicks(2 * SAMPLE_RATE, [SAMPLE_RATE])
    packets = [encoder.encode(sound[start : start + PACKET]) for start in range(0, len(sound), PACKET)]
    ogg = OggOpusWriter(encoder.lookahead, 7)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(ogg.header())
        for number in range(seconds * 50 + 1):
            ogg.packet(packets[number % len(packets)])
            if number % 20 == 19 and number < seconds * 50 - 20:
                file.write(ogg.page())
        file.write(ogg.close(seconds * SAMPLE_RATE))
    return path


def read(source: Path | bytes) -> Samples:
    """What FFmpeg plays of a file, shape (n,) or (n, channels): starts and ends as the file says."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    with av.open(opened) as container:
        stream = container.streams.audio[0]
        assert stream.rate == SAMPLE_RATE
        frames = []
        for frame in container.decode(stream):
            values = frame.to_ndarray()
            if not frame.format.is_planar:
                values = values.reshape(-1, frame.layout.nb_channels).T
            frames.append(values.astype(np.float32) / (32_768.0 if values.dtype == np.int16 else 1.0))
    sound = np.concatenate(frames, axis=1)
    return sound[0] if len(sound) == 1 else np.ascontiguousarray(sound.T)


def tags(source: Path) -> dict[str, str]:
    """What a file says of itself, names in small letters."""
    with av.open(str(source)) as container:
        return {name.lower(): value for name, value in {**container.metadata, **container.streams[0].metadata}.items()}
