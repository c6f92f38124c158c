"""Two texts, word by word: one normaliser, one alignment."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def normalised(text: str) -> list[str]:
    """Words in lower case without punctuation: letters, marks and digits of any script."""
    kept = (
        character if unicodedata.category(character)[0] in "LMN" else "" if character in "'’" else " "
        for character in text.casefold()
    )
    return "".join(kept).split()


@dataclass(frozen=True, slots=True)
class Alignment:
    """`pairs` of positions (reference, hypothesis) in order; None where one has no counterpart."""

    pairs: tuple[tuple[int | None, int | None], ...]
    errors: int
    """Substitutions, deletions and insertions (Levenshtein)."""

    def counterparts(self) -> dict[int, int]:
        """Position in the hypothesis of every word of the reference that was not deleted."""
        return {own: other for own, other in self.pairs if own is not None and other is not None}


def align(reference: Sequence[str], hypothesis: Sequence[str], *, open_end: bool = False) -> Alignment:
    """The cheapest way from one to the other; with `open_end` what the reference has beyond it costs nothing."""
    table = _table(reference, hypothesis)
    i = int(table[:, -1].argmin()) if open_end else len(reference)
    j = len(hypothesis)
    errors = int(table[i, j])
    pairs: list[tuple[int | None, int | None]] = []
    while i or j:
        wrong = i and j and reference[i - 1] != hypothesis[j - 1]
        if i and j and table[i, j] == table[i - 1, j - 1] + bool(wrong):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and table[i, j] == table[i - 1, j] + 1:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return Alignment(tuple(reversed(pairs)), errors)


def _table(reference: Sequence[str], hypothesis: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Distances of all beginnings, shape (len(reference) + 1, len(hypothesis) + 1)."""
    numbers = {word: number for number, word in enumerate({*reference, *hypothesis})}
    other = np.array([numbers[word] for word in hypothesis], np.int32)
    steps = np.arange(len(hypothesis) + 1, dtype=np.int32)
    table = np.empty((len(reference) + 1, len(hypothesis) + 1), np.int32)
    table[0] = steps
    for i, word in enumerate(reference, 1):
        row = table[i - 1] + 1
        row[1:] = np.minimum(row[1:], table[i - 1, :-1] + (other != numbers[word]))
        table[i] = np.minimum.accumulate(row - steps) + steps
    return table


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of all do not exceed; None where that is infinite or there is none."""
    if not values:
        return None
    found = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    return found if math.isfinite(found) else None
