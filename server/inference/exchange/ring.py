"""Writing and reading a ring a piece at a time, around its end."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Kind = TypeVar("Kind", np.float32, np.int64)


def put(ring: NDArray[Kind], at: int, rows: NDArray[Kind]) -> None:
    """Write `rows`, at most as many as the ring has, as the `at`th row that was ever written and those after it."""
    first = at % len(ring)
    before_the_end = len(ring) - first
    ring[first : first + len(rows)] = rows[:before_the_end]
    ring[: max(0, len(rows) - before_the_end)] = rows[before_the_end:]


def between(ring: NDArray[Kind], begin: int, end: int) -> NDArray[Kind]:
    """A copy of the rows from the `begin`th to before the `end`th that were ever written."""
    first = begin % len(ring)
    last = first + end - begin
    return np.concatenate((ring[first:last], ring[: max(0, last - len(ring))]))
