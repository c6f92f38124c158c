"""What a lane says, as plain values that JSON can hold, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from server.inference.caption_lane import (
    CaptionOptions,
    Finished,
    LaneItem,
    LanguageHeard,
    Refused,
    TurnRevision,
    Turns,
    Urgency,
    VoicePrints,
)
from server.inference.captioning.wire import BadFrame
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcriber import Gap, Interim
from server.speech.vad import SpeechEnd, SpeechStart

Plain = list[Any]


def to_plain(item: LaneItem) -> Plain:
    """An item as a list: its name, then its values."""
    name, values = _WRITERS[type(item)]
    return [name, *values(item)]


_WRITERS: dict[type, tuple[str, Callable[[Any], Plain]]] = {
    Word: ("word", lambda item: word_values(item)),  # noqa: PLW0108 - defined below
    Interim: ("interim", lambda item: [[word_values(word) for word in item.words]]),
    Watermark: ("reached", lambda item: [item.sample]),
    Gap: ("gap", lambda item: [item.start, item.end, item.reason]),
    SpeechStart: ("speech", lambda item: [item.start, item.at]),
    SpeechEnd: ("silence", lambda item: [item.end, item.at]),
    Turns: ("turns", lambda item: [_turns_values(item.turns), item.watermark]),
    TurnRevision: ("revision", lambda item: [item.start, item.end, _turns_values(item.turns)]),
    VoicePrints: ("voices", lambda item: [voice_values(item)]),
    LanguageHeard: ("language", lambda item: [item.language]),
    Finished: ("finished", lambda item: []),
    Refused: ("refused", lambda item: [item.reason]),
}
_READERS: dict[str, Callable[..., LaneItem]] = {
    "word": lambda *values: word(values),
    "interim": lambda words: Interim(tuple(word(values) for values in words)),
    "reached": lambda sample: Watermark(int(sample)),
    "gap": lambda start, end, reason: Gap(int(start), int(end), str(reason)),
    "speech": lambda start, at: SpeechStart(int(start), int(at)),
    "silence": lambda end, at: SpeechEnd(int(end), int(at)),
    "turns": lambda turns, watermark: Turns(_turns(turns), int(watermark)),
    "revision": lambda start, end, turns: TurnRevision(int(start), int(end), _turns(turns)),
    "voices": lambda values: voices(values),  # noqa: PLW0108 - defined below
    "language": lambda language: LanguageHeard(str(language)),
    "finished": Finished,
    "refused": lambda reason: Refused(str(reason)),
}


def from_plain(values: Any) -> LaneItem:
    """The item that was written so. Raises BadFrame."""
    try:
        name, *rest = values
        return _READERS[name](*rest)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise BadFrame(f"no item of a lane: {values!r:.80}") from error


def word_values(item: Word) -> Plain:
    return [item.start, item.end, item.text, round(item.probability, 4)]


def word(values: Sequence[Any]) -> Word:
    """Raises TypeError or ValueError."""
    start, end, text, probability = values
    return Word(int(start), int(end), str(text), float(probability))


def _turns_values(turns: Iterable[SpeakerTurn]) -> Plain:
    return [[turn.start, turn.end, turn.speaker, round(turn.probability, 4)] for turn in turns]


def _turns(values: Iterable[Any]) -> tuple[SpeakerTurn, ...]:
    return tuple(
        SpeakerTurn(int(start), int(end), str(speaker), float(probability))
        for start, end, speaker, probability in values
    )


def voice_values(item: VoicePrints) -> dict[str, Any]:
    return {
        "model": item.model,
        "centroids": {label: [float(value) for value in centroid] for label, centroid in item.centroids.items()},
        "seconds": {label: float(seconds) for label, seconds in item.seconds.items()},
    }


def voices(values: Any) -> VoicePrints:
    """Raises TypeError, ValueError, KeyError or AttributeError."""
    return VoicePrints(
        str(values["model"]),
        {str(label): np.asarray(centroid, np.float32) for label, centroid in values["centroids"].items()},
        {str(label): float(seconds) for label, seconds in values["seconds"].items()},
    )


def options_values(options: CaptionOptions) -> dict[str, Any]:
    return asdict(options)


def options_from(values: Any) -> CaptionOptions:
    """Raises BadFrame."""
    try:
        return CaptionOptions(**{**values, "urgency": Urgency(values["urgency"])})
    except (TypeError, ValueError, KeyError) as error:
        raise BadFrame("no options of a lane") from error
