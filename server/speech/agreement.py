"""What two hypotheses agree on, and what shows that one is not to be believed: pure comparisons of words.

LocalAgreement-2 is from Liu et al. (2020), "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by
Partial Hypothesis Selection"; its use with Whisper from Macháček et al. (2023), "Turning Whisper into Real-Time
Transcription System". Comparing the letters instead of the words lets hypotheses agree that are spelled or divided
differently, also where words are written without spaces.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Sequence
from itertools import accumulate, pairwise

from server.clock import SAMPLE_RATE
from server.speech.processor import Word

LONGEST_PHRASE = 12
"""Words of the longest phrase that is looked for as a loop."""

_REPEATS = {1: 7, 2: 4, 3: 4}
_REPEATS_LONGER = 3
"""How often a phrase of so many words in a row is a loop and not emphasis."""

_RECITED = 8
"""Letters of two entries of a vocabulary from which on it is no accident that they follow each other."""

_MOST_AWAY = 1.9
"""Edits that any distance in time counts for at most: times may be wrong altogether, and two edits weigh more."""


def letters(text: str) -> str:
    """Text as it is compared: letters, marks and digits only, without case or compatibility forms."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LMN")


def agreed(before: Sequence[Word], now: Sequence[Word]) -> int:
    """How many words of `now` the earlier hypothesis also has, from the first on.

    Both end a word there; how the letters before are divided does not matter.
    """
    ends_before: dict[int, int] = {}
    text_before = ""
    for index, word in enumerate(before):
        text_before += letters(word.text)
        ends_before.setdefault(len(text_before), index)
    text_now, count = "", 0
    for index, word in enumerate(now):
        text_now += letters(word.text)
        if not text_before.startswith(text_now):
            break
        if len(text_now) in ends_before:
            count = index + 1
    return count


def split_after(committed: Sequence[Word], hypothesis: Sequence[Word]) -> int:
    """How many words of `hypothesis` say again what was committed.

    The fewest edits decide (Levenshtein, over words); among equals, the place in time where the commit ended. Half a
    second away counts as one edit, so that a phrase said twice is told apart.
    """
    if not committed or not hypothesis:
        return 0
    said = [letters(word.text) for word in committed]
    heard = [letters(word.text) for word in hypothesis]
    # Everything committed against each beginning of the hypothesis.
    row = list(range(len(said) + 1))
    costs = [row[-1]]
    for j, word in enumerate(heard, 1):
        following = [j]
        for i, known in enumerate(said, 1):
            following.append(min(row[i] + 1, following[-1] + 1, row[i - 1] + (known != word)))
        row = following
        costs.append(row[-1])
    end = committed[-1].end

    def away(count: int) -> float:
        """Seconds by which the words before or after the cut reach over the end of what was committed."""
        middle_before = (hypothesis[count - 1].start + hypothesis[count - 1].end) // 2 if count else end
        middle_after = (hypothesis[count].start + hypothesis[count].end) // 2 if count < len(heard) else end
        return (max(0, middle_before - end) + max(0, end - middle_after)) / SAMPLE_RATE

    return min(range(len(costs)), key=lambda count: (costs[count] + min(2 * away(count), _MOST_AWAY), -count))


def loop_start(context: Sequence[Word], words: Sequence[Word]) -> int | None:
    """Position in `words` from which on they only repeat themselves or what stands before; None where they do not.

    What is said up to there, the phrase once, is kept.
    """
    said = [letters(word.text) for word in (*context, *words)]
    first = len(context)
    found: int | None = None
    for length in range(1, min(LONGEST_PHRASE, len(said) // 2) + 1):
        needed = _REPEATS.get(length, _REPEATS_LONGER)
        run = 0
        for position in range(length, len(said)):
            run = run + 1 if said[position] == said[position - length] else 0
            if run >= length * (needed - 1) and position >= first:
                begun = max(0, position - run + 1 - first)
                found = begun if found is None else min(found, begun)
                break
    return found


def compression_ratio(text: str) -> float:
    """Bytes of the text to bytes compressed, as Whisper has it: far above 2 is a loop."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def tail_of(words: Sequence[Word], characters: int) -> str:
    """The last words, whole, of together at most so many characters."""
    lengths = list(accumulate(len(word.text) for word in reversed(words)))
    count = sum(length <= characters for length in lengths)
    return "".join(word.text for word in words[len(words) - count :]).strip()


def recital_start(words: Sequence[Word], vocabulary: str) -> int | None:
    """Where in `words` the model begins to read aloud what it was shown: two entries of the vocabulary in their order.

    People say one name after another, too: such an answer is asked for again without the vocabulary.
    """
    entries = [text for text in (letters(entry) for entry in vocabulary.split(",")) if text]
    texts = [letters(word.text) for word in words]
    begins = {length: place for place, length in enumerate(accumulate(map(len, texts), initial=0))}
    said = "".join(texts)
    found = []
    for pair in map("".join, pairwise(entries)):
        at = said.find(pair) if len(pair) >= _RECITED else -1
        if at in begins and at + len(pair) in begins:
            found.append(begins[at])
    return min(found, default=None)
