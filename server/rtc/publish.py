"""A publisher: WebRTC in, decoded audio with its RTP time out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.audio.opus import OpusError
from server.audio.toc import check_packet
from server.clock import SAMPLE_RATE, Clock
from server.metrics import FRAMES_RECEIVED, PACKETS_MALFORMED
from server.rtc.aiortc_contract import PacketReceiver
from server.rtc.decoding import PacketDecoder
from server.rtc.peer import CONNECT_TIMEOUT_S, Begun, Peer, StateHandler, begin
from server.rtc.reorder import ReorderBuffer, RtpAudio
from server.rtc.sdp import Role
from server.rtc.udp import UdpPort

SILENCE_TIMEOUT_S = 3.0
HOLD_S = 0.010
"""How long a packet waits for one that it may have overtaken, seconds."""

# Mono and steady packets; 64 kbit/s keeps a browser's voice fullband, and no in-band FEC: at lower rates announcing
# loss would make Opus narrow-band.
PARAMETERS = {"minptime": 10, "maxaveragebitrate": 64_000, "stereo": 0, "usedtx": 0, "useinbandfec": 0}

# RFC 6716, section 2.1.1, names 64 to 128 kbit/s for music in stereo; what is passed on untouched may be better.
MUSIC_PARAMETERS = {"minptime": 10, "maxaveragebitrate": 256_000, "stereo": 1, "sprop-stereo": 1}


@dataclass(frozen=True, slots=True)
class ReceivedPacket:
    """A packet of Opus, well-formed, as it came.

    `rtp_time`: unwrapped, samples at 48 kHz; it jumps when the sender starts anew. `duration`: samples at 48 kHz.
    `arrival`: the server's clock in samples at 48 kHz when it came.
    """

    rtp_time: int
    payload: bytes
    duration: int
    arrival: int


@dataclass(frozen=True, slots=True)
class ReceivedAudio:
    """A decoded packet.

    `rtp_time`: unwrapped RTP time of the first sample, in units of `rate`; it jumps when the sender starts anew.
    `samples`: float32 in [-1, 1], shape (n,) or (n, channels). `arrival`: the server's clock in samples at 48 kHz
    when the packet came, before it was decoded.
    """

    rtp_time: int
    samples: NDArray[np.float32]
    rate: int
    arrival: int


class PublisherPeer(Peer):
    """Somebody who sends audio.

    Besides the states of `Peer`, `on_state` hears "silent" when nothing has come for three seconds and "heard" when
    it comes again. With `on_packet` it is asked for stereo at a high rate, each packet is handed over on the spot, in
    order, and decoded after that. What is late or malformed is left out then.
    """

    def __init__(
        self,
        begun: Begun,
        on_state: StateHandler,
        on_audio: Callable[[ReceivedAudio], None],
        clock: Clock,
        silence_timeout: float,
        on_packet: Callable[[ReceivedPacket], None] | None = None,
    ) -> None:
        super().__init__(begun, on_state)
        self._on_audio = on_audio
        self._on_packet = on_packet
        self._clock = clock
        self._silence_timeout = silence_timeout
        self._silent = False
        self._last_packet = clock.samples()
        self._reorder = ReorderBuffer(hold=round(HOLD_S * SAMPLE_RATE), keep_late=on_packet is None)
        self._malformed = 0
        self._decoder = PacketDecoder(self._decoded)
        self._release_timer: asyncio.TimerHandle | None = None
        self._silence_timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def create(
        cls,
        offer: str,
        port: UdpPort,
        on_audio: Callable[[ReceivedAudio], None],
        on_state: StateHandler,
        clock: Clock,
        *,
        on_packet: Callable[[ReceivedPacket], None] | None = None,
        connect_timeout: float = CONNECT_TIMEOUT_S,
        silence_timeout: float = SILENCE_TIMEOUT_S,
    ) -> PublisherPeer:
        """Answer a publisher's offer; all callbacks are called on the event loop.

        Raises InvalidOffer, TooLarge, Unavailable when too many peers are connecting.
        """
        begun = begin(offer, Role.PUBLISH, "recvonly", port)
        peer = cls(begun, on_state, on_audio, clock, silence_timeout, on_packet)
        receiver = begun.transceiver.receiver
        assert isinstance(receiver, PacketReceiver)
        receiver.clock, receiver.on_packet = clock, peer._packet
        try:
            parameters = PARAMETERS if on_packet is None else MUSIC_PARAMETERS
            await peer._negotiate(parameters, nack=False, connect_timeout=connect_timeout)
        except BaseException:
            await peer.close()
            raise
        return peer

    @property
    def silent_s(self) -> float:
        """Seconds since the last packet came (since the peer was made, when none has)."""
        return (self._clock.samples() - self._last_packet) / SAMPLE_RATE

    @property
    def packets_missing(self) -> int:
        """Packets that never came."""
        return self._reorder.missing - self._reorder.late

    @property
    def packets_corrupt(self) -> int:
        """Packets that were not Opus."""
        return self._decoder.corrupt + self._malformed

    # ---- private

    def _on_connected(self) -> None:
        self._last_packet = self._clock.samples()
        self._listen_for_silence()

    def _on_closed(self) -> None:
        self._decoder.close()
        for timer in (self._release_timer, self._silence_timer):
            if timer is not None:
                timer.cancel()

    def _packet(self, ssrc: int, sequence: int, timestamp: int, payload: bytes, arrival: int) -> None:
        self._last_packet = arrival
        if self._silent:
            self._silent = False
            if not self._over:
                self._tell("heard")
        self._take(self._reorder.push(ssrc, sequence, timestamp, payload, arrival))
        if self._reorder.waiting and self._release_timer is None:
            self._release_timer = self._loop.call_later(HOLD_S, self._release)

    def _release(self) -> None:
        self._release_timer = None
        self._take(self._reorder.due(self._clock.samples()))
        if self._reorder.waiting:
            self._release_timer = self._loop.call_later(HOLD_S, self._release)

    def _take(self, packets: list[RtpAudio]) -> None:
        if self._on_packet is not None:
            packets = [packet for packet in packets if self._pass_on(packet, self._on_packet)]
        self._decoder.push(packets)

    def _pass_on(self, packet: RtpAudio, on_packet: Callable[[ReceivedPacket], None]) -> bool:
        try:
            duration = check_packet(packet.payload)
        except OpusError:
            self._malformed += 1
            PACKETS_MALFORMED.inc()
            return False
        if not self._over:
            on_packet(ReceivedPacket(packet.rtp_time, packet.payload, duration, packet.arrival))
        return True

    def _decoded(self, packet: RtpAudio, samples: NDArray[np.float32]) -> None:
        FRAMES_RECEIVED.inc()
        self._on_audio(ReceivedAudio(packet.rtp_time, samples, SAMPLE_RATE, packet.arrival))

    def _listen_for_silence(self) -> None:
        if self._over:
            return
        if not self._silent and self.silent_s >= self._silence_timeout:
            self._silent = True
            self._tell("silent")
        self._silence_timer = self._loop.call_later(self._silence_timeout / 12, self._listen_for_silence)
