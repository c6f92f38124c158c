"""Speakers of two accounts, matched so that they overlap the longest."""

from __future__ import annotations

import numpy as np
import pytest

from server.speech.processor import SpeakerTurn
from server.speech.speaker_mapping import assignment, map_speakers

scipy_optimize = pytest.importorskip("scipy.optimize")


def turns(*spans: tuple[int, int, str]) -> list[SpeakerTurn]:
    return [SpeakerTurn(start, end, speaker, 1.0) for start, end, speaker in spans]


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 6), (6, 2), (9, 7)])
def test_no_other_assignment_costs_less(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(7)
    for _ in range(40):
        cost = random.integers(-20, 20, shape).astype(float)
        pairs = assignment(cost)
        assert len(pairs) == min(shape)
        assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
        best = cost[scipy_optimize.linear_sum_assignment(cost)].sum()
        assert sum(cost[row, column] for row, column in pairs) == best


def test_the_larger_part_of_a_split_speaker_keeps_the_label() -> None:
    live = turns((0, 100, "S1"), (100, 130, "S2"))
    offline = turns((0, 30, "a"), (30, 100, "b"), (100, 130, "c"))
    assert map_speakers(live, offline) == {"b": "S1", "c": "S2"}


def test_the_whole_counts_and_not_the_largest_pair() -> None:
    live = turns((0, 60, "S1"), (60, 110, "S2"))
    offline = turns((0, 10, "a"), (10, 60, "b"), (60, 110, "b"))
    assert map_speakers(live, offline) == {"a": "S1", "b": "S2"}


def test_turns_may_overlap_and_nobody_may_speak() -> None:
    live = turns((0, 50, "S1"), (40, 90, "S2"))
    assert map_speakers(live, turns((0, 45, "x"), (45, 90, "y"), (200, 300, "z"))) == {"x": "S1", "y": "S2"}
    assert map_speakers([], turns((0, 10, "x"))) == {}
    assert map_speakers(live, []) == {}
