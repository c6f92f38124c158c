"""Run inside a network namespace by `test_published_ports`: forward ports, or publish and listen from outside.

python -m tests.e2e.outside forward 203.0.113.7 tcp:80:10.88.0.2:8080 udp:81:10.88.0.2:8189
python -m tests.e2e.outside talk http://203.0.113.7
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from server.audio.opus import OpusEncoder
from server.client.whep import Listening
from server.client.whip import Publication
from server.clock import PACKET
from tests.rtc.peers import tone

PACKETS = 110
MOST = 3000
"""A minute: on a slow machine it takes a while until the first one is heard."""


class Forwarded(asyncio.DatagramProtocol):
    """A UDP port on which each stranger gets a socket of its own towards the inside, as container engines do it."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._ways: dict[Any, asyncio.DatagramTransport] = {}
        self._opening: dict[Any, asyncio.Task[None]] = {}
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        if address in self._ways:
            self._ways[address].sendto(data)
        elif address not in self._opening:
            self._opening[address] = asyncio.ensure_future(self._open(data, address))

    async def _open(self, data: bytes, address: Any) -> None:
        transport = self._transport

        class Back(asyncio.DatagramProtocol):
            def datagram_received(self, answer: bytes, _: Any) -> None:
                transport.sendto(answer, address)

        loop = asyncio.get_running_loop()
        self._ways[address], _ = await loop.create_datagram_endpoint(Back, remote_addr=self._target)
        self._ways[address].sendto(data)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def connector(target: tuple[str, int]) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*target)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer), return_exceptions=True)

    return connect


async def forward(host: str, *rules: str) -> None:
    """Forward ports until killed."""
    for rule in rules:
        kind, number, inside, inside_number = rule.split(":")
        target = (inside, int(inside_number))
        if kind == "tcp":
            await asyncio.start_server(connector(target), host, int(number))
        else:
            loop = asyncio.get_running_loop()
            await loop.create_datagram_endpoint(lambda to=target: Forwarded(to), (host, int(number)))  # type: ignore[misc]
    print("ready", flush=True)
    await asyncio.Event().wait()


async def talk(url: str) -> None:
    """Publish a tone, listen to it, and print how much of it came."""
    channel = (await _channel(url))["channel"]
    heard: list[int] = []
    publication = await Publication.start(f"{url}/whip/{channel}", record=False)
    listening = await Listening.start(f"{url}/whep/{channel}", on_packet=lambda packet: heard.append(packet.sequence))
    encoder = OpusEncoder(1)
    n = 0
    while len(heard) < PACKETS and n < MOST:
        publication.send(encoder.encode(tone(n)), n * PACKET)
        n += 1
        await asyncio.sleep(0.02)
    await listening.stop()
    await publication.stop()
    print(json.dumps({"heard": len(heard), "missing": heard[-1] - heard[0] + 1 - len(heard) if heard else None}))


async def _channel(url: str) -> Any:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v1/me") as response:
        return await response.json()


if __name__ == "__main__":
    asyncio.run({"forward": forward, "talk": talk}[sys.argv[1]](*sys.argv[2:]))
