"""The denoise service: which engine it chooses, what it tells people, and its lanes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from server.config import Settings
from server.errors import Unavailable
from server.inference.lane import DenoiserStatus, DenoiseService
from server.inference.service import OffDenoiseService, WorkerDenoiseService
from server.speech.denoise import SILENT_HOPS
from tests.inference.helpers import SCRIPTED, hop, install, offline, talk, until
from tests.inference.scripted import GAIN, RAISE
from tests.inference.test_models import Publisher, packed, publisher  # noqa: F401 - a fixture

Start = Callable[..., Awaitable[WorkerDenoiseService]]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Models that this machine has in its cache do not count."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    services: list[WorkerDenoiseService] = []

    async def begin(settings: Settings, loader: str = SCRIPTED, wait: bool = True) -> WorkerDenoiseService:
        service = WorkerDenoiseService(settings, loader=loader)
        services.append(service)
        await service.start()
        assert not wait or await service.wait_ready(30)
        return service

    yield begin
    for service in services:
        await service.close()


async def test_an_installed_model_takes_the_lane(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path)))
    assert service.status == DenoiserStatus("ready", "DeepFilterNet3", "cpu", "")
    assert service.delay == 1440


async def test_a_lane_gives_back_clean_hops(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path)))
    lane = service.open()
    answers = await talk(service, lane, 0, 30)
    indices = [index for index, _ in answers]
    assert indices[0] >= 3
    assert indices == sorted(set(indices))
    assert len(indices) > 10
    assert all(samples[0] == np.float32(GAIN * (index - 2)) for index, samples in answers)


@pytest.mark.parametrize("wanted", ["DeepFilterNet3", "DeepFilterNet2"])
async def test_without_weights_rnnoise_stands_in_and_says_so(start: Start, tmp_path: Path, wanted: str) -> None:
    service = await start(offline(tmp_path, denoise=wanted))
    assert service.status.engine == "RNNoise"
    assert service.status.detail == (
        f"{wanted} is not installed, so RNNoise takes the noise out for now. "
        f"The operator can run `clearcast models pull {wanted}`."
    )
    lane = service.open()
    ahead = service.delay // 480
    answers = await talk(service, lane, 0, 20)
    assert all(samples[0] == np.float32(GAIN * (index - ahead + 1)) for index, samples in answers)
    assert len(answers) > 10


async def test_a_damaged_model_is_replaced_by_rnnoise_and_says_so(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path, config="broken")))
    assert service.status.engine == "RNNoise"
    assert "files are damaged" in service.status.detail


async def test_a_second_folder_helps_out_when_the_first_is_damaged(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = offline(install(tmp_path / "first", config="broken"))
    install(settings.cache_dir)
    service = await start(settings)
    assert service.status == DenoiserStatus("ready", "DeepFilterNet3", "cpu", "")


async def test_a_model_is_fetched_in_the_background_and_takes_over(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    publisher: Publisher,  # noqa: F811
) -> None:
    publisher.serve("DeepFilterNet3", packed("DeepFilterNet3"), monkeypatch)
    publisher.pause.clear()
    service = await start(offline(tmp_path / "none", models_download=True))
    assert service.status.engine == "RNNoise"
    assert "is being fetched" in service.status.detail
    seen: list[DenoiserStatus] = []
    service.subscribe(seen.append)
    lane = service.open()
    publisher.pause.set()
    await until(lambda: service.status.engine == "DeepFilterNet3")
    assert service.status == DenoiserStatus("ready", "DeepFilterNet3", "cpu", "")
    assert [status.state for status in seen] == ["starting", "ready"]
    assert await talk(service, lane, 50, 20)


async def test_a_download_that_fails_says_what_can_be_done(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    publisher: Publisher,  # noqa: F811
) -> None:
    publisher.serve("DeepFilterNet3", None, monkeypatch)
    service = await start(offline(tmp_path / "none", models_download=True))
    await until(lambda: "could not be fetched" in service.status.detail)
    assert service.status.state == "ready"
    assert "`clearcast models pull DeepFilterNet3`" in service.status.detail


async def test_closing_does_not_wait_for_a_download(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    publisher: Publisher,  # noqa: F811
) -> None:
    publisher.serve("DeepFilterNet3", packed("DeepFilterNet3"), monkeypatch)
    publisher.pause.clear()
    service = await start(offline(tmp_path / "none", models_download=True))
    async with asyncio.timeout(30):
        await service.close()
    publisher.pause.set()


async def test_a_gpu_that_cannot_be_used_is_mentioned(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path)), loader="tests.inference.scripted:load_on_gpu")
    assert service.status.state == "ready"
    assert "processor" in service.status.detail


async def test_a_gpu_that_fails_under_way_is_left_for_the_processor(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path)), loader="tests.inference.scripted:load_on_failing_gpu")
    assert service.status.device == "cuda:0"
    lane = service.open()
    lane.submit(0, hop(RAISE))
    service.flush()
    await until(lambda: service.status.device == "cpu")
    assert service.status.state == "ready"
    assert "GPU failed" in service.status.detail
    assert await talk(service, lane, 1, 20)


async def test_a_killed_worker_is_told_and_comes_back(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path)))
    seen: list[DenoiserStatus] = []
    stop = service.subscribe(seen.append)
    lane = service.open()
    await talk(service, lane, 0, 10)
    os.kill(service.worker_pid, signal.SIGKILL)
    await until(lambda: len(seen) == 2)
    assert [status.state for status in seen] == ["degraded", "ready"]
    assert "original sound" in seen[0].detail
    assert await talk(service, lane, 10, 20)
    stop()
    os.kill(service.worker_pid, signal.SIGKILL)
    await until(lambda: service.status.state == "degraded")
    assert len(seen) == 2


async def test_an_engine_that_cannot_start_is_told(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path)), loader="tests.inference.scripted:load_never", wait=False)
    await until(lambda: service.status.state == "degraded")
    assert not await service.wait_ready(0.1)
    assert "cannot be started" in service.status.detail


async def test_all_lanes_can_be_taken_and_given_back(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path), denoise_streams=2))
    first, _ = service.open(), service.open()
    with pytest.raises(Unavailable):
        service.open()
    first.close()
    first.close()
    first.submit(0, hop(1))
    assert first.collect() == []
    assert service.open()


async def test_after_a_long_silence_a_lane_starts_afresh(start: Start, tmp_path: Path) -> None:
    """The first answers after it would mix old and new audio; they are not given."""
    service = await start(offline(install(tmp_path)))
    lane = service.open()
    for index in range(SILENT_HOPS):
        lane.submit(index, hop(0))
        service.flush()
        await asyncio.sleep(0.002)
        lane.collect()
    await asyncio.sleep(0.15)  # longer than a hop may wait
    lane.collect()
    answers = await talk(service, lane, SILENT_HOPS, 10)
    assert answers[0][0] >= SILENT_HOPS + 3


async def test_lanes_outlive_the_service_without_harm(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path)))
    lane = service.open()
    await service.close()
    lane.submit(0, hop(1))
    service.flush()
    assert lane.collect() == []
    lane.reset()
    lane.close()
    with pytest.raises(Unavailable):
        service.open()


async def test_switched_off_there_is_nothing_to_open() -> None:
    service: DenoiseService = OffDenoiseService()
    await service.start()
    assert (service.status.state, service.delay) == ("off", 0)
    with pytest.raises(Unavailable):
        service.open()
    service.subscribe(lambda status: None)()
    service.flush()
    await service.close()
    with pytest.raises(ValueError):
        WorkerDenoiseService(Settings(denoise="off"))


async def test_the_limit_is_the_setting_or_what_was_measured(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path), denoise_streams=None, max_streams=5))
    assert service.status.runtime == "script"
    assert service.limit == service.status.streams_realtime == 5
    assert (await start(offline(tmp_path, denoise_streams=3))).limit == 3


async def test_an_engine_that_takes_too_much_memory_twice_gives_way(start: Start, tmp_path: Path) -> None:
    service = await start(offline(install(tmp_path), denoise_memory_mb=256))
    assert service._supervisor is not None
    service._supervisor._memory_mb = 1
    await until(lambda: "takes more memory" in service._note)
    service._supervisor._memory_mb = None
    await until(lambda: service.status.state == "ready")
    assert service.status.engine == "RNNoise"
    assert "DeepFilterNet3 takes more memory than it may" in service.status.detail


async def test_a_gpu_is_tried_again_once_nobody_is_live(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.inference.service.AGAIN_S", 0.1)
    service = await start(
        offline(install(tmp_path), denoise_device="cuda"), loader="tests.inference.scripted:load_on_failing_gpu"
    )
    lane = service.open()
    lane.submit(0, hop(RAISE))
    service.flush()
    await until(lambda: service.status.device == "cpu" and service.status.state == "ready")
    await asyncio.sleep(0.3)
    assert service.status.device == "cpu"
    lane.close()
    await until(lambda: service.status.device == "cuda:0" and service.status.state == "ready")
    assert service.status.detail == ""
