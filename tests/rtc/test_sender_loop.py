"""The sender loop: many listeners in one go, lost packets from one history, none harmed by another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiortc.rtp import RTCP_RTPFB_NACK, RtcpRtpfbPacket

from server.clock import PACKET, SystemClock
from server.queues import QUEUES
from server.rtc import rtp_rows, sender_loop, srtp_contract
from server.rtc.listen import Crowd, ListenerPeer
from server.rtc.udp import UdpPort
from tests.rtc.conftest import Closing
from tests.rtc.peers import Ear, crowd_of, until
from tests.rtc.ports import Open
from tests.wire import LossyWire


async def seat(port: UdpPort, ear: Ear, wire: LossyWire | None = None) -> ListenerPeer:
    """A listener whose connection stands."""
    states: list[str] = []
    peer = await ListenerPeer.create(await ear.offer(), port, states.append, SystemClock())
    await ear.accept(await wire.attach(peer.answer) if wire is not None else peer.answer)
    await until(lambda: states == ["connected"] and ear.ready and peer.sender.ready)
    return peer


def heard(ear: Ear) -> list[bytes]:
    return [payload for _, payload in ear.packets]


@pytest.mark.parametrize("one_by_one", [False, True], ids=["sendmmsg", "sendto"])
async def test_listeners_come_and_go_and_each_hears_what_is_sent_meanwhile(
    open_port: Open, closing: Closing[Any], monkeypatch: pytest.MonkeyPatch, one_by_one: bool
) -> None:
    if one_by_one:
        monkeypatch.setattr(rtp_rows, "_sendmmsg", None)
    monkeypatch.setattr(rtp_rows, "FIRST_CAPACITY", 1)
    port, ears = await open_port(), [closing(Ear()) for _ in range(4)]
    peers = [closing(await seat(port, ear)) for ear in ears]
    crowd = crowd_of(*peers[:3])
    sent = [bytes([n]) * (n + 1) for n in range(40)]

    def send(first: int, end: int) -> None:
        for n in range(first, end):
            crowd.send(sent[n], n * PACKET)

    send(0, 10)
    crowd.remove(peers[0])
    send(10, 20)
    crowd.add(peers[3])
    send(20, 30)
    crowd.remove(peers[1])
    crowd.add(peers[0])
    send(30, 40)
    expected = [sent[:10] + sent[30:], sent[:30], sent, sent[20:]]
    await until(lambda: [len(ear.packets) for ear in ears] == [len(packets) for packets in expected])
    assert [heard(ear) for ear in ears] == expected
    assert peers[2].sent == 40


async def test_whoever_lost_packets_gets_them_again_from_the_one_history(
    open_port: Open, closing: Closing[Any]
) -> None:
    port, ears, wire = await open_port(), [closing(Ear()), closing(Ear())], LossyWire()
    peers = [closing(await seat(port, ears[0], wire)), closing(await seat(port, ears[1]))]
    crowd = crowd_of(*peers)
    for n in range(100):
        if n == 40:
            await until(lambda: len(ears[0].packets) == 40)
            wire.loss = 1.0
        if n == 60:
            await until(lambda: wire.lost >= 20)
            wire.loss = 0.0
        crowd.send(bytes([n]) * 30, n * PACKET)
    await until(lambda: len(ears[0].packets) == 80 and len(ears[1].packets) == 100)
    first, sender = peers[0].sender.numbering[0], peers[0].sender
    nack = RtcpRtpfbPacket(
        fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=sender.source[0], lost=[first + n & 0xFFFF for n in range(40, 60)]
    )
    await ears[0].connection.getTransceivers()[0].receiver.transport._send_rtp(bytes(nack))
    await until(lambda: len(ears[0].packets) == 100)
    times = [time - ears[0].packets[0][0] & 0xFFFFFFFF for time, _ in ears[0].packets]
    assert sorted(times) == [n * PACKET for n in range(100)]
    assert sorted(heard(ears[0])) == [bytes([n]) * 30 for n in range(100)]
    await asyncio.sleep(0.05)
    assert len(ears[1].packets) == 100
    wire.close()


async def test_a_listener_that_cannot_be_sent_to_goes_alone_and_nothing_leaves_in_the_clear(
    open_port: Open, closing: Closing[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, ears = await open_port(), [closing(Ear()) for _ in range(3)]
    peers = [closing(await seat(port, ear)) for ear in ears]
    broken: list[ListenerPeer] = []
    crowd = Crowd(SystemClock(), broken.append)
    for peer in peers:
        crowd.add(peer)
    crowd.send(b"before", 0)
    bad, protect = srtp_contract.handle(peers[0].sender.session), srtp_contract.protect
    monkeypatch.setattr(srtp_contract, "protect", lambda handle, *rest: 7 if handle == bad else protect(handle, *rest))
    crowd.send(b"after", PACKET)
    assert broken == [peers[0]]
    await until(lambda: all(heard(ear) == [b"before", b"after"] for ear in ears[1:]))
    assert heard(ears[0]) == [b"before"]


async def test_packets_wait_half_a_second_for_a_socket_that_takes_none(
    open_port: Open, closing: Closing[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, ear = await open_port(), closing(Ear())
    peer = closing(await seat(port, ear))
    crowd = crowd_of(peer)
    crowd.send(b"first", 0)
    queue = QUEUES["listener"]
    dropped = queue.dropped
    (using,) = [socket for socket in port.sockets.values() if socket.routes]
    monkeypatch.setattr(using, "unsent", sender_loop.MAX_UNSENT_BYTES + 1)
    for n in range(1, 41):
        crowd.send(bytes([n]), n * PACKET)
    assert max(queue.lengths()) == sender_loop.QUEUE
    assert peer.dropped == queue.dropped - dropped == 40 - sender_loop.QUEUE
    monkeypatch.setattr(using, "unsent", 0)
    crowd.send(bytes([41]), 41 * PACKET)
    await until(lambda: len(ear.packets) == 27)
    assert heard(ear)[1:] == [bytes([n]) for n in range(16, 42)]
