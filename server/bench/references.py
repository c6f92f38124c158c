"""What was really said, by whom and when: STM and CTM as NIST's scoring tools read them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.bench.wording import align, normalised
from server.errors import InvalidRequest, NotFound


@dataclass(frozen=True, slots=True)
class Segment:
    """What one speaker said from `start` to `end`, in seconds; `words` are normalised."""

    start: float
    end: float
    speaker: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrueWord:
    """A normalised word and when it was said, in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """All that was said: normalised words in order, and by position when those ended of which it is known."""

    words: tuple[str, ...]
    ends: Mapping[int, float]
    segments: tuple[Segment, ...] | None
    """None where nobody says which words belong together."""

    def until(self, end: float) -> Said:
        """What was said in the segments that end within the first `end` seconds. Needs segments."""
        kept = tuple(segment for segment in self.segments or () if segment.end <= end)
        count = sum(len(segment.words) for segment in kept)
        ends = {position: value for position, value in self.ends.items() if position < count}
        return Said(self.words[:count], ends, kept)


def said(stm: Path | None, ctm: Path | None) -> Said | None:
    """From either file or both; None without. Where words have no times of their own, the last of a segment ends with
    it. Raises NotFound, InvalidRequest."""
    segments = tuple(read_stm(stm)) if stm else None
    timed = read_ctm(ctm) if ctm else []
    if segments is None:
        if ctm is None:
            return None
        return Said(tuple(word.text for word in timed), {i: word.end for i, word in enumerate(timed)}, None)
    words = tuple(word for segment in segments for word in segment.words)
    if ctm is not None:
        found = align(words, [word.text for word in timed]).counterparts()
        return Said(words, {own: timed[other].end for own, other in found.items()}, segments)
    lasts = itertools.accumulate(len(segment.words) for segment in segments)
    ends = {count - 1: segment.end for count, segment in zip(lasts, segments, strict=True) if segment.words}
    return Said(words, ends, segments)


def read_stm(path: Path) -> list[Segment]:
    """The segments in order of time. Raises NotFound, InvalidRequest."""
    segments = []
    for number, fields in _lines(path, 5):
        start, end = _seconds(path, number, fields[3]), _seconds(path, number, fields[4])
        text = [field for field in fields[5:] if not field.startswith("<")]
        segments.append(Segment(start, end, fields[2], tuple(normalised(" ".join(text)))))
    return sorted(segments, key=lambda segment: segment.start)


def read_ctm(path: Path) -> list[TrueWord]:
    """The words in order of time; a word that is several once normalised shares its time. Raises as `read_stm`."""
    words = []
    for number, fields in _lines(path, 5):
        start = _seconds(path, number, fields[2])
        end = start + _seconds(path, number, fields[3])
        words += [TrueWord(start, end, text) for text in normalised(fields[4])]
    return sorted(words, key=lambda word: word.start)


def _lines(path: Path, least: int) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}.") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(";;"):
            continue
        fields = line.split()
        if len(fields) < least:
            raise InvalidRequest(f"{path}, line {number}: {len(fields)} fields, expected at least {least}.")
        yield number, fields


def _seconds(path: Path, number: int, field: str) -> float:
    try:
        return float(field)
    except ValueError:
        raise InvalidRequest(f"{path}, line {number}: {field!r} is no time.") from None
