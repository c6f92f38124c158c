"""A whole server: starting, refusing to start, stopping."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from server.app import Server, greet, network_names, running
from server.client.whip import Publication, packets
from server.clock import PACKET
from server.config import load_settings
from server.errors import DiskFull, SettingsError, Unavailable
from server.web.binding import bind
from tests.disks import mounted
from tests.fakes import ScriptedDenoise
from tests.recordings.writing import write_recording


def make(data_dir: Path, **values: object) -> Server:
    return Server(load_settings(**{"data_dir": data_dir, "port": 0, **values}), denoise=ScriptedDenoise())


def test_only_addresses_that_others_can_use_are_told() -> None:
    known = ["localhost", "barn", "barn.local", "127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"]
    assert network_names("0.0.0.0", known) == ["192.0.2.7", "barn", "barn.local"]
    assert network_names("::", known) == ["192.0.2.7", "2001:db8::7", "barn", "barn.local"]
    assert network_names("192.0.2.7", known) == []


async def test_the_first_start_makes_one_channel_and_the_second_keeps_it(tmp_path: Path) -> None:
    ids = []
    for _ in range(2):
        server = make(tmp_path / "data")
        await server.start()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
            async with http.get("/api/v1/channels") as response:
                body = await response.json()
            async with http.get("/api/v1/me") as response:
                assert (await response.json())["channel"] == body["items"][0]["slug"]
        assert body["total"] == 1
        ids.append(body["items"][0]["id"])
        await server.close()
    assert ids[0] == ids[1]


async def test_a_port_in_use_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"Port {port} .* in use"):
            await make(tmp_path / "data", port=port).start()
    server = make(tmp_path / "data", port=port)
    await server.start()
    await server.close()


async def test_two_servers_do_not_share_a_data_folder(tmp_path: Path) -> None:
    first, second = make(tmp_path / "data"), make(tmp_path / "data")
    await first.start()
    with pytest.raises(Unavailable, match=f"process {os.getpid()}"):
        await second.start()
    await first.close()
    await second.start()
    await second.close()


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskFull, match="CLEARCAST_DATA_DIR"):
        await make(tmp_path / "file" / "data").start()


@pytest.mark.parametrize("host", ["", "no such host.", "203.0.113.1"])
def test_addresses_that_are_not_ours_are_named(host: str) -> None:
    with pytest.raises((Unavailable, SettingsError), match="CLEARCAST_HOST"):
        bind(host, 0)


async def test_what_a_person_needs_to_know_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recording(tmp_path / "data" / "recordings", "cut", 1.0, closed=False)
    async with running(load_settings(data_dir=tmp_path / "data", port=0), denoise=ScriptedDenoise()) as server:
        await asyncio.to_thread(greet, server)
    said = capsys.readouterr().err
    assert f"Open http://localhost:{server.port}" in said
    assert "DeepFilterNet3 on cpu" in said
    assert str(tmp_path / "data" / "recordings") in said
    assert "recovered         1 recordings" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    with mounted(tmp_path / "disk", "size=2m") as folder:
        yield folder


async def test_a_full_disk_is_named_at_the_start(small_disk: Path) -> None:
    await asyncio.to_thread(fill, small_disk)
    with pytest.raises(DiskFull, match="the disk is full"):
        await make(small_disk / "data").start()


async def test_a_disk_that_fills_up_stops_no_stream(small_disk: Path) -> None:
    server = make(small_disk / "data", disk_reserve_mb=0)
    await server.start()
    await asyncio.to_thread(fill, small_disk)
    base = f"http://127.0.0.1:{server.port}"
    publication = await Publication.start(f"{base}/whip/studio")
    async with aiohttp.ClientSession(base) as http:
        for number, packet in enumerate(packets([np.zeros(48_000, np.float32)])):
            publication.send(packet, number * PACKET)
            await asyncio.sleep(0.02)
        async with http.get(f"/api/v1/streams/{publication.stream_id}") as response:
            stream = await response.json()
        assert stream["state"] == "live"
        assert "disk is full" in stream["recording"]["detail"]
        async with http.post("/api/v1/channels", json={"name": "x" * 200}) as response:
            assert response.status in (201, 503)  # the log may have a page left
        (small_disk / "ballast").unlink()
        async with http.post("/api/v1/channels", json={"name": "There is room again"}) as response:
            assert response.status == 201
    await publication.stop()
    await server.close()


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4_096)
