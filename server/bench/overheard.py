"""A server whose caption lanes are written to a file: which turns were told, and when, is in none of its events.

`python -m server.bench.overheard FILE` is `clearcast serve` otherwise; the file is there once it has stopped.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.errors import Unavailable
from server.inference.caption_lane import (
    CaptionLane,
    CaptionOptions,
    LaneItem,
    LaneMemory,
    OnItems,
    TurnRevision,
    Turns,
)
from server.inference.captioning import service
from server.inference.captioning.items import from_plain, to_plain

_PROGRAM = "server.bench.overheard"


def program(file: Path) -> tuple[str, ...]:
    """What Python is to run, for `local_server`."""
    return ("-m", _PROGRAM, str(file))


def who(file: Path) -> list[list[Turns | TurnRevision]]:
    """What was told of who speaks, for each lane in the order in which they were opened. Raises Unavailable."""
    try:
        lanes = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise Unavailable("The server has not written down who spoke.") from error
    return [[item for item in map(from_plain, lane) if isinstance(item, Turns | TurnRevision)] for lane in lanes]


class OverheardService(service.WorkerCaptionService):
    """Passes everything on, and keeps what is said of who speaks."""

    file: Path

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._overheard: list[list[Any]] = []

    def open(
        self, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory | None = None
    ) -> CaptionLane:
        kept: list[Any] = []

        def hear(items: Sequence[LaneItem]) -> None:
            kept.extend(to_plain(item) for item in items if isinstance(item, Turns | TurnRevision))
            on_items(items)

        lane = super().open(options, start, hear, memory)
        self._overheard.append(kept)
        return lane

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self.file.write_text, json.dumps(self._overheard))


def main() -> None:
    OverheardService.file = Path(sys.argv[1])
    service.WorkerCaptionService = OverheardService  # type: ignore[misc]
    sys.argv = ["clearcast", "serve"]
    runpy.run_module("server", run_name="__main__")


if __name__ == "__main__":
    main()
