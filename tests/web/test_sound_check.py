"""The sound check: a WAV in, a WAV without its noise out, nothing kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from server.app import Server
from server.audio.wav import read_wav, write_wav
from server.clock import SAMPLE_RATE
from server.inference.lane import DenoiserStatus
from server.rates import Rate
from tests.web.test_routes import problem

WAV = {"Content-Type": "audio/wav"}


def sound(seconds: float) -> bytes:
    return write_wav(np.random.default_rng(1).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32))


def check(http: aiohttp.ClientSession, data: bytes, headers: dict[str, str] = WAV) -> Any:
    return http.post("/api/v1/sound-check", data=data, headers=headers)


async def test_five_seconds_come_back_clean(server: Server, http: aiohttp.ClientSession) -> None:
    data = sound(5.0)
    before = set(Path(server.settings.data_dir).rglob("*"))
    async with check(http, data) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "audio/wav"
        assert response.headers["Cache-Control"] == "no-store"
        clean = read_wav(await response.read())
    assert np.allclose(clean, read_wav(data) / 2, atol=1e-4)
    assert set(Path(server.settings.data_dir).rglob("*")) == before


@pytest.mark.parametrize(
    ("data", "headers", "status", "code"),
    [
        pytest.param(sound(6.1), WAV, 413, "too-large", id="long"),
        pytest.param(b"\0" * 2_000_000, WAV, 413, "too-large", id="huge"),
        pytest.param(sound(0.1), WAV, 400, "too-short", id="short"),
        pytest.param(write_wav(np.zeros(48_000, np.float32)), WAV, 400, "silence", id="silence"),
        pytest.param(b"RIFF", WAV, 400, "invalid-audio", id="cut"),
        pytest.param(sound(1.0), {"Content-Type": "audio/ogg"}, 415, "unsupported-type", id="type"),
    ],
)
async def test_what_cannot_be_checked_is_refused(
    http: aiohttp.ClientSession, data: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    async with check(http, data, headers) as response:
        assert (await problem(response, status))["code"] == code


async def test_two_at_once_and_no_denoiser(server: Server, http: aiohttp.ClientSession) -> None:
    async def ask() -> tuple[int, str | None]:
        async with check(http, sound(5.0)) as response:
            await response.read()
            return response.status, response.headers.get("Retry-After")

    assert sorted(await asyncio.gather(ask(), ask())) == [(200, None), (503, "3")]
    server.services.denoise.status = DenoiserStatus("starting", None)  # type: ignore[misc]
    async with check(http, sound(1.0)) as response:
        assert (await problem(response, 503))["code"] == "denoise-not-ready"


async def test_too_many_are_told_when_to_come_back(start: Callable[..., Any]) -> None:
    server = await start(rate_limits={Rate.EXPENSIVE: 1})
    async with aiohttp.ClientSession(server.url) as http:
        async with check(http, sound(0.5)) as response:
            assert response.status == 200
        async with check(http, sound(0.5)) as response:
            assert (await problem(response, 429))["code"] == "too-many-requests"
            assert 0 < int(response.headers["Retry-After"]) <= 60
