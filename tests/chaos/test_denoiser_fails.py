"""The denoise worker of a live stream goes wrong in every other way: what people hear, and are told."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from pathlib import Path

import pytest

from server.bench.local import LocalServer
from server.inference.service import WorkerDenoiseService
from tests.chaos.faulty import START_MARK, faulty_server, strike
from tests.chaos.scene import Ear, Follower, Speaker, decibels, noise, request, until
from tests.inference.helpers import install
from tests.machine import once_in

LEVEL = 0.05
ORIGINAL = decibels(noise(level=LEVEL))
CLEAN_AGAIN_S = 10.0


class OnAir:
    """Somebody who talks through the denoiser, somebody who listens, somebody who follows. Use `start`, then `stop`."""

    def __init__(self, ear: Ear, speaker: Speaker, follower: Follower) -> None:
        self.ear, self.speaker, self.follower = ear, speaker, follower

    @classmethod
    async def start(cls, server: LocalServer) -> OnAir:
        assert await server.wait_for_denoiser()
        follower = await Follower.start(server, "streams", "system")
        ear = await Ear.start(server)
        scene = cls(ear, await Speaker.start(server, sound=noise(level=LEVEL), record=False), follower)
        await scene.is_clean()
        return scene

    async def is_clean(self, seconds: float = 60.0) -> None:
        """Wait until the noise is gone from what is heard."""
        await self.ear.heard(0.5)
        await until(lambda: self.ear.quietest() < ORIGINAL - 12, seconds)

    async def is_original(self) -> None:
        """Wait until what is said goes out as it came."""
        await until(lambda: decibels(self.ear.sound(0.4)) > ORIGINAL - 2)

    async def breaks_and_comes_back(self, service: WorkerDenoiseService) -> None:
        """Told that it broke and that it is mended, and clean again in time, once in four times on a busy machine."""
        took: list[float] = []
        while len(took) < 4 and min(took, default=CLEAN_AGAIN_S) >= CLEAN_AGAIN_S:
            self.follower.events.clear()
            began = time.monotonic()
            strike(service)
            await self.follower.wait("degraded", stream=self.speaker.id)
            await self.is_original()
            await self.follower.wait("recovered", 60, stream=self.speaker.id)
            took.append(time.monotonic() - began)
            await self.is_clean()
        assert min(took) < CLEAN_AGAIN_S

    async def stop(self) -> None:
        """Also says whether anything was missing."""
        await self.speaker.stop()
        await self.ear.stop()
        await self.follower.stop()
        self.ear.assert_whole()


async def told(server: LocalServer) -> tuple[str, str]:
    """State and detail of noise removal, as the page shows it."""
    denoise = (await server.get("/api/v1/config"))["denoise"]
    return denoise["state"], denoise["detail"]


@pytest.mark.slow
async def test_a_stream_on_a_slot_that_yields_no_numbers_is_moved_and_others_notice_nothing(
    tmp_path: Path, models_dir: Path
) -> None:
    async def attempt(number: int) -> None:
        await is_moved(tmp_path / str(number), models_dir)

    await once_in(3, attempt)


async def is_moved(tmp_path: Path, models_dir: Path) -> None:
    options = {"denoise": "DeepFilterNet3", "models_dir": models_dir}
    async with faulty_server(tmp_path, "load_poisoned", **options) as (server, service):
        await request(server, "POST", "/api/v1/channels", json={"name": "Second", "slug": "second"})
        scene = await OnAir.start(server)
        other_ear = await Ear.start(server, "second")
        other = await Speaker.start(server, "second", sound=noise(level=LEVEL), record=False)
        await other_ear.heard(1.5)
        worker = service.worker_pid
        before = len(scene.ear.packets)
        strike(service)
        await scene.ear.heard(1.0)
        await scene.is_clean()
        assert service.worker_pid == worker  # nobody else had to wait for a new one
        assert scene.follower.told("degraded", stream=other.id) == []
        await other.stop()
        await other_ear.stop()
        other_ear.assert_whole()
        await scene.stop()
        # Until it was moved the original went out, never silence.
        heard = scene.ear.sound()[before * 960 :]
        assert len(heard) > 48_000


@pytest.mark.slow
async def test_an_engine_that_yields_no_numbers_at_all_is_started_again(tmp_path: Path) -> None:
    async with faulty_server(tmp_path, "load_dead", denoise="RNNoise") as (server, service):
        scene = await OnAir.start(server)
        worker = service.worker_pid
        await scene.breaks_and_comes_back(service)
        assert service.worker_pid != worker
        await scene.stop()


@pytest.mark.slow
async def test_a_worker_that_takes_too_much_memory_is_replaced_without_a_gap(tmp_path: Path) -> None:
    options = {"denoise": "RNNoise", "denoise_memory_mb": 512}
    async with faulty_server(tmp_path, "load_greedy", **options) as (server, service):
        scene = await OnAir.start(server)
        await scene.breaks_and_comes_back(service)
        await scene.stop()
        assert scene.follower.told("degraded", stream=None)


@pytest.mark.slow
async def test_a_gpu_that_disappears_leaves_the_work_to_the_processor_and_says_so(tmp_path: Path) -> None:
    models = install(tmp_path / "models")
    async with faulty_server(tmp_path, "load_on_gpu", models_dir=models) as (server, service):
        scene = await OnAir.start(server)
        assert service.status.device == "cuda:0"
        await scene.breaks_and_comes_back(service)
        assert service.status.device == "cpu"
        state, detail = await told(server)
        assert (state, "GPU failed" in detail) == ("ready", True)
        health = (await request(server, "GET", "/health/ready"))[1]
        assert health["components"]["models"]["detail"] == detail
        await scene.stop()


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file; see `START_MARK`."""
    monkeypatch.setenv(START_MARK, str(tmp_path / "mark"))
    return tmp_path / "mark"


def pauses(service: WorkerDenoiseService) -> list[float]:
    """Collects when workers are started, until the test ends."""
    assert service._supervisor is not None
    started: list[float] = []
    spawn = service._supervisor._spawn

    async def noted(control: object) -> object:
        started.append(time.monotonic())
        return await spawn(control)  # type: ignore[arg-type]

    service._supervisor._spawn = noted  # type: ignore[method-assign, assignment]
    return started


@pytest.mark.slow
async def test_a_worker_that_never_starts_again_is_tried_ever_more_slowly_until_another_engine_takes_over(
    tmp_path: Path, mark: Path
) -> None:
    models = install(tmp_path / "models")
    async with faulty_server(tmp_path, "load_while_it_may", models_dir=models) as (server, service):
        scene = await OnAir.start(server)
        starts = pauses(service)
        mark.write_text("DeepFilterNet3")
        strike(service, signal.SIGKILL)
        await scene.is_original()
        await until(lambda: service.status.engine == "RNNoise", 90)
        assert len(starts) == 4  # three that failed and the other engine's
        first, second, _ = (b - a for a, b in itertools.pairwise(starts))
        assert first > 0.35
        assert second > 0.75
        await scene.is_clean()
        state, detail = await told(server)
        assert state == "ready"
        assert "DeepFilterNet3 cannot be started" in detail and "RNNoise" in detail
        await scene.stop()


@pytest.mark.slow
async def test_where_no_engine_starts_the_original_goes_out_and_everybody_is_told(tmp_path: Path, mark: Path) -> None:
    async with faulty_server(tmp_path, "load_while_it_may", denoise="RNNoise") as (server, service):
        scene = await OnAir.start(server)
        mark.write_text("RNNoise")
        strike(service, signal.SIGKILL)
        await scene.is_original()
        await until(lambda: "cannot be started" in service.status.detail)
        await asyncio.sleep(0.5)
        state, detail = await told(server)
        assert state == "degraded"
        assert "original sound goes out" in detail
        stream = await server.get(f"/api/v1/streams/{scene.speaker.id}")
        assert (stream["state"], stream["denoise"]["state"]) == ("live", "degraded")
        health = (await request(server, "GET", "/health/ready"))[1]
        assert health["status"] == "degraded"
        await scene.stop()
