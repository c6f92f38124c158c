"""A listener in a process of its own, which can be stopped as a whole.

Run as `python -m tests.rtc.listening [PORT]`: with the port of a TURN server on loopback it hears through that alone,
over TCP. JSON lines, as in `server.bench.receivers`: `{"open": true}` → `{"offer": sdp}`, `{"connect": sdp}` → `{}`
once it hears, `{"report": true}` → `{"heard": [number…]}`, from the first four bytes of each payload.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from typing import Any

from aiortc import RTCConfiguration, RTCIceServer, RTCIceTransportPolicy, RTCPeerConnection

from server.bench.receivers import LINE_LIMIT, ReceiverProcess
from server.rtc.aiortc_contract import udp_sockets
from tests.rtc.peers import Ear, plain_connection, until

USER, PASSWORD = "ear", "on loopback only"
BUFFER = 16 * 1024
"""Bytes that the kernel is asked to hold for a listener that is not behind a relay."""


class Crowd(ReceiverProcess):
    """The test's handle on many receivers that only count."""

    async def close(self) -> None:
        await self.stop()


class Listening(Crowd):
    """The test's handle on one listener."""

    def freeze(self) -> None:
        """It reads nothing more, and does nothing else."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    async def heard(self) -> list[int]:
        """Numbers of the packets that came, as they came."""
        numbers: list[int] = (await self.ask(report=True))["heard"]
        return numbers


async def open_crowd() -> Crowd:
    return Crowd(await _started("server.bench.receivers"))


async def open_listening(turn_port: int | None = None) -> Listening:
    return Listening(await _started(__name__, *([] if turn_port is None else [str(turn_port)])))


async def _started(module: str, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe, limit=LINE_LIMIT
    )


def relayed(turn_port: int) -> RTCPeerConnection:
    """A connection that has no other way than the relay."""
    relay = RTCIceServer(f"turn:127.0.0.1:{turn_port}?transport=tcp", username=USER, credential=PASSWORD)
    return RTCPeerConnection(RTCConfiguration(iceServers=[relay], iceTransportPolicy=RTCIceTransportPolicy.RELAY))


async def do(ear: Ear, command: dict[str, Any]) -> dict[str, Any]:
    if "open" in command:
        offer = await ear.offer()
        for using in udp_sockets(ear.connection):
            using.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        return {"offer": offer}
    if "connect" in command:
        await ear.accept(command["connect"])
        await until(lambda: ear.ready)
        return {}
    return {"heard": [int.from_bytes(payload[:4]) for _, payload in ear.packets]}


async def serve(arguments: list[str]) -> None:
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    ear = Ear(relayed(int(arguments[0])) if arguments else plain_connection())
    while line := await reader.readline():
        sys.stdout.write(json.dumps(await do(ear, json.loads(line))) + "\n")
        sys.stdout.flush()
    await ear.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
