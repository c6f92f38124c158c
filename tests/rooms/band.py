"""A publisher of music."""

from __future__ import annotations

import numpy as np

from server.audio.frame import Samples
from server.audio.opus import OpusEncoder
from server.clock import HOP, SAMPLE_RATE
from tests.fakes import FakePublisher
from tests.rooms.studio import Studio


class Band:
    """A publisher of stereo: 440 Hz on the left, 660 on the right, packets of `duration` samples."""

    def __init__(self, studio: Studio, duration: int = 960, channels: int = 2) -> None:
        self.studio = studio
        self.duration = duration
        self.sent: list[bytes] = []
        self._channels = channels
        self._encoder = OpusEncoder(channels, bitrate=128_000, signal="music")
        self._played = 0

    async def play(
        self, seconds: float, publisher: FakePublisher | None = None, lost: frozenset[int] = frozenset()
    ) -> None:
        """Let time pass, and the music with it; `lost` are packets, counted from here, that never come."""
        publisher = publisher or self.studio.peers.publishers[-1]
        number, due = 0, 0
        for tick in range(round(seconds * 100)):
            while due <= tick * HOP:
                packet, left = self._next()
                if number in lost:
                    publisher.rtp_time += self.duration
                else:
                    publisher.play(packet, left)
                    self.sent.append(packet)
                number, due = number + 1, due + self.duration
            self.studio.host.tick(self.studio.clock.advance(HOP))
            if tick % 20 == 0:
                await self.studio.host.settle()
        await self.studio.host.settle()

    def _next(self) -> tuple[bytes, Samples]:
        time = np.arange(self._played, self._played + self.duration) / SAMPLE_RATE
        self._played += self.duration
        sides = [0.4 * np.sin(2 * np.pi * hertz * time) for hertz in (440, 660)]
        sound = np.stack(sides[: self._channels], 1).astype(np.float32)
        return self._encoder.encode(sound), sound[:, 0].copy()
