"""Music from one browser to another: left stays left, right stays right, and nothing is taken out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from server.bench.local import local_server
from server.clock import SAMPLE_RATE
from tests.conftest import LaunchChromium, new_page
from tests.e2e.house import KEEP_PEERS, go_live, hears, live_streams, open_listening, stop, write_sound

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LEFT, RIGHT = 500.0, 1500.0
LISTEN = """async () => {
  const track = window.__peers.at(-1).getReceivers()[0].track;
  const context = window.__context ??= new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const splitter = context.createChannelSplitter(2);
  source.connect(splitter);
  const ears = [0, 1].map((side) => {
    const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
    splitter.connect(analyser, side);
    return analyser;
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const found = ears.map((ear) => {
    const bins = new Float32Array(ear.frequencyBinCount);
    ear.getFloatFrequencyData(bins);
    return [500, 1500].map((hertz) => bins[Math.round((hertz / 48000) * 8192)]);
  });
  source.disconnect();
  return found;
}"""


def two_tones() -> np.ndarray:
    """Ten seconds for a fake microphone, shape (n, 2): one tone on the left, another on the right."""
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    return np.stack([0.3 * np.sin(2 * np.pi * hertz * time) for hertz in (LEFT, RIGHT)], 1)


async def levels(page: Any) -> list[list[float]]:
    """How loud both tones are on the left and on the right, dB, once anything is heard."""
    async with asyncio.timeout(90):
        while True:
            found: list[list[float]] = [
                [value if value is not None else -200.0 for value in side] for side in await page.evaluate(LISTEN)
            ]
            if found[0][0] > -60:
                return found


async def test_left_and_right_arrive_left_and_right(launch_chromium: LaunchChromium, tmp_path: Path) -> None:
    from playwright.async_api import expect

    microphone = write_sound(tmp_path / "stereo.wav", two_tones())
    async with local_server(tmp_path / "data", denoise="off") as server:
        player = await new_page(await launch_chromium(microphone=microphone))
        hearer = await new_page(await launch_chromium())
        await hearer.add_init_script(KEEP_PEERS)
        await player.goto(server.url)
        await player.get_by_test_id("music").click()
        await expect(player.get_by_test_id("strength")).to_be_hidden()
        await go_live(player, server.url)
        await expect(player.get_by_test_id("music-live")).to_be_visible()
        await expect(player.get_by_test_id("denoise-live")).to_be_hidden()
        (stream,) = await live_streams(server.url)
        assert stream["denoise"]["mode"] == "music"
        await open_listening(hearer, server.url, stream["channel"]["slug"])
        await hears(hearer)
        left, right = await levels(hearer)
        assert left[0] - left[1] > 20
        assert right[1] - right[0] > 20
        await stop(player)
        path = server.data_dir / "recordings" / stream["id"] / "clean.opus"
        with av.open(str(path)) as container:
            sides = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
        for side, hertz in zip(sides, (LEFT, RIGHT), strict=True):
            spectrum = np.abs(np.fft.rfft(side[SAMPLE_RATE // 2 :][:SAMPLE_RATE]))
            assert abs(float(np.argmax(spectrum)) - hertz) <= 2
        await player.close()
        await hearer.close()
