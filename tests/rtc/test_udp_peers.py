"""Whole peers on the shared port: both families on one number, heard through a flood, bounded while they connect."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import socket
import time
from pathlib import Path
from typing import Any

import aioice
import pytest

from server.clock import PACKET, SystemClock
from server.errors import InvalidOffer, Unavailable
from server.rtc import udp
from server.rtc.listen import ListenerPeer
from server.rtc.publish import PublisherPeer, ReceivedAudio
from tests.rtc.conftest import Closing
from tests.rtc.peers import BROWSER_OFFER, Ear, Talker, crowd_of, until
from tests.rtc.ports import HERE, Open, a_socket, check, waiting
from tests.wire import LossyWire


async def test_what_peers_are_told_is_what_was_advertised(open_port: Open, closing: Closing) -> None:
    advertised = [("203.0.113.7", 30189), ("2001:db8::7", None)]
    port = await open_port(advertised=advertised)
    peer = closing(await ListenerPeer.create(BROWSER_OFFER, port, lambda state: None, SystemClock()))
    candidates = [line.split()[4:8] for line in peer.answer.split("\r\n") if line.startswith("a=candidate:")]
    assert candidates == [["203.0.113.7", "30189", "typ", "host"], ["2001:db8::7", str(port.number), "typ", "host"]]
    await peer.close()
    quiet = await open_port(local_addresses=lambda: ["127.0.0.2"], tell_loopback=False)
    assert await quiet.endpoints() == [("127.0.0.2", quiet.number)]
    alone = await open_port(tell_loopback=False)
    assert await alone.endpoints() == [(HERE, alone.number), ("::1", alone.number)]


def descriptors() -> int:
    """Open now: garbage of earlier tests, which would go at any moment, is collected first."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def hidden(offer: str) -> str:
    """The offer of a browser that hides its addresses behind a name."""
    lines = [line for line in offer.split("\r\n") if not line.startswith("a=candidate")]
    lines.insert(-1, "a=candidate:1 1 udp 2122260223 0b4c3a1e-6a3c-4a2f-9f55-0d6a64f7ee0a.local 52033 typ host")
    return "\r\n".join(lines)


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
async def test_twenty_listeners_and_a_publisher_share_the_port(open_port: Open, closing: Closing, family: str) -> None:
    host = HERE if family == "IPv4" else "::1"
    port = await open_port(advertised=[(host, None)])
    clock = SystemClock()
    heard: list[ReceivedAudio] = []
    states: list[str] = []
    talker, ears = closing(Talker()), [closing(Ear()) for _ in range(20)]
    offers = [await ear.offer() for ear in ears]
    own = await talker.offer()
    before = descriptors()
    publisher = closing(await PublisherPeer.create(hidden(own), port, heard.append, states.append, clock))
    listeners = [closing(await ListenerPeer.create(hidden(offer), port, states.append, clock)) for offer in offers]
    crowd = crowd_of(*listeners)
    assert descriptors() <= before
    assert (port.pending, port.peers) == (21, 21)
    await talker.accept(publisher.answer)
    await asyncio.gather(*(ear.accept(peer.answer) for ear, peer in zip(ears, listeners, strict=True)))
    await until(lambda: states == ["connected"] * 21 and talker.sender.ready, timeout=60)
    await until(lambda: all(ear.connection.connectionState == "connected" for ear in ears))
    assert descriptors() <= before
    assert port.pending == 0
    assert port.sockets[host].routes.keys() and port.addresses == len(port.sockets[host].routes)
    await asyncio.sleep(0.05)
    for n in range(60):
        await talker.talk(1, interval=0.005)
        crowd.send(bytes([n]) * 20, n * PACKET)
    await until(lambda: len(heard) == 60 and all(len(ear.packets) == 60 for ear in ears))
    for peer in [publisher, *listeners]:
        await peer.close()
    assert (port.addresses, port.peers, port.pending, port.transactions) == (0, 0, 0, {})
    assert states == ["connected"] * 21
    for client in [talker, *ears]:
        await client.close()


async def test_a_listener_keeps_hearing_while_the_port_is_flooded(open_port: Open, closing: Closing) -> None:
    port = await open_port()
    ear, states = closing(Ear()), list[str]()
    peer = closing(await ListenerPeer.create(await ear.offer(), port, states.append, SystemClock()))
    crowd = crowd_of(peer)
    await ear.accept(peer.answer)
    await until(lambda: states == ["connected"] and ear.connection.connectionState == "connected")
    await asyncio.sleep(0.05)
    flood = a_socket()
    name = peer._connection.getTransceivers()[0].receiver.transport.transport._connection.local_username
    junk = [check(f"{name}:x", "wrong"), check("somebody:x", "wrong"), b"\x80" + bytes(170), os.urandom(60)]
    for n in range(100):
        for _ in range(60):
            flood.sendto(junk[n % 4], (HERE, port.number))
        crowd.send(bytes([n]), n * PACKET)
        await asyncio.sleep(0.005)
    await until(lambda: len(ear.packets) == 100)
    assert sum(port.drops.values()) > 1000
    assert waiting(flood) == []
    assert states == ["connected"]
    assert port.addresses == 1
    flood.close()
    await peer.close()
    await ear.close()


async def test_a_listener_keeps_hearing_while_checks_come_from_hundreds_of_addresses(
    open_port: Open, closing: Closing
) -> None:
    port = await open_port()
    ear, states = closing(Ear()), list[str]()
    peer = closing(await ListenerPeer.create(await ear.offer(), port, states.append, SystemClock()))
    crowd = crowd_of(peer)
    await ear.accept(peer.answer)
    await until(lambda: states == ["connected"] and ear.connection.connectionState == "connected")
    await asyncio.sleep(0.05)
    name = peer._connection.getTransceivers()[0].receiver.transport.transport._connection.local_username
    checks = [check(f"{name}:x", "wrong"), check("somebody:x", "wrong"), check(name, "wrong")]
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(250)]
        for n, one in enumerate(strangers):
            one.bind((f"127.0.7.{n + 1}", 0))
            one.setblocking(False)
        for n in range(100):
            for one in strangers[n % 5 :: 5]:
                one.sendto(checks[n % 3], (HERE, port.number))
            crowd.send(bytes([n]), n * PACKET)
            await asyncio.sleep(0.005)
        await until(lambda: len(ear.packets) == 100)
        assert sum(port.drops.values()) > 2000
        assert [answer for one in strangers for answer in waiting(one)] == []
    assert (port.addresses, port.peers, states) == (1, 1, ["connected"])


async def through_ice(answer: str, closing: Closing) -> Any:
    """Somebody who gets through the connectivity checks as BROWSER_OFFER's sender would, and no further."""
    ice: Any = closing(aioice.Connection(ice_controlling=True))
    ice._local_username, ice._local_password = "ETEn", "OtSK0WpNtpUjkY4+86js7ZQl"
    found = dict(line[2:].partition(":")[::2] for line in answer.split("\r\n") if line.startswith("a=ice-"))
    ice.remote_username, ice.remote_password = found["ice-ufrag"], found["ice-pwd"]
    await ice.gather_candidates()
    for line in answer.split("\r\n"):
        if line.startswith("a=candidate:") and HERE in line:
            await ice.add_remote_candidate(aioice.Candidate.from_sdp(line.partition(":")[2]))
    await ice.add_remote_candidate(None)
    await ice.connect()
    return ice


async def test_whoever_speaks_no_dtls_is_given_up_and_disturbs_nobody(open_port: Open, closing: Closing) -> None:
    port, clock = await open_port(), SystemClock()
    heard: list[ReceivedAudio] = []
    states: list[str] = []
    talker = closing(Talker())
    publisher = closing(await PublisherPeer.create(await talker.offer(), port, heard.append, lambda state: None, clock))
    await talker.accept(publisher.answer)
    await until(lambda: publisher.connected and talker.sender.ready)
    await asyncio.sleep(0.05)
    junk = closing(await ListenerPeer.create(BROWSER_OFFER, port, states.append, clock, connect_timeout=2.0))
    ice = await through_ice(junk.answer, closing)
    chaos = random.Random(9)
    hello = b"\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00"
    for _ in range(50):
        for _ in range(20):
            kind = bytes([chaos.choice([20, 21, 22, 23, 24, 63])])
            await ice.send(kind + b"\xfe\xfd" + chaos.randbytes(chaos.randrange(1200)))
            await ice.send(hello + chaos.randbytes(2) + b"\x01" + chaos.randbytes(chaos.randrange(60)))
            await ice.send(b"\x80" + chaos.randbytes(40))
        await talker.talk(1, 0.005)
    await until(lambda: len(heard) == 50)
    await until(lambda: states == ["lost"])
    await junk.close()
    assert (port.peers, port.pending) == (1, 0)


async def test_peers_that_never_come_are_bounded_and_given_up(open_port: Open, closing: Closing) -> None:
    port = await open_port(max_pending=3)
    states: list[str] = []
    clock = SystemClock()

    async def offer() -> ListenerPeer:
        return closing(await ListenerPeer.create(BROWSER_OFFER, port, states.append, clock, connect_timeout=0.3))

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
    began = time.process_time()
    for _ in range(50):
        with pytest.raises(InvalidOffer, match="more than 100 ICE candidates"):
            await ListenerPeer.create(offer, port, lambda state: None, SystemClock())
    assert time.process_time() - began < 50 * 0.02  # a tenth of that when nothing else runs
    assert (port.pending, port.peers) == (0, 0)


async def test_a_listener_reports_loss_jitter_and_round_trip(open_port: Open, closing: Closing) -> None:
    port = await open_port()
    wire, ear, states = LossyWire(), closing(Ear()), list[str]()
    wire.delay_s = 0.02
    peer = closing(await ListenerPeer.create(await ear.offer(), port, states.append, SystemClock()))
    crowd = crowd_of(peer)
    assert peer.statistics.loss is None
    await ear.accept(await wire.attach(peer.answer))
    await until(lambda: states == ["connected"] and ear.connection.connectionState == "connected")
    await asyncio.sleep(0.1)
    wire.loss = 0.2
    for n in range(180):
        crowd.send(bytes([n]), n * PACKET)
        await asyncio.sleep(0.02)
    await until(lambda: peer.statistics.round_trip_s is not None)
    seen = peer.statistics
    assert seen.packets_sent == 180
    assert 0 < (seen.loss or 0) < 0.6
    assert 10 < seen.packets_lost <= wire.lost
    assert 0.035 < (seen.round_trip_s or 0) < 5
    assert seen.jitter_s is not None
    wire.close()
    await peer.close()
    await ear.close()
