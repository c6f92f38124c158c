"""An account of what was said, with what is told beside it and what of it is wanted; `transcript_forms` writes it.

Times are samples at 48 kHz from the beginning of what is written down, so that they sit on sound that begins there too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from server.clock import SAMPLE_RATE
from server.speech.captions import Caption
from server.speech.final import Account
from server.speech.processor import Word
from server.speech.speakers import SpeakerNames

PAUSE = SAMPLE_RATE
LONG = 400
"""Characters of a paragraph from which on a pause, 48 kHz samples, begins another."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is written beside the words. `times` None: where the form always has them."""

    speakers: bool = True
    times: bool | None = None
    confidence: bool = False


USUAL = Options()


@dataclass(frozen=True, slots=True)
class ChatLine:
    """What somebody wrote while it was said."""

    at: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that was said, found by a rule: that of an action item has a name."""

    at: int
    speaker: str
    text: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """What one speaker said, `share` from 0 to 1 of all."""

    name: str
    seconds: float
    share: float
    words: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What there was to it. `written` is Markdown by a language model called `model`; empty where there is none."""

    speakers: Sequence[Share] = ()
    terms: Sequence[tuple[str, int]] = ()
    questions: Sequence[Remark] = ()
    actions: Sequence[Remark] = ()
    written: str = ""
    model: str = ""


@dataclass(frozen=True)
class Transcript:
    """`about` goes into the JSON as it is: plain values; the other forms tell `title`, `host`, `date`, `language`."""

    account: Account
    about: Mapping[str, Any] = field(default_factory=dict)
    options: Options = USUAL
    chat: Sequence[ChatLine] = ()
    summary: Summary | None = None

    @property
    def shown(self) -> list[Caption]:
        """Captions that are not hidden, by their beginnings."""
        return [caption for caption in self.account.captions if not caption.hidden and caption.shown]

    @cached_property
    def names(self) -> dict[str, str]:
        """What each label is called: its name, else its number."""
        known = SpeakerNames(self.account.speakers)
        numbers = {entry.label: number for number, entry in enumerate(known.all(), 1)}
        whose = {label: known.resolve(label) for label in numbers}
        return {label: entry.name or f"Speaker {numbers[entry.label]}" for label, entry in whose.items()}

    def said_by(self, caption: Caption) -> list[str]:
        """Names of everybody in a caption, the main speaker first; none where nobody was told apart, or is wanted."""
        if not self.options.speakers:
            return []
        return list(dict.fromkeys(self.names.get(label, label) for label in caption.speakers))

    def heading(self) -> str:
        """What it is called."""
        return one_line(str(self.about.get("title") or self.about.get("file") or "Transcript"))


@dataclass(slots=True)
class Paragraph:
    """What one speaker said without another between. `name` is empty where the paragraph before goes on."""

    name: str
    start: int
    captions: list[Caption]

    @property
    def text(self) -> str:
        return " ".join(line(caption) for caption in self.captions)

    @property
    def confidence(self) -> float | None:
        """Mean of the words' probabilities; None where a person wrote it all."""
        return confidence(word for caption in self.captions if caption.text is None for word in caption.words)


def paragraphs(transcript: Transcript) -> list[Paragraph]:
    """One for each turn; a long one is divided at a pause."""
    found: list[Paragraph] = []
    speaker: str | None = None
    ended = length = 0
    for caption in transcript.shown:
        name = ", ".join(transcript.said_by(caption))
        if name != speaker:
            found.append(Paragraph(name, caption.start, [caption]))
            length = 0
        elif caption.start - ended >= PAUSE and length >= LONG:
            found.append(Paragraph("", caption.start, [caption]))
            length = 0
        else:
            found[-1].captions.append(caption)
        speaker, ended = name, caption.end
        length += len(line(caption))
    return found


def confidence(words: Iterable[Word]) -> float | None:
    """How sure the recogniser was of some words, 0 to 1; None of none."""
    known = [word.probability for word in words]
    return sum(known) / len(known) if known else None


def cut(account: Account, start: int, end: int) -> Account:
    """What was said between two moments, its times counted from the first.

    A caption on the edge keeps the words whose middles lie within; one that a person wrote stays whole or goes, as its
    own middle does.
    """
    return replace(account, captions=tuple(_within(account.captions, start, end)))


def _within(captions: Iterable[Caption], start: int, end: int) -> Iterator[Caption]:
    for caption in captions:
        if not caption.start < end or not (start < caption.end or start == caption.start):
            continue
        words = tuple(word for word in caption.words if start <= (word.start + word.end) // 2 < end)
        whole = start <= (caption.start + caption.end) // 2 < end
        if caption.text is not None or not caption.words:
            if not whole:
                continue
            words = caption.words
        elif not words:
            continue
        moved = tuple(
            replace(word, start=_placed(word.start, start, end), end=_placed(word.end, start, end)) for word in words
        )
        first, last = caption.start, caption.end
        if len(words) < len(caption.words):
            first, last = words[0].start, words[-1].end
        yield replace(caption, start=_placed(first, start, end), end=_placed(last, start, end), words=moved)


def _placed(at: int, start: int, end: int) -> int:
    return min(max(at, start), end) - start


def line(caption: Caption) -> str:
    """The text on one line."""
    return one_line(caption.shown)


def one_line(text: str) -> str:
    """Without breaks, and without what controls a terminal or breaks XML."""
    return "".join(letter for letter in " ".join(text.split()) if unicodedata.category(letter) not in ("Cc", "Cs"))


def goes_left(text: str) -> bool:
    """Whether it is read from right to left: by its first letter with a direction (Unicode's bidi rules, P2 and P3)."""
    directions = (unicodedata.bidirectional(letter) for letter in text)
    return next((found for found in directions if found in ("L", "R", "AL")), "L") != "L"


def caption_end(caption: Caption) -> int:
    """A caption ends after it begins, to the millisecond."""
    return max(caption.end, caption.start + SAMPLE_RATE // 1000)


def seconds(sample: int) -> float:
    """To the millisecond."""
    return round(sample / SAMPLE_RATE, 3)


def clock(sample: int) -> str:
    """A moment for people: 0:07, 1:02:03."""
    minutes, rest = divmod(sample // SAMPLE_RATE, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def percent(share: float) -> str:
    """0.834 is “83 %”."""
    return f"{100 * share:.0f} %"


def duration(length_s: float) -> str:
    """A length for people: 7 s, 4 min 07 s, 1 h 02 min."""
    minutes, rest = divmod(round(length_s), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
