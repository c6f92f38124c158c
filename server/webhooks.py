"""Other servers are told of what happens here, as they are named in the settings: signed, tried again, written down.

Requests follow the Standard Webhooks specification 1.0 (`webhook-id`, `webhook-timestamp`, `webhook-signature`), for
which there are libraries in most languages.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from server import __version__
from server.clock import Clock
from server.errors import ClearcastError
from server.log import get_logger
from server.queues import Policy, Queue
from server.store.deliveries import Delivery, DeliveryState, DeliveryTable
from server.store.ids import new_id

ENCODED = "whsec_"
"""What a secret begins with whose rest is base64."""
RETRY_AFTER_S = (5.0, 60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
"""Before the second attempt, the third, …; after the last one it has failed."""
TIMEOUT_S = 15.0
GONE = 410
"""The other server wants nothing more of this."""
AT_ONCE = 4
TOGETHER = 64
"""Deliveries that are looked at in one go."""
IDLE_S = 30.0
"""Between two looks where nothing is known to be due."""
KEEP = timedelta(days=30)
PURGE_EVERY_S = 6 * 3600.0
RETRY_WRITE_S = 5.0

EVENTS_WAITING = 1000
EVENTS = Queue(
    "webhooks",
    EVENTS_WAITING,
    Policy.OLDEST,
    holds="events for other servers that are not written down yet",
    drop="The database stands still: other servers are not told of what happened first.",
)

log = get_logger(__name__)


class Webhooks:
    """Takes events on the event loop, never blocks it; what was written down is delivered after a restart too."""

    def __init__(self, table: DeliveryTable, clock: Clock, urls: Sequence[str], secret: str | None) -> None:
        self._table = table
        self._clock = clock
        self._urls = tuple(urls)
        self._key = signing_key(secret or "")
        self._waiting: deque[tuple[str, datetime, Mapping[str, Any]]] = EVENTS.watch(deque(maxlen=EVENTS_WAITING))
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Does nothing where no server is to be told."""
        if self._urls:
            self._task = asyncio.create_task(self._run(), name="webhooks")

    async def close(self) -> None:
        """Write down what waits; it is delivered in the next run."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with contextlib.suppress(ClearcastError):
                await self._write()

    def put(self, event: str, data: Mapping[str, Any]) -> None:
        """Something has happened; `data` is plain JSON."""
        if self._urls:
            EVENTS.dropped += len(self._waiting) == EVENTS_WAITING
            self._waiting.append((event, self._clock.wall(), data))
            self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        purge_at = loop.time()
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
            while True:
                self._wake.clear()
                try:
                    if loop.time() >= purge_at:
                        await self._table.purge(self._clock.wall() - KEEP)
                        purge_at = loop.time() + PURGE_EVERY_S
                    await self._write()
                    pause = await self._deliver(http)
                except ClearcastError as error:
                    log.error("webhooks cannot be written down now", error=error.message)
                    pause = RETRY_WRITE_S
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)

    async def _write(self) -> None:
        while self._waiting:
            event, at, data = self._waiting[0]
            body = json.dumps({"type": event, "timestamp": at.isoformat(), "data": data}, ensure_ascii=False)
            await self._table.add([Delivery(new_id(), url, event, body, at, at) for url in self._urls])
            if self._waiting and self._waiting[0][2] is data:  # it may have been dropped meanwhile
                self._waiting.popleft()

    async def _deliver(self, http: aiohttp.ClientSession) -> float:
        """Send what is due; returns after how many seconds to look again."""
        waiting = await self._table.waiting(TOGETHER)
        now = self._clock.wall()
        due = [delivery for delivery in waiting if delivery.due_at <= now]
        limit = asyncio.Semaphore(AT_ONCE)

        async def send(delivery: Delivery) -> None:
            async with limit:
                await self._send(http, delivery)

        await asyncio.gather(*(send(delivery) for delivery in due))
        if due:
            return 0.0
        return min([IDLE_S, *((delivery.due_at - now).total_seconds() for delivery in waiting)])

    async def _send(self, http: aiohttp.ClientSession, delivery: Delivery) -> None:
        status, error = await self._post(http, delivery)
        attempts = delivery.attempts + 1
        if not error:
            state = DeliveryState.DELIVERED
        elif status == GONE or delivery.url not in self._urls or attempts > len(RETRY_AFTER_S):
            state = DeliveryState.FAILED
            log.error("webhook failed for good", delivery=delivery.id, webhook=delivery.event, reason=error)
        else:
            state = DeliveryState.WAITING
            log.warning("webhook is tried again", delivery=delivery.id, webhook=delivery.event, reason=error)
        values: dict[str, Any] = {"state": state.value, "attempts": attempts, "status": status, "error": error}
        if state is DeliveryState.WAITING:
            values["due_at"] = self._clock.wall() + timedelta(seconds=RETRY_AFTER_S[delivery.attempts])
        await self._table.change(delivery.id, **values)

    async def _post(self, http: aiohttp.ClientSession, delivery: Delivery) -> tuple[int | None, str]:
        """What the other server answered, and why that is not well; no words where it is."""
        if delivery.url not in self._urls:
            return None, "The settings do not name this server any more."
        headers = signed(self._key, delivery.id, self._clock.wall(), delivery.body)
        body = delivery.body.encode()
        try:
            # Not redirected: the body goes where the operator said, and nowhere else.
            async with http.post(delivery.url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status, "" if 200 <= answer.status < 300 else f"It answered {answer.status}."
        except TimeoutError:
            return None, f"No answer within {TIMEOUT_S:.0f} seconds."
        except (aiohttp.ClientError, OSError) as failed:
            return None, f"It could not be reached ({type(failed).__name__})."


def signing_key(secret: str) -> bytes:
    """The key of a secret: `whsec_` and base64, or any other text as it is."""
    if secret.startswith(ENCODED):
        with contextlib.suppress(binascii.Error):
            return base64.b64decode(secret.removeprefix(ENCODED), validate=True)
    return secret.encode()


def signed(key: bytes, delivery_id: str, at: datetime, body: str) -> dict[str, str]:
    """The headers of a request: HMAC-SHA256 over its id, its time and its body."""
    seconds = int(at.timestamp())
    mark = hmac.new(key, f"{delivery_id}.{seconds}.{body}".encode(), hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": f"Clearcast/{__version__}",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(mark).decode()}",
    }
