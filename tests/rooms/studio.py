"""A media host whose time a test moves on: a minute of stream takes a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server.audio.frame import Samples
from server.clock import HOP, PACKET
from server.config import Settings, load_settings
from server.inference.caption_lane import CaptionService
from server.rooms.host import MediaHost
from server.rooms.messages import (
    CaptionOutput,
    ListenerTold,
    ListenGrant,
    MediaEvent,
    PeerAnswer,
    PublishGrant,
    StreamInfo,
)
from server.rooms.recorder import BACKLOG
from tests.fakes import FakeListener, FakePeers, FakePublisher, ManualClock, ScriptedDenoise
from tests.rooms.sound import decode, tone

PATIENCE_S = 60.0

Source = Callable[[int], Samples]
"""The 960 samples that begin at an index of what the publisher says."""


class Studio:
    """A host with scripted surroundings, one publisher at most, and everything that was announced."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: ManualClock | None = None,
        captions: CaptionService | None = None,
        **settings: Any,
    ) -> None:
        self.settings: Settings = load_settings(
            data_dir=folder, **{"disk_reserve_mb": 0, "opus_bitrate": 64_000, **settings}
        )
        self.clock = clock or ManualClock()
        self.denoise = ScriptedDenoise()
        self.peers = FakePeers(self.clock)
        self.events: list[MediaEvent] = []
        self.said: list[CaptionOutput] = []
        self.came: list[ListenerTold] = []
        self.host = MediaHost(
            self.settings,
            self.clock,
            self.denoise,
            self.events.append,
            peers=self.peers,
            captions=captions,
            on_captions=self.said.append,
            on_listener=self.came.append,
        )
        self._said: dict[FakePublisher, int] = {}
        self._streams = 0

    async def publish(self, channel: str = "main", principal: str = "ann", **grant: Any) -> PeerAnswer:
        self._streams += 1
        given = {"host_name": "Ann", "stream_id": f"stream-{self._streams}", "title": "", "record": False, **grant}
        return await self.host.publish("offer", PublishGrant(channel_id=channel, principal=principal, **given))

    async def listen(self, channel: str = "main", connected: bool = True) -> tuple[PeerAnswer, FakeListener]:
        answer = await self.host.listen("offer", ListenGrant(channel, "somebody"))
        listener = self.peers.listeners[-1]
        if connected:
            listener.state("connected")
        return answer, listener

    async def run(self, seconds: float, source: Source | None = tone, *publishers: FakePublisher) -> None:
        """Let time pass while publishers (the newest by default) say what `source` gives; None: they say nothing."""
        speakers = publishers or tuple(self.peers.publishers[-1:])
        for tick in range(round(seconds * 100)):
            for speaker in speakers if tick % 2 == 0 and source is not None else ():
                said = self._said.get(speaker, 0)
                speaker.send(source(said))
                self._said[speaker] = said + PACKET
            self.host.tick(self.clock.advance(HOP))
            if tick % 20 == 0:
                await self.host.settle()
                await self.disk_follows()
        await self.host.settle()
        await asyncio.sleep(0)  # what was to be called soon was called

    async def disk_follows(self) -> None:
        """The disk knows nothing of our time: let it not fall so far behind that a recording ends for it."""
        for stream in self.host._streams.values():
            recorder = stream._audio.recorder if stream._audio is not None else None
            patience = asyncio.get_running_loop().time() + PATIENCE_S
            while recorder is not None and recorder.waiting() > BACKLOG // 4 and recorder._job is not None:
                if asyncio.get_running_loop().time() > patience:
                    break
                await asyncio.sleep(0.001)

    async def stall(self, seconds: float, source: Source = tone) -> None:
        """The server stands still; what the publisher says meanwhile is read after it, and then time is made up for."""
        (speaker,) = self.peers.publishers
        behind = self.clock.samples()
        self.clock.advance(round(seconds * 100) * HOP)
        for _ in range(round(seconds * 50)):
            speaker.send(source(self._said[speaker]))
            self._said[speaker] += PACKET
        while behind < self.clock.samples():
            behind += HOP
            self.host.tick(behind)
        await self.host.settle()

    def live(self) -> StreamInfo:
        (stream,) = self.host.streams()
        return stream

    def told(self, kind: str) -> list[MediaEvent]:
        return [event for event in self.events if event.type == kind]

    def folder(self, stream_id: str = "stream-1") -> Path:
        return self.settings.recordings_dir / stream_id


def heard(listener: FakeListener) -> tuple[int, Samples]:
    """Time of the first sample on the server's clock, and what the listener hears from there on; asserts no gap."""
    times = [time for time, _ in listener.packets]
    assert times == list(range(times[0], times[0] + PACKET * len(times), PACKET))
    return times[0], decode([packet for _, packet in listener.packets])
