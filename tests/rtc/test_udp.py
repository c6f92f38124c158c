"""The shared port at its sockets: strangers, forgers and floods, addresses that move, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Any

import pytest
from aioice import stun

from server.errors import Unavailable
from server.rtc import aioice_contract, udp
from server.rtc.port_socket import MAX_UNSENT
from tests.rtc.conftest import Closing
from tests.rtc.peers import until
from tests.rtc.ports import COOKIE, HERE, Open, Peer, a_socket, check, holder, waiting


async def test_strangers_hear_nothing_and_leave_nothing(open_port: Open, closing: Closing) -> None:
    port = await open_port()
    peer = await closing(Peer(port)).start()
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


async def test_a_peer_is_known_by_its_checks_and_its_address_follows_it(open_port: Open, closing: Closing) -> None:
    port = await open_port()
    peer = await closing(Peer(port)).start()
    first = await peer.connect()
    assert holder(port, first) is peer.connection
    first.sendto(b"\x80hello", (HERE, port.number))
    assert await asyncio.wait_for(peer.connection.recv(), 30) == b"\x80hello"
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
    open_port: Open, closing: Closing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aioice_contract, "SILENCE_S", 0.4)
    port = await open_port()
    peer = await closing(Peer(port)).start()
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


async def test_a_check_that_another_pair_cut_short_can_be_made_again(open_port: Open, closing: Closing) -> None:
    port = await open_port()
    peer = await closing(Peer(port)).start()
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


async def test_a_forged_source_takes_no_address_from_another_peer(open_port: Open, closing: Closing) -> None:
    port = await open_port()
    victim, attacker = await closing(Peer(port)).start(), await closing(Peer(port, "ssss")).start()
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


async def test_what_is_kept_of_a_peer_is_bounded(open_port: Open, closing: Closing) -> None:
    port = await open_port()
    peer = await closing(Peer(port)).start()
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


async def test_a_check_without_a_priority_harms_nobody(open_port: Open, closing: Closing) -> None:
    port = await open_port()
    peer = await closing(Peer(port)).start()
    using = peer.socket()
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes |= {"USERNAME": peer.name, "ICE-CONTROLLING": 1}
    message.add_message_integrity(peer.connection.local_password.encode())
    using.sendto(bytes(message), (HERE, port.number))
    await until(lambda: port.drops["malformed"] == 1)
    await peer.connect()
    await peer.close()


async def test_a_flood_is_thrown_away_cheaply_and_told_once(
    open_port: Open, closing: Closing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(udp, "REPORT_S", 0.5)
    port = await open_port()
    peer = await closing(Peer(port)).start()
    seat = await peer.connect()
    taking = port.sockets[HERE]
    for name, data in {
        "unknown address": b"\x80" + os.urandom(170),
        "unknown peer": check("nobodyyy:rrrr", "x" * 22),
        "bad signature": check(peer.name, "x" * 22),
        "malformed": b"\x00\x01\x00\x40" + COOKIE + bytes(12) + bytes(64),
    }.items():
        times = []
        for _ in range(10):
            began = time.process_time()
            for _ in range(500):
                taking._take(data, ("192.0.2.9", 9))
            times.append((time.process_time() - began) / 500)
        assert port.drops[name] >= 5000
        assert min(times) < 50e-6, f"{name}: {min(times) * 1e6:.1f} µs"  # a tenth of that when nothing else runs
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
