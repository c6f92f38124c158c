"""What is said in a stream, as its server tells it: the topic `captions:<stream>` of the event socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from server.client.signalling import http_session
from server.client.tokens import Token
from server.errors import ClearcastError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes of one event: a snapshot holds fifty captions."""

Event = Mapping[str, Any]


async def follow(server: str, topic: str, token: Token = None, verify: bool = True) -> AsyncIterator[Event]:
    """Every event of a topic, a snapshot first, until cancelled.

    A connection that is lost is taken up again where it was. Raises ClearcastError where the server refuses the topic.
    """
    position: dict[str, Any] = {}
    pause = FIRST_PAUSE_S
    async with http_session(token, verify) as http:
        while True:
            try:
                async with http.ws_connect(f"{server.rstrip('/')}/api/v1/events", max_msg_size=MAX_MESSAGE) as socket:
                    await socket.send_json({"type": "subscribe", "topics": [{"topic": topic, **position}]})
                    async for message in socket:
                        if message.type is not aiohttp.WSMsgType.TEXT:
                            break
                        event = json.loads(message.data)
                        if event["type"] == "error":
                            raise ClearcastError(event["data"]["detail"])
                        if event.get("topic") == topic:
                            pause = FIRST_PAUSE_S
                            position = {"epoch": event["epoch"], "seq": event["seq"]}
                            yield event
            except aiohttp.WSServerHandshakeError as error:
                if error.status in (401, 403):
                    raise ClearcastError(f"{server} does not let you follow what happens ({error.status}).") from error
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)


@dataclass
class CaptionPrinter:
    """Final captions as lines with the names of who speaks; `show` is given what is not final yet."""

    line: Callable[[str], None]
    show: Callable[[str], None] = lambda text: None
    speakers: list[Mapping[str, Any]] = field(default_factory=list)
    _open: dict[int, str] = field(default_factory=dict)
    _last: int = 0

    def begin(self) -> None:
        """Another stream begins."""
        self.speakers, self._last = [], 0
        self._open.clear()

    def take(self, event: Event) -> None:
        """The next event of the topic."""
        data = event["data"]
        if event["type"] == "snapshot":
            self.speakers = data["speakers"]
            self._open.clear()
            for caption in data["captions"]:
                self._caption(caption)
        elif event["type"] == "speakers":
            self.speakers = data["speakers"]
        elif event["type"] == "caption":
            self._caption(data["caption"])
        elif event["type"] == "off_record" and data["on"]:
            self.line("— off the record —")

    def _caption(self, caption: Mapping[str, Any]) -> None:
        number = caption["id"]
        if caption["final"]:
            self._open.pop(number, None)
            if number > self._last:
                self._last = number
                if not caption["hidden"]:
                    self.line(self._written(caption))
        elif number > self._last:
            self._open[number] = caption["text"]
        self.show(" ".join(text for _, text in sorted(self._open.items()) if text))

    def _written(self, caption: Mapping[str, Any]) -> str:
        names = " and ".join(dict.fromkeys(self.name(label) for label in caption["speakers"]))
        return f"{names}: {caption['text']}" if names else str(caption["text"])

    def name(self, label: str) -> str:
        """What people call the speaker with that label."""
        known = {speaker["label"]: speaker for speaker in self.speakers}
        seen: set[str] = set()
        while label in known and known[label]["merged_into"] and label not in seen:
            seen.add(label)
            label = known[label]["merged_into"]
        if label not in known:
            return "Somebody"
        return str(known[label]["name"] or f"Speaker {known[label]['number']}")
