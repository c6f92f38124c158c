"""Who lost a right, told at once to whatever hangs on it: event sockets, listeners, caches."""

from __future__ import annotations

from collections.abc import Callable

Ended = Callable[[str, str], None]
"""Told a user's id, and the id of the credential that ended; empty for all of that user."""


class Endings:
    """Tells that sessions, keys or whole users are no longer good for anything."""

    def __init__(self) -> None:
        self._listeners: list[Ended] = []

    def subscribe(self, listener: Ended) -> None:
        """`listener` is called on the event loop and must not wait."""
        self._listeners.append(listener)

    def tell(self, user_id: str, credential: str = "") -> None:
        """One credential of a user ended, or, without one, all of them."""
        for listener in self._listeners:
            listener(user_id, credential)
