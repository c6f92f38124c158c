"""The second account of a stream, made with hindsight: what was heard in the whole recording, joined with what people
did to the live captions.

Speakers keep the labels, and so the names and colours, that they had live. A caption that a person wrote, hid or gave a
speaker stays as it is, at its time; everything else is new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from server.clock import SAMPLE_RATE
from server.speech.captions import Caption
from server.speech.phrases import Turns, phrases
from server.speech.processor import SpeakerTurn, Word
from server.speech.speakers import SpeakerName

_AROUND = 2 * SAMPLE_RATE
_REMEMBERED = 60 * SAMPLE_RATE
"""How far before and after a word turns are looked at: far more than a caption is long."""


@dataclass(frozen=True, slots=True)
class Account:
    """What was said and by whom: captions in the order of their beginnings, speakers by number."""

    captions: tuple[Caption, ...]
    speakers: tuple[SpeakerName, ...]


def touched(caption: Caption) -> bool:
    """Whether a person changed the caption."""
    return caption.text is not None or caption.hidden or caption.speakers_fixed


def final_account(
    words: Sequence[Word],
    turns: Sequence[SpeakerTurn],
    live: Account,
    mapping: Mapping[str, str],
    gaps: Sequence[tuple[int, int]] = (),
) -> Account:
    """Join words and turns of a whole recording with the live account.

    `mapping` leads from labels of the turns to live ones, one to one; who is not in it is new. In `gaps` (48 kHz) the
    recording could not be transcribed: there the live words stay.
    """
    labels = final_labels(turns, live.speakers, mapping)
    turns = sorted((replace(turn, speaker=labels[turn.speaker]) for turn in turns), key=lambda turn: turn.start)
    kept = sorted((caption for caption in live.captions if touched(caption)), key=lambda caption: caption.start)
    everything = _with_live(words, live.captions, gaps)
    captions = [*_captions(_without(everything, kept), turns), *kept]
    captions.sort(key=lambda caption: (caption.start, caption.end))
    numbered = tuple(
        replace(caption, id=number, rev=1, committed=len(caption.words), final=True)
        for number, caption in enumerate(captions, 1)
    )
    return Account(numbered, tuple(_speakers(numbered, turns, live)))


def final_labels(
    turns: Iterable[SpeakerTurn], known: Sequence[SpeakerName], mapping: Mapping[str, str]
) -> dict[str, str]:
    """The label that everybody who speaks has in the second account: the live one, or one that nobody had."""
    taken = {entry.label for entry in known} | set(mapping.values())
    labels = dict(mapping)
    number = len(taken)
    for turn in sorted(turns, key=lambda turn: turn.start):
        if turn.speaker not in labels:
            number += 1
            while f"S{number}" in taken:
                number += 1
            labels[turn.speaker] = f"S{number}"
            taken.add(f"S{number}")
    return labels


def with_corrections(live: Account, earlier: Account) -> Account:
    """The live account with what people have made of an earlier second one, which is to be written anew."""
    corrected = [caption for caption in earlier.captions if touched(caption)]
    if not earlier.captions:
        return live
    others = [
        caption
        for caption in live.captions
        if not any(known.start < caption.end and caption.start < known.end for known in corrected)
    ]
    captions = sorted([*others, *corrected], key=lambda caption: (caption.start, caption.end))
    return Account(tuple(captions), earlier.speakers)


def live_turns(captions: Iterable[Caption]) -> list[SpeakerTurn]:
    """Who spoke as the live captions say it: a turn for each caption's main speaker, in order."""
    return [
        SpeakerTurn(caption.start, caption.end, caption.speakers[0], 1.0)
        for caption in sorted(captions, key=lambda caption: caption.start)
        if caption.speakers
    ]


def _with_live(words: Sequence[Word], captions: Iterable[Caption], gaps: Sequence[tuple[int, int]]) -> list[Word]:
    """The words, and in each gap those that were heard live."""
    if not gaps:
        return list(words)
    spoken = [word for caption in captions if not touched(caption) for word in caption.words]
    found = [word for word in spoken if any(2 * start <= word.start + word.end < 2 * end for start, end in gaps)]
    return sorted([*words, *found], key=lambda word: (word.start, word.end))


def _without(words: Iterable[Word], kept: Sequence[Caption]) -> Iterator[list[Word]]:
    """The words in stretches between captions that stay; those within one are what it was made from."""
    waiting = deque(kept)
    stretch: list[Word] = []
    for word in words:
        middle = (word.start + word.end) // 2
        while waiting and waiting[0].end <= middle:
            waiting.popleft()
            yield stretch
            stretch = []
        if not (waiting and waiting[0].start <= middle):
            stretch.append(word)
    yield stretch


def _captions(stretches: Iterable[list[Word]], turns: Sequence[SpeakerTurn]) -> Iterator[Caption]:
    near = _NearTurns(turns)
    speaker: str | None = None
    for stretch in stretches:
        for phrase in phrases(near.follow(stretch), near.turns, speaker):
            speaker = phrase.speakers[0] if phrase.speakers else None
            first, last = phrase.words[0], phrase.words[-1]
            words = tuple(phrase.words)
            yield Caption(0, 1, first.start, last.end, phrase.speakers, words, len(words), final=True)


class _NearTurns:
    """The turns around the word that is looked at: a recording of hours has too many to search for each word."""

    def __init__(self, turns: Sequence[SpeakerTurn]) -> None:
        """`turns` by their beginnings."""
        self.turns = Turns()
        self._coming = deque(turns)

    def follow(self, words: Iterable[Word]) -> Iterator[Word]:
        """The words, each once the turns around it are there."""
        for word in words:
            while self._coming and self._coming[0].start <= word.end + _AROUND:
                self.turns.add(self._coming.popleft())
            self.turns.forget(word.start - _REMEMBERED)
            yield word


def _speakers(captions: Sequence[Caption], turns: Sequence[SpeakerTurn], live: Account) -> Iterator[SpeakerName]:
    """Everybody by number: live speakers in their order, then who is new.

    Who is heard no more turned out to be the one whose words these are now. A name that a person gave goes along where
    that one has none by a person.
    """
    heard = {speaker for caption in captions for speaker in caption.speakers}
    names = {entry.label: entry for entry in live.speakers}
    gone = [entry.label for entry in live.speakers if entry.label not in heard and entry.merged_into is None]
    heirs = _heirs(gone, heard, turns, live.captions)
    for label, heir in heirs.items():
        lost, kept = names[label], names.get(heir, SpeakerName(heir))
        if lost.source == "person" and kept.source == "person" and lost.name is not None and kept.name is not None:
            continue
        if lost.name is not None and (lost.source == "person" or (kept.name is None and kept.source is None)):
            names[heir] = replace(kept, name=lost.name, source=lost.source, voice=lost.voice)
        names[label] = replace(lost, merged_into=heir)
    first = {speaker: caption.start for caption in reversed(captions) for speaker in caption.speakers}
    new = sorted(
        (label for label in heard if label not in {entry.label for entry in live.speakers}), key=first.__getitem__
    )
    yield from (names[entry.label] for entry in live.speakers)
    yield from (names.get(label, SpeakerName(label)) for label in new)


def _heirs(
    gone: Sequence[str], heard: set[str], turns: Sequence[SpeakerTurn], captions: Iterable[Caption]
) -> dict[str, str]:
    """For each label that is heard no more who speaks now when it did: longest, and for at least half of its time."""
    if not gone:
        return {}
    shares: dict[str, dict[str, int]] = {label: {} for label in gone}
    lengths = dict.fromkeys(gone, 0)
    near = deque(turns)
    open_turns: list[SpeakerTurn] = []
    for turn in live_turns(captions):
        while near and near[0].start < turn.end:
            open_turns.append(near.popleft())
        open_turns = [now for now in open_turns if now.end > turn.start - _REMEMBERED]
        if turn.speaker not in shares:
            continue
        lengths[turn.speaker] += turn.end - turn.start
        share = shares[turn.speaker]
        for now in open_turns:
            overlap = min(now.end, turn.end) - max(now.start, turn.start)
            if overlap > 0 and now.speaker in heard:
                share[now.speaker] = share.get(now.speaker, 0) + overlap
    found = {label: max(share, key=lambda other: share[other]) for label, share in shares.items() if share}
    return {label: heir for label, heir in found.items() if 2 * shares[label][heir] >= lengths[label]}
