"""A media host over real WebRTC, in real time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from server.clock import SystemClock
from server.config import load_settings
from server.inference.lane import DenoiseService
from server.inference.service import OffDenoiseService, WorkerDenoiseService
from server.rooms.host import MediaHost
from server.rooms.messages import ListenGrant, MediaEvent, PublishGrant
from tests.rtc.peers import Ear, Talker, until


class Station:
    """A media host on this machine's clock, and its clients."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = load_settings(data_dir=folder, disk_reserve_mb=0, **settings)
        self.events: list[MediaEvent] = []
        self.denoise: DenoiseService = (
            OffDenoiseService() if self.settings.denoise == "off" else WorkerDenoiseService(self.settings)
        )
        self.host = MediaHost(self.settings, SystemClock(), self.denoise, self.events.append)
        self._clients: list[Talker | Ear] = []

    async def talker(self, record: bool = True) -> Talker:
        talker = Talker()
        self._clients.append(talker)
        grant = PublishGrant("main", "ann", "Ann", f"stream-{len(self._clients)}", "Talk", record=record)
        answer = await self.host.publish(await talker.offer(), grant)
        await talker.accept(answer.sdp)
        await until(lambda: talker.connection.connectionState == "connected")
        return talker

    async def ear(self) -> Ear:
        ear = Ear()
        self._clients.append(ear)
        answer = await self.host.listen(await ear.offer(), ListenGrant("main", "somebody"))
        await ear.accept(answer.sdp)
        await until(lambda: ear.connection.connectionState == "connected")
        return ear

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self.host.close()

    def kinds(self) -> list[str]:
        return [event.type for event in self.events]
