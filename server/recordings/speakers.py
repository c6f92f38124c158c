"""Who speaks in a recording, for how long and with how many words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.clock import SAMPLE_RATE
from server.recordings.caption_forms import names_shown
from server.speech.captions import Caption
from server.speech.speakers import SpeakerName
from server.speech.tokens import count_words
from server.store.records import CaptionVersion
from server.store.store import Store
from server.store.talk import Said


@dataclass(frozen=True, slots=True)
class SpeakerTalk:
    """What one speaker said, merges followed. Where two talk at once it is the main one's."""

    label: str
    name: str
    """As it is shown: “Speaker 2” where nobody knows."""
    seconds: float
    share: float
    """0 to 1, of all that anybody said."""
    words: int
    turns: int
    """How often nobody else had spoken last."""


async def speakers_of(store: Store, stream_id: str, version: CaptionVersion | None = None) -> list[SpeakerTalk]:
    """Of the better account where none is named; in the order in which they first spoke.

    What is hidden does not count, and neither does what nobody is known to have said.
    """
    version = version or await store.captions.version(stream_id)
    return talk(await store.captions.speakers(stream_id, version), await store.talk.said(stream_id, version))


def talk(speakers: Sequence[SpeakerName], said: Sequence[Said]) -> list[SpeakerTalk]:
    """`said` by its beginning."""
    roots = merged(speakers)
    samples, words, turns = (dict.fromkeys(roots.values(), 0) for _ in range(3))
    last = None
    for caption in said:
        label = roots.get(caption.label or "")
        if label is None:
            continue
        samples[label] += caption.end - caption.start
        words[label] += caption.words
        turns[label] += label != last
        last = label
    whole = max(1, sum(samples.values()))
    shown = names_shown(speakers)
    return [
        SpeakerTalk(
            label, shown[label], round(samples[label] / SAMPLE_RATE, 2), round(samples[label] / whole, 4),
            words[label], turns[label],
        )
        for label in samples
        if turns[label]
    ]  # fmt: skip


def word_count(caption: Caption) -> int:
    """Words as they were heard, or as a person wrote them."""
    return len(caption.words) if caption.text is None else count_words(caption.text)


def merged(speakers: Sequence[SpeakerName]) -> dict[str, str]:
    """Of each label the one that is left of it."""
    known = {speaker.label: speaker for speaker in speakers}
    roots = {}
    for label, met in known.items():
        entry = met
        while entry.merged_into in known:
            entry = known[entry.merged_into]
        roots[label] = entry.label
    return roots
