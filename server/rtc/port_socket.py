"""One socket of the shared port: datagrams in, told apart and handed to the peer they belong to, and out.

A datagram is told apart by its first byte (RFC 7983): connectivity checks go by the user name in them and must be
signed, answers to our own checks by their transaction, media by the address it comes from. An address belongs to a
peer once a signed check came from there; another peer gets it only when a check of *ours* succeeded there, so that a
forged source cannot cut anybody off. Nobody else is answered at all.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from typing import Protocol

from server.queues import Policy, Queue
from server.rtc import stun
from server.rtc.rtp_rows import RtpRows

Address = tuple[str, int]

BATCH = 64
"""Datagrams read before others of the event loop have their turn."""
MAX_DATAGRAM = 2048
MAX_UNSENT = 2048
"""Datagrams that wait for the kernel to take them; the oldest is dropped."""

UNSENT = Queue(
    "media_port_unsent",
    MAX_UNSENT,
    Policy.OLDEST,
    holds="datagrams that the kernel did not take, for each address of this machine",
    drop="The network card is slower than what is sent; listeners ask for what they miss.",
)


class Owner(Protocol):
    """A peer on the port."""

    ufrag: bytes
    key: bytes
    """The password that checks of this peer are signed with."""

    def receive(self, data: bytes) -> None:
        """Take DTLS, SRTP or SRTCP."""

    def receive_check(self, data: bytes, port: PortSocket, address: Address) -> None:
        """Take a signed connectivity check."""

    def receive_answer(self, data: bytes, port: PortSocket, address: Address) -> None:
        """Take the answer to a check of ours; whether it is signed is not known yet."""


class Switchboard(Protocol):
    """What the sockets of one port have in common."""

    transactions: dict[bytes, Owner]
    """Checks of ours that are not answered yet, by their id."""

    def owner_of(self, ufrag: bytes) -> Owner | None: ...

    def holds(self, owner: Owner) -> bool:
        """Whether the peer is still on the port."""
        ...

    def drop(self, reason: str) -> None:
        """Count a datagram that is thrown away."""


class Route:
    """Whose the datagrams of one address are, and when the last came (event loop's time)."""

    __slots__ = ("heard", "owner", "receive")

    def __init__(self, owner: Owner, heard: float) -> None:
        self.owner = owner
        self.receive = owner.receive
        self.heard = heard


class PortSocket:
    """The port on one address of this machine."""

    def __init__(self, port: Switchboard, host: str, bound: socket.socket) -> None:
        self.host = host
        self.closed = False
        self.unsent = 0
        """Bytes that wait for the kernel to take them."""
        self.routes: dict[Address, Route] = {}
        self.port = port
        self._socket = bound
        self._unsent: deque[tuple[bytes, Address]] = UNSENT.watch(deque())
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._v6 = ":" in host
        self._loop.add_reader(bound, self._readable)

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram, now or when the kernel has room again; an address that cannot be reached loses it."""
        if self.closed:
            return
        if self._unsent:
            self._wait(data, address)
            return
        try:
            self._socket.sendto(data, address)
        except BlockingIOError:
            self._wait(data, address)
        except OSError:
            self.port.drop("unreachable")

    def send_rows(self, rows: RtpRows) -> None:
        """Send what was written for every row, as `send` does, with one system call."""
        first, count = 0, len(rows)
        while first < count and not self._unsent and not self.closed:
            sent, error = rows.transmit(self._socket, first)
            first += sent
            if error in (errno.EAGAIN, errno.EWOULDBLOCK):
                break
            if error and error != errno.EINTR:
                self.port.drop("unreachable")
                first += 1
        for row in range(first, count):
            self.send(*rows.datagram(row))

    def learn(self, address: Address, owner: Owner, *, proven: bool) -> None:
        """Give what comes from `address` to `owner`; from another peer only when `proven` by a check of ours."""
        route = self.routes.get(address)
        if route is not None and route.owner is owner:
            return
        if not self.port.holds(owner):
            return
        if route is not None and not proven:
            self.port.drop("address taken")
            return
        self.routes[address] = Route(owner, self._time())

    def forget(self, address: Address, owner: Owner) -> None:
        route = self.routes.get(address)
        if route is not None and route.owner is owner:
            del self.routes[address]

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self.routes.clear()
            self._unsent.clear()
            self.unsent = 0

    # ---- private

    def _readable(self) -> None:
        read, take = self._socket.recvfrom, self._take
        for _ in range(BATCH):
            try:
                data, address = read(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.port.drop("unreachable")
                return
            take(data, address)
            if self.closed:
                return

    def _take(self, data: bytes, address: Address) -> None:
        if self._v6:
            address = address[:2]
        first = data[0] if data else 255
        if 127 < first < 192 or 19 < first < 64:
            route = self.routes.get(address)
            if route is None:
                self.port.drop("unknown address")
                return
            route.heard = self._time()
            route.receive(data)
        elif first < 2 and stun.is_stun(data):
            self._take_stun(data, address)
        else:
            self.port.drop("malformed")

    def _take_stun(self, data: bytes, address: Address) -> None:
        port, kind = self.port, data[:2]
        if kind == stun.BINDING_REQUEST:
            check = stun.read_check(data)
            owner = port.owner_of(check.ufrag) if check is not None else None
            if check is None or owner is None:
                port.drop("malformed" if check is None else "unknown peer")
                return
            if not check.is_signed_with(owner.key):
                port.drop("bad signature")
                return
            receive = owner.receive_check
        else:
            owner = port.transactions.get(data[8:20]) if kind in stun.BINDING_ANSWERS else None
            if owner is None:
                port.drop("unknown peer")
                return
            receive = owner.receive_answer
        route = self.routes.get(address)
        if route is not None and route.owner is owner and kind == stun.BINDING_REQUEST:
            route.heard = self._time()
        try:
            receive(data, self, address)
        except (ValueError, KeyError):  # of an attribute that makes no sense, from a peer that should know better
            port.drop("malformed")

    def _wait(self, data: bytes, address: Address) -> None:
        if not self._unsent:
            self._loop.add_writer(self._socket, self._writable)
        self._unsent.append((data, address))
        self.unsent += len(data)
        if len(self._unsent) > MAX_UNSENT:
            self.unsent -= len(self._unsent.popleft()[0])
            UNSENT.dropped += 1
            self.port.drop("unsent")

    def _writable(self) -> None:
        unsent = self._unsent
        while unsent:
            try:
                self._socket.sendto(*unsent[0])
            except BlockingIOError:
                return
            except OSError:
                self.port.drop("unreachable")
            self.unsent -= len(unsent.popleft()[0])
        self._loop.remove_writer(self._socket)
