"""Files lose their noise in a process beside the live denoiser: each sample in its place, whatever happens to it."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from server.errors import Unavailable
from server.inference.file_denoise_lane import open_file_denoiser
from server.inference.file_denoise_service import SOCKET, FileDenoiseService
from server.inference.rnnoise import RNNoiseDenoiser
from server.uploads.rows import LEAD, ROWS, SEGMENT, Batch, RowCutter

RNNOISE = {"engine": "RNNoise", "model_dir": None, "levelling": False, "log_level": "error", "log_format": "console"}


def talk(seconds: float) -> np.ndarray:  # type: ignore[type-arg]
    """Bursts over a hiss."""
    time = np.arange(round(seconds * 48_000)) / 48_000
    voice = np.sin(2 * np.pi * 180 * time) * (np.sin(2 * np.pi * 1.3 * time) > 0) * 0.2
    return (voice + np.random.default_rng(1).normal(0, 0.01, len(time))).astype(np.float32)


async def test_a_file_comes_back_without_its_noise_as_it_would_have_live(tmp_path: Path) -> None:
    service = FileDenoiseService(tmp_path / SOCKET, lambda: RNNOISE)
    await service.start()
    samples = talk(24.0)
    try:
        lane = await open_file_denoiser(tmp_path / SOCKET)
        cutter = RowCutter(lane.delay)
        batches = [*cutter.push(samples), *cutter.flush()]
        rows = await lane.clean(batches[0].rows, LEAD, batches[0].first)
        clean = np.concatenate(rows)[: batches[0].length]
        await lane.close()
    finally:
        await service.close()
    assert lane.engine == "RNNoise" and len(batches) == 1 and len(clean) == len(samples)
    single = await asyncio.to_thread(RNNoiseDenoiser, capacity=1)
    slot, padded = single.add(), np.concatenate([samples, np.zeros(single.delay, np.float32)])
    whole = np.concatenate([single.step([slot], hop[None])[0] for hop in padded.reshape(-1, 480)])[single.delay :]
    # The first row is the same to the sample; what the others heard before was shorter.
    assert np.abs(clean[:SEGMENT] - whole[:SEGMENT]).max() < 1e-6
    apart = clean[SEGMENT:] - whole[SEGMENT:]
    assert np.sqrt(np.mean(apart**2)) < 0.15 * np.sqrt(np.mean(whole**2))


async def test_whoever_is_served_hears_of_it_when_the_process_dies_and_the_next_one_is_there(tmp_path: Path) -> None:
    service = FileDenoiseService(tmp_path / SOCKET, lambda: RNNOISE)
    await service.start()
    try:
        lane = await open_file_denoiser(tmp_path / SOCKET)
        assert service.pid is not None
        os.kill(service.pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            await lane.clean([np.zeros(LEAD + SEGMENT + lane.delay, np.float32)], LEAD, True)
        await lane.close()
        again = None
        while again is None:
            try:
                again = await open_file_denoiser(tmp_path / SOCKET)
            except Unavailable:
                await asyncio.sleep(0.05)
        assert again.engine == "RNNoise"
        await again.close()
    finally:
        await service.close()
    with pytest.raises(Unavailable):
        await open_file_denoiser(tmp_path / SOCKET)


@pytest.mark.parametrize("length", [1, 47_999, SEGMENT, SEGMENT + 1, ROWS * SEGMENT + 1440, 2 * ROWS * SEGMENT + 77])
def test_rows_hold_every_sample_once_and_what_lies_around_them(length: int) -> None:
    samples = np.arange(1, length + 1, dtype=np.float32)
    cutter, delay = RowCutter(1440), 1440
    batches: list[Batch] = []
    pieces = (samples[start : start + 777_777] for start in range(0, length, 777_777))
    for batch in chain(chain.from_iterable(map(cutter.push, pieces)), cutter.flush()):
        # Its memory is used again: as in real work, the batch before is only done with now.
        if batches:
            batches[-1] = replace(batches[-1], rows=[row.copy() for row in batches[-1].rows])
        batches.append(batch)
    assert [batch.first for batch in batches] == [True] + [False] * (len(batches) - 1)
    around = np.concatenate([np.zeros(LEAD, np.float32), samples, np.zeros(SEGMENT + delay, np.float32)])
    rows = [row for batch in batches for row in batch.rows]
    for number, row in enumerate(rows):
        assert np.array_equal(row, around[number * SEGMENT : number * SEGMENT + LEAD + SEGMENT + delay])
    kept = np.concatenate([np.concatenate([r[LEAD:-delay] for r in b.rows])[: b.length] for b in batches])
    assert np.array_equal(kept, samples)
