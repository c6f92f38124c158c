"""What the event log beside a recording says of captions: the truth where the database lacks something."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from server.rooms.messages import CaptionInfo, SpeakerInfo

MAX_LINE = 256 * 1024
"""Bytes of a line; a longer one is none of ours."""

_CAPTION = TypeAdapter(CaptionInfo)
_SPEAKERS = TypeAdapter(list[SpeakerInfo])


@dataclass(slots=True)
class LoggedCaptions:
    """The newest version of every final caption, by number, and the speakers as they were last."""

    captions: dict[int, CaptionInfo] = field(default_factory=dict)
    speakers: list[SpeakerInfo] = field(default_factory=list)


def read(path: Path) -> LoggedCaptions:
    """Read an `events.jsonl`; lines that are torn or mean nothing here are passed over. Blocks. Raises OSError."""
    found = LoggedCaptions()
    with path.open("rb") as file:
        for event in _events(iter(lambda: file.readline(MAX_LINE), b"")):
            try:
                _take(found, event)
            except ValidationError:
                continue
    return found


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if b'"caption' not in line and b'"speakers' not in line:  # most lines are about something else
            continue
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _take(found: LoggedCaptions, event: dict[str, Any]) -> None:
    if event.get("type") == "caption" and event.get("kind") in ("final", "revision"):
        caption = _CAPTION.validate_python(event.get("caption"))
        known = found.captions.get(caption.id)
        if known is None or known.rev < caption.rev:
            found.captions[caption.id] = caption
    elif event.get("type") == "speakers":
        found.speakers = _SPEAKERS.validate_python(event.get("speakers"))
