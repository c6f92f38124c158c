"""The demo's sound: a bundled talk of two in a noisy room, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from server.audio.frame import Samples
from server.client.media import read_blocks
from server.client.signalling import get_json, http_session
from server.client.whip import publish
from server.clock import SAMPLE_RATE
from server.config import Settings
from server.errors import ClearcastError
from server.inference.captioning.choice import Hardware
from server.inference.captioning.finding import find

DATA = Path(__file__).parent / "data"
TALK = DATA / "talk-two.flac"
NANO = DATA / "whisper-nano"
"""A recogniser for this talk, where no other is there."""
NOISE_S = 10
"""Seconds after which the noise repeats, without a seam."""
HUM_HZ = 50
SPEECH_FLOOR = 0.01
"""Blocks quieter than this (RMS) are pauses and do not count as speech."""


def room_noise(seed: int = 7) -> Samples:
    """A fan and the mains: noise that falls by 3 dB an octave, with hum, RMS 1, shape (10 s,).

    It is made from its spectrum, so that its end fits its beginning.
    """
    random = np.random.default_rng(seed)
    length = NOISE_S * SAMPLE_RATE
    frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    shape = 1 / np.sqrt(np.maximum(frequencies, 40.0))
    shape[frequencies < 30] = 0
    spectrum = shape * np.exp(2j * np.pi * random.random(frequencies.size))
    air = np.fft.irfft(spectrum, length)
    time = np.arange(length) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * HUM_HZ * number * time) / number for number in (1, 2, 3, 5))
    noise = air / np.std(air) + 0.4 * hum / np.std(hum)
    scaled: Samples = (noise / np.std(noise)).astype(np.float32)
    return scaled


def mix(blocks: Iterator[Samples], snr_db: float) -> Iterator[Samples]:
    """Speech with room noise `snr_db` below it, kept from clipping. The level of speech is learned as it comes."""
    noise = room_noise()
    position, level = 0, 0.08
    for block in blocks:
        loudness = float(np.sqrt(np.mean(block**2))) if len(block) else 0.0
        if loudness > SPEECH_FLOOR:
            level += 0.02 * (loudness - level)
        index = (position + np.arange(len(block))) % len(noise)
        position += len(block)
        yield np.clip(block + noise[index] * (level * 10 ** (-snr_db / 20)), -1.0, 1.0).astype(np.float32)


def with_captions(settings: Settings) -> Settings:
    """The settings; with the small recogniser of this talk where theirs is not there. Reads the disk."""
    if not settings.captions or find(settings, Hardware.here()).folder is not None:
        return settings
    return settings.model_copy(update={"captions_model": str(NANO)})


async def running_server(settings: Settings) -> str | None:
    """The address of a Clearcast that already listens where the settings say; None where something else does."""
    host = "localhost" if settings.host in ("0.0.0.0", "::", "127.0.0.1", "::1") else settings.host  # noqa: S104
    for scheme in ("http", "https"):
        url = f"{scheme}://{host}:{settings.port}"
        try:
            async with asyncio.timeout(5), http_session(None, verify=False) as http:
                found = await get_json(http, f"{url}/api/v1/config")
        except (ClearcastError, TimeoutError):
            continue
        if "denoise" in found:
            return url
    return None


async def talk(
    url: str, snr_db: float, tell: Callable[[str], None], *, token: str | None = None, slug: str = "demo"
) -> None:
    """Publish the noisy talk on a channel until cancelled; it is made first without `token`. Raises ClearcastError."""
    if token is None:
        await _make_channel(url)
    await publish(
        f"{url}/whip/{slug}",
        mix(read_blocks(TALK, loop=True), snr_db),
        title="Demo: a talk in a noisy room",
        token=token,
        verify=False,
        started=lambda _: tell(f"{url}/listen/{slug}"),
    )


async def _make_channel(url: str) -> None:
    """Where it exists already that is fine; any other trouble shows when the talk is published."""
    wanted = {"name": "Demo", "slug": "demo"}
    async with http_session(None, verify=False) as http, http.post(f"{url}/api/v1/channels", json=wanted):
        pass
