"""Captions as server-sent events, for those who cannot use the event socket.

The format is that of the HTML standard, section 9.2: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import contextlib
import json

from aiohttp import web

from server.accounts import Action
from server.backplane import Envelope, Position
from server.errors import Unavailable
from server.log import get_logger
from server.web import topics
from server.web.handlers import events
from server.web.handlers.captions import BASE
from server.web.handlers.streams import load_to_read
from server.web.routing import Call, RouteTable
from server.web.services import MAX_READERS, READERS, EventReader, Follower, Services

LAST_EVENT = "Last-Event-ID"
RETRY = f"retry: {events.BACK_AFTER * 1000}\n\n"
"""Milliseconds after which whoever was cut off comes again."""
HEARTBEAT = ": heartbeat\n\n"

log = get_logger(__name__)
table = RouteTable("captions")


@table.route(
    "GET",
    f"{BASE}/captions/events",
    Action.READ_CAPTIONS,
    "The events of the topic `captions:<id>`, as server-sent events",
    resource=load_to_read,
    produces="text/event-stream",
    errors=(503,),
    takes={LAST_EVENT: "The `id` of the last event seen: what came after it is sent instead of a snapshot."},
)
async def caption_events(call: Call) -> web.StreamResponse:
    services = call.services
    if services.closing:
        raise Unavailable("The server is going down.", code="closing", retry_after=events.BACK_AFTER)
    if len(services.readers) >= MAX_READERS:
        READERS.dropped += 1
        raise Unavailable("Too many pages are open; try again later.", code="too-many-sockets", retry_after=30)
    subscriber = Follower(await services.access.viewer(call.actor), on_drop=lambda: _drop(call), sole=True)
    response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})  # or nginx keeps events to itself
    response.content_type, response.charset = "text/event-stream", "utf-8"
    reader = EventReader(response, subscriber)
    services.readers.add(reader)
    services.followers.add(subscriber)
    try:
        topic = f"captions:{call.subject.id}"
        about = await topics.permit(services, call.actor, topic)
        await services.hub.subscribe(subscriber, topic, _position(call.request), about)
        if about is not None and not subscriber.viewer.sees(about):  # the right to it was lost meanwhile
            subscriber.finish()
        await response.prepare(call.request)
        await _write(call, response, subscriber)
    finally:
        services.readers.discard(reader)
        services.followers.discard(subscriber)
        subscriber.finish()
        services.hub.unsubscribe(subscriber)
    return response


def _position(request: web.Request) -> Position | None:
    """How far the events were read. An id that this server never gave is that of somebody new."""
    epoch, _, seq = request.headers.get(LAST_EVENT, "").partition(":")
    if not seq.isascii() or not seq.isdecimal() or len(seq) > 15:
        return None
    return Position(epoch, int(seq))


async def _write(call: Call, response: web.StreamResponse, subscriber: Follower) -> None:
    """Send events as they come and heartbeats in between, until the server goes down or the reader is gone."""
    loop = asyncio.get_running_loop()
    text = RETRY
    due = loop.time() + events.HEARTBEAT
    try:
        while True:
            async with asyncio.timeout(events.PATIENCE):
                await response.write(text.encode())
            try:
                async with asyncio.timeout_at(due):
                    envelope = await subscriber.get()
            except TimeoutError:
                text, due = HEARTBEAT, loop.time() + events.HEARTBEAT
            else:
                if envelope is None:
                    break
                text = event(envelope)
        await response.write_eof()
    except TimeoutError:
        _drop(call)
    except ConnectionError:
        pass


def event(envelope: Envelope) -> str:
    """One event; its JSON, the same as on the socket, has no line breaks."""
    return f"id: {envelope.epoch}:{envelope.seq}\nevent: {envelope.type}\ndata: {envelope.text}\n\n"


def _drop(call: Call) -> None:
    log.info("a reader of captions was too slow")
    if call.request.transport is not None:
        call.request.transport.abort()


async def announce_closing(services: Services) -> None:
    """Tell every reader that the server goes down."""
    data = json.dumps({"retry_after": events.BACK_AFTER})
    text = f"event: server_closing\ndata: {data}\n{RETRY}".encode()
    telling = [asyncio.ensure_future(_tell(reader, text)) for reader in services.readers]
    if telling:
        _, late = await asyncio.wait(telling, timeout=events.GOODBYE)
        for task in late:
            task.cancel()


async def _tell(reader: EventReader, text: bytes) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):  # it has just gone by itself, or has not begun
        await reader.response.write(text)


def say_goodbye(services: Services) -> None:
    """End every answer after what waits for its reader."""
    for reader in services.readers:
        reader.subscriber.finish()
