"""Real WebRTC receivers in a process of their own: DTLS, SRTP, every packet decrypted and counted, none decoded.

Run as `python -m server.bench.receivers`; it talks in JSON lines, a command on stdin and its answer on stdout:
`{"open": n}` → `{"offers": [sdp…]}`, `{"connect": [sdp…]}` → `{"connected": n}`, `{"reset": true}` → `{}`,
`{"report": true}` → `{"received": [[packets, first, last]…], "late": n, "kernel_dropped": n}`,
`{"close": true}` → `{}`. Sequence numbers are unwrapped, `first` is the lowest and `last` the highest; `late` tells how
many packets came behind a later one, `kernel_dropped` how many datagrams found a receiver's socket full.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from dataclasses import dataclass, field
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from server.rtc.aiortc_contract import tap_rtp, udp_sockets

CONNECT_LIMIT_S = 90.0
LINE_LIMIT = 64 << 20
BUFFER = 4 << 20
"""Bytes that the kernel is asked to hold for each socket: a process that gets no turn for seconds misses nothing."""
_SO_MEMINFO, _MEMINFO = 55, struct.Struct("=9I")


@dataclass
class Count:
    """What one receiver heard since the last reset."""

    packets: int = 0
    first: int | None = None
    last: int = 0
    late: int = 0

    def take(self, packet: bytes) -> None:
        """Count one decrypted RTP packet (RFC 3550 section 5.1)."""
        number = int.from_bytes(packet[2:4], "big")
        self.packets += 1
        if self.first is None:
            self.first = self.last = number
            return
        number = self.last + (number - self.last + 0x8000 & 0xFFFF) - 0x8000
        if number <= self.last:
            self.late += 1
            self.first = min(self.first, number)
        self.last = max(self.last, number)


@dataclass
class Receivers:
    """The peers of this process."""

    peers: list[RTCPeerConnection] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)

    async def open(self, number: int) -> list[str]:
        """New peers; their offers."""
        offers = []
        for _ in range(number):
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            peer.addTransceiver("audio", direction="recvonly")
            await peer.setLocalDescription(await peer.createOffer())
            for using in udp_sockets(peer):
                using.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            self.peers.append(peer)
            offers.append(peer.localDescription.sdp)
        return offers

    async def connect(self, answers: list[str]) -> int:
        """Complete every peer's negotiation; how many are connected."""
        fresh = self.peers[len(self.counts) :]
        for peer, sdp in zip(fresh, answers, strict=True):
            count = Count()
            self.counts.append(count)
            tap_rtp(peer, count.take)
            await peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await asyncio.wait_for(asyncio.gather(*(_settled(peer) for peer in fresh)), CONNECT_LIMIT_S)
        return sum(peer.connectionState == "connected" for peer in self.peers)

    def reset(self) -> None:
        for count in self.counts:
            count.packets, count.first, count.last, count.late = 0, None, 0, 0

    async def close(self) -> None:
        await asyncio.gather(*(peer.close() for peer in self.peers))
        self.peers.clear()
        self.counts.clear()

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """One command of the protocol."""
        if "open" in command:
            return {"offers": await self.open(command["open"])}
        if "connect" in command:
            return {"connected": await self.connect(command["connect"])}
        if "report" in command:
            return {
                "received": [[count.packets, count.first, count.last] for count in self.counts],
                "late": sum(count.late for count in self.counts),
                "kernel_dropped": sum(kernel_dropped(using) for peer in self.peers for using in udp_sockets(peer)),
            }
        if "close" in command:
            await self.close()
        else:
            self.reset()
        return {}


def kernel_dropped(using: Any) -> int:
    """Datagrams that a socket's receive buffer had no room for (Linux; 0 where that cannot be asked)."""
    try:
        return int(_MEMINFO.unpack(using.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[-1])
    except (OSError, struct.error):
        return 0


async def _settled(peer: RTCPeerConnection) -> None:
    """Wait until the connection stands or has failed."""
    settled = asyncio.Event()

    def changed() -> None:
        if peer.connectionState not in ("new", "connecting"):
            settled.set()

    peer.on("connectionstatechange", changed)
    changed()
    await settled.wait()


class ReceiverProcess:
    """The measuring side's handle on the receivers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> ReceiverProcess:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "server.bench.receivers",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_LIMIT,
            )
        )

    async def ask(self, **command: Any) -> dict[str, Any]:
        """Send one command and wait for its answer. Raises ConnectionError when the process has died."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()
        line = await asyncio.wait_for(self._process.stdout.readline(), CONNECT_LIMIT_S + 30)
        if not line:
            raise ConnectionError("the receivers' process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def stop(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    receivers = Receivers()
    while line := await reader.readline():
        sys.stdout.write(json.dumps(await receivers.do(json.loads(line))) + "\n")
        sys.stdout.flush()
    await receivers.close()


if __name__ == "__main__":
    asyncio.run(_serve())
