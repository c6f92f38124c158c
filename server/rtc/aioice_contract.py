"""What leans on private names of aioice, for the version in VERSION: ICE peers on the shared UDP port.

aioice opens sockets for each peer and learns the other side's addresses from its candidates. Here a connection gets a
`SharedProtocol` for each socket of the port on which somebody asks for it, and the other side is known by its signed
checks alone: its candidates are never used, so that no packet goes to an address that did not ask for it.
`missing_names` lists what a new version no longer has; a test runs it.
"""

from __future__ import annotations

import asyncio
import functools
import struct
from typing import Any

import aioice.ice
import aioice.mdns
import aioice.stun
import aioice.turn
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, Connection, StunProtocol
from aioice.utils import random_string

from server.queues import Policy, Queue
from server.rtc.port_socket import Address, PortSocket
from server.rtc.token_bucket import TokenBucket
from server.rtc.udp import CHECKS, MAX_CHECKS, UdpPort

VERSION = "0.13"

GATHER_TIMEOUT_S = 2
MAX_WAITING_DATAGRAMS = 512
"""Datagrams that may wait for DTLS to read them; later ones are dropped."""
UFRAG = 8
"""Characters of the name by which a check finds its peer."""
MAX_ADDRESSES = 16
"""Addresses kept of one peer; the one heard of first is forgotten."""
CHECKS_PER_S, CHECKS_AT_ONCE = 50.0, 100.0
"""Signed checks that one peer may send; browsers send up to twenty a second for each of their addresses."""
SILENCE_S = 3.0
"""How long a peer's address must be silent before another one of the same peer replaces it unasked."""
RETRANSMISSIONS = 3

DTLS = Queue(
    "dtls",
    MAX_WAITING_DATAGRAMS,
    Policy.NEWEST,
    holds="datagrams of a peer that DTLS has not read",
    drop="A peer sends faster than it is read: a flood, or a stall of the server.",
)
ADDRESSES = Queue(
    "peer_addresses",
    MAX_ADDRESSES,
    Policy.OLDEST,
    holds="addresses that a peer is known by",
    drop="A peer showed itself at very many addresses; the one in use is kept.",
)

State = CandidatePair.State


class SharedTransport:
    """What a connection takes for its own socket."""

    def __init__(self, peer: SharedPeer, socket: PortSocket) -> None:
        self._peer = peer
        self._socket = socket
        self.sendto = socket.send

    def close(self) -> None:
        self._peer.leave(self._socket)

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken, of all peers."""
        return self._socket.unsent

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._socket.host, self._peer.port.number) if name == "sockname" else default


class SharedProtocol(StunProtocol):
    """One peer's view of one socket."""

    def __init__(self, peer: SharedPeer, socket: PortSocket, candidate: Candidate) -> None:
        super().__init__(peer.connection)
        self.peer = peer
        self.socket = socket
        self.local_candidate = candidate
        transport: Any = SharedTransport(peer, socket)
        self.connection_made(transport)

    def send_stun(self, message: aioice.stun.Message, addr: Address) -> None:
        if message.message_class == aioice.stun.Class.ERROR and message.error_code in (400, 401):
            self.socket.port.drop("bad signature")  # who has not shown that they belong here hears nothing
            return
        if message.message_class == aioice.stun.Class.RESPONSE:
            self.peer.answered(self, addr)
        super().send_stun(message, addr)

    async def request(
        self,
        request: aioice.stun.Message,
        addr: Address,
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[aioice.stun.Message, Address]:
        transactions = self.peer.port.transactions
        if len(transactions) >= MAX_CHECKS:
            CHECKS.dropped += 1
            raise aioice.stun.TransactionTimeout
        transactions[request.transaction_id] = self.peer
        tries = RETRANSMISSIONS if retransmissions is None else retransmissions
        try:
            response, source = await super().request(request, addr, integrity_key, tries)
        finally:
            transactions.pop(request.transaction_id, None)
        if source == addr:
            self.socket.learn(addr, self.peer, proven=True)
        return response, source

    def pair(self, address: Address) -> CandidatePair | None:
        """The pair of this socket and a remote address."""
        pairs: list[CandidatePair] = self.peer.connection._check_list
        return next((pair for pair in pairs if pair.protocol is self and pair.remote_addr == address), None)


class SharedPeer:
    """One ICE connection on the shared port (`server.rtc.port_socket.Owner`)."""

    def __init__(self, connection: Any, port: UdpPort) -> None:
        self.connection = connection
        self.port = port
        # Long enough that nobody guesses one, and never that of another peer: checks are told apart by it.
        connection._local_username = random_string(UFRAG)
        while port.owner_of(connection.local_username.encode()) is not None:
            connection._local_username = random_string(UFRAG)
        self.ufrag = connection.local_username.encode()
        self.key = connection.local_password.encode()
        self._loop = asyncio.get_running_loop()
        self._protocols: dict[PortSocket, SharedProtocol] = {}
        self._addresses: dict[tuple[SharedProtocol, Address], None] = {}  # the one heard of first comes first
        ADDRESSES.measure(self, lambda peer: len(peer._addresses))
        self._authenticated = False
        self._checks = TokenBucket(CHECKS_PER_S, CHECKS_AT_ONCE, self._loop.time())
        self._following: asyncio.TimerHandle | None = None
        self._close = connection.close
        connection.gather_candidates = self._gather
        connection.close = self.close

    async def close(self) -> None:
        """End the connection and leave the port."""
        self.port.remove(self)
        if self._following is not None:
            self._following.cancel()
        await self._close()

    def receive(self, data: bytes) -> None:
        self.connection.data_received(data, 1)

    def receive_check(self, data: bytes, port: PortSocket, address: Address) -> None:
        if not self._checks.take(self._loop.time()):
            port.port.drop("too many checks")
            return
        protocol = self._protocol(port)
        _mend(protocol.pair(address))
        self._authenticated = False
        protocol.datagram_received(data, address)
        if self._authenticated:
            self._follow(protocol, address)

    def receive_answer(self, data: bytes, port: PortSocket, address: Address) -> None:
        protocol = self._protocols.get(port)
        if protocol is not None:
            protocol.datagram_received(data, address)

    def answered(self, protocol: SharedProtocol, address: Address) -> None:
        """aioice answers a check: it was signed, and of this session."""
        self._authenticated = True
        self._addresses[protocol, address] = None
        protocol.socket.learn(address, self, proven=False)
        if len(self._addresses) > MAX_ADDRESSES:
            ADDRESSES.dropped += 1
            self._forget_first((protocol, address))

    def leave(self, socket: PortSocket) -> None:
        """The connection closes its view of a socket."""
        protocol = self._protocols.pop(socket, None)
        if protocol is not None:
            for other, address in [key for key in self._addresses if key[0] is protocol]:
                del self._addresses[other, address]
                socket.forget(address, self)
            # StunProtocol.close() waits for this.
            protocol.connection_lost(None)

    # ---- private

    async def _gather(self) -> None:
        """Stands in for `Connection.gather_candidates`: asks nobody, opens nothing."""
        connection = self.connection
        if connection._local_candidates_start:
            return
        connection._local_candidates_start = True
        endpoints = await self.port.endpoints()
        connection._local_candidates += [
            _candidate(host, number, rank) for rank, (host, number) in enumerate(endpoints)
        ]
        connection._local_candidates_end = True
        if not connection._closing:
            self.port.add(self)

    def _protocol(self, socket: PortSocket) -> SharedProtocol:
        protocol = self._protocols.get(socket)
        if protocol is None:
            protocol = SharedProtocol(self, socket, _candidate(socket.host, self.port.number, 0))
            self._protocols[socket] = protocol
            self.connection._protocols.append(protocol)
        return protocol

    def _follow(self, protocol: SharedProtocol, address: Address, again: bool = True) -> None:
        """Select the address to which a peer has moved without saying so.

        Chromium nominates with every check of the pair it uses; the checks of others that only keep consent do not.
        So once the selected address is silent, one that is not silent takes its place.
        """
        selected = self.connection._nominated.get(1)
        if selected is None or (selected.protocol is protocol and selected.remote_addr == address):
            return
        route = selected.protocol.socket.routes.get(selected.remote_addr)
        if route is not None and route.owner is self:
            silent = self._loop.time() - route.heard
            if silent < SILENCE_S:
                if again and self._following is None:
                    self._following = self._loop.call_later(
                        SILENCE_S - silent + 0.01, self._follow_later, protocol, address
                    )
                return
        pair = protocol.pair(address)
        if pair is not None:
            pair.remote_nominated = True
            if pair.state is State.SUCCEEDED:
                pair.nominated = True
                self.connection.check_complete(pair)

    def _follow_later(self, protocol: SharedProtocol, address: Address) -> None:
        self._following = None
        self._follow(protocol, address, again=False)

    def _forget_first(self, newest: tuple[SharedProtocol, Address]) -> None:
        """aioice keeps every address for ever, and a peer may have any number of them."""
        connection = self.connection
        used = {(pair.protocol, pair.remote_addr) for pair in connection._nominated.values()} | {newest}
        protocol, address = next(key for key in self._addresses if key not in used)
        del self._addresses[protocol, address]
        protocol.socket.forget(address, self)
        pair = protocol.pair(address)
        if pair is None:
            return
        if pair.task is not None:
            pair.task.cancel()
        connection._check_list.remove(pair)
        candidate = pair.remote_candidate
        if all(other.remote_candidate is not candidate for other in connection._check_list):
            connection._remote_candidates.remove(candidate)


def attach(connection: Any, port: UdpPort) -> None:
    """Put an `aioice.Connection` that has not gathered candidates yet on the shared port."""
    SharedPeer(connection, port)


def socket_of(pair: Any) -> tuple[PortSocket, Address]:
    """The socket of the shared port that a candidate pair uses, and the peer's address."""
    return pair.protocol.socket, pair.remote_addr


def guard(connection: Any) -> None:
    """Bound what strangers can do to an ICE connection, and how long gathering and closing take."""
    receive = connection.data_received
    DTLS.measure(connection, lambda waiting: waiting._queue.qsize())

    def data_received(data: bytes, component: int | None) -> None:
        # aiortc reads data[0]: an empty datagram, from anybody, would end the connection.
        if connection._queue.qsize() >= MAX_WAITING_DATAGRAMS:
            DTLS.dropped += 1
        elif data:
            receive(data, component)

    next_event = connection.get_event

    async def get_event() -> Any:
        # aiortc would ask a connection that is closed again and again, without a pause.
        return await next_event() or aioice.ice.ConnectionClosed()

    connection.data_received = data_received
    connection.get_event = get_event
    connection.get_component_candidates = functools.partial(
        connection.get_component_candidates, timeout=GATHER_TIMEOUT_S
    )


def missing_names() -> list[str]:
    """Private names used above that the installed version does not have; empty when all is well."""
    connection = Connection(ice_controlling=False)
    protocol, relay = StunProtocol(connection), aioice.turn.TurnTransport(None)  # type: ignore[arg-type]
    candidate = _candidate("127.0.0.1", 1, 0)
    lists = ("_check_list", "_nominated", "_protocols", "_queue", "_remote_candidates")
    gathered = ("_local_candidates", "_local_candidates_start", "_local_candidates_end", "_local_username", "_closing")
    called = ("check_complete", "data_received", "gather_candidates", "get_component_candidates", "get_event", "close")
    pair = ("nominated", "protocol", "remote_addr", "remote_candidate", "remote_nominated", "state", "task")
    shared = ("connection_made", "connection_lost", "datagram_received", "request", "send_stun", "receiver")
    leaned_on: list[tuple[str, object, tuple[str, ...]]] = [
        ("Connection", connection, (*lists, *gathered, *called)),
        ("CandidatePair", CandidatePair(protocol, candidate), tuple(name for name in pair if name != "remote_addr")),
        ("CandidatePair", CandidatePair, ("remote_addr", "State")),
        ("CandidatePair.State", State, ("IN_PROGRESS", "SUCCEEDED", "FAILED")),
        ("StunProtocol", protocol, shared),
        ("stun", aioice.stun, ("parse_message", "Class", "Message")),
        ("turn.TurnTransport", relay, ("_TurnTransport__send_tasks",)),
        ("ice", aioice.ice, ("get_host_addresses",)),
    ]
    return [f"aioice.{owner}.{name}" for owner, thing, names in leaned_on for name in names if not hasattr(thing, name)]


def _candidate(host: str, number: int, rank: int) -> Candidate:
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=1,
        transport="udp",
        priority=candidate_priority(1, "host", 65535 - rank),
        host=host,
        port=number,
        type="host",
    )


def _mend(pair: CandidatePair | None) -> None:
    """A check that was cancelled when another pair won is left "in progress" for good: let it be made again."""
    if pair is not None and pair.state is State.IN_PROGRESS and pair.task is not None and pair.task.done():
        pair.task = None
        pair.state = State.FAILED


def _host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    # A machine with no network still has itself: the page on it can be heard.
    return _found_addresses(use_ipv4, use_ipv6) or ["127.0.0.1"]


def _parse_stun(data: bytes) -> aioice.stun.Message:
    # Callers expect ValueError alone; anything else leaves the socket's callback, and uvloop closes the socket then.
    try:
        return _read_stun(data)
    except struct.error as error:
        raise ValueError("STUN attribute is truncated") from error


_read_stun = aioice.stun.parse_message
aioice.stun.parse_message = _parse_stun
_found_addresses = aioice.ice.get_host_addresses
aioice.ice.get_host_addresses = _host_addresses
