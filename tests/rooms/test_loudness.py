"""The picture of what came in and what went out: paired, in order, in stream time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.frame import AudioFrame
from server.clock import HOP, SAMPLE_RATE
from server.rooms.loudness import MOST_OPEN, STEP, Loudness
from server.rooms.messages import DenoiseMode, Levels
from tests.rooms.studio import Studio

Told = list[tuple[int, list[float], list[float]]]


def hop(index: int, level: float) -> AudioFrame:
    return AudioFrame(index * HOP, np.full(HOP, level, np.float32))


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def loudness(told: Told) -> Loudness:
    return Loudness(lambda at, came, went: told.append((at, came, went)))


def test_a_step_is_told_once_both_sides_are_whole(loudness: Loudness, told: Told) -> None:
    for index in range(40):
        loudness.came(hop(index, 0.1 if index < 10 else 1.0))
    assert told == []
    for index in range(20):
        loudness.went(hop(index, 0.01))
        assert len(told) == (index == 19)
    assert told == [(0, [-20.0, 0.0], [-40.0, -40.0])]
    for index in range(20, 40):
        loudness.went(hop(index, 0.0))
    assert told[1] == (2 * STEP, [0.0, 0.0], [-120.0, -120.0])


def test_a_step_that_began_before_it_listened_is_left_out(loudness: Loudness, told: Told) -> None:
    for index in range(5, 40):
        loudness.came(hop(index, 0.5))
        loudness.went(hop(index, 0.5))
    assert [at for at, _, _ in told] == [STEP]  # and the step after those two waits for its fellow


def test_output_that_never_comes_fills_no_memory(loudness: Loudness, told: Told) -> None:
    for index in range(10 * (MOST_OPEN + 5)):
        loudness.came(hop(index, 0.5))
    assert len(loudness._waiting) == MOST_OPEN
    for index in range(10 * (MOST_OPEN + 5)):
        loudness.went(hop(index, 0.5))
    assert told[0][0] == 5 * STEP


def test_not_a_number_is_called_silence(loudness: Loudness, told: Told) -> None:
    for index in range(20):
        loudness.came(hop(index, float("nan")))
        loudness.went(hop(index, 0.5))
    assert told[0][1] == [-120.0, -120.0]


def loud_every_second(at: int) -> Any:
    """Half a second of tone, half a second of nearly nothing."""
    time = (at + np.arange(960)) / SAMPLE_RATE
    level = np.where(time % 1.0 < 0.5, 0.5, 0.005)
    return (level * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


@pytest.mark.parametrize("mode", [DenoiseMode.ACTIVE, DenoiseMode.ABSENT])
async def test_a_stream_tells_its_levels_aligned(tmp_path: Path, mode: DenoiseMode) -> None:
    studio = Studio(tmp_path)
    levels: list[Levels] = []
    studio.host._on_levels = levels.append
    await studio.publish(denoise=mode)
    await studio.run(6.0, loud_every_second)
    await studio.host.close()
    assert len(levels) >= 25
    assert [item.at for item in levels] == list(range(0, 2 * STEP * len(levels), 2 * STEP))
    assert {(item.stream_id, item.step) for item in levels} == {("stream-1", STEP)}
    came = np.array([value for item in levels for value in item.came])
    went = np.array([value for item in levels for value in item.went])
    # The scripted denoiser halves the level: where it is trusted, after its first seconds, the rows are 6 dB apart.
    expected = 6.0 if mode is DenoiseMode.ACTIVE else 0.0
    apart = (came - went)[30:]
    assert np.median(apart) == pytest.approx(expected, abs=0.2)
    assert np.mean(np.abs(apart - expected) < 1.0) > 0.95
    assert came.max() == pytest.approx(-9.0, abs=0.3)


async def test_whoever_takes_levels_badly_does_not_end_the_stream(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    import asyncio

    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

    def broken(levels: Levels) -> None:
        raise RuntimeError("no")

    studio.host._on_levels = broken
    await studio.publish()
    await studio.run(1.0)
    assert failures
    assert studio.live().position > 0
    await studio.host.close()
