"""A lossy wire: a UDP relay in this process between two WebRTC peers.

The address of `near` goes into the answer in place of the server's own, so that the offerer sends to it; what comes
there leaves from `far` towards the server, whose replies take the same way back. Loss touches media only (RTP), the
rest of the trouble everything.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any

Address = tuple[str, int]

_CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host")


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, Address], None]) -> None:
        self.receive = receive
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.receive(data, (address[0], address[1]))

    def send(self, data: bytes, address: Address | None) -> None:
        if address is not None and not self.transport.is_closing():
            self.transport.sendto(data, address)


class LossyWire:
    """What happens to datagrams on their way; every field may be changed while the wire is in use.

    `loss`, `duplicate`: shares of packets; `reorder`: the share held back for `reorder_s`; `delay_s`, `jitter_s`:
    seconds; `cut`: nothing passes.
    """

    def __init__(self, seed: int = 1) -> None:
        self.loss = 0.0
        self.duplicate = 0.0
        self.reorder = 0.0
        self.reorder_s = 0.005
        self.delay_s = 0.0
        self.jitter_s = 0.0
        self.cut = False
        self.passed = 0
        self.lost = 0
        self._random = random.Random(seed)
        self._near: _Socket
        self._far: _Socket
        self._offerer: Address | None = None
        self._server: Address | None = None

    async def attach(self, answer: str) -> str:
        """Open the wire towards the server that wrote `answer`; the answer to give to the offerer instead."""
        found = next(match for match in _CANDIDATE.finditer(answer) if ":" not in match[1])
        host, self._server = found[1], (found[1], int(found[2]))
        loop = asyncio.get_running_loop()
        _, self._near = await loop.create_datagram_endpoint(lambda: _Socket(self._from_offerer), (host, 0))
        _, self._far = await loop.create_datagram_endpoint(lambda: _Socket(self._from_server), (host, 0))
        port = self._near.transport.get_extra_info("sockname")[1]
        lines = [line for line in answer.split("\r\n") if not line.startswith("a=candidate:")]
        lines.insert(lines.index("a=end-of-candidates"), f"a=candidate:wire 1 udp 2130706431 {host} {port} typ host")
        return "\r\n".join(lines)

    def close(self) -> None:
        self._near.transport.close()
        self._far.transport.close()

    def _from_offerer(self, data: bytes, address: Address) -> None:
        self._offerer = address
        self._carry(data, lambda: self._far.send(data, self._server))

    def _from_server(self, data: bytes, address: Address) -> None:
        self._carry(data, lambda: self._near.send(data, self._offerer))

    def _carry(self, data: bytes, send: Callable[[], None]) -> None:
        chance = self._random.random
        media = len(data) >= 12 and 127 < data[0] < 192 and not 192 <= data[1] <= 223
        if self.cut or (media and chance() < self.loss):
            self.lost += 1
            return
        self.passed += 1
        for _ in range(2 if chance() < self.duplicate else 1):
            delay = self.delay_s + chance() * self.jitter_s
            if chance() < self.reorder:
                delay += self.reorder_s
            if delay:
                asyncio.get_running_loop().call_later(delay, send)
            else:
                send()
