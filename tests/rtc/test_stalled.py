"""Listeners that stop reading, one behind a real TURN server over TCP and one on plain UDP: nobody else notices."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.clock import PACKET, SystemClock
from server.queues import QUEUES
from server.rtc.listen import ListenerPeer
from server.rtc.udp import UdpPort
from tests.rtc.conftest import Closing
from tests.rtc.listening import PASSWORD, USER, Crowd, Listening, open_crowd, open_listening
from tests.rtc.peers import crowd_of, until
from tests.rtc.ports import Open

OTHERS = 38
STALLED_PACKETS = 500
"""Ten seconds of audio, sent in five."""
PAYLOAD_BYTES = 1200
"""The most that Opus makes of 20 ms, nearly: what lies between us and a stalled listener is full the sooner."""
LIMIT_S = 30.0

TURN_CONFIGURATION = f"""\
listening-ip=127.0.0.1
relay-ip=127.0.0.1
listening-port={{port}}
no-udp
no-tls
no-dtls
no-cli
lt-cred-mech
realm=clearcast.test
user={USER}:{PASSWORD}
allow-loopback-peers
userdb={{folder}}/turn.db
pidfile={{folder}}/turn.pid
log-file=stdout
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int, program: subprocess.Popen[bytes]) -> bool:
    """Whether the program accepts connections there; waits until it does or has ended."""
    end = time.monotonic() + LIMIT_S
    while program.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


@pytest.fixture
def turn_port(tmp_path: Path) -> Iterator[int]:
    """A TURN server on loopback for one test, over TCP alone."""
    turnserver = shutil.which("turnserver", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
    if turnserver is None:
        pytest.skip("there is no turnserver (Debian: coturn)")
    configuration, log = tmp_path / "turn.conf", tmp_path / "turn.log"
    for _ in range(3):  # another program may take the port first
        port = free_port()
        configuration.write_text(TURN_CONFIGURATION.format(port=port, folder=tmp_path))
        with log.open("wb") as output:
            program = subprocess.Popen([turnserver, "-c", str(configuration)], stdout=output, stderr=output)
        try:
            if answers(port, program):
                yield port
                return
        finally:
            program.kill()
            program.wait()
    pytest.fail(log.read_text())


class Audience:
    """A crowd that is sent numbered packets, and what may not grow meanwhile."""

    def __init__(self, peers: list[ListenerPeer]) -> None:
        self._crowd = crowd_of(*peers)
        self.sent = 0
        self.most_waiting = 0

    async def talk(self, packets: int, interval: float = 0.01) -> None:
        start = time.monotonic()
        for number in range(packets):
            self._crowd.send(self.sent.to_bytes(4) + bytes(PAYLOAD_BYTES - 4), self.sent * PACKET)
            self.sent += 1
            self.most_waiting = max(self.most_waiting, waiting())
            await asyncio.sleep(max(0.0, start + (number + 1) * interval - time.monotonic()))

    async def talk_until_heard(self, one: Listening) -> list[int]:
        """Go on until it hears what is sent from now on; the numbers of all it has heard."""
        from_now = self.sent
        async with asyncio.timeout(LIMIT_S):
            while True:
                await self.talk(10, 0.02)
                heard = await one.heard()
                if heard and heard[-1] >= from_now:
                    return heard

    async def talk_until_counted(self, peer: ListenerPeer, lost: int) -> None:
        """Go on until the server knows that this listener has lost so many: it reports once a second."""
        async with asyncio.timeout(LIMIT_S):
            while peer.statistics.packets_lost < lost:
                await self.talk(10, 0.02)


def missed(heard: list[int]) -> int:
    return heard[-1] - heard[0] + 1 - len(heard)


def waiting() -> int:
    return sum(sum(QUEUES[name].lengths()) for name in ("listener", "media_port_unsent"))


def dropped() -> int:
    return QUEUES["listener"].dropped + QUEUES["media_port_unsent"].dropped


async def listen(port: UdpPort, offer: str, states: list[str]) -> ListenerPeer:
    return await ListenerPeer.create(offer, port, states.append, SystemClock())


async def all_heard(others: Crowd, sent: int) -> None:
    """Wait until each of the others has every packet, in order; only their own kernel may have thrown some away."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            report = await others.ask(report=True)
            received = report["received"]
            missing = sent * OTHERS - sum(packets for packets, _, _ in received)
            if missing <= report["kernel_dropped"]:
                break
            await asyncio.sleep(0.1)
    assert missing >= 0 and report["late"] == 0
    assert report["kernel_dropped"] or {last - first + 1 for _, first, last in received} == {sent}


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_stalled_listener_loses_its_own_packets_only(
    open_port: Open, closing: Closing[Any], turn_port: int
) -> None:
    # Who changes from one address to another may read both sockets in any order: there is only one.
    port, states = await open_port(advertised=[("127.0.0.1", None)]), list[str]()
    others = closing(await open_crowd())
    stalled = [closing(await open_listening(turn_port)), closing(await open_listening())]
    peers = [closing(await listen(port, offer, states)) for offer in (await others.ask(open=OTHERS))["offers"]]
    assert (await others.ask(connect=[peer.answer for peer in peers]))["connected"] == OTHERS
    for one in stalled:
        peers.append(closing(await listen(port, (await one.ask(open=True))["offer"], [])))
        await one.ask(connect=peers[-1].answer)
    await until(lambda: all(peer.sender.ready for peer in peers))
    audience = Audience(peers)
    earlier = [missed(await audience.talk_until_heard(one)) for one in stalled]

    at_rest, before, tasks = waiting(), dropped(), len(asyncio.all_tasks())
    for one in stalled:
        one.freeze()
    await audience.talk(STALLED_PACKETS)
    await all_heard(others, audience.sent)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)

    for one in stalled:
        one.thaw()
    for one, peer, lost in zip(stalled, peers[OTHERS:], earlier, strict=True):
        missing = missed(await audience.talk_until_heard(one))
        assert missing > lost
        await audience.talk_until_counted(peer, missing)
        assert peer.statistics.packets_lost <= missed(await one.heard())
    await stalled[1].stop()
    await audience.talk(100)
    await audience.talk_until_heard(stalled[0])
    await all_heard(others, audience.sent)
    assert audience.most_waiting <= at_rest and dropped() == before
    assert set(states) == {"connected"}
