"""What a command proves itself with, and only to the server that it is meant for."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Protocol

import aiohttp
from yarl import URL

from server.errors import ClearcastError

VARIABLE = "CLEARCAST_TOKEN"


class TokenSource(Protocol):
    """Tokens that change while a command runs."""

    async def current(self) -> str | None:
        """What to send now; None where there is nothing. Raises ClearcastError."""
        ...

    async def renewed(self, refused: str) -> str | None:
        """Another one, after the server has refused that; None where there is none. Raises ClearcastError."""
        ...


Token = str | TokenSource | None


class FixedToken:
    """The same all the time: an API key, or a token that somebody else keeps fresh."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def current(self) -> str | None:
        return self._text

    async def renewed(self, refused: str) -> str | None:
        return None


class FileToken:
    """The first line of a file, which is read again whenever it is needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def current(self) -> str | None:
        return await asyncio.to_thread(read_token, self._path)

    async def renewed(self, refused: str) -> str | None:
        return await self.current()


def read_token(path: Path) -> str:
    """The first line of a file. Raises ClearcastError where it cannot be read, or there is nothing in it."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ClearcastError(f"The token in {path} cannot be read: {reason}.") from None
    if not text or not text.isascii() or any(character.isspace() for character in text):
        raise ClearcastError(f"{path} must hold one token and nothing else.")
    return text


def token_for(server: str, token_file: str | None, verify: bool = True) -> Token:
    """What a command sends: from the file that it names, else CLEARCAST_TOKEN, else what `clearcast login` keeps."""
    from server.client.login import SavedLogin

    if token_file is not None:
        return FileToken(Path(token_file))
    if given := os.environ.get(VARIABLE, "").strip():
        return given
    return SavedLogin.of(server, verify)


def attach(token: Token) -> tuple[aiohttp.ClientMiddlewareType, ...]:
    """What sends a token along, and tries another when the first is refused.

    The first server that is asked gets it, and no other that an answer leads to.
    """
    if token is None:
        return ()
    source = FixedToken(token) if isinstance(token, str) else token
    meant: list[tuple[str | None, int | None, bool]] = []

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if not meant:
            meant.append(_place(request.url))
        if _place(request.url) not in meant:
            return await handler(request)
        text = await source.current()
        if text is not None:
            request.headers["Authorization"] = f"Bearer {text}"
        response = await handler(request)
        if response.status == 401 and text is not None:
            other = await source.renewed(text)
            if other is not None and other != text:
                response.release()
                request.headers["Authorization"] = f"Bearer {other}"
                response = await handler(request)
        return response

    return (send,)


def _place(url: URL) -> tuple[str | None, int | None, bool]:
    """A server, whether it is spoken to by requests or by a WebSocket."""
    return url.host, url.port, url.scheme in ("https", "wss")
