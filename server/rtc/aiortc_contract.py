"""What leans on private names of aiortc, for the version in VERSION; of aioice, see `server.rtc.aioice_contract`.

aiortc does DTLS and SRTP for us; its media parts are replaced: its jitter buffer (80 ms, five times the loss) by
the packets as they come, its sender (a task and an encoder per listener) by one that is called. `missing_names` lists
what a new version no longer has; a test runs it.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import urandom
from typing import Any, Protocol

import aiortc.rtcpeerconnection
from aiortc import RTCCertificate, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver, rtp
from aiortc.clock import current_ntp_time
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpCodecParameters
from OpenSSL import SSL

from server.clock import SAMPLE_RATE, Clock
from server.config import IceServer
from server.log import get_logger
from server.metrics import RESENDS_REFUSED
from server.rtc import aioice_contract, srtp_contract
from server.rtc.ice import configuration
from server.rtc.reception import ReceptionStatistics
from server.rtc.reports import ReportLog
from server.rtc.token_bucket import TokenBucket
from server.rtc.udp import UdpPort

VERSION = "1.16"

CERTIFICATE_S = 24 * 3600
"""How long one certificate serves all new peers; it is valid for 30 days."""
HISTORY = 128
"""Packets that a sender can send again, a power of two."""
RESENT_PER_PACKET = 2
"""Packets sent again for each new one at most, over the length of the history: asking for more is no loss."""

REPORT_EVERY = 50
"""Packets between two sender reports: a second."""

_HEADER = struct.Struct("!BBHLL")
_SENDER_REPORT = struct.Struct("!BBHLQLLL")  # RFC 3550 section 6.4.1, without report blocks
_log = get_logger(__name__)


class PacketHandler(Protocol):
    """What is told of every RTP packet; numbers as on the wire, `arrival` in samples of the clock."""

    def __call__(self, ssrc: int, sequence: int, timestamp: int, payload: bytes, arrival: int) -> None: ...


class PacketReceiver(RTCRtpReceiver):
    """Hands over each RTP packet of Opus the moment it comes and sends receiver reports; decodes nothing."""

    def __init__(self, kind: str, transport: RTCDtlsTransport) -> None:
        super().__init__(kind, transport)
        self.clock: Clock | None = None
        self.on_packet: PacketHandler | None = None
        self._payload_types: set[int] = set()
        self._report_ssrc = 0
        self._source: int | None = None
        self._statistics: ReceptionStatistics | None = None
        self._reported_at = 0
        self._sender_report: tuple[int, int] | None = None
        self._registered = False

    def _set_rtcp_ssrc(self, ssrc: int) -> None:
        self._report_ssrc = ssrc

    async def receive(self, parameters: Any) -> None:
        if not self._registered:
            self._registered = True
            self._payload_types = {c.payloadType for c in parameters.codecs if c.name.lower() == "opus"}
            self.transport._register_rtp_receiver(self, parameters)

    async def stop(self) -> None:
        if self._registered:
            self.transport._unregister_rtp_receiver(self)
        self._handle_disconnect()

    def _handle_disconnect(self) -> None:
        self.on_packet = None
        if self._track is not None:
            self._track.stop()

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        if isinstance(packet, rtp.RtcpSrPacket) and self.clock is not None:
            self._sender_report = (packet.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF, self.clock.samples())

    async def _handle_rtp_packet(self, packet: rtp.RtpPacket, arrival_time_ms: int) -> None:
        # An exception that leaves here would end the whole connection.
        try:
            self._take(packet)
        except Exception:  # noqa: BLE001 - the boundary between a stranger's packets and the connection
            _log.exception("RTP packet dropped")

    def _take(self, packet: rtp.RtpPacket) -> None:
        if self.clock is None or self.on_packet is None or packet.payload_type not in self._payload_types:
            return
        arrival = self.clock.samples()
        if self._statistics is None or packet.ssrc != self._source:
            self._source = packet.ssrc
            self._statistics = ReceptionStatistics(packet.sequence_number)
            self._reported_at = arrival
        self._statistics.add(packet.sequence_number, packet.timestamp, arrival)
        if packet.payload:
            self.on_packet(packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload, arrival)
        if arrival - self._reported_at >= SAMPLE_RATE:
            self._reported_at = arrival
            self._report(packet.ssrc, self._statistics, arrival)

    def _report(self, source: int, statistics: ReceptionStatistics, now: int) -> None:
        seen = statistics.report()
        last, delay = 0, 0
        if self._sender_report is not None:
            last, came = self._sender_report
            delay = min((now - came) * 65536 // SAMPLE_RATE, 0xFFFFFFFF)
        block = rtp.RtcpReceiverInfo(
            ssrc=source,
            fraction_lost=seen.fraction_lost,
            packets_lost=seen.packets_lost,
            highest_sequence=seen.highest_sequence,
            jitter=seen.jitter,
            lsr=last,
            dlsr=delay,
        )
        _send_control(self.transport, bytes(rtp.RtcpRrPacket(ssrc=self._report_ssrc, reports=[block])))


class PacketSender(RTCRtpSender):
    """Sends a payload when told, from the caller's own turn on the event loop: no task, no encoder."""

    def __init__(self, track_or_kind: Any, transport: RTCDtlsTransport) -> None:
        super().__init__(track_or_kind, transport)
        self.packets = 0
        self.octets = 0
        self.started = asyncio.Event()
        """Set once the connection stands and packets go out."""
        self._sequence = int.from_bytes(urandom(2)) & 0x7FFF  # lower half: SRTP cannot follow an early wrap
        self._origin = int.from_bytes(urandom(4))
        self._history: list[tuple[int, bytes]] = [(-1, b"")] * HISTORY
        self._resends = TokenBucket(RESENT_PER_PACKET, HISTORY, 0)
        self._protect: Callable[[bytes], bytes] | None = None
        self._pairs: dict[int, Any] = {}
        self._pair: Any = None
        self._address: Any = None
        self._sendto: Callable[[bytes, Any], object] | None = None
        self._payload_type = 0
        self._description = b""
        self._until_report = 1
        self.reports: ReportLog | None = None
        """Set by who wants to know what the listener reports."""
        self.on_nack: Callable[[Sequence[int]], None] | None = None
        """Set by who numbers and remembers the packets in place of `transmit`: gets the numbers asked for again."""

    @property
    def ready(self) -> bool:
        """Whether what is sent now goes out."""
        return self._protect is not None and 1 in self._pairs

    @property
    def numbering(self) -> tuple[int, int]:
        """The next sequence number, and the RTP time of time 0."""
        return self._sequence, self._origin

    def go_on_from(self, sequence: int) -> None:
        """The next sequence number: one that was used protects nothing else, or its key would be given away."""
        self._sequence = sequence

    @property
    def source(self) -> tuple[int, int]:
        """SSRC and payload type."""
        return self._ssrc, self._payload_type

    @property
    def session(self) -> Any:
        """The SRTP session of what goes out, once `ready`."""
        return self.transport._tx_srtp

    @property
    def pairs(self) -> dict[int, Any]:
        """aioice's candidate pair in use, under 1: another one when the listener has moved."""
        return self._pairs

    async def send(self, parameters: Any) -> None:
        if self._protect is None:
            name = rtp.RtcpSourceInfo(ssrc=self._ssrc, items=[(1, parameters.rtcp.cname.encode())])
            self._description = bytes(rtp.RtcpSdesPacket(chunks=[name]))
            self._payload_type = parameters.codecs[0].payloadType
            self.transport._register_rtp_sender(self, parameters)
            self._pairs = self.transport.transport._connection._nominated
            self._protect = self.transport._tx_srtp.protect
            self.started.set()

    async def stop(self) -> None:
        if self._protect is not None:
            self._protect = None
            self.transport._unregister_rtp_sender(self)
            _send_control(self.transport, bytes(rtp.RtcpByePacket(sources=[self._ssrc])))

    def transmit(self, payload: bytes, timestamp: int, marker: bool = False) -> bool:
        """Send `payload` at RTP time `timestamp` (any integer); whether it went out."""
        pair, protect = self._pairs.get(1), self._protect
        if pair is not self._pair:
            self._pair = pair
            self._address = pair.remote_addr if pair is not None else None
            self._sendto = pair.protocol.transport.sendto if pair is not None else None
        sendto = self._sendto
        if sendto is None or protect is None:
            return False
        rtp_time = self._origin + timestamp & 0xFFFFFFFF
        sequence = self._sequence
        self._sequence = sequence + 1 & 0xFFFF
        packet = _HEADER.pack(0x80, marker << 7 | self._payload_type, sequence, rtp_time, self._ssrc) + payload
        self._history[sequence % HISTORY] = (sequence, packet)
        sendto(protect(packet), self._address)
        self.packets += 1
        self.octets += len(payload)
        self._until_report -= 1
        if not self._until_report:
            self._until_report = REPORT_EVERY
            self.report(rtp_time, self.packets, self.octets)
        return True

    def report(self, rtp_time: int, packets: int, octets: int) -> None:
        """Send a sender report: that it is `rtp_time` now, and what was sent so far."""
        now = current_ntp_time()
        if self.reports is not None:
            self.reports.sent(now >> 16 & 0xFFFFFFFF, packets)
        sent = (packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
        report = _SENDER_REPORT.pack(0x80, rtp.RTCP_SR, 6, self._ssrc, now, rtp_time, *sent)
        _send_control(self.transport, report + self._description)

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        if isinstance(packet, rtp.RtcpRrPacket | rtp.RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == self._ssrc and self.reports is not None:
                    self.reports.received(
                        report.fraction_lost, report.packets_lost, report.jitter, report.lsr, report.dlsr
                    )
            return
        if not isinstance(packet, rtp.RtcpRtpfbPacket) or packet.fmt != rtp.RTCP_RTPFB_NACK:
            return
        if self.on_nack is not None:
            self.on_nack(packet.lost)
            return
        pair = self._pairs.get(1)
        if pair is None or self._protect is None:
            return
        for lost in packet.lost:
            sequence, sent = self._history[lost % HISTORY]
            if sequence != lost & 0xFFFF:
                continue
            if not self._resends.take(self.packets):
                RESENDS_REFUSED.inc()
                continue
            pair.protocol.transport.sendto(self._protect(sent), pair.remote_addr)


class SharedCertificate(RTCCertificate):
    """One certificate, and one OpenSSL context, for every peer of a day."""

    _latest: SharedCertificate | None = None
    _context: SSL.Context | None = None
    _made_at = 0.0

    @classmethod
    def generateCertificate(cls) -> SharedCertificate:
        latest = SharedCertificate._latest
        if latest is None or time.monotonic() - latest._made_at > CERTIFICATE_S:
            latest = SharedCertificate._latest = super().generateCertificate()
            latest._made_at = time.monotonic()
        return latest

    def _create_ssl_context(self, srtp_profiles: Any) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            # A resumed session would bring the certificate of an earlier peer.
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return self._context


def dtls_context() -> SSL.Context:
    """The OpenSSL context of a certificate of its own, as peers use it."""
    return RTCCertificate.generateCertificate()._create_ssl_context(SRTP_PROFILES)


def open_connection(ice_servers: Sequence[IceServer]) -> RTCPeerConnection:
    """A peer connection that asks nobody but `ice_servers` for its addresses."""
    return RTCPeerConnection(configuration(ice_servers))


def open_shared() -> RTCPeerConnection:
    """A peer connection for `add_audio(…, port)`; it has the certificate of all the server's peers."""
    with _replaced(RTCCertificate=SharedCertificate):
        return RTCPeerConnection(configuration([]))


def add_audio(connection: RTCPeerConnection, direction: str, port: UdpPort | None = None) -> RTCRtpTransceiver:
    """An audio transceiver whose receiver and sender are ours, on a guarded transport; on the shared port if given."""
    with _replaced(RTCRtpReceiver=PacketReceiver, RTCRtpSender=PacketSender):
        transceiver = connection.addTransceiver("audio", direction=direction)
    ice = transceiver.receiver.transport.transport._connection
    aioice_contract.guard(ice)
    if port is not None:
        srtp_contract.guard(transceiver.receiver.transport)
        aioice_contract.attach(ice, port)
    return transceiver


def shape_codec(transceiver: RTCRtpTransceiver, payload_type: int, parameters: dict[str, Any], nack: bool) -> None:
    """Say what the answer says of Opus; call between the remote and the local description."""
    codec = RTCRtpCodecParameters(
        mimeType="audio/opus",
        clockRate=SAMPLE_RATE,
        channels=2,
        payloadType=payload_type,
        rtcpFeedback=[RTCRtcpFeedback(type="nack")] if nack else [],
        parameters=dict(parameters),
    )
    transceiver._codecs = [codec]


def tap_rtp(connection: RTCPeerConnection, take: Callable[[bytes], None]) -> None:
    """Give every decrypted RTP packet to `take` and to nobody else: for receivers that only count."""

    async def handle(data: bytes, arrival_time_ms: int) -> None:
        take(data)

    for transceiver in connection.getTransceivers():
        transport: Any = transceiver.receiver.transport
        transport._handle_rtp_data = handle


def udp_sockets(connection: RTCPeerConnection) -> list[Any]:
    """The sockets that a connection of our own hears on, without those to a relay."""
    transports = {transceiver.receiver.transport.transport for transceiver in connection.getTransceivers()}
    ways = [protocol.transport for transport in transports for protocol in transport._connection._protocols]
    return [using for way in ways if (using := way.get_extra_info("socket")) is not None]


def missing_names() -> list[str]:
    """Private names used above that the installed version does not have; empty when all is well."""
    module = aiortc.rtcpeerconnection
    transport = (
        "_handle_rtp_data",
        "_register_rtp_receiver",
        "_unregister_rtp_receiver",
        "_register_rtp_sender",
        "_unregister_rtp_sender",
    )
    receiver = ("_set_rtcp_ssrc", "_handle_disconnect", "_handle_rtcp_packet", "_handle_rtp_packet", "receive", "stop")
    leaned_on: list[tuple[str, object, tuple[str, ...]]] = [
        ("RTCCertificate", RTCCertificate, ("_create_ssl_context", "generateCertificate")),
        ("RTCDtlsTransport", RTCDtlsTransport, transport),
        ("RTCRtpReceiver", RTCRtpReceiver, receiver),
        ("RTCRtpSender", RTCRtpSender, ("_handle_rtcp_packet", "send", "stop")),
        ("rtcpeerconnection", module, ("RTCCertificate", "RTCRtpReceiver", "RTCRtpSender")),
    ]
    missing = [(owner, name) for owner, thing, names in leaned_on for name in names if not hasattr(thing, name)]
    return [f"aiortc.{owner}.{name}" for owner, name in missing] + srtp_contract.missing_names()


@contextmanager
def _replaced(**parts: type) -> Iterator[None]:
    """aiortc looks its parts up by name when it makes them."""
    module: Any = aiortc.rtcpeerconnection
    before = {name: getattr(module, name) for name in parts}
    for name, part in parts.items():
        setattr(module, name, part)
    try:
        yield
    finally:
        for name, part in before.items():
            setattr(module, name, part)


def _send_control(transport: Any, data: bytes) -> None:
    pair = transport.transport._connection._nominated.get(1)
    if pair is not None and transport._tx_srtp is not None:
        pair.protocol.transport.sendto(transport._tx_srtp.protect_rtcp(data), pair.remote_addr)
