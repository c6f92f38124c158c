"""How many listen to one stream."""

from __future__ import annotations

from server.rooms.fanout import Channel


class Attendance:
    """Counts the listeners of a channel for the stream that is on it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._peak = 0
        self._told = 0

    @property
    def now(self) -> int:
        return self._channel.listeners

    @property
    def peak(self) -> int:
        return max(self._peak, self.now)

    def changed(self) -> bool:
        """Whether there are more or fewer than when this was asked last."""
        self._peak = self.peak
        before, self._told = self._told, self.now
        return before != self._told
