"""WHIP and WHEP from the client's side: an offer is posted, the answer's Location is the session (RFC 9725)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import aiohttp

from server import errors
from server.client.tokens import Token, attach
from server.errors import ClearcastError, NotAllowed, NotAuthenticated, Unavailable

TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 64 * 1024
MAY_WORK_LATER = {429, 502, 503, 504}
RESUME_TOKEN = "Clearcast-Resume-Token"  # noqa: S105 - the name of a header


def _kinds() -> dict[str, type[ClearcastError]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ClearcastError)]
    return {kind.code: kind for kind in found}


_KINDS = _kinds()


def http_session(token: Token, verify: bool) -> aiohttp.ClientSession:
    """An HTTP client for one server; `verify`: whether certificates must be vouched for."""
    return aiohttp.ClientSession(
        middlewares=attach(token),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        connector=aiohttp.TCPConnector(ssl=verify),
    )


async def get_json(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """What `url` answers. Raises the server's error, Unavailable when nobody or nothing sensible answers."""
    try:
        async with http.get(url) as response:
            if response.status != 200:
                raise await _error(url, response)
            value = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise _unreachable(url, error) from error
    if not isinstance(value, dict):
        raise Unavailable(f"{url} is not a Clearcast server.", code="unexpected-answer")
    return value


async def post_json(http: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What is answered to `body`; empty where nothing is. Raises as `get_json` does."""
    try:
        async with http.post(url, json=body) as response:
            if response.status not in (200, 201, 204):
                raise await _error(url, response)
            value = await response.json() if response.status != 204 else {}
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise _unreachable(url, error) from error
    if not isinstance(value, dict):
        raise Unavailable(f"{url} is not a Clearcast server.", code="unexpected-answer")
    return value


class Session:
    """A session that a server has opened for us.

    Start it with `Session.open`; `close` deletes it. `answer` is the server's SDP, `location` its absolute address,
    `stream_id` the stream (None when the server is not Clearcast or there is none yet), `resume_token` what takes that
    over later.
    """

    def __init__(self, http: aiohttp.ClientSession, answer: str, location: str, headers: Mapping[str, str]) -> None:
        self.answer = answer
        self.location = location
        self.stream_id = headers.get("Clearcast-Stream")
        self.resume_token = headers.get(RESUME_TOKEN)
        self._http = http

    @classmethod
    async def open(
        cls,
        url: str,
        offer: str,
        token: Token,
        query: Mapping[str, str],
        verify: bool = True,
        resume_token: str | None = None,
    ) -> Session:
        """Post `offer` to `url`.

        Raises the server's own error as the ClearcastError of its code, Unavailable when nobody answers.
        """
        http = http_session(token, verify)
        headers = {"Content-Type": "application/sdp"} | ({RESUME_TOKEN: resume_token} if resume_token else {})
        try:
            async with http.post(url, data=offer.encode(), params=query, headers=headers) as response:
                if response.status != 201:
                    raise await _error(url, response)
                location = response.headers.get("Location")
                if location is None:
                    raise Unavailable(f"{url} opened a session without saying where: it is no WHIP or WHEP server.")
                answer = (await response.content.read(MAX_ANSWER_BYTES)).decode("utf-8", "replace")
                where = urljoin(str(response.url), location)
                return cls(http, answer, where, response.headers)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            await http.close()
            raise _unreachable(url, error) from error
        except BaseException:
            await http.close()
            raise

    async def abandon(self) -> None:
        """Let go without a word: the server notices by itself."""
        await self._http.close()

    async def close(self) -> None:
        """Tell the server that it is over; a server that is gone already is no error."""
        if self._http.closed:
            return
        try:
            async with asyncio.timeout(5), self._http.delete(self.location):
                pass
        except (aiohttp.ClientError, TimeoutError):
            pass
        finally:
            await self._http.close()


def _unreachable(url: str, error: Exception) -> Unavailable:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        told = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        return Unavailable(
            f"The certificate of {url} is not to be trusted ({told}). If it is your own server, --insecure accepts it.",
            code="certificate",
        )
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return Unavailable(f"{url} does not speak TLS: should it begin with http://?", code="unreachable")
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return Unavailable(f"{url!r} is not an address.", code="unreachable")
    if isinstance(error, TimeoutError):
        return Unavailable(f"{url} did not answer within {TIMEOUT_S:.0f} seconds.", code="unreachable")
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    reason = os.strerror(cause.errno) if cause is not None and cause.errno and cause.errno > 0 else str(error)
    return Unavailable(f"{url} cannot be reached: {reason}.", code="unreachable")


async def _error(url: str, response: aiohttp.ClientResponse) -> ClearcastError:
    """The error that a response stands for: RFC 9457 problem details where it has them."""
    detail = f"{url} answered {response.status} {response.reason or ''}".rstrip() + "."
    code = "unexpected-answer"
    if response.content_type == "application/problem+json":
        try:
            problem = await response.json(content_type=None)
        except ValueError:
            problem = None
        if isinstance(problem, dict):
            detail = str(problem.get("detail") or problem.get("title") or detail)
            code = str(problem.get("code") or code)
    by_status = {401: NotAuthenticated, 403: NotAllowed} | dict.fromkeys(MAY_WORK_LATER, Unavailable)
    return _KINDS.get(code, by_status.get(response.status, ClearcastError))(detail, code=code)
