"""What the second account of a stream has changed, in numbers for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from server.clock import SAMPLE_RATE
from server.speech.agreement import letters
from server.speech.final import Account, touched
from server.speech.processor import Word

_BLOCK = 60 * SAMPLE_RATE
"""Words are compared a minute at a time, divided at a pause: comparing costs the square of what is compared."""
_PAUSE = SAMPLE_RATE // 2


@dataclass(frozen=True, slots=True)
class Changes:
    """Counts of words and captions, the captions of people left out."""

    words: int
    """In the second account."""
    words_changed: int
    words_added: int
    words_removed: int
    speakers_changed: int
    """Words that somebody else says now."""
    captions: int
    captions_added: int
    """Captions where nothing stood before."""
    captions_kept: int
    """Captions that stayed as a person made them."""
    speakers_before: int
    speakers: int


@dataclass(frozen=True, slots=True)
class _Said:
    """A word, compared by its letters, and who says it."""

    text: str
    start: int
    end: int
    speaker: str | None


def compare(live: Account, final: Account) -> Changes:
    """Compare two accounts of one stream."""
    before, now = _words(live), _words(final)
    changed = added = removed = moved = 0
    for old, new in _blocks(before, now):
        matcher = SequenceMatcher(None, [word.text for word in old], [word.text for word in new], autojunk=False)
        for kind, i, j, k, m in matcher.get_opcodes():
            if kind == "equal":
                moved += sum(a.speaker != b.speaker for a, b in zip(old[i:j], new[k:m], strict=True))
                continue
            changed += min(j - i, m - k)
            added += max(0, (m - k) - (j - i))
            removed += max(0, (j - i) - (m - k))
    kept = sum(touched(caption) for caption in final.captions)
    return Changes(
        words=len(now),
        words_changed=changed,
        words_added=added,
        words_removed=removed,
        speakers_changed=moved,
        captions=len(final.captions),
        captions_added=_added(live, final),
        captions_kept=kept,
        speakers_before=_count(live),
        speakers=_count(final),
    )


def _count(account: Account) -> int:
    """How many different speakers are heard."""
    whose = _resolved(account)
    return len({whose.get(label, label) for caption in account.captions for label in caption.speakers})


def _resolved(account: Account) -> dict[str, str]:
    """Who each label is, merges followed."""
    merged = {entry.label: entry.merged_into for entry in account.speakers}
    out: dict[str, str] = {}
    for label in merged:
        known = label
        for _ in merged:
            known = merged.get(known) or known
        out[label] = known
    return out


def _words(account: Account) -> list[_Said]:
    whose = _resolved(account)
    out: list[_Said] = []
    for caption in account.captions:
        if touched(caption):
            continue
        speaker = whose.get(caption.speakers[0], caption.speakers[0]) if caption.speakers else None
        out += [_said(word, speaker) for word in caption.words if letters(word.text)]
    return sorted(out, key=lambda word: (word.start, word.end))


def _said(word: Word, speaker: str | None) -> _Said:
    return _Said(letters(word.text), word.start, word.end, speaker)


def _blocks(before: Sequence[_Said], now: Sequence[_Said]) -> Iterator[tuple[Sequence[_Said], Sequence[_Said]]]:
    """Both accounts in pieces of about a minute that belong together."""
    old = new = 0
    while old < len(before) or new < len(now):
        begin = min(words[at].start for words, at in ((before, old), (now, new)) if at < len(words))
        cut = _cut(now, new, begin + _BLOCK)
        old_end, new_end = old, new
        while old_end < len(before) and before[old_end].start + before[old_end].end < 2 * cut:
            old_end += 1
        while new_end < len(now) and now[new_end].start + now[new_end].end < 2 * cut:
            new_end += 1
        yield before[old:old_end], now[new:new_end]
        old, new = old_end, new_end


def _cut(words: Sequence[_Said], first: int, after: int) -> int:
    """The middle of the first pause after a sample, at the latest a minute later."""
    for before, word in zip(words[first:], words[first + 1 :], strict=False):
        if word.start >= after and (word.start - before.end >= _PAUSE or word.start >= after + _BLOCK):
            return max(after, (before.end + word.start) // 2)
    return max(after, words[-1].end + 1) if words else after


def _added(live: Account, final: Account) -> int:
    """Captions of the second account during which the first one says nothing."""
    spans = sorted((word.start, word.end) for caption in live.captions for word in caption.words)
    count = at = reached = 0
    for caption in final.captions:
        if touched(caption):
            continue
        while at < len(spans) and spans[at][0] < caption.end:
            reached = max(reached, spans[at][1])
            at += 1
        count += reached <= caption.start
    return count
