"""Stand-ins at the seams of the media host: time, the denoiser, the ends of a connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from server.audio.frame import Samples
from server.clock import HOP, SAMPLE_RATE, Clock
from server.errors import Unavailable
from server.inference.lane import DenoiseLane, DenoiserStatus
from server.rtc.publish import ReceivedAudio, ReceivedPacket


class ManualClock:
    """Time that a test moves on."""

    def __init__(self, samples: int = 1_000_000, wall: datetime = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)) -> None:
        self._samples = samples
        self._origin = samples
        self._began = wall

    def samples(self) -> int:
        return self._samples

    def wall(self) -> datetime:
        passed = (self._samples - self._origin) / SAMPLE_RATE
        return self._began + timedelta(seconds=passed)

    def advance(self, samples: int) -> int:
        self._samples += samples
        return self._samples


@dataclass
class ScriptedDenoise:
    """A denoise service that halves the level, so that clean audio can be told from the original.

    It answers `late` ticks after the hop was submitted, or never while `dead`.
    """

    delay: int = 1440
    late: int = 1
    dead: bool = False
    lanes_left: int = 100
    status: DenoiserStatus = field(default_factory=lambda: DenoiserStatus("ready", "DeepFilterNet3", "cpu"))
    ticks: int = 0
    lanes: list[_ScriptedLane] = field(default_factory=list)
    listeners: list[Callable[[DenoiserStatus], None]] = field(default_factory=list)

    def subscribe(self, listener: Callable[[DenoiserStatus], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    limit: int | None = None

    def open(self) -> DenoiseLane:
        if self.lanes_left == 0:
            raise Unavailable("all taken")
        self.lanes_left -= 1
        lane = _ScriptedLane(self)
        self.lanes.append(lane)
        return lane

    def tell(self, status: DenoiserStatus) -> None:
        self.status = status
        for listener in list(self.listeners):
            listener(status)

    def flush(self) -> None:
        self.ticks += 1

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass


class _ScriptedLane:
    def __init__(self, service: ScriptedDenoise) -> None:
        self._service = service
        self._memory = np.zeros(service.delay, np.float32)
        self._answers: deque[tuple[int, int, Samples]] = deque()
        self.closed = False
        self.sharp = False

    def submit(self, index: int, samples: Samples) -> None:
        self._memory = np.concatenate((self._memory, samples))
        clean, self._memory = self._memory[:HOP] / 2, self._memory[HOP:]
        if not self._service.dead:
            self._answers.append((self._service.ticks + self._service.late, index, clean))

    def collect(self) -> list[tuple[int, Samples]]:
        answers = []
        while self._answers and self._answers[0][0] <= self._service.ticks:
            _, index, samples = self._answers.popleft()
            answers.append((index, samples))
        return answers

    def reset(self) -> None:
        self._memory[:] = 0

    def post_filter(self, on: bool) -> None:
        self.sharp = on

    def close(self) -> None:
        self.closed = True
        self._service.lanes_left += 1


class FakePeer:
    """One end of a connection; `state` tells the host how it is."""

    def __init__(self, state: Callable[[str], None]) -> None:
        self.answer = "v=0\r\n"
        self.state = state
        self.closed = False
        self.fragments: list[str] = []

    async def trickle(self, fragment: str) -> None:
        self.fragments.append(fragment)

    async def close(self) -> None:
        self.closed = True


class FakePublisher(FakePeer):
    """Sends what a test gives it, with RTP time that starts somewhere."""

    def __init__(self, on_audio: Callable[[ReceivedAudio], None], state: Callable[[str], None], clock: Clock) -> None:
        super().__init__(state)
        self._on_audio = on_audio
        self._clock = clock
        self.rtp_time = 123_456
        self.on_packet: Callable[[ReceivedPacket], None] | None = None

    def play(self, packet: bytes, samples: Samples) -> None:
        """A packet of music has just come, and sounds like that."""
        now = self._clock.samples()
        assert self.on_packet is not None
        self.on_packet(ReceivedPacket(self.rtp_time, packet, len(samples), now))
        self._on_audio(ReceivedAudio(self.rtp_time, samples, SAMPLE_RATE, now))
        self.rtp_time += len(samples)

    def send(self, samples: Samples) -> None:
        """The samples have just come."""
        self._on_audio(ReceivedAudio(self.rtp_time, samples, SAMPLE_RATE, self._clock.samples()))
        self.rtp_time += len(samples)


class FakeListener(FakePeer):
    """Keeps every packet with its time; `broken` makes it fail."""

    def __init__(self, state: Callable[[str], None]) -> None:
        super().__init__(state)
        self.packets: list[tuple[int, bytes]] = []
        self.broken = False

    def send(self, packet: bytes, timestamp: int) -> None:
        if self.broken:
            raise OSError("no way out")
        self.packets.append((timestamp, packet))


class FakeCrowd:
    """Gives every packet to each listener in it; one that fails is told of, and goes."""

    def __init__(self, on_broken: Callable[[FakeListener], None]) -> None:
        self._on_broken = on_broken
        self._listeners: list[FakeListener] = []

    def add(self, peer: FakeListener) -> None:
        self._listeners.append(peer)

    def remove(self, peer: FakeListener) -> None:
        if peer in self._listeners:
            self._listeners.remove(peer)

    def send(self, packet: bytes, timestamp: int) -> None:
        for listener in list(self._listeners):
            try:
                listener.send(packet, timestamp)
            except OSError:
                self.remove(listener)
                self._on_broken(listener)


class FakePeers:
    """Makes peers for a media host and remembers them; `hasty` is a state that each tells before it is handed over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.hasty = ""
        self.hold: asyncio.Event | None = None
        """What the next publisher's answer waits for."""
        self.publishers: list[FakePublisher] = []
        self.listeners: list[FakeListener] = []

    async def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    async def publisher(
        self,
        offer: str,
        on_audio: Callable[[ReceivedAudio], None],
        on_state: Callable[[str], None],
        on_packet: Callable[[ReceivedPacket], None] | None = None,
    ) -> FakePublisher:
        hold, self.hold = self.hold, None
        await (hold.wait() if hold is not None else asyncio.sleep(0))
        self.publishers.append(FakePublisher(on_audio, on_state, self._clock))
        self.publishers[-1].on_packet = on_packet
        if self.hasty:
            on_state(self.hasty)
        return self.publishers[-1]

    async def listener(self, offer: str, on_state: Callable[[str], None]) -> FakeListener:
        await asyncio.sleep(0)
        self.listeners.append(FakeListener(on_state))
        if self.hasty:
            on_state(self.hasty)
        return self.listeners[-1]

    def crowd(self, on_broken: Callable[[FakeListener], None]) -> FakeCrowd:
        return FakeCrowd(on_broken)
