"""Many who come and do nothing, and one who never reads, while somebody is live and somebody listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from pathlib import Path

import aiohttp
import pytest

from server.bench.local import LocalServer
from tests.chaos.scene import Ear, Follower, Speaker, request, until, whole_server
from tests.rtc.peers import BROWSER_OFFER

SDP = {"Content-Type": "application/sdp"}
PEERS = 50
FOLLOWERS = 200
REAPED_S = 12.0
"""Seconds after which a peer that never connected is let go here; a server of its own waits for 30."""
IMPATIENT = f"""
from server.rooms import patience
from server.rtc import peer
peer.CONNECT_TIMEOUT_S = {REAPED_S}
patience.CONNECT_LIMIT = round({REAPED_S} * 48_000)
from server.cli import main
main()
"""
"""What `clearcast serve` runs, but for how long it waits."""


def sockets(server: LocalServer) -> int:
    """Open sockets; the database's own files come and go with its pool."""
    found = 0
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += str(descriptor.readlink()).startswith("socket:")
    return found


def megabytes(server: LocalServer) -> float:
    """Resident memory."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


async def metric(server: LocalServer, name: str) -> float:
    async with aiohttp.ClientSession() as http, http.get(server.url + "/metrics") as response:
        return float(re.findall(rf"^{re.escape(name)} (\S+)", await response.text(), re.MULTILINE)[0])


async def deaf(server: LocalServer) -> socket.socket:
    """Somebody who asks the event socket for everything, again and again, and reads nothing."""
    port = int(server.url.rpartition(":")[2])
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(
        connection,
        f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode(),
    )
    assert b"101" in await loop.sock_recv(connection, 4_096)
    return connection


async def demand(connection: socket.socket) -> None:
    """Ask until cut off."""
    message = json.dumps({"type": "subscribe", "topics": [{"topic": "streams"}] * 64}).encode()
    frame = bytes([0x81, 0xFE]) + len(message).to_bytes(2) + bytes(4) + message
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while True:
            await loop.sock_sendall(connection, frame)
            await asyncio.sleep(0.005)


@pytest.mark.slow
async def test_peers_that_never_connect_leave_nothing_behind(tmp_path: Path) -> None:
    hasty = aiohttp.TCPConnector(force_close=True)  # its own connections are not what is counted
    async with (
        whole_server(tmp_path, ("-c", IMPATIENT, "serve")) as server,
        aiohttp.ClientSession(connector=hasty) as http,
    ):
        for number in range(3):
            empty = {"name": f"Empty {number}", "slug": f"empty{number}"}
            await request(server, "POST", "/api/v1/channels", json=empty)
        ear = await Ear.start(server)
        speaker = await Speaker.start(server, record=False)
        await ear.heard(1.0)
        before, memory = sockets(server), megabytes(server)

        async def knock(path: str) -> None:
            async with http.post(server.url + path, data=BROWSER_OFFER, headers=SDP) as response:
                assert response.status == 201, await response.text()

        began = asyncio.get_running_loop().time()
        await asyncio.gather(
            *(knock("/whep/empty0") for _ in range(PEERS)), *(knock(f"/whip/empty{n}") for n in (1, 2))
        )
        assert await metric(server, "clearcast_peers_pending") == PEERS + 2
        assert sockets(server) <= before + 5  # all peers share one
        connecting = (await server.get("/api/v1/channels/empty1"))["stream"]
        assert (connecting["state"], connecting["listeners"]) == ("connecting", 0)

        async with asyncio.timeout(REAPED_S + 60):
            while await metric(server, "clearcast_peers_pending"):
                await asyncio.sleep(0.5)
        assert sockets(server) <= before + 5
        assert await metric(server, "clearcast_udp_peers") == 2
        assert asyncio.get_running_loop().time() - began > REAPED_S / 2
        assert (await server.get("/api/v1/channels/empty1"))["stream"] is None
        assert await metric(server, "clearcast_listeners") == 1
        assert megabytes(server) < memory + 30
        await speaker.stop()
        await ear.stop()
        ear.assert_whole(stall_s=2.0)


async def test_two_hundred_follow_and_one_never_reads(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        ear = await Ear.start(server)
        speaker = await Speaker.start(server, record=False)
        before = sockets(server)
        followers = await asyncio.gather(*(Follower.start(server, "streams") for _ in range(FOLLOWERS)))
        rude = await deaf(server)
        await asyncio.wait_for(demand(rude), 100)
        rude.close()
        assert await metric(server, 'clearcast_queue_dropped_total{policy="reader",queue="events"}') == 1

        careless = followers.pop()
        for text in ("", "{", "[]", '{"type": 1}', '{"type": "subscribe"}', "9" * 5_000, '"\\ud800"', "[" * 10_000):
            heard = len(careless.events)
            await careless.socket.send_str(text)
            await until(lambda heard=heard: len(careless.events) > heard)  # type: ignore[misc]
            assert (careless.events[-1]["type"], careless.events[-1]["data"]["code"]) == ("error", "invalid-message")
        await careless.socket.send_bytes(b"\x00\xff")
        await until(lambda: careless.socket.closed)

        status, _ = await request(server, "PATCH", f"/api/v1/streams/{speaker.id}", json={"title": "Everybody hears"})
        assert status == 200
        for follower in followers:
            await follower.wait("stream_updated", 60, title="Everybody hears")
            numbers = [event["seq"] for event in follower.events if "seq" in event]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        await asyncio.gather(*(follower.stop() for follower in [*followers, careless]))
        await until(lambda: sockets(server) <= before + 2)
        await speaker.stop()
        await ear.stop()
        ear.assert_whole(stall_s=2.0)
