"""What happened in a stream, as lines of `events.jsonl` beside its recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from server.clock import iso
from server.queues import Policy, Queue

LIMIT = 20_000
"""Most lines that wait to be written; further ones are counted and left out."""

LINES = Queue(
    "recording_events",
    LIMIT,
    Policy.NEWEST,
    holds="lines of a stream's event log that are not written yet",
    drop="The log beside the recording says how many lines it lacks.",
)


class EventLog:
    """Collects lines until the recorder takes them.

    Each line is one JSON object: `type`, `at` (sample index on the stream's timeline), `time` (wall clock, ISO 8601,
    UTC) and what belongs to the type. Lines are only ever appended. A stream that is not being recorded keeps its
    lines here, so that a recording which is switched on later knows the whole story.
    """

    def __init__(self, wall: Callable[[], datetime]) -> None:
        self._wall = wall
        self._waiting: list[str] = []
        self._lost = 0
        LINES.measure(self, EventLog.waiting)

    def add(self, type_: str, at: int, **data: Any) -> None:
        """Note an event that happened at sample `at`; `data` must be serialisable as JSON."""
        if len(self._waiting) >= LIMIT:
            self._lost += 1
            LINES.dropped += 1
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            self.add("events_lost", at, count=lost)
        line = {"type": type_, "at": at, "time": iso(self._wall()), **data}
        self._waiting.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")

    def waiting(self) -> int:
        """Lines that are not taken yet."""
        return len(self._waiting)

    def take(self) -> list[str]:
        """The lines since the last call, oldest first."""
        lines, self._waiting = self._waiting, []
        return lines
