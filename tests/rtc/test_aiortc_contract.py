"""What we lean on in aiortc and aioice is there. When this fails, a new version changed it: read its changes, then
`server/rtc/aiortc_contract.py` or `aioice_contract.py`, then raise its VERSION."""

from __future__ import annotations

import asyncio
import socket
from importlib.metadata import version

import aioice.ice
import pytest
from aiortc import RTCSessionDescription
from aiortc import rtp as aiortc_rtp

from server.clock import SystemClock
from server.rtc import aioice_contract, aiortc_contract
from server.rtc.aiortc_contract import PacketReceiver, PacketSender, add_audio, open_connection, open_shared
from tests.rtc.peers import until
from tests.wire import LossyWire


@pytest.mark.parametrize(("name", "read"), [("aiortc", aiortc_contract.VERSION), ("aioice", aioice_contract.VERSION)])
def test_the_versions_are_the_ones_that_were_read(name: str, read: str) -> None:
    assert version(name).startswith(read + ".")


async def test_every_private_name_is_there() -> None:
    assert aiortc_contract.missing_names() == []
    assert aioice_contract.missing_names() == []


async def test_transceivers_are_made_of_our_parts_and_only_ours() -> None:
    connection, other = open_connection([]), open_connection([])
    try:
        ours = add_audio(connection, "sendrecv")
        plain = other.addTransceiver("audio")
        assert isinstance(ours.receiver, PacketReceiver)
        assert isinstance(ours.sender, PacketSender)
        assert not isinstance(plain.receiver, PacketReceiver)
        assert not isinstance(plain.sender, PacketSender)
    finally:
        await connection.close()
        await other.close()


async def test_packets_pass_between_our_sender_and_receiver_and_lost_ones_are_sent_again() -> None:
    offerer, answerer = open_connection([]), open_connection([])
    sender = add_audio(offerer, "sendonly").sender
    receiver = add_audio(answerer, "recvonly").receiver
    assert isinstance(sender, PacketSender)
    assert isinstance(receiver, PacketReceiver)
    seen: list[tuple[int, int, bytes]] = []
    receiver.clock = SystemClock()
    receiver.on_packet = lambda ssrc, sequence, timestamp, payload, arrival: seen.append((sequence, timestamp, payload))
    wire = LossyWire()
    try:
        await offerer.setLocalDescription(await offerer.createOffer())
        await answerer.setRemoteDescription(offerer.localDescription)
        await answerer.setLocalDescription(await answerer.createAnswer())
        answer = await wire.attach(answerer.localDescription.sdp)
        await offerer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        assert not sender.transmit(b"too early", 0)
        await until(lambda: sender.ready and answerer.connectionState == "connected" and receiver._registered)
        for n in range(60):
            wire.cut = n in (5, 7)
            assert sender.transmit(bytes([n]), n * 960)
            await asyncio.sleep(0.002)
        await until(lambda: len(seen) == 58)
        assert [payload[0] for _, _, payload in seen] == [n for n in range(60) if n not in (5, 7)]
        first, origin, _ = seen[0]
        lost = [first + 5 & 0xFFFF, first + 7 & 0xFFFF]
        await sender._handle_rtcp_packet(aiortc_rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=sender._ssrc, lost=lost))
        await until(lambda: len(seen) == 60)
        assert [(sequence, payload[0]) for sequence, _, payload in seen[58:]] == [(lost[0], 5), (lost[1], 7)]
        assert seen[58][1] == origin + 5 * 960 & 0xFFFFFFFF
    finally:
        wire.close()
        await offerer.close()
        await answerer.close()


async def test_datagrams_from_a_stranger_end_nothing() -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    offerer, answerer = open_connection([]), open_connection([])
    add_audio(offerer, "sendonly")
    add_audio(answerer, "recvonly")
    try:
        await offerer.setLocalDescription(await offerer.createOffer())
        await answerer.setRemoteDescription(offerer.localDescription)
        await answerer.setLocalDescription(await answerer.createAnswer())
        await offerer.setRemoteDescription(RTCSessionDescription(answerer.localDescription.sdp, "answer"))
        await until(lambda: answerer.connectionState == "connected")
        ports = [line.split()[4:6] for line in answerer.localDescription.sdp.split("\r\n") if "typ host" in line]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            truncated = bytes.fromhex("00010004 2112a442") + bytes(12) + bytes.fromhex("00240000")  # PRIORITY, empty
            for data in (
                truncated,
                b"",
                b"\x80",
                b"\x16",
                b"\x80" * 11,
                bytes(range(128, 192)) * 4,
                b"\x16\xfe\xfd" + bytes(20),
            ):
                stranger.sendto(data, (ports[0][0], int(ports[0][1])))
        await asyncio.sleep(0.2)
        assert answerer.connectionState == "connected"
        assert failures == []
    finally:
        await offerer.close()
        await answerer.close()


def test_a_machine_without_a_network_still_has_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice_contract, "_found_addresses", lambda use_ipv4, use_ipv6: [])
    assert aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True) == ["127.0.0.1"]


async def test_the_servers_peers_have_one_certificate_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    def fingerprints(connection: object) -> set[str]:
        (certificate,) = connection._RTCPeerConnection__certificates  # type: ignore[attr-defined]
        return {fingerprint.value for fingerprint in certificate.getFingerprints()}

    connections = [open_shared(), open_shared(), open_connection([])]
    monkeypatch.setattr(aiortc_contract, "CERTIFICATE_S", -1.0)
    connections.append(open_shared())
    first, second, client, tomorrow = map(fingerprints, connections)
    assert first == second
    assert not first & client
    assert not first & tomorrow
    for connection in connections:
        await connection.close()


async def test_a_connection_that_is_closed_tells_so_to_whoever_asks_later() -> None:
    connection = aioice.ice.Connection(ice_controlling=True)
    aioice_contract.guard(connection)
    await connection.close()
    assert isinstance(await connection.get_event(), aioice.ice.ConnectionClosed)
