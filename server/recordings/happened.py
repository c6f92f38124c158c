"""What the event log beside a recording says of it: where sound is missing, how the noise was treated, who listened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.clock import SAMPLE_RATE
from server.recordings.facts import DenoiseSpan, Gap, ModelUsed

MAX_LINE = 256 * 1024
"""Bytes of a line; a longer one is none of ours."""
JOIN = SAMPLE_RATE // 5
"""Gaps of one kind that are nearer than this (0.2 s) are told as one."""
MOST_GAPS = 500
MOST_SPANS = 500
MOST_COUNTS = 500
MOST_MODELS = 50
WANTED = ("gap", "state", "recording_", "denoise", "stream", "listeners", "models")
"""How the types of the lines begin that mean something here."""
OFF_THE_RECORD = "off the record"


@dataclass(slots=True)
class Happened:
    """What happened from the first sample to the last one."""

    gaps: list[Gap] = field(default_factory=list)
    denoise: list[DenoiseSpan] = field(default_factory=list)
    models: list[ModelUsed] = field(default_factory=list)
    listeners: list[tuple[int, int]] = field(default_factory=list)


def read(path: Path, length: int) -> Happened:
    """Read an `events.jsonl` about `length` samples; lines that are torn or mean nothing are passed over.

    Nothing where there is no such file. Blocks.
    """
    log = _Log(length)
    try:
        with path.open("rb") as file:
            for event in _events(iter(lambda: file.readline(MAX_LINE), b"")):
                log.take(event)
    except FileNotFoundError:
        return Happened()
    return log.happened()


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if b'"type":"caption' in line[:24]:  # most lines are captions
            continue
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if not isinstance(event, dict) or not isinstance(event.get("at"), int):
            continue
        if str(event.get("type", "")).startswith(WANTED):
            yield event


class _Log:
    """Takes event by event."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._gaps: list[Gap] = []
        self._away: list[tuple[int, int]] = []
        self._away_since: int | None = None
        self._off_since: int | None = 0
        self._mode: str | None = None
        self._strength = 1.0
        self._degraded = False
        self._spans: list[DenoiseSpan] = []
        self._since = 0
        self._models: dict[ModelUsed, None] = {}
        self._listeners: list[tuple[int, int]] = []

    def take(self, event: dict[str, Any]) -> None:
        at, kind = min(max(0, event["at"]), self._length), event["type"]
        match kind:
            case "gap":
                self._gap(at, event.get("end"), str(event.get("kind", "")))
            case "state":
                self._state(at, event.get("state"))
            case "recording_on" | "recording_off" | "recording_failed":
                self._recording(at, on=kind == "recording_on")
            case "stream" | "denoise" | "denoise_degraded" | "denoise_recovered":
                self._denoise(at, kind, event)
            case "listeners" if isinstance(event.get("count"), int):
                self._listeners.append((at, event["count"]))
            case "models" if isinstance(event.get("models"), list):
                self._used(event["models"])

    def happened(self) -> Happened:
        self._state(self._length, "live")
        self._recording(self._length, on=True)
        self._until(self._length)
        return Happened(
            _bounded(_joined([self._named(gap) for gap in self._gaps])),
            self._spans[:MOST_SPANS],
            list(self._models)[:MOST_MODELS],
            _thinned(self._listeners),
        )

    def _gap(self, start: int, end: Any, kind: str) -> None:
        end = min(end, self._length) if isinstance(end, int) else start
        if end > start:
            self._gaps.append(Gap(start, end, kind or "lost"))

    def _named(self, gap: Gap) -> Gap:
        """Nothing was lost on the way of what nobody sent."""
        if gap.kind != "lost":
            return gap
        away = sum(max(0, min(gap.end, end) - max(gap.start, start)) for start, end in self._away)
        return Gap(gap.start, gap.end, "away") if 2 * away > gap.end - gap.start else gap

    def _state(self, at: int, state: Any) -> None:
        if state == "reconnecting" and self._away_since is None:
            self._away_since = at
        elif state in ("live", "ended") and self._away_since is not None:
            self._away.append((self._away_since, at))
            self._away_since = None

    def _recording(self, at: int, *, on: bool) -> None:
        if not on:
            self._off_since = at if self._off_since is None else self._off_since
        elif self._off_since is not None:
            self._gap(self._off_since, at, "not recorded")
            self._off_since = None

    def _denoise(self, at: int, kind: str, event: dict[str, Any]) -> None:
        mode, strength = event.get("denoise" if kind == "stream" else "mode"), event.get("strength")
        self._until(at)
        if kind in ("denoise_degraded", "denoise_recovered"):
            self._degraded = kind == "denoise_degraded"
        self._mode = mode if isinstance(mode, str) else self._mode
        self._strength = float(strength) if isinstance(strength, int | float) else self._strength

    def _until(self, at: int) -> None:
        """What holds now has held up to this sample."""
        if self._mode is not None and at > self._since:
            active = self._mode == "active"
            mode = "degraded" if active and self._degraded else self._mode
            span = DenoiseSpan(self._since, at, mode, self._strength if mode == "active" else 0.0)
            last = self._spans[-1] if self._spans else None
            if last is not None and (last.mode, last.strength) == (span.mode, span.strength):
                self._spans[-1] = DenoiseSpan(last.start, at, span.mode, span.strength)
            else:
                self._spans.append(span)
        self._since = max(self._since, at)

    def _used(self, models: list[Any]) -> None:
        for model in models:
            if isinstance(model, dict) and model.get("name"):
                texts = [str(model.get(name) or "")[:200] for name in ("stage", "name", "version")]
                self._models[ModelUsed(*texts)] = None


def _joined(gaps: list[Gap]) -> list[Gap]:
    """In order, without those that lie within another one, near ones of one kind together."""
    found: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: (gap.start, -gap.end)):
        last = found[-1] if found else None
        if last is not None and gap.end <= last.end:
            continue
        if last is not None and gap.kind == last.kind and gap.start - last.end < JOIN:
            found[-1] = Gap(last.start, gap.end, gap.kind)
        else:
            found.append(gap)
    return found


def _bounded(gaps: list[Gap]) -> list[Gap]:
    """The longest of them, in order."""
    longest = sorted(gaps, key=lambda gap: gap.start - gap.end)[:MOST_GAPS]
    return sorted(longest, key=lambda gap: gap.start)


def _thinned(counts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Not too many of them, evenly, and the highest one of those that stand for several."""
    each = -(-len(counts) // MOST_COUNTS)
    if each <= 1:
        return counts
    groups = [counts[begin : begin + each] for begin in range(0, len(counts), each)]
    return [(group[0][0], max(count for _, count in group)) for group in groups]
