from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.errors import Unavailable
from server.inference.lane import DenoiserStatus


async def test_a_live_server_says_so(http: aiohttp.ClientSession) -> None:
    async with http.get("/health/live") as response:
        assert (response.status, (await response.json())["status"]) == (200, "ok")


async def ready(http: aiohttp.ClientSession) -> tuple[int, dict[str, Any]]:
    async with http.get("/health/ready") as response:
        return response.status, await response.json()


async def test_readiness_looks_at_every_component(http: aiohttp.ClientSession, server: Server) -> None:
    status, body = await ready(http)
    assert (status, body["status"]) == (200, "ok")
    assert set(body["components"]) == {"models", "inference", "captions", "disk", "database"}
    assert "MB free" in body["components"]["disk"]["detail"]


async def test_a_worker_that_is_down_degrades_and_another_engine_too(
    http: aiohttp.ClientSession, server: Server
) -> None:
    server.services.denoise.status = DenoiserStatus("degraded", None, "", "The worker is down.")  # type: ignore[misc]
    status, body = await ready(http)
    assert (status, body["status"], body["components"]["inference"]["state"]) == (200, "degraded", "degraded")
    server.services.denoise.status = DenoiserStatus("ready", "RNNoise", "cpu", "Not installed.")  # type: ignore[misc]
    status, body = await ready(http)
    assert (body["components"]["models"]["state"], body["components"]["inference"]["state"]) == ("degraded", "ok")
    server.services.denoise.status = DenoiserStatus("off", None)  # type: ignore[misc]
    status, body = await ready(http)
    assert (status, body["status"]) == (200, "ok")


async def test_a_database_that_does_not_answer_fails(
    http: aiohttp.ClientSession, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise Unavailable("no")

    monkeypatch.setattr(server.services.store, "check", broken)
    status, body = await ready(http)
    assert (status, body["status"], body["components"]["database"]["state"]) == (503, "failed", "failed")


async def test_a_folder_that_is_gone_fails(http: aiohttp.ClientSession, server: Server) -> None:
    server.settings.data_dir.rename(server.settings.data_dir.with_name("elsewhere"))
    status, body = await ready(http)
    assert (status, body["components"]["disk"]["state"]) == (503, "failed")


async def test_too_little_room_is_said(start: Callable[..., Any]) -> None:
    server = await start(disk_reserve_mb=10**9)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        _, body = await ready(http)
    assert body["components"]["disk"]["state"] == "degraded"
    assert "no recording begins" in body["components"]["disk"]["detail"]


async def test_metrics_are_prometheus_text(http: aiohttp.ClientSession) -> None:
    async with http.get("/health/live"):
        pass
    async with http.get("/metrics") as response:
        assert response.content_type == "text/plain"
        text = await response.text()
    assert 'clearcast_http_requests_total{route="/health/live",status="200"}' in text
