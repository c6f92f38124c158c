"""The shared port: peers of both families on one number, strangers, forgers and floods, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aioice.ice
import pytest
from aioice import stun

from server.clock import PACKET, SystemClock
from server.errors import InvalidOffer, Unavailable
from server.rtc import aioice_contract, udp
from server.rtc.listen import ListenerPeer
from server.rtc.port_socket import MAX_UNSENT
from server.rtc.publish import PublisherPeer, ReceivedAudio
from server.rtc.udp import UdpPort
from tests.rtc.peers import BROWSER_OFFER, Ear, Talker, until
from tests.wire import LossyWire

HERE = "127.0.0.1"
PASSWORD = "p" * 22
COOKIE = bytes.fromhex("2112a442")

Open = Callable[..., Awaitable[UdpPort]]


def nothing() -> list[str]:
    return []


@pytest.fixture
async def open_port() -> AsyncIterator[Open]:
    """`await open_port(…)` opens a port, on loopback alone unless told otherwise; closed after the test."""
    ports: list[UdpPort] = []

    async def open_one(number: int = 0, **options: Any) -> UdpPort:
        ports.append(await UdpPort.open(number, **{"local_addresses": nothing, **options}))
        return ports[-1]

    yield open_one
    for port in ports:
        port.close()


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
        await self.serve(using)
        assert self._connecting is not None
        await asyncio.wait_for(self._connecting, 2)
        return using

    async def hears(self, using: socket.socket) -> bool:
        """Whether what the server sends now arrives at a socket."""
        await self.serve(using, 0.02)
        await self.connection.send(b"\x80now")
        return b"\x80now" in await self.serve(using, 0.1)

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


async def test_strangers_hear_nothing_and_leave_nothing(open_port: Open) -> None:
    port = await open_port()
    peer = await Peer(port).start()
    right = peer.connection.local_password
    body = bytes.fromhex("00060004") + peer.name[:4].encode()
    signed = bytearray(check(peer.name, right))
    signed[-40] ^= 1
    stranger = a_socket()
    for data in (
        b"",
        b"\x00",
        b"x" * 100,
        b"\x80" + os.urandom(100),
        b"\x16\xfe\xfd" + os.urandom(80),
        os.urandom(2000),
        check("none:rrrr", right),
        check(peer.name, "wrong"),
        check(peer.name + "x", right),
        check(peer.name.partition(":")[0], right),
        bytes(signed),
        b"\x00\x01\x00\x00" + COOKIE + bytes(12),
        b"\x00\x01\x00\x08" + COOKIE + bytes(12) + body,
        b"\x00\x01\x00\x08" + COOKIE + bytes(12) + bytes.fromhex("0006ffff") + bytes(4),
        b"\x00\x01" + (400).to_bytes(2, "big") + COOKIE + bytes(12) + bytes(400),
        b"\x01\x01\x00\x00" + COOKIE + os.urandom(12),
        b"\x00\x11\x00\x00" + COOKIE + os.urandom(12),
    ):
        stranger.sendto(data, (HERE, port.number))
    await asyncio.sleep(0.2)
    assert waiting(stranger) == []
    assert port.addresses == 0
    assert sum(port.drops.values()) == 17
    assert port.drops["bad signature"] == 4
    # The names alone are not enough either: this one is signed, and lies about what is in it.
    wrong = stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)
    wrong.attributes |= {"USERNAME": peer.name, "PRIORITY": 1}
    wrong.add_message_integrity(right.encode())
    stranger.sendto(b"\x00\x01" + bytes(wrong)[2:], (HERE, port.number))
    await asyncio.sleep(0.05)
    assert waiting(stranger) == []
    await peer.close()
    stranger.close()


async def test_a_peer_is_known_by_its_checks_and_its_address_follows_it(open_port: Open) -> None:
    port = await open_port()
    peer = await Peer(port).start()
    first = await peer.connect()
    assert holder(port, first) is peer.connection
    first.sendto(b"\x80hello", (HERE, port.number))
    assert await asyncio.wait_for(peer.connection.recv(), 1) == b"\x80hello"
    second = peer.socket()
    second.sendto(b"\x80early", (HERE, port.number))
    await asyncio.sleep(0.05)
    assert peer.connection._queue.empty()
    peer.ask(second)
    await peer.serve(second)
    assert await peer.hears(second)
    await peer.close()
    assert (port.addresses, port.peers, port.transactions) == (0, 0, {})


async def test_a_peer_that_moves_without_saying_so_is_followed_once_it_is_silent(
    open_port: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aioice_contract, "SILENCE_S", 0.4)
    port = await open_port()
    peer = await Peer(port).start()
    before = await peer.connect()
    after = peer.socket()
    before.sendto(b"\x80here", (HERE, port.number))
    peer.ask(after, nominate=False)
    await peer.serve(after)
    assert await peer.hears(before)  # it still speaks from there
    await asyncio.sleep(0.5)
    peer.ask(after, nominate=False)
    await peer.serve(after)
    assert await peer.hears(after)
    await peer.close()


async def test_a_check_that_another_pair_cut_short_can_be_made_again(open_port: Open) -> None:
    port = await open_port()
    peer = await Peer(port).start()
    slow, quick = peer.socket(), peer.socket()
    peer.ask(slow)
    await asyncio.sleep(0.1)
    peer.ask(quick)
    await peer.serve(quick)
    waiting(slow)
    peer.ask(slow)
    await peer.serve(slow)
    assert await peer.hears(slow)
    await peer.close()


async def test_a_forged_source_takes_no_address_from_another_peer(open_port: Open) -> None:
    port = await open_port()
    victim, attacker = await Peer(port).start(), await Peer(port, "ssss").start()
    seat = await victim.connect()
    # As if the attacker's own, rightly signed checks came from the victim's address; the victim does not answer
    # with the attacker's password.
    for _ in range(5):
        attacker.ask(seat)
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    waiting(seat)
    assert holder(port, seat) is victim.connection
    assert port.drops["address taken"] == 5
    assert await victim.hears(seat)
    # Whoever really sits there answers our check, and has the address from then on.
    attacker.ask(seat)
    await attacker.serve(seat, 1.0)
    assert holder(port, seat) is attacker.connection
    victim.sockets.clear()
    await victim.close()
    assert holder(port, seat) is attacker.connection
    seat.close()
    await attacker.close()


async def test_what_is_kept_of_a_peer_is_bounded(open_port: Open) -> None:
    port = await open_port()
    peer = await Peer(port).start()
    seat = await peer.connect()
    sockets = [peer.socket() for _ in range(60)]
    for using in sockets:
        peer.ask(using, nominate=False)
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)
    limit = aioice_contract.MAX_ADDRESSES
    assert port.addresses <= limit
    assert len(peer.connection._check_list) <= limit
    assert len(peer.connection._remote_candidates) <= limit
    assert holder(port, seat) is peer.connection  # the one in use stays
    assert holder(port, sockets[-1]) is peer.connection
    assert await peer.hears(seat)
    for _ in range(300):
        peer.ask(seat)
    await until(lambda: port.drops["too many checks"] > 100)
    await peer.close()
    assert (port.addresses, port.peers, port.transactions) == (0, 0, {})


async def test_a_check_without_a_priority_harms_nobody(open_port: Open) -> None:
    port = await open_port()
    peer = await Peer(port).start()
    using = peer.socket()
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes |= {"USERNAME": peer.name, "ICE-CONTROLLING": 1}
    message.add_message_integrity(peer.connection.local_password.encode())
    using.sendto(bytes(message), (HERE, port.number))
    await until(lambda: port.drops["malformed"] == 1)
    await peer.connect()
    await peer.close()


async def test_a_flood_is_thrown_away_cheaply_and_told_once(
    open_port: Open, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(udp, "REPORT_S", 0.5)
    port = await open_port()
    peer = await Peer(port).start()
    seat = await peer.connect()
    taking = port.sockets[HERE]
    for name, data in {
        "unknown address": b"\x80" + os.urandom(170),
        "unknown peer": check("nobodyyy:rrrr", "x" * 22),
        "bad signature": check(peer.name, "x" * 22),
        "malformed": b"\x00\x01\x00\x40" + COOKIE + bytes(12) + bytes(64),
    }.items():
        began, number = time.process_time(), 5000
        for _ in range(number):
            taking._take(data, ("192.0.2.9", 9))
        each = (time.process_time() - began) / number
        assert port.drops[name] >= number
        assert each < 50e-6, f"{name}: {each * 1e6:.1f} µs"  # a tenth of that when nothing else runs
        await asyncio.sleep(0)
    assert port.addresses == 1
    assert await peer.hears(seat)
    await asyncio.sleep(0.5)
    port.drop("malformed")
    assert capsys.readouterr().out.count("datagrams dropped") <= 2
    await peer.close()


async def test_what_the_kernel_does_not_take_waits_and_the_oldest_goes(open_port: Open) -> None:
    port = await open_port()
    using, target = port.sockets[HERE], a_socket()

    class Full:
        """A socket that takes nothing, or everything."""

        def __init__(self, real: socket.socket) -> None:
            self.real, self.full = real, True

        def fileno(self) -> int:
            return self.real.fileno()

        def sendto(self, data: bytes, address: Any) -> int:
            if self.full:
                raise BlockingIOError
            return self.real.sendto(data, address)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

    full = Full(using._socket)
    using._socket = full  # type: ignore[assignment]
    try:
        for n in range(MAX_UNSENT + 3):
            using.send(n.to_bytes(4, "big"), target.getsockname())
            if n % 500 == 0:
                await asyncio.sleep(0)
        assert port.drops["unsent"] == 3
        assert using.unsent == 4 * MAX_UNSENT
        full.full = False
        await until(lambda: not using.unsent)
        assert int.from_bytes(waiting(target)[0], "big") == 3
        using.send(b"last", target.getsockname())
        using.send(b"lost", ("255.255.255.255", 9))
        assert port.drops["unreachable"] == 1
    finally:
        using._socket = full.real
        target.close()


async def test_a_number_in_use_is_named(open_port: Open) -> None:
    first = await open_port()
    with pytest.raises(Unavailable, match=f"UDP port {first.number} is in use.*CLEARCAST_ICE_UDP_PORT") as refused:
        await open_port(first.number)
    assert refused.value.code == "port"
    first.close()
    again = await open_port(first.number)
    assert again.number == first.number


async def test_addresses_that_come_and_go_are_noticed(open_port: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "REFRESH_S", 0.0)
    addresses = ["192.0.2.200"]  # not of this machine, or not yet
    port = await open_port(local_addresses=lambda: list(addresses))
    assert set(port.sockets) == {HERE, "::1"}
    addresses.append("127.0.0.2")
    assert await port.endpoints() == [("127.0.0.2", port.number), (HERE, port.number), ("::1", port.number)]
    addresses.clear()
    assert await port.endpoints() == [(HERE, port.number), ("::1", port.number)]
    assert set(port.sockets) == {HERE, "::1"}


async def test_what_peers_are_told_is_what_was_advertised(open_port: Open) -> None:
    advertised = [("203.0.113.7", 30189), ("2001:db8::7", None)]
    port = await open_port(advertised=advertised)
    peer = await ListenerPeer.create(BROWSER_OFFER, port, lambda state: None, SystemClock())
    candidates = [line.split()[4:8] for line in peer.answer.split("\r\n") if line.startswith("a=candidate:")]
    assert candidates == [["203.0.113.7", "30189", "typ", "host"], ["2001:db8::7", str(port.number), "typ", "host"]]
    await peer.close()
    quiet = await open_port(local_addresses=lambda: ["127.0.0.2"], tell_loopback=False)
    assert await quiet.endpoints() == [("127.0.0.2", quiet.number)]
    alone = await open_port(tell_loopback=False)
    assert await alone.endpoints() == [(HERE, alone.number), ("::1", alone.number)]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def hidden(offer: str) -> str:
    """The offer of a browser that hides its addresses behind a name."""
    lines = [line for line in offer.split("\r\n") if not line.startswith("a=candidate")]
    lines.insert(-1, "a=candidate:1 1 udp 2122260223 0b4c3a1e-6a3c-4a2f-9f55-0d6a64f7ee0a.local 52033 typ host")
    return "\r\n".join(lines)


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
async def test_twenty_listeners_and_a_publisher_share_the_port(open_port: Open, family: str) -> None:
    host = HERE if family == "IPv4" else "::1"
    port = await open_port(advertised=[(host, None)])
    clock = SystemClock()
    heard: list[ReceivedAudio] = []
    states: list[str] = []
    talker, ears = Talker(), [Ear() for _ in range(20)]
    offers = [await ear.offer() for ear in ears]
    own = await talker.offer()
    before = descriptors()
    publisher = await PublisherPeer.create(hidden(own), port, heard.append, states.append, clock)
    listeners = [await ListenerPeer.create(hidden(offer), port, states.append, clock) for offer in offers]
    assert descriptors() == before
    assert (port.pending, port.peers) == (21, 21)
    await talker.accept(publisher.answer)
    await asyncio.gather(*(ear.accept(peer.answer) for ear, peer in zip(ears, listeners, strict=True)))
    await until(lambda: states == ["connected"] * 21 and talker.sender.ready, timeout=15)
    await until(lambda: all(ear.connection.connectionState == "connected" for ear in ears))
    assert descriptors() == before
    assert port.pending == 0
    assert port.sockets[host].routes.keys() and port.addresses == len(port.sockets[host].routes)
    await asyncio.sleep(0.05)
    for n in range(60):
        await talker.talk(1, interval=0.005)
        for peer in listeners:
            peer.send(bytes([n]) * 20, n * PACKET)
    await until(lambda: len(heard) == 60 and all(len(ear.packets) == 60 for ear in ears))
    for peer in [publisher, *listeners]:
        await peer.close()
    assert (port.addresses, port.peers, port.pending, port.transactions) == (0, 0, 0, {})
    assert states == ["connected"] * 21
    for client in [talker, *ears]:
        await client.close()


async def test_a_listener_keeps_hearing_while_the_port_is_flooded(open_port: Open) -> None:
    port = await open_port()
    ear, states = Ear(), list[str]()
    peer = await ListenerPeer.create(await ear.offer(), port, states.append, SystemClock())
    await ear.accept(peer.answer)
    await until(lambda: states == ["connected"] and ear.connection.connectionState == "connected")
    await asyncio.sleep(0.05)
    flood = a_socket()
    name = peer._connection.getTransceivers()[0].receiver.transport.transport._connection.local_username
    junk = [check(f"{name}:x", "wrong"), check("somebody:x", "wrong"), b"\x80" + bytes(170), os.urandom(60)]
    for n in range(100):
        for _ in range(60):
            flood.sendto(junk[n % 4], (HERE, port.number))
        peer.send(bytes([n]), n * PACKET)
        await asyncio.sleep(0.005)
    await until(lambda: len(ear.packets) == 100)
    assert sum(port.drops.values()) > 1000
    assert waiting(flood) == []
    assert states == ["connected"]
    assert port.addresses == 1
    flood.close()
    await peer.close()
    await ear.close()


async def test_peers_that_never_come_are_bounded_and_given_up(open_port: Open) -> None:
    port = await open_port(max_pending=3)
    states: list[str] = []
    clock = SystemClock()

    async def offer() -> ListenerPeer:
        return await ListenerPeer.create(BROWSER_OFFER, port, states.append, clock, connect_timeout=0.3)

    peers = [await offer() for _ in range(3)]
    with pytest.raises(Unavailable) as refused:
        await offer()
    assert (refused.value.code, refused.value.retry_after) == ("too-many-pending", udp.RETRY_AFTER)
    await until(lambda: states == ["lost"] * 3)
    for peer in peers:
        await peer.close()
        await peer.close()
    assert (port.pending, port.peers) == (0, 0)
    await (await offer()).close()
    assert port.pending == 0


async def test_an_offer_with_a_thousand_candidates_is_refused_and_takes_no_place(open_port: Open) -> None:
    port = await open_port()
    lines = "".join(f"a=candidate:1 1 udp 1 10.0.{n // 250}.{n % 250} 1 typ host\r\n" for n in range(1000))
    offer = BROWSER_OFFER.replace("a=rtcp:9", lines + "a=rtcp:9")
    with pytest.raises(InvalidOffer, match="more than 100 ICE candidates"):
        await ListenerPeer.create(offer, port, lambda state: None, SystemClock())
    assert (port.pending, port.peers) == (0, 0)


async def test_a_listener_reports_loss_jitter_and_round_trip(open_port: Open) -> None:
    port = await open_port()
    wire, ear, states = LossyWire(), Ear(), list[str]()
    wire.delay_s = 0.02
    peer = await ListenerPeer.create(await ear.offer(), port, states.append, SystemClock())
    assert peer.statistics.loss is None
    await ear.accept(await wire.attach(peer.answer))
    await until(lambda: states == ["connected"] and ear.connection.connectionState == "connected")
    await asyncio.sleep(0.1)
    wire.loss = 0.2
    for n in range(180):
        peer.send(bytes([n]), n * PACKET)
        await asyncio.sleep(0.02)
    await until(lambda: peer.statistics.round_trip_s is not None)
    seen = peer.statistics
    assert seen.packets_sent == 180
    assert 0.05 < (seen.loss or 0) < 0.5
    assert 10 < seen.packets_lost <= wire.lost
    assert 0.035 < (seen.round_trip_s or 0) < 0.2
    assert seen.jitter_s is not None
    wire.close()
    await peer.close()
    await ear.close()
