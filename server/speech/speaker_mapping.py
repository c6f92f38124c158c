"""Which speaker of one account is which of another: one to one, so that together they overlap the longest.

An assignment problem, solved by the Hungarian method (Kuhn, 1955; Munkres, 1957) with potentials and shortest
augmenting paths. A speaker who was split into two gives the name to the larger part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.speech.processor import SpeakerTurn


def map_speakers(live: Sequence[SpeakerTurn], offline: Sequence[SpeakerTurn]) -> dict[str, str]:
    """From labels of `offline` to labels of `live`; speakers who overlap with nobody who is left are not in it."""
    rows = sorted({turn.speaker for turn in offline})
    columns = sorted({turn.speaker for turn in live})
    shared = _overlaps(offline, live, rows, columns)
    pairs = assignment(-shared) if shared.size else []
    return {rows[row]: columns[column] for row, column in pairs if shared[row, column] > 0}


def _overlaps(
    first: Sequence[SpeakerTurn], second: Sequence[SpeakerTurn], rows: Sequence[str], columns: Sequence[str]
) -> NDArray[np.float64]:
    """Samples that each pair of speakers has in common, shape (rows, columns)."""
    shared = np.zeros((len(rows), len(columns)))
    row, column = {label: i for i, label in enumerate(rows)}, {label: i for i, label in enumerate(columns)}
    others = sorted(second, key=lambda turn: turn.start)
    open_turns: list[SpeakerTurn] = []
    at = 0
    for turn in sorted(first, key=lambda turn: turn.start):
        while at < len(others) and others[at].start < turn.end:
            open_turns.append(others[at])
            at += 1
        open_turns = [other for other in open_turns if other.end > turn.start]
        for other in open_turns:
            overlap = min(turn.end, other.end) - max(turn.start, other.start)
            if overlap > 0:
                shared[row[turn.speaker], column[other.speaker]] += overlap
    return shared


def assignment(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column), each row and column at most once and as many as there can be, of the least total cost."""
    if cost.shape[0] > cost.shape[1]:
        return sorted((row, column) for column, row in assignment(cost.T))
    count, width = cost.shape
    # Row and column 0 stand for none; `taken[j]` is the row that column j is given to.
    rows, columns = np.zeros(count + 1), np.zeros(width + 1)
    taken = np.zeros(width + 1, np.int64)
    for row in range(1, count + 1):
        taken[0], column = row, 0
        least = np.full(width + 1, np.inf)
        before = np.zeros(width + 1, np.int64)
        used = np.zeros(width + 1, bool)
        while taken[column] or column == 0:
            used[column] = True
            reduced = np.append(np.inf, cost[taken[column] - 1] - rows[taken[column]] - columns[1:])
            better = ~used & (reduced < least)
            least[better], before[better] = reduced[better], column
            following = int(np.argmin(np.where(used, np.inf, least)))
            delta = least[following]
            rows[taken[used]] += delta
            columns[used] -= delta
            least[~used] -= delta
            column = following
        while column:
            taken[column] = taken[before[column]]
            column = int(before[column])
    return sorted((int(taken[column]) - 1, column - 1) for column in range(1, width + 1) if taken[column])
