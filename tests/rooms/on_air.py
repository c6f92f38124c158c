"""A program that records a tone in real time and says how far it has come, until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from server.clock import PACKET, SAMPLE_RATE, SystemClock
from server.config import load_settings
from server.inference.service import OffDenoiseService
from server.log import configure_logging
from server.rooms.host import MediaHost
from server.rooms.messages import PublishGrant
from tests.fakes import FakePeers
from tests.rooms.sound import tone


async def main(folder: Path) -> None:
    configure_logging("error")
    clock = SystemClock()
    peers = FakePeers(clock)
    settings = load_settings(data_dir=folder, disk_reserve_mb=0)
    host = MediaHost(settings, clock, OffDenoiseService(), lambda event: None, peers=peers)
    await host.start()
    await host.publish("offer", PublishGrant("main", "ann", "Ann", "stream-1", ""))
    began, sent = clock.samples(), 0
    while True:
        while sent <= clock.samples() - began:
            peers.publishers[0].send(tone(sent))
            sent += PACKET
        await asyncio.sleep(PACKET / SAMPLE_RATE / 2)
        print(host.streams()[0].position, flush=True)


asyncio.run(main(Path(sys.argv[1])))
