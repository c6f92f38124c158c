"""Tones, and how loud what came of them is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from server.audio.frame import Samples
from server.audio.opus import OpusDecoder
from server.clock import PACKET, SAMPLE_RATE


def tone(start: int, level: float = 0.5, hertz: float = 440.0) -> Samples:
    time = np.arange(start, start + PACKET) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def decode(packets: list[bytes]) -> Samples:
    decoder = OpusDecoder()
    return np.concatenate([decoder.decode(packet) for packet in packets])


def play(path: Path) -> Samples:
    """What a player plays: decoded by FFmpeg, 48 kHz mono."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        pieces = [
            frame.to_ndarray()[0] for decoded in container.decode(audio=0) for frame in resampler.resample(decoded)
        ]
    return np.concatenate(pieces).astype(np.float32)


def level(samples: Samples) -> float:
    """RMS."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for what a thread does."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
