"""Who may go on with a stream: its resume token, and the connections that follow one another in it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence

from server.errors import ChannelLive, Conflict, ResumeRefused
from server.rooms.surroundings import Publisher

TOKENS = 8
"""Tokens of a stream that are remembered. There are more than one only after restarts that nobody brought one back to:
the server itself knows no token any more then, and gives out another beside those it gave before."""


class ResumeTokens:
    """What a publisher shows to go on with its stream at once.

    Only the SHA-256 of a token (256 random bits: there is nothing to guess) is written down.
    """

    def __init__(self, hashes: Sequence[str] = ()) -> None:
        self._hashes = list(hashes)[-TOKENS:]
        self._token: str | None = None

    @property
    def hashes(self) -> list[str]:
        """For the stream's description on the disk; hexadecimal, the newest last."""
        return list(self._hashes)

    def issue(self) -> str:
        """The stream's token: the same for everybody who publishes in it."""
        if self._token is None:
            self._token = secrets.token_urlsafe(32)
            self._hashes = [*self._hashes, _hash(self._token)][-TOKENS:]
        return self._token

    def check(self, token: str | None, *, mine: bool, free: bool) -> None:
        """Whether somebody may go on with the stream: with a `token`, else where nobody else sends (`free`).

        `mine`: whether the stream is theirs at all. Raises ResumeRefused, ChannelLive.
        """
        if token is not None:
            if not mine or not self.accept(token):
                raise ResumeRefused("Another stream is live on this channel: this resume token does not belong to it.")
        elif not mine or not free:
            raise ChannelLive("Somebody is live on this channel.")

    def accept(self, token: str) -> bool:
        """Whether this token was given out for the stream."""
        hashed = _hash(token)
        known = any(hmac.compare_digest(hashed, mine) for mine in self._hashes)
        if known and self._token is None:
            self._token = token  # of an earlier run of the server, which kept only what it hashes to
        return known


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Seat:
    """The one connection that a stream hears, and the one that is about to take its place.

    `replaced` is told of every connection that another one has taken the place of.
    """

    def __init__(self, replaced: Callable[[Publisher], None]) -> None:
        self._replaced = replaced
        self.current: Publisher | None = None
        self.following: Publisher | None = None
        """Takes over with its first audio, or when the current one is lost."""

    @property
    def newest(self) -> int:
        """The number of the newest of them, -1 for none."""
        return max((held.number for held in (self.current, self.following) if held is not None), default=-1)

    def check(self, publisher: Publisher) -> None:
        """Raises Conflict "replaced" where a newer connection has come first."""
        if publisher.number < self.newest:
            raise Conflict("A newer connection of yours goes on with the stream.", code="replaced")

    def take(self, publisher: Publisher, *, gently: bool) -> None:
        """A connection sits down; `gently`: the one that sends now is heard until the new one is."""
        old, self.following = [self.following], publisher
        if not gently:
            old.append(self.current)
            self.current, self.following = publisher, None
        for held in old:
            if held is not None:
                self._replaced(held)

    def heard(self, publisher: Publisher) -> bool:
        """Audio came from this connection: whether it counts."""
        if publisher is self.following:
            self.follow()
        return publisher is self.current

    def follow(self) -> bool:
        """Whoever is about to take the place does; False where there is nobody."""
        if self.following is None:
            return False
        old, self.current, self.following = self.current, self.following, None
        if old is not None:
            self._replaced(old)
        return True

    def leave(self, publisher: Publisher) -> None:
        """A connection is gone."""
        if publisher is self.current:
            self.current = None
        if publisher is self.following:
            self.following = None

    def clear(self) -> list[Publisher]:
        """Everybody gets up; returns who sat."""
        held = [publisher for publisher in (self.current, self.following) if publisher is not None]
        self.current = self.following = None
        return held
