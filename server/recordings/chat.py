"""Chat and reactions beside a live stream, kept with its recording at the time at which they were written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from server.accounts import Actor, Role
from server.backplane import EventHub
from server.errors import Conflict, NotAllowed
from server.queues import Policy, Queue
from server.rooms.messages import StreamInfo, StreamState
from server.store.chat import ChatTable
from server.store.chat_records import ChatKind, ChatMessage
from server.store.ids import new_id
from server.store.records import Page

LONGEST_TEXT = 500
"""Characters of a message."""
REACTIONS = ("👏", "👍", "❤️", "😂", "🎉", "❓")
SNAPSHOT = 50
"""Messages that whoever comes later sees at once."""
MAX_LIVE = 1000
SWITCHES = Queue(
    "chats",
    MAX_LIVE,
    Policy.FORGET,
    holds="streams of which is known whether their chat is open",
    drop="It is read from the database again.",
)

Show = Callable[[ChatMessage], dict[str, Any]]


class Chat:
    """The chats of all streams. Whoever calls has asked the gate."""

    def __init__(self, table: ChatTable, hub: EventHub, show: Show) -> None:
        self._table = table
        self._hub = hub
        self._show = show
        self._open: OrderedDict[str, bool] = SWITCHES.watch(OrderedDict())

    async def say(self, stream: StreamInfo, actor: Actor, kind: ChatKind, text: str, now: datetime) -> ChatMessage:
        """Tell everybody what somebody wrote, or how they reacted; off the record nothing of it is kept.

        Raises Conflict when the stream has ended, NotAllowed when its chat is closed.
        """
        _must_be_live(stream)
        if not await self.is_open(stream.id) and actor.id != stream.principal:
            raise NotAllowed("The chat of this stream is closed.", code="chat-closed")
        message = _line(stream, actor, kind, text, now)
        if not stream.captions.off_record:
            message = await self._table.add(message)
        if kind is ChatKind.REACTION:
            self._hub.pass_on(_topic(stream.id), "reaction", lambda: self._show(message))
        else:
            self._hub.publish(_topic(stream.id), "chat_message", self._show(message))
        return message

    async def switch(self, stream: StreamInfo, actor: Actor, on: bool, now: datetime) -> None:
        """Let people write, or not any more. Raises Conflict when the stream has ended."""
        _must_be_live(stream)
        kind = ChatKind.OPENED if on else ChatKind.CLOSED
        await self._table.add(_line(stream, actor, kind, "", now))
        self._open[stream.id] = on
        self._hub.publish(_topic(stream.id), "chat_state", {"open": on})

    async def remove(self, message: ChatMessage, now: datetime) -> None:
        """Take a message away, for everybody and for good."""
        await self._table.remove(message.id, now)
        self._hub.publish(_topic(message.stream_id), "chat_deleted", {"id": message.id})

    async def get(self, stream_id: str, message_id: str) -> ChatMessage:
        """Raises NotFound."""
        return await self._table.get(stream_id, message_id)

    async def page(self, stream_id: str, *, limit: int, cursor: str | None) -> Page[ChatMessage]:
        """What is kept of a chat, oldest first."""
        return await self._table.page(stream_id, limit=limit, cursor=cursor)

    async def is_open(self, stream_id: str) -> bool:
        """Whether people may write, while the stream is live."""
        known = self._open.get(stream_id)
        if known is None:
            known = self._open[stream_id] = await self._table.is_open(stream_id)
            if len(self._open) > MAX_LIVE:
                SWITCHES.dropped += 1
                self._open.popitem(last=False)
        return known

    async def snapshot(self, stream_id: str) -> dict[str, Any]:
        """What the topic begins with."""
        page = await self._table.page(stream_id, limit=SNAPSHOT, last=True)
        items = [self._show(message) for message in page.items]
        return {"open": await self.is_open(stream_id), "total": page.total, "items": items}

    async def over(self, stream: StreamInfo) -> None:
        """A stream has ended: without a recording nothing of its chat is kept."""
        self._open.pop(stream.id, None)
        self._hub.let_go(_topic(stream.id))
        if stream.recording.id is None:
            await self._table.forget(stream.id)


def _line(stream: StreamInfo, actor: Actor, kind: ChatKind, text: str, now: datetime) -> ChatMessage:
    account = actor.id if actor.role is not Role.LOCAL else None
    return ChatMessage(new_id(), stream.id, stream.position, account, actor.name, kind, text, now)


def _must_be_live(stream: StreamInfo) -> None:
    if stream.state is StreamState.ENDED:
        raise Conflict("The stream has ended.", code="stream-ended")


def _topic(stream_id: str) -> str:
    return f"chat:{stream_id}"
