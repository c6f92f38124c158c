"""Captions: words joined with who says them, as events that readers can follow, join late and correct.

Pure; time is the position on the stream's timeline that the caller has reached. A word is passed on as soon as it is
there; its caption becomes final when its words are, and when it is known who speaks or that has taken a second too
long. Afterwards only the speakers change, or what a person changes; and what a person said no machine changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from server.clock import SAMPLE_RATE
from server.errors import NotFound
from server.speech.phrases import Phrase, Turns, over, phrases
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcriber import Interim

PATIENCE = SAMPLE_RATE
"""How long a word waits for its speaker, in 48 kHz samples: 1 s."""
SNAPSHOT = 50
"""Captions that whoever joins late is shown."""
CORRECTED = 200
"""Final captions whose speakers may still change, and that people may correct here."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What somebody said, or several at once: `speakers` are labels of the diarization, the main one first.

    `id` counts captions of a stream, `rev` versions of one. The first `committed` words never change. An interim
    caption (`final` false) without words is withdrawn. `text` is what a person made of it, None where nobody did;
    `hidden` and `speakers_fixed` are a person's doing too.
    """

    id: int
    rev: int
    start: int
    end: int
    speakers: tuple[str, ...]
    words: tuple[Word, ...]
    committed: int
    final: bool
    text: str | None = None
    hidden: bool = False
    speakers_fixed: bool = False

    @property
    def shown(self) -> str:
        """The text to read."""
        return self.heard if self.text is None else self.text

    @property
    def heard(self) -> str:
        """The text as it was heard, whatever a person made of it."""
        return "".join(word.text for word in self.words).strip()

    def edited(
        self,
        text: str | None = None,
        speakers: tuple[str, ...] | None = None,
        hidden: bool | None = None,
        fixed: bool | None = None,
    ) -> Caption:
        """What a person makes of it; None leaves a thing as it is, and the text as heard takes an edit back.

        `fixed`: whether no machine changes the speakers any more; without it, once a person has.
        """
        return replace(
            self,
            text=self.text if text is None else None if text == self.heard else text,
            speakers=self.speakers if speakers is None else speakers,
            speakers_fixed=self.speakers_fixed or speakers is not None if fixed is None else fixed,
            hidden=self.hidden if hidden is None else hidden,
        )


@dataclass(frozen=True, slots=True)
class CaptionEvent:
    """`type` is "interim", "final" or "revision"; `seq` counts the events of a stream without a gap."""

    type: str
    seq: int
    caption: Caption


@dataclass(frozen=True, slots=True)
class CaptionSnapshot:
    """The last captions, the interim ones included, as they were after event `cursor`."""

    cursor: int
    captions: tuple[Caption, ...]


@dataclass(slots=True)
class _Pending:
    """A committed word that is in no final caption yet, and when (48 kHz) it stops waiting for its speaker."""

    word: Word
    until: int


class Captions:
    """The captions of one stream. Every method that takes something returns the events that follow from it."""

    def __init__(self, first_id: int = 1, first_seq: int = 1, finals: Iterable[Caption] = ()) -> None:
        """A stream that goes on elsewhere goes on counting from there; `finals` are the last that it told there.

        What is heard here says nothing of their speakers: only people change them.
        """
        self._first = first_id
        self._id = first_id
        self._seq = first_seq - 1
        self._turns = Turns()
        self._pending: list[_Pending] = []
        self._interim: tuple[Word, ...] = ()
        self._text_mark = 0
        self._turn_mark = 0
        self._now = 0
        self._speaker: str | None = None
        self._provisional: OrderedDict[int, Caption] = OrderedDict()
        self._finals: OrderedDict[int, Caption] = OrderedDict((caption.id, caption) for caption in finals)
        self.diarized = True
        """Whether anybody says who speaks; set False while nobody does, and no word waits for it."""

    def __len__(self) -> int:
        """Final captions that are remembered."""
        return len(self._finals)

    @property
    def next_id(self) -> int:
        """What the next caption is called: all before it are final."""
        return self._id

    @property
    def next_seq(self) -> int:
        """The number of the next event."""
        return self._seq + 1

    @property
    def finals(self) -> list[Caption]:
        """The final captions that may still change, oldest first."""
        return list(self._finals.values())

    def hear(self, item: Word | Interim | Watermark, now: int) -> list[CaptionEvent]:
        """Take what the transcriber says, when the stream is at sample `now`."""
        self._now = max(self._now, now)
        match item:
            case Word():
                self._pending.append(_Pending(item, self._now + PATIENCE))
                # What it was taken for so far is not shown beside it until the next guess comes.
                self._interim = tuple(word for word in self._interim if word.start >= item.end)
            case Interim():
                self._interim = item.words
            case Watermark():
                self._text_mark = max(self._text_mark, item.sample)
        return list(self._settle())

    def turn(self, item: SpeakerTurn | Watermark, now: int) -> list[CaptionEvent]:
        """Take what the diarizer says; a turn that comes too late corrects captions."""
        self._now = max(self._now, now)
        if isinstance(item, Watermark):
            self._turn_mark = max(self._turn_mark, item.sample)
            return list(self._settle())
        self._turns.add(item)
        return [*self._correct(item.start, item.end), *self._settle()]

    def revise(self, start: int, end: int, turns: Sequence[SpeakerTurn], now: int) -> list[CaptionEvent]:
        """Take a better account of who spoke from `start` to `end`."""
        self._now = max(self._now, now)
        self._turns.replace(start, end, turns)
        return [*self._correct(start, end), *self._settle()]

    def pass_time(self, now: int) -> list[CaptionEvent]:
        """The stream has reached sample `now` and nothing was said."""
        self._now = max(self._now, now)
        return list(self._settle())

    def finish(self) -> list[CaptionEvent]:
        """The stream is over, and so is what was said."""
        self._interim = ()
        for pending in self._pending:
            pending.until = self._now
        self._text_mark = max([self._text_mark, *(p.word.end + 2 * SAMPLE_RATE for p in self._pending)])
        return list(self._settle())

    def edit(
        self,
        caption_id: int,
        *,
        text: str | None = None,
        speakers: tuple[str, ...] | None = None,
        hidden: bool | None = None,
        fixed: bool | None = None,
        known: Caption | None = None,
    ) -> list[CaptionEvent]:
        """A person changes a final caption; None leaves a thing as it is. Raises `NotFound`.

        Of one that is not remembered here any more, `known` says how it was told last.
        """
        caption = self._finals.get(caption_id) or known
        if caption is None:
            raise NotFound("There is no such caption, or it is still being said.")
        changed = caption.edited(text, speakers, hidden, fixed)
        return [self._revised(changed)] if changed != caption else []

    def snapshot(self) -> CaptionSnapshot:
        everything = [*self._finals.values(), *(known for known in self._provisional.values() if known.words)]
        return CaptionSnapshot(self._seq, tuple(everything[-SNAPSHOT:]))

    def _settle(self) -> Iterator[CaptionEvent]:
        """Divide what is not final into phrases; end those that are complete, tell the others where they changed."""
        words = [pending.word for pending in self._pending]
        division = list(phrases([*words, *self._interim], self._turns, self._speaker))
        while division and self._complete(division):
            phrase = division.pop(0)
            del self._pending[: len(phrase.words)]
            self._speaker = phrase.speakers[0] if phrase.speakers else None
            yield self._final(phrase)
        yield from self._tell(division)
        self._turns.forget(min([self._now - 60 * SAMPLE_RATE, *(p.word.start for p in self._pending)]))

    def _complete(self, division: Sequence[Phrase]) -> bool:
        """Whether the first phrase is all committed, its speakers are known and nothing more belongs to it."""
        count = len(division[0].words)
        if count > len(self._pending):
            return False
        if any(self._waits(pending) for pending in self._pending[:count]):
            return False
        if count == len(self._pending):
            return over(division[0].words, self._text_mark)
        # The word that divides has to know its speaker too: without, it might have belonged here.
        return not self._waits(self._pending[count])

    def _waits(self, pending: _Pending) -> bool:
        """Whether it may still turn out whose word it is."""
        return self.diarized and pending.word.end > self._turn_mark and pending.until > self._now

    def _final(self, phrase: Phrase) -> CaptionEvent:
        known = self._provisional.pop(self._id, None)
        caption = self._caption(self._id, phrase, len(phrase.words), final=True)
        caption = replace(caption, rev=known.rev + 1 if known else 1)
        self._id += 1
        self._finals[caption.id] = caption
        if len(self._finals) > CORRECTED:
            self._finals.popitem(last=False)
        return self._event("final", caption)

    def _tell(self, division: Sequence[Phrase]) -> Iterator[CaptionEvent]:
        committed = len(self._pending)
        shown: OrderedDict[int, Caption] = OrderedDict()
        for offset, phrase in enumerate(division):
            number = self._id + offset
            count = max(0, min(len(phrase.words), committed))
            committed -= len(phrase.words)
            caption = self._caption(number, phrase, count, final=False)
            known = self._provisional.pop(number, None)
            if known is not None and replace(caption, rev=known.rev) == known:
                shown[number] = known
                continue
            shown[number] = replace(caption, rev=known.rev + 1 if known else 1)
            yield self._event("interim", shown[number])
        for gone in self._provisional.values():
            if gone.words:
                gone = replace(gone, rev=gone.rev + 1, words=(), committed=0, speakers=())  # noqa: PLW2901
                yield self._event("interim", gone)
            shown[gone.id] = gone  # its revisions go on from here should it come back
        self._provisional = OrderedDict(sorted(shown.items()))

    def _caption(self, number: int, phrase: Phrase, committed: int, *, final: bool) -> Caption:
        first, last = phrase.words[0], phrase.words[-1]
        return Caption(number, 0, first.start, last.end, phrase.speakers, tuple(phrase.words), committed, final)

    def _correct(self, start: int, end: int) -> Iterator[CaptionEvent]:
        """Look again at the speakers of final captions that a span touches."""
        for caption in list(self._finals.values()):
            if caption.id < self._first:
                continue
            if caption.end < start - SAMPLE_RATE or caption.start > end + SAMPLE_RATE or caption.speakers_fixed:
                continue
            if caption.start < self._now - 60 * SAMPLE_RATE:
                continue  # turns from before are forgotten
            main = caption.speakers[0] if caption.speakers else None
            speakers = self._turns.speakers(caption.words, main)
            if speakers != caption.speakers:
                yield self._revised(replace(caption, speakers=speakers))

    def _revised(self, caption: Caption) -> CaptionEvent:
        revised = replace(caption, rev=caption.rev + 1)
        if caption.id in self._finals:
            self._finals[caption.id] = revised
        return self._event("revision", revised)

    def _event(self, kind: str, caption: Caption) -> CaptionEvent:
        self._seq += 1
        return CaptionEvent(kind, self._seq, caption)
