"""Bodies of requests, read whole: each has a limit, and so have all of them together."""

from __future__ import annotations

import asyncio

from aiohttp import web

from server.errors import ClearcastError, InvalidRequest, TooLarge, Unavailable
from server.queues import Policy, Queue

BODY_TIMEOUT = 30.0
"""Seconds that a body may take to come."""
MOST_BYTES = 64 << 20
RETRY_AFTER = 5

BODIES = Queue(
    "bodies",
    MOST_BYTES,
    Policy.NEWEST,
    holds="bytes of bodies that are being read, of all requests together",
    drop="A request was answered 503 and asked to come again in 5 s.",
)


class BodyRoom:
    """The memory that bodies may take while they come."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.held = 0
        self._most = most
        BODIES.measure(self, lambda room: room.held)

    async def read(self, request: web.Request, limit: int) -> bytes:
        """The whole body.

        Raises TooLarge as soon as it is known to be over `limit` bytes, InvalidRequest when it cannot be unpacked,
        ClearcastError "too-slow" when it does not come, Unavailable when too many bodies come at once.
        """
        message = f"The body is larger than {limit // 1024} kB."
        if (request.content_length or 0) > limit:
            raise TooLarge(message)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                async for chunk in request.content.iter_any():
                    self._take(len(chunk))
                    body += chunk
                    if len(body) > limit:
                        raise TooLarge(message)
        except TimeoutError:
            raise ClearcastError(f"The body did not come within {BODY_TIMEOUT:.0f} seconds.", code="too-slow") from None
        except web.RequestPayloadError:
            raise InvalidRequest("The body is not what its Content-Encoding says.") from None
        finally:
            self.held -= len(body)
        return bytes(body)

    def _take(self, count: int) -> None:
        if self.held + count > self._most:
            BODIES.dropped += 1
            raise Unavailable("Too much is being uploaded just now.", code="too-many-uploads", retry_after=RETRY_AFTER)
        self.held += count
