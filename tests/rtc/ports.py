"""A hand-made other side of the shared port: sockets, checks, and who answers them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aioice.ice
from aioice import stun

from server.rtc import aioice_contract
from server.rtc.udp import UdpPort

HERE = "127.0.0.1"
PASSWORD = "p" * 22
COOKIE = bytes.fromhex("2112a442")

Open = Callable[..., Awaitable[UdpPort]]


def a_socket(family: int = socket.AF_INET) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind((HERE if family == socket.AF_INET else "::1", 0))
    made.setblocking(False)
    return made


def waiting(from_socket: socket.socket) -> list[bytes]:
    """What has arrived there."""
    found = []
    while True:
        try:
            found.append(from_socket.recv(2048))
        except BlockingIOError:
            return found


def check(user: str, key: str, nominate: bool = True) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes |= {"USERNAME": user, "PRIORITY": 1, "ICE-CONTROLLING": 1}
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(key.encode())
    return bytes(message)


class Peer:
    """The server's side of an ICE connection, and a hand-made other side that may use any socket."""

    def __init__(self, port: UdpPort, name: str = "rrrr") -> None:
        self.port = port
        self.connection: Any = aioice.ice.Connection(ice_controlling=False)
        self.connection.remote_username, self.connection.remote_password = name, PASSWORD
        aioice_contract.guard(self.connection)
        aioice_contract.attach(self.connection, port)
        self.name = f"{self.connection.local_username}:{name}"
        self.sockets: list[socket.socket] = []
        self._connecting: asyncio.Task[None] | None = None

    async def start(self) -> Peer:
        await self.connection.gather_candidates()
        self._connecting = asyncio.ensure_future(self.connection.connect())
        await asyncio.sleep(0)
        return self

    def socket(self) -> socket.socket:
        self.sockets.append(a_socket())
        return self.sockets[-1]

    def ask(self, using: socket.socket, nominate: bool = True, key: str | None = None) -> None:
        """Send a check from a socket."""
        key = key or self.connection.local_password
        using.sendto(check(self.name, key, nominate), (HERE, self.port.number))

    async def serve(self, using: socket.socket, seconds: float = 0.2) -> list[bytes]:
        """Answer the server's checks that arrive at a socket; everything else that came."""
        rest = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for data in waiting(using):
                if data[:2] != b"\x00\x01":
                    rest += [data] if data[0] > 3 else []
                    continue
                request = stun.parse_message(data)
                answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
                answer.attributes["XOR-MAPPED-ADDRESS"] = (HERE, 1)
                answer.add_message_integrity(PASSWORD.encode())
                using.sendto(bytes(answer), (HERE, self.port.number))
            await asyncio.sleep(0.005)
        return rest

    async def connect(self) -> socket.socket:
        """Connect from a new socket."""
        using = self.socket()
        self.ask(using)
        assert self._connecting is not None
        async with asyncio.timeout(30):
            while not self._connecting.done():
                await self.serve(using, 0.05)
        await self._connecting
        await self.serve(using)
        return using

    async def hears(self, using: socket.socket) -> bool:
        """Whether what the server sends now arrives at a socket."""
        await self.serve(using, 0.02)
        await self.connection.send(b"\x80now")
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if b"\x80now" in await self.serve(using, 0.02):
                return True
        return False

    async def close(self) -> None:
        await self.connection.close()
        if self._connecting is not None:
            await asyncio.gather(self._connecting, return_exceptions=True)
        for made in self.sockets:
            made.close()


def holder(port: UdpPort, using: socket.socket) -> Any:
    """The connection that an address belongs to."""
    route = port.sockets[HERE].routes.get(using.getsockname())
    owner: Any = route.owner if route is not None else None
    return owner.connection if owner is not None else None
