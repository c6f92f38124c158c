"""Chat and reactions beside a stream."""

from __future__ import annotations

from server.accounts import Action, Resource, may_see
from server.errors import Conflict, NotFound
from server.rooms.messages import StreamInfo
from server.store.chat_records import ChatKind, ChatMessage
from server.web import chat_schemas as schemas
from server.web.handlers.streams import load as load_stream
from server.web.handlers.streams import load_to_read as load_stream_to_read
from server.web.routing import Call, RouteTable

table = RouteTable("chat")

BASE = "/api/v1/streams/{id}/chat"


async def load(call: Call) -> Resource:
    """The stream that the address names. Raises NotFound, for all streams where there is no chat."""
    _must_chat(call)
    return await load_stream(call)


def _must_chat(call: Call) -> None:
    if not call.services.settings.chat:
        raise NotFound("There is no such stream.", code="unknown-stream")


async def load_to_read(call: Call) -> Resource:
    """The same for whoever only reads."""
    _must_chat(call)
    return await load_stream_to_read(call)


async def load_message(call: Call) -> Resource:
    """A message of that stream: its author's, for its author, else the stream owner's. Raises NotFound.

    Whoever may not see the stream is not told whether there is such a message.
    """
    stream = await load_to_read(call)
    if not may_see(call.actor, stream):
        return stream
    message = await call.services.chat.get(stream.id, call.path("message"))
    call.subject = message
    mine = message.user_id is not None and message.user_id == call.actor.id
    owner = call.actor.id if mine else stream.owner
    return Resource("message", message.id, owner, stream.access, stream.standing)


def _live(call: Call) -> StreamInfo:
    if not isinstance(call.subject, StreamInfo):
        raise Conflict("The stream has ended.", code="stream-ended")
    return call.subject


@table.route(
    "GET",
    BASE,
    Action.READ_CHAT,
    "What was written beside a stream, oldest first",
    resource=load_to_read,
    query=schemas.ChatQuery,
    answer=schemas.ChatList,
)
async def list_chat(call: Call) -> schemas.ChatList:
    query, chat, stream_id = call.query(schemas.ChatQuery), call.services.chat, call.subject.id
    page = await chat.page(stream_id, limit=query.limit, cursor=query.cursor)
    items = [schemas.shown(message) for message in page.items]
    return schemas.ChatList(items=items, total=page.total, next=page.next, open=await chat.is_open(stream_id))


@table.route(
    "POST",
    BASE,
    Action.WRITE_CHAT,
    "Write something beside a live stream, or react to it",
    resource=load,
    body=schemas.ChatIn,
    answer=schemas.ChatOut,
    status=201,
    errors=(409, 429),
)
async def write(call: Call) -> schemas.ChatOut:
    stream, wanted = _live(call), call.body(schemas.ChatIn)
    call.services.chat_allowance.take(f"{stream.id} {call.actor.id}")
    kind = ChatKind.TEXT if wanted.text is not None else ChatKind.REACTION
    text = wanted.text or wanted.reaction or ""
    return schemas.shown(await call.services.chat.say(stream, call.actor, kind, text, call.services.clock.wall()))


@table.route(
    "PUT",
    f"{BASE}/open",
    Action.MODERATE_CHAT,
    "Let people write beside a live stream, or not any more",
    resource=load,
    body=schemas.ChatSwitch,
    status=204,
    errors=(409,),
)
async def switch(call: Call) -> None:
    now = call.services.clock.wall()
    await call.services.chat.switch(_live(call), call.actor, call.body(schemas.ChatSwitch).open, now)


@table.route(
    "DELETE",
    f"{BASE}/{{message}}",
    Action.MODERATE_CHAT,
    "Take a message away: one's own, or any beside one's own stream",
    resource=load_message,
    status=204,
)
async def remove(call: Call) -> None:
    message: ChatMessage = call.subject
    await call.services.chat.remove(message, call.services.clock.wall())
