"""What is known of a finished recording beyond its sound: measured once, kept in its row as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True, slots=True)
class Loudness:
    """How loud it is (EBU R128): measured, never forced. None where there is too little sound to say."""

    integrated_lufs: float | None
    range_lu: float | None
    """EBU Tech 3342."""
    true_peak_dbtp: float | None
    """Of the signal between the samples too (ITU-R BS.1770, annex 2)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A span of which there is no sound: silence stands in its place. Samples at 48 kHz."""

    start: int
    end: int
    kind: str
    """"lost" (it never came), "away" (its publisher was gone, or the server), "off the record", "not recorded",
    "damaged" (it was in the file once)."""


@dataclass(frozen=True, slots=True)
class DenoiseSpan:
    """How the noise was treated over a span. Samples at 48 kHz."""

    start: int
    end: int
    mode: str
    """"active", "bypassed", "absent", "music"; "degraded" where the original went out though it was active."""
    strength: float
    """0, the original, to 1, only the voice; 0 where nothing is taken out."""


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """A model that has worked on it."""

    stage: str
    """"denoise", "captions", "speakers"; "final captions", "final speakers" for the pass over the whole recording."""
    name: str
    version: str
    """Of the library that runs it; empty where nobody knows."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of them. `listeners` is how many listened from which sample on."""

    loudness: Loudness | None = None
    gaps: tuple[Gap, ...] = ()
    denoise: tuple[DenoiseSpan, ...] = ()
    models: tuple[ModelUsed, ...] = ()
    listeners: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Facts | None:
        """None for what was written by nobody, or by a version that is not understood."""
        if values is None:
            return None
        try:
            return _ADAPTER.validate_python(values)
        except ValidationError:
            return None


_ADAPTER = TypeAdapter(Facts)
