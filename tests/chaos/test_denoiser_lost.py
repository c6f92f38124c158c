"""The denoise worker of a live stream is killed or stops."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from server.bench.local import LocalServer
from tests.chaos.scene import Ear, Follower, Speaker, decibels, noise, until, whole_server, worker_of
from tests.machine import once_in

LEVEL = 0.05


async def restarts(server: LocalServer) -> float:
    async with aiohttp.ClientSession() as http, http.get(server.url + "/metrics") as response:
        found = re.search(r"^clearcast_denoise_restarts_total (\S+)", await response.text(), re.MULTILINE)
    assert found is not None
    return float(found[1])


@pytest.mark.slow
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.timeout(900)
async def test_listeners_hear_on_and_soon_without_noise_again(
    tmp_path: Path, models_dir: Path, fault: signal.Signals
) -> None:
    async def attempt(number: int) -> None:
        assert await until_clean_again(tmp_path / str(number), models_dir, fault) < 10

    await once_in(4, attempt)


async def until_clean_again(tmp_path: Path, models_dir: Path, fault: signal.Signals) -> float:
    """Seconds from the worker's loss to clean sound; meanwhile everybody hears on and is told."""
    original = decibels(noise(level=LEVEL))
    async with whole_server(tmp_path, denoise="DeepFilterNet3", models_dir=models_dir) as server:
        assert await server.wait_for_denoiser() == "DeepFilterNet3"
        follower = await Follower.start(server, "streams", "system")
        ear = await Ear.start(server)
        speaker = await Speaker.start(server, sound=noise(level=LEVEL), record=False)
        await ear.heard(1.0)
        await until(lambda: ear.quietest() < original - 20, 60)
        follower.events.clear()  # a busy machine may have had something to say already

        worker = worker_of(server)
        os.kill(worker, fault)
        lost, before = time.monotonic(), len(ear.packets)
        machine = await follower.wait("degraded", stream=None)
        assert (machine["stage"], "original sound" in machine["detail"]) == ("denoise", True)
        mine = await follower.wait("degraded", stream=speaker.id)
        assert mine["stage"] == "denoise"
        assert (await server.get(f"/api/v1/streams/{speaker.id}"))["denoise"]["state"] == "degraded"
        await follower.wait("recovered", 60, stream=None)
        await follower.wait("recovered", 60, stream=speaker.id)
        took = time.monotonic() - lost
        assert worker_of(server) != worker
        await until(lambda: ear.quietest() < original - 20, 60)

        await speaker.stop()
        await ear.stop()
        ear.assert_whole()
        heard = ear.sound()[(before + 15) * 960 :]
        loudest = max(decibels(heard[at : at + 9_600]) for at in range(0, len(heard) - 9_600, 9_600))
        assert loudest == pytest.approx(original, abs=2)  # meanwhile the original went out
        assert await restarts(server) == 1
        for kind in ("degraded", "recovered"):  # told once, and no more
            assert len(follower.told(kind, stream=None)) == 1
        await follower.stop()
    return took
