"""What one more listener costs: `clearcast bench fanout`.

The same speech goes to real WebRTC receivers (another process decrypts and counts every packet) in three ways,
interleaved: aiortc's MediaRelay with frames (encoded again for each listener), aiortc's senders given packets that were
encoded once, and Clearcast's own. The cost is this process's whole processor time per delivered packet while a packet
goes out every 20 ms: encoding and the way to its thread, SRTP, sending, reports, connectivity checks, the event loop.
`us_per_beat_encode` is the part of Clearcast's that encodes, once for all listeners.

`ratio_to_aiortc_packets` compares at all listeners. MediaRelay cannot do so many in time: `ratio_to_relay` compares at
`listeners_relay`, where Clearcast's cost is `us_per_packet_at_relay`; few listeners share one encoding there, so it is
higher than `us_per_packet`.

Two floors, in the same rounds: a loop that packs a header, protects and calls `sendto` for as many sockets, which
another process reads, and nothing else. `us_per_packet_floor` sends every 20 ms as the ways above do;
`us_per_packet_sendto` sends without a pause, so that caches and the processor stay warm: the lower of the two, and not
what a stream can have. `setup_ms` is what it takes to answer and connect a listener, `setup_ms_dtls` the part of that
which is DTLS; `loop_lag_p99_ms` how late the event loop is with `loop_lag_listeners`, in the quietest of three runs.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from server.audio.frame import Samples
from server.audio.opus import OpusEncoder
from server.bench.baselines import PacketPeers, RelayPeers
from server.bench.common import emit, main, note
from server.bench.floor import floor
from server.bench.handshake import handshake_ms
from server.bench.receivers import ReceiverProcess
from server.bench.voice import babble
from server.clock import PACKET, SAMPLE_RATE, SystemClock
from server.queues import QUEUES
from server.rooms.encode import EncodeQueue
from server.rtc.listen import Crowd, ListenerPeer
from server.rtc.udp import UdpPort

PACKET_S = PACKET / SAMPLE_RATE
RELAY_LISTENERS = 30
MAX_BEHIND_S = 2.0
"""A way that delivers its last packet later than this does not keep up."""
LAG_LISTENERS = 180
MAX_PENDING = 10_000
"""All receivers connect at once here."""


class _Timed:
    """An encoder whose thread's processor time is noted."""

    def __init__(self, encoder: OpusEncoder, spent: list[float]) -> None:
        self._encoder = encoder
        self._spent = spent

    def encode(self, samples: Samples) -> bytes:
        before = time.thread_time()
        packet = self._encoder.encode(samples)
        self._spent.append(time.thread_time() - before)
        return packet


class ClearcastPeers:
    """Clearcast's own way: the queue that encodes once, and the loop that sends to all."""

    name = "clearcast"

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.encode_s: list[float] = []
        """Processor time of each packet's encoding."""
        self._crowd = Crowd(self._clock, lambda _: None)
        self._peers: list[ListenerPeer] = []
        self._port: UdpPort | None = None
        self._encoding = EncodeQueue()
        self._track = self._encoding.open(
            _Timed(OpusEncoder(channels=1, bitrate=32_000, signal="voice"), self.encode_s),
            lambda start, packet: self._crowd.send(packet, start),
            _fail,
        )

    async def answer(self, offer: str) -> str:
        if self._port is None:
            self._port = await UdpPort.open(max_pending=MAX_PENDING)
        peer = await ListenerPeer.create(offer, self._port, lambda _: None, self._clock)
        self._peers.append(peer)
        self._crowd.add(peer)
        return peer.answer

    async def start(self) -> None:
        """Nothing to start: packets are pushed."""

    async def send(self, samples: Samples, index: int) -> None:
        self._encoding.put(self._track, index * PACKET, samples)
        self._encoding.flush()

    async def close(self) -> None:
        await self._encoding.close()
        await asyncio.gather(*(peer.close() for peer in self._peers))
        if self._port is not None:
            self._port.close()


def _fail(error: Exception) -> None:
    raise error


class Void(Exception):
    """A run in which a packet went missing: its figures mean nothing."""


async def pace(count: int, each: Callable[[int], Awaitable[None]]) -> list[float]:
    """Call `each` every 20 ms, `count` times; how late each call began, in seconds."""
    start, late = time.monotonic(), []
    for index in range(count):
        due = start + index * PACKET_S
        wait = due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        late.append(max(0.0, time.monotonic() - due))
        await each(index)
    return late


async def connect(peers: Any, receivers: ReceiverProcess, listeners: int) -> float:
    """Join `listeners` receivers to `peers`; seconds of processor for each. Raises ConnectionError when one fails."""
    offers = (await receivers.ask(open=listeners))["offers"]
    before = time.process_time()
    answers = [await peers.answer(offer) for offer in offers]
    connected = (await receivers.ask(connect=answers))["connected"]
    if connected != listeners:
        raise ConnectionError(f"only {connected} of {listeners} receivers connected")
    spent = time.process_time() - before
    await asyncio.sleep(0.5)
    await peers.start()
    return spent / listeners


def judge(report: dict[str, Any], count: int, behind: float) -> int:
    """Packets that were delivered, of `count` to each receiver. Raises Void when some were not, or too late."""
    received = report["received"]
    # MediaRelay starts and ends between two packets; only a hole in the numbers is a loss.
    holes = sum(last - first + 1 - packets for packets, first, last in received if first is not None)
    short = sum(packets < count - 2 for packets, _, _ in received)
    if holes or short:
        full = f"{report['kernel_dropped']} found a receiver's socket full"
        own = ", ".join(f"{QUEUES[name].dropped} dropped by {name}" for name in ("listener", "media_port_unsent"))
        raise Void(f"{holes} packets missing, {short} receivers heard too few; since the start {full}, {own}")
    if behind > MAX_BEHIND_S:
        raise Void(f"the last packet came {behind:.1f} s late")
    return sum(packets for packets, _, _ in received)


async def drain(receivers: ReceiverProcess) -> tuple[dict[str, Any], float]:
    """Wait until nothing more arrives: the last report, and how many seconds it took until then."""
    began = changed = time.monotonic()
    report = await receivers.ask(report=True)
    while time.monotonic() - changed < 0.4:
        await asyncio.sleep(0.1)
        latest = await receivers.ask(report=True)
        if latest != report:
            report, changed = latest, time.monotonic()
    return report, changed - began


async def run_way(way: Callable[[], Any], listeners: int, seconds: float) -> dict[str, Any]:
    """One measured run of one way: processor time per delivered packet and the loop's lag."""
    receivers, peers = await ReceiverProcess.start(), way()
    voice = babble(seconds + 2)
    try:
        setup = await connect(peers, receivers, listeners)

        async def send(index: int) -> None:
            at = (index % (len(voice) // PACKET)) * PACKET
            await peers.send(voice[at : at + PACKET], index)

        warm = int(1 / PACKET_S)
        await pace(warm, send)
        await drain(receivers)
        await receivers.ask(reset=True)
        before, count = time.process_time(), int(seconds / PACKET_S)
        late = await pace(count, lambda index: send(index + warm))
        report, behind = await drain(receivers)
        spent = time.process_time() - before
    finally:
        await peers.close()
        await receivers.stop()
    delivered = judge(report, count, behind)
    return {
        "us_per_packet": spent / delivered * 1e6,
        "loop_lag_p99_ms": float(np.percentile(late, 99)) * 1e3,
        "delivered": delivered,
        "setup_ms": setup * 1e3,
        "us_per_beat_encode": statistics.mean(peers.encode_s) * 1e6 if way is ClearcastPeers else None,
    }


async def run_until_whole(way: Callable[[], Any], listeners: int, seconds: float) -> dict[str, Any] | None:
    """A run in which nothing was lost, or None after three that were void."""
    for _ in range(3):
        try:
            return await run_way(way, listeners, seconds)
        except (Void, ConnectionError) as error:
            note(f"{way.__name__}: void ({error}), again")
    return None


class Rounds:
    """What the runs gave, by what was run."""

    def __init__(self) -> None:
        self.costs: dict[str, list[float]] = {}
        self.setup_ms: list[float] = []
        self.encode_us: list[float] = []

    async def run(self, name: str, way: Callable[[], Any], listeners: int, seconds: float) -> None:
        """One more run of one way; nothing is noted where it is void."""
        costs = self.costs.setdefault(name, [])
        run = await run_until_whole(way, listeners, seconds)
        if run is None:
            return
        costs.append(run["us_per_packet"])
        note(f"{name}, {listeners} listeners: {run['us_per_packet']:.1f} µs a packet")
        if name == "clearcast":
            self.setup_ms.append(run["setup_ms"])
            self.encode_us.append(run["us_per_beat_encode"])

    def middle(self, name: str) -> float | None:
        return _middle(self.costs.get(name, []))


async def measure(listeners: int, seconds: float, rounds: int, lag: bool = True) -> dict[str, Any]:
    """The JSON object of the bench."""
    few, done = min(listeners, RELAY_LISTENERS), Rounds()
    floors: list[float] = []
    hot: list[float] = []
    for _ in range(rounds):
        await done.run("relay", RelayPeers, few, seconds)
        if few < listeners:
            await done.run("clearcast_at_relay", ClearcastPeers, few, seconds)
        await done.run("aiortc_packets", PacketPeers, listeners, seconds)
        await done.run("clearcast", ClearcastPeers, listeners, seconds)
        floors.append(await asyncio.to_thread(floor, listeners))
        hot.append(await asyncio.to_thread(floor, listeners, pause=False))
    own, relay, packets = done.middle("clearcast"), done.middle("relay"), done.middle("aiortc_packets")
    own_few = done.middle("clearcast_at_relay") if few < listeners else own
    result: dict[str, Any] = {
        "listeners": listeners,
        "us_per_packet": own,
        "us_per_packet_floor": _middle(floors),
        "us_per_packet_sendto": _middle(hot),
        "us_per_beat_encode": _middle(done.encode_us),
        "us_per_packet_aiortc_packets": packets,
        "ratio_to_aiortc_packets": packets / own if packets and own else None,
        "listeners_relay": few,
        "us_per_packet_at_relay": own_few,
        "us_per_packet_relay": relay,
        "ratio_to_relay": relay / own_few if relay and own_few else None,
        "setup_ms": _middle(done.setup_ms),
        "setup_ms_dtls": handshake_ms(),
        "loop_lag_p99_ms": None,
        "loop_lag_listeners": None,
        "rounds": {name: len(values) for name, values in done.costs.items()},
    }
    if own and lag:
        result["loop_lag_listeners"] = many = max(listeners, LAG_LISTENERS)
        lags = [run["loop_lag_p99_ms"] for _ in range(3) if (run := await run_until_whole(ClearcastPeers, many, 5.0))]
        result["loop_lag_p99_ms"] = min(lags) if lags else None
    return result


def _middle(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench fanout`."""
    parser.add_argument("--listeners", type=int, default=150, help="receivers, at least 30 for a figure that counts")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way")
    parser.add_argument("--no-lag", dest="lag", action="store_false", help="leave the loop's lag under load out")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when the measurement completed."""
    result = asyncio.run(measure(arguments.listeners, arguments.seconds, arguments.rounds, arguments.lag))
    emit(result, arguments)
    return 0 if result["us_per_packet"] is not None else 1


if __name__ == "__main__":
    sys.exit(main("python -m server.bench.fanout", __doc__, add_arguments, run))
