"""A stream's hops through the real model in its worker and the mixer."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from server.audio.frame import AudioFrame, Samples
from server.clock import HOP
from server.inference.lane import DenoiseLane, DenoiserStatus
from server.inference.service import WorkerDenoiseService
from server.speech.denoise import DenoiseMixer
from tests.inference.helpers import offline


def read(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48_000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


def si_sdr(heard: Samples, clean: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019)."""
    target = clean * (heard @ clean) / (clean @ clean)
    return float(10 * np.log10((target @ target) / ((heard - target) @ (heard - target))))


@pytest.fixture
async def service(models_dir: Path) -> AsyncIterator[WorkerDenoiseService]:
    service = WorkerDenoiseService(offline(models_dir))
    await service.start()
    assert await service.wait_ready(120)
    yield service
    await service.close()


class Speaker:
    """One stream: hops in, hops out, faster than real time or in it."""

    def __init__(self, service: WorkerDenoiseService, audio: Samples) -> None:
        self.service = service
        self.lane: DenoiseLane = service.open()
        self.mixer = DenoiseMixer(service.delay, 2)
        self.audio = audio
        self.out: list[AudioFrame] = []
        self.at = 0

    def hop(self) -> None:
        start = self.at * HOP % (len(self.audio) - HOP)
        samples = self.audio[start : start + HOP]
        self.lane.submit(self.mixer.push_raw(AudioFrame(self.at * HOP, samples)), samples)
        self.at += 1
        self.service.flush()

    def collect(self) -> int:
        answers = self.lane.collect()
        for index, samples in answers:
            self.mixer.push_clean(index, samples)
        return len(answers)

    def pull(self) -> None:
        while (frame := self.mixer.pull()) is not None:
            self.out.append(frame)


@pytest.mark.slow
async def test_noise_falls_by_ten_decibels_and_more(service: WorkerDenoiseService, clips_dir: Path) -> None:
    noisy = read(clips_dir / "denoise" / "noisy_snr0.wav")[: 8 * 48_000]
    clean = read(clips_dir / "denoise" / "clean_freesound_33711.wav")
    assert service.status == DenoiserStatus("ready", "DeepFilterNet3", "cpu", "")
    speaker = Speaker(service, np.concatenate([noisy, np.zeros(HOP, np.float32)]))
    ahead = service.delay // HOP
    for index in range(len(noisy) // HOP):
        speaker.hop()
        waited = 0
        while not speaker.collect() and index >= ahead and waited < 1000:
            await asyncio.sleep(0.001)
            waited += 1
        speaker.pull()
    speaker.out += speaker.mixer.drain()
    heard = np.concatenate([frame.samples for frame in speaker.out])
    length = min(len(heard), len(clean))
    before, after = si_sdr(noisy[:length], clean[:length]), si_sdr(heard[:length], clean[:length])
    assert after - before >= 10, (before, after)


@pytest.mark.timeout(300)
async def test_a_killed_worker_leaves_no_gap_and_is_back_within_ten_seconds(
    service: WorkerDenoiseService, clips_dir: Path
) -> None:
    speaker = Speaker(service, read(clips_dir / "denoise" / "noisy_snr0.wav"))
    began = asyncio.get_running_loop().time()

    async def ticks(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(max(0, began + speaker.at * 0.01 - asyncio.get_running_loop().time()))
            speaker.collect()
            speaker.hop()
            speaker.pull()

    async def killed_until_clean_again() -> float:
        os.kill(service.worker_pid, signal.SIGKILL)
        killed = time.monotonic()
        while not speaker.mixer.degraded:
            await ticks(5)
        while speaker.mixer.degraded:
            await ticks(5)
        return time.monotonic() - killed

    while speaker.mixer.counts.clean <= 50:
        await ticks(10)
    took = [await killed_until_clean_again()]
    while took[-1] >= 10 and len(took) < 4:  # others may have used the machine meanwhile
        took.append(await killed_until_clean_again())
    assert min(took) < 10
    assert [frame.start for frame in speaker.out] == [HOP * index for index in range(len(speaker.out))]
    assert len(speaker.out) == speaker.at - speaker.mixer.lag // HOP
