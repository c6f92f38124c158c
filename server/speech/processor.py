"""What every policy on speech looks like: items in, outputs and requests out, and no model, clock or thread inside.

A processor that needs a model asks for it with a `Request`. Whoever runs the processor carries requests to the models
of all streams and brings each answer back, in any order between processors; a processor says by itself how many
requests it has open. So one model serves many streams, and a script can stand where a model does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

Option = str | int | float | bool | None

_In_contra = TypeVar("_In_contra", contravariant=True)
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A question to a model.

    `id` is unique within the stream; `model` names the role ("vad", "transcribe", …), not the weights. Each model
    says which `arrays` and `options` it takes and what it answers. `deadline` is the sample of the stream's timeline
    by which the answer is wanted: earliest first. A `droppable` request is worth nothing much later than that and may
    be answered with `Failure(dropped=True)` unasked; all others must be done, however late.
    """

    id: int
    model: str
    arrays: tuple[NDArray[Any], ...]
    deadline: int
    droppable: bool
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request was not answered. `dropped`: nobody tried, because it was stale or the machine too busy."""

    reason: str
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Watermark:
    """Whatever the processor still has to say starts at or after `sample` (48 kHz). Never goes back."""

    sample: int


@dataclass(frozen=True, slots=True)
class Word:
    """A word on the stream's timeline, in 48 kHz samples.

    `text` has its own leading space, as Whisper gives it; languages written without spaces have none. `probability`
    is in [0, 1].
    """

    start: int
    end: int
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class SpeakerTurn:
    """One speaker's uninterrupted speech, in 48 kHz samples; turns of different speakers may overlap."""

    start: int
    end: int
    speaker: str
    probability: float


class Processor(Protocol[_In_contra, _Out]):
    """A policy. All three return what is to be said and asked now, in order."""

    def push(self, item: _In_contra) -> list[_Out | Request]:
        """Take the next item. Raises ValueError when it does not follow the one before."""
        ...

    def result(self, request_id: int, value: Any | Failure) -> list[_Out | Request]:
        """Take the answer to a request. Raises KeyError when there is no such request open."""
        ...

    def flush(self) -> list[_Out | Request]:
        """The input ends here; nothing may be pushed after. The rest comes now and with the open requests' answers."""
        ...


def request_ids() -> Iterator[int]:
    """Numbers for the requests of one stream, shared by its processors."""
    return itertools.count(1)
