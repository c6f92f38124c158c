"""How many words of a text are wrong, for tests that know what was said."""

from __future__ import annotations

import re
from pathlib import Path


def words(text: str) -> list[str]:
    """Lower case, without punctuation."""
    return re.sub(r"[^\w\s]", " ", text.lower()).split()


def spoken_in(stm: Path) -> str:
    """The text of a NIST STM file, in order."""
    return " ".join(line.split(maxsplit=5)[5] for line in stm.read_text().splitlines() if not line.startswith(";"))


def error_rate(reference: str, text: str) -> float:
    """Substitutions, deletions and insertions to words of the reference."""
    wanted, found = words(reference), words(text)
    row = list(range(len(found) + 1))
    for i, word in enumerate(wanted, 1):
        before, row = row, [i]
        for j, other in enumerate(found, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1] / len(wanted)
