"""An account of what was said, written in the formats that people and programs read. All of them are UTF-8.

- txt: a paragraph for each turn, the speaker's name before it.
- srt: SubRip, as players read it: a name before the text, where there is more than one speaker.
- vtt: WebVTT, see `webvtt`.
- csv: RFC 4180 with a header: number, start, end (seconds), speakers (names, with semicolons between), text.
- json: see `as_json`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.clock import SAMPLE_RATE
from server.speech import webvtt
from server.speech.captions import Caption
from server.speech.final import Account
from server.speech.speakers import SpeakerNames

JSON_VERSION = 1

_PAUSE = SAMPLE_RATE
_LONG = 400
"""Characters of a paragraph from which on a pause, 48 kHz samples, begins another."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """An account with what is told beside it. `about` goes into the JSON as it is: plain values."""

    account: Account
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> list[Caption]:
        """Captions that are not hidden, by their beginnings."""
        return [caption for caption in self.account.captions if not caption.hidden and caption.shown]

    @property
    def names(self) -> dict[str, str]:
        """What each label is called: its name, else its number."""
        known = SpeakerNames(self.account.speakers)
        numbers = {entry.label: number for number, entry in enumerate(known.all(), 1)}
        whose = {label: known.resolve(label) for label in numbers}
        return {label: entry.name or f"Speaker {numbers[entry.label]}" for label, entry in whose.items()}

    def said_by(self, caption: Caption) -> list[str]:
        """Names of everybody in a caption, the main speaker first; none where nobody was told apart."""
        names = self.names
        return list(dict.fromkeys(names.get(label, label) for label in caption.speakers))


def as_text(transcript: Transcript) -> str:
    """A paragraph for each turn; a long one is divided at a pause."""
    paragraphs: list[tuple[str, list[str]]] = []
    ended = 0
    for caption in transcript.shown:
        name = ", ".join(transcript.said_by(caption))
        if not paragraphs or paragraphs[-1][0] != name:
            paragraphs.append((name, [f"{name}: {_line(caption)}" if name else _line(caption)]))
        elif caption.start - ended >= _PAUSE and sum(map(len, paragraphs[-1][1])) >= _LONG:
            paragraphs.append((name, [_line(caption)]))
        else:
            paragraphs[-1][1].append(_line(caption))
        ended = caption.end
    return "\n".join(f"{' '.join(said)}\n" for _, said in paragraphs)


def as_srt(transcript: Transcript) -> str:
    """Blocks of number, times and text, a blank line after each. The format knows no escapes: an arrow is spelled."""
    several = len({name for caption in transcript.shown for name in transcript.said_by(caption)}) > 1
    blocks = []
    for number, caption in enumerate(transcript.shown, 1):
        names = ", ".join(transcript.said_by(caption)) if several else ""
        text = f"{names}: {_line(caption)}" if names else _line(caption)
        times = f"{_srt_time(caption.start)} --> {_srt_time(_end(caption))}"
        blocks.append(f"{number}\n{times}\n{text.replace('-->', '→')}\n\n")
    return "".join(blocks)


def as_vtt(transcript: Transcript) -> str:
    """WebVTT with a voice span for whoever speaks."""
    cues = [
        webvtt.cue(number, caption.start, _end(caption), transcript.said_by(caption), caption.shown)
        for number, caption in enumerate(transcript.shown, 1)
    ]
    return webvtt.HEADER + "".join(cues)


def as_csv(transcript: Transcript) -> str:
    """A row for each caption."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["number", "start", "end", "speakers", "text"])
    for number, caption in enumerate(transcript.shown, 1):
        speakers = "; ".join(transcript.said_by(caption))
        writer.writerow([number, _seconds(caption.start), _seconds(_end(caption)), speakers, _line(caption)])
    return out.getvalue()


def as_json(transcript: Transcript) -> str:
    """One object: `version` (of this form, 1), whatever is told beside it, `speakers` (`label`, `name`) and `captions`
    (`number`, `start`, `end`, `speakers` by label, the main one first, `text`, and `words` with `start`, `end`, `text`
    and `probability`). Times are seconds. The words' texts keep their own spaces: joined, they are the caption's text
    unless a person has written that.

    Beside it stand of a file `file`, `duration`, `language`, `model` and `gaps`, of a stream `title`, `account`,
    `duration` and `language`.
    """
    names = transcript.names
    said = {label for caption in transcript.shown for label in caption.speakers}
    document = {
        "version": JSON_VERSION,
        **transcript.about,
        "speakers": [{"label": label, "name": name} for label, name in names.items() if label in said],
        "captions": [_caption(number, caption) for number, caption in enumerate(transcript.shown, 1)],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


FORMATS: dict[str, Callable[[Transcript], str]] = {
    "txt": as_text,
    "srt": as_srt,
    "vtt": as_vtt,
    "json": as_json,
    "csv": as_csv,
}
TYPES = {
    "txt": "text/plain",
    "srt": "application/x-subrip",
    "vtt": webvtt.TYPE,
    "json": "application/json",
    "csv": "text/csv",
}
"""Media types of the formats."""


def _caption(number: int, caption: Caption) -> dict[str, Any]:
    return {
        "number": number,
        "start": _seconds(caption.start),
        "end": _seconds(_end(caption)),
        "speakers": list(caption.speakers),
        "text": caption.shown,
        "words": list(_words(caption)),
    }


def _words(caption: Caption) -> Iterator[dict[str, Any]]:
    for word in caption.words:
        times = {"start": _seconds(word.start), "end": _seconds(word.end)}
        yield {**times, "text": word.text, "probability": round(word.probability, 4)}


def _line(caption: Caption) -> str:
    """The text on one line: an empty one would end a block."""
    return " ".join(caption.shown.split())


def _end(caption: Caption) -> int:
    """A caption ends after it begins, to the millisecond."""
    return max(caption.end, caption.start + SAMPLE_RATE // 1000)


def _seconds(sample: int) -> float:
    return round(sample / SAMPLE_RATE, 3)


def _srt_time(sample: int) -> str:
    return webvtt.timestamp(sample).replace(".", ",")
