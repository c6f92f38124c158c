"""The event socket: whoever subscribes hears of everything on a topic, from where they left off."""

from __future__ import annotations

import asyncio
import contextlib
import json
from functools import partial
from typing import Literal

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from server.accounts import Action, Role
from server.backplane import Position
from server.errors import ClearcastError, InvalidRequest, NotAllowed, Unavailable
from server.log import get_logger
from server.rates import Rate
from server.web import counting, topics
from server.web.routing import Call, RouteTable
from server.web.services import MAX_SOCKETS, SOCKETS, Follower, Services

MAX_TOPICS = 64
MAX_MESSAGE = 16 * 1024
HEARTBEAT = 10.0
"""Seconds between heartbeats: the page notices a dead connection without a ping of its own."""
PONG_PATIENCE = 30.0
"""Seconds without any sign of life after which a socket is closed."""
PATIENCE = 20.0
"""Seconds that one write may wait for a reader that takes nothing."""
BACK_AFTER = 5
"""Seconds after which a server that goes down may be there again."""
GOODBYE = 2.0
"""Seconds that the other side has to answer when a socket is closed."""

log = get_logger(__name__)
table = RouteTable("events")


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Wanted(_Message):
    """One topic and how far it was read."""

    topic: str = Field(max_length=100)
    epoch: str | None = Field(None, max_length=40)
    seq: int | None = None


class Subscribe(_Message):
    type: Literal["subscribe"]
    topics: list[Wanted] = Field(max_length=MAX_TOPICS)


class Unsubscribe(_Message):
    type: Literal["unsubscribe"]
    topics: list[str] = Field(max_length=MAX_TOPICS)


_MESSAGES: TypeAdapter[Subscribe | Unsubscribe] = TypeAdapter(Subscribe | Unsubscribe)


@table.route(
    "GET",
    "/api/v1/events",
    Action.SUBSCRIBE,
    "Everything that happens, as a WebSocket",
    status=101,
    produces="application/json",
    errors=(400, 503),
)
async def events(call: Call) -> web.StreamResponse:
    services = call.services
    if services.closing:
        raise Unavailable("The server is going down.", code="closing", retry_after=BACK_AFTER)
    if len(services.sockets) >= MAX_SOCKETS:
        SOCKETS.dropped += 1
        raise Unavailable("Too many pages are open; try again later.", code="too-many-sockets", retry_after=30)
    socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE, heartbeat=PONG_PATIENCE, timeout=GOODBYE, compress=False)
    if not socket.can_prepare(call.request).ok:
        raise InvalidRequest("This address is for WebSockets.", code="not-a-websocket")
    await socket.prepare(call.request)
    services.sockets.add(socket)
    subscriber = Follower(await services.access.viewer(call.actor), on_drop=partial(_drop, call))
    services.followers.add(subscriber)
    # One writer per socket, and it is this task's child: nothing outlives the connection.
    writer = asyncio.create_task(_write(call, socket, subscriber), name="events")
    presence, member = services.community.presence, call.actor.role in (Role.MEMBER, Role.ADMINISTRATOR)
    if member:
        presence.arrived(call.actor.id)
    try:
        await _read(call, socket, subscriber)
    finally:
        if member:
            presence.left(call.actor.id)
        services.sockets.discard(socket)
        services.followers.discard(subscriber)
        subscriber.finish()
        services.hub.unsubscribe(subscriber)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    return socket


async def announce_closing(services: Services) -> None:
    """Tell every socket that the server goes down; what happens until it does is told as well."""
    services.closing = True
    text = json.dumps({"type": "server_closing", "data": {"retry_after": BACK_AFTER}})
    telling = [asyncio.ensure_future(_tell(socket, text)) for socket in services.sockets]
    if telling:
        _, late = await asyncio.wait(telling, timeout=GOODBYE)
        for task in late:
            task.cancel()


async def _tell(socket: web.WebSocketResponse, text: str) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):  # it has just gone by itself
        await socket.send_str(text)


async def say_goodbye(services: Services) -> None:
    """Close every socket: the server is going down, pages come back by themselves."""
    closing = [socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"going down") for socket in services.sockets]
    if closing:
        await asyncio.wait([asyncio.ensure_future(close) for close in closing], timeout=GOODBYE)


async def _write(call: Call, socket: web.WebSocketResponse, subscriber: Follower) -> None:
    """Send events as they come and heartbeats in between."""
    loop = asyncio.get_running_loop()
    due = loop.time() + HEARTBEAT
    try:
        while True:
            try:
                async with asyncio.timeout_at(due):
                    envelope = await subscriber.get()
            except TimeoutError:
                text, due = '{"type":"heartbeat"}', loop.time() + HEARTBEAT
            else:
                if envelope is None:
                    await _let_go(socket)
                    return
                text = envelope.text
            async with asyncio.timeout(PATIENCE):
                await socket.send_str(text)
    except TimeoutError:
        _drop(call)
    except ConnectionError:
        pass


async def _let_go(socket: web.WebSocketResponse) -> None:
    """Whoever signed out, or was signed out, hears no more; who comes again comes as whoever they are then."""
    await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"signed out")


def _drop(call: Call) -> None:
    """Nothing can be said to somebody who does not read: the connection is cut; the page comes back by itself."""
    log.info("an event socket was too slow")
    transport = call.request.transport
    if transport is not None:
        transport.abort()


async def _read(call: Call, socket: web.WebSocketResponse, subscriber: Follower) -> None:
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"text only")
            return
        try:
            await _obey(call, subscriber, message.data)
        except ClearcastError as error:
            await _refuse(socket, error)


async def _obey(call: Call, subscriber: Follower, text: str) -> None:
    try:
        message = _MESSAGES.validate_python(json.loads(text))
    except (ValueError, RecursionError, ValidationError):
        raise InvalidRequest("This message means nothing here.", code="invalid-message") from None
    hub = call.services.hub
    if isinstance(message, Unsubscribe):
        hub.unsubscribe(subscriber, [hub.inside(topic, call.actor.id) for topic in message.topics])
        return
    for wanted in message.topics:
        counting.identified(Rate.READ, call.request, call.actor)  # a snapshot is read for each
        about = await topics.permit(call.services, call.actor, wanted.topic)
        topic = hub.inside(wanted.topic, call.actor.id)
        if len(subscriber.topics.keys() | {topic}) > MAX_TOPICS:
            raise NotAllowed(f"At most {MAX_TOPICS} topics on one socket.", code="too-many-topics")
        known = wanted.epoch is not None and wanted.seq is not None
        position = Position(wanted.epoch or "", wanted.seq or 0) if known else None
        hub.unsubscribe(subscriber, [topic])
        await hub.subscribe(subscriber, topic, position, about)
        if about is not None and not subscriber.viewer.sees(about):  # the right to it was lost meanwhile
            hub.unsubscribe(subscriber, [topic])


async def _refuse(socket: web.WebSocketResponse, error: ClearcastError) -> None:
    data = {"code": error.code, "detail": error.message}
    try:
        async with asyncio.timeout(PATIENCE):
            await socket.send_str(json.dumps({"type": "error", "data": data}, ensure_ascii=False))
    except TimeoutError:
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER)
