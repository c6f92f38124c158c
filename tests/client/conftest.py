"""A small WHIP and WHEP server: one channel, what is published is passed on as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from server.audio.opus import OpusEncoder
from server.clock import PACKET, SystemClock
from server.errors import ClearcastError
from server.rtc.listen import Crowd, ListenerPeer
from server.rtc.publish import PublisherPeer, ReceivedAudio
from server.rtc.udp import UdpPort
from tests.wire import LossyWire


class Relay:
    """`url` of the server; what it was asked (`requests`) and heard (`audio`)."""

    def __init__(self) -> None:
        self.url = ""
        self.audio: list[ReceivedAudio] = []
        self.requests: list[tuple[str, str, str]] = []
        self.tokens: list[str | None] = []
        """Resume tokens that came with offers."""
        self.live = False
        self.told_live = False
        """Whether somebody has been told that a stream is live."""
        self.wire: LossyWire | None = None
        """Put between the server and those that come from now on."""
        self.refuse: ClearcastError | None = None
        self.port: UdpPort
        self._clock = SystemClock()
        self._peers: dict[str, PublisherPeer | ListenerPeer] = {}
        self._crowd = Crowd(self._clock, lambda listener: None)
        self._encoder = OpusEncoder(1)
        self._time = 0

    @property
    def listeners(self) -> list[ListenerPeer]:
        return [peer for peer in self._peers.values() if isinstance(peer, ListenerPeer)]

    @property
    def sessions(self) -> int:
        return len(self._peers)

    async def whip(self, request: web.Request) -> web.Response:
        offer = await self._offer(request)
        peer = await PublisherPeer.create(offer, self.port, self._hear, lambda state: None, self._clock)
        self.live = True
        return await self._created(request, peer)

    async def whep(self, request: web.Request) -> web.Response:
        offer = await self._offer(request)
        listener = await ListenerPeer.create(offer, self.port, lambda state: None, self._clock)
        self._crowd.add(listener)
        return await self._created(request, listener)

    async def delete(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path, ""))
        peer = self._peers.pop(request.match_info["peer"])
        await peer.close()
        if isinstance(peer, PublisherPeer):
            self.live = False
        return web.Response()

    async def me(self, request: web.Request) -> web.Response:
        return web.json_response({"id": "local", "name": "Me", "channel": "main"})

    async def channel(self, request: web.Request) -> web.Response:
        self.told_live = self.told_live or self.live
        return web.json_response({"slug": "main", "stream": {"id": "s1"} if self.live else None})

    async def cut(self) -> None:
        """Every connection ends; whoever comes again is welcome."""
        for peer in self._peers.values():
            await peer.close()

    async def close(self) -> None:
        for peer in self._peers.values():
            await peer.close()
        self.port.close()

    async def _offer(self, request: web.Request) -> str:
        self.requests.append((request.method, request.path_qs, request.headers.get("Authorization", "")))
        self.tokens.append(request.headers.get("Clearcast-Resume-Token"))
        assert request.content_type == "application/sdp"
        if self.refuse is not None:
            problem = {"title": "No", "detail": self.refuse.message, "code": self.refuse.code, "status": 409}
            raise web.HTTPConflict(text=web.json_response(problem).text, content_type="application/problem+json")
        return await request.text()

    async def _created(self, request: web.Request, peer: PublisherPeer | ListenerPeer) -> web.Response:
        name = f"peer{len(self._peers)}"
        self._peers[name] = peer
        headers = {
            "Location": f"{request.path}/{name}",
            "Clearcast-Stream": "s1",
            "Clearcast-Resume-Token": f"token-{name}",
        }
        answer = await self.wire.attach(peer.answer) if self.wire is not None else peer.answer
        return web.Response(status=201, text=answer, content_type="application/sdp", headers=headers)

    def _hear(self, audio: ReceivedAudio) -> None:
        self.audio.append(audio)
        payload = self._encoder.encode(audio.samples)
        self._crowd.send(payload, self._time)
        self._time += PACKET


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    relay = Relay()
    relay.port = await UdpPort.open()
    app = web.Application()
    app.add_routes(
        [
            web.post("/whip/main", relay.whip),
            web.post("/whep/main", relay.whep),
            web.delete("/{kind}/main/{peer}", relay.delete),
            web.get("/api/v1/me", relay.me),
            web.get("/api/v1/channels/main", relay.channel),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    relay.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield relay
    await relay.close()
    await runner.cleanup()
