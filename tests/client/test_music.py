"""The clients publish music in stereo and hear it so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from server.bench.local import local_server
from server.client.commands import own_channel, publish_file, record_stream
from server.client.media import open_writer, read_blocks
from server.clock import SAMPLE_RATE

LEFT, RIGHT = 500, 1500


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    """Three seconds with one tone on the left and another on the right."""
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    writer = open_writer(tmp_path / "tune.wav", 2)
    writer.write(np.stack([0.3 * np.sin(2 * np.pi * hertz * time) for hertz in (LEFT, RIGHT)], 1).astype(np.float32))
    writer.close()
    return tmp_path / "tune.wav"


async def test_a_file_in_stereo_is_heard_in_stereo(tune: Path, tmp_path: Path) -> None:
    async with local_server(tmp_path / "data", denoise="off") as server:
        channel = await own_channel(server.url)
        listening = asyncio.create_task(
            record_stream(server.url, tmp_path / "heard.opus", channel, seconds=1, channels=2)
        )
        publishing = asyncio.create_task(
            publish_file(server.url, tune, channel, loop=True, denoise="music", record=False)
        )
        seconds, _ = await asyncio.wait_for(listening, 60)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
    assert seconds == 1.0
    blocks = await asyncio.to_thread(lambda: list(read_blocks(tmp_path / "heard.opus", channels=2)))
    heard = np.concatenate(blocks)
    assert heard.shape == (SAMPLE_RATE, 2)
    for side, hertz in zip(heard.T, (LEFT, RIGHT), strict=True):
        spectrum = np.abs(np.fft.rfft(side[SAMPLE_RATE // 4 : 3 * SAMPLE_RATE // 4]))
        assert abs(int(np.argmax(spectrum)) * 2 - hertz) <= 6
