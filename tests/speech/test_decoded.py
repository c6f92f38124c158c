"""Words on the timeline: in order and in the window, whatever the alignment says."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from server.clock import SAMPLE_RATE
from server.speech.decoded import DecodedWord, on_timeline

START = 10 * SAMPLE_RATE


def place(*times: tuple[float, float], length: float = 10.0) -> list[tuple[float, float]]:
    found, _ = on_timeline(
        [DecodedWord(start, end, f" w{i}", 0.5) for i, (start, end) in enumerate(times)],
        START,
        START + round(length * SAMPLE_RATE),
    )
    return [((word.start - START) / SAMPLE_RATE, (word.end - START) / SAMPLE_RATE) for word in found]


def test_times_that_are_in_order_stay() -> None:
    assert place((0.1, 0.3), (0.3, 0.6), (1.0, 1.5)) == [(0.1, 0.3), (0.3, 0.6), (1.0, 1.5)]


def test_a_word_that_ran_back_stands_between_its_neighbours() -> None:
    assert place((1.0, 1.2), (0.1, 0.2), (1.6, 2.0)) == [(1.0, 1.2), (1.2, 1.6), (1.6, 2.0)]


def test_two_words_that_ran_back_share_the_room() -> None:
    assert place((1.0, 1.2), (0.1, 0.2), (0.0, 0.1), (1.6, 2.0))[1:3] == [(1.2, 1.4), (1.4, 1.6)]


def test_one_that_ran_ahead_does_not_drag_the_others_along() -> None:
    assert place((1.0, 1.2), (9.0, 9.5), (1.4, 1.6), (1.7, 2.0)) == [(1.0, 1.2), (1.2, 1.4), (1.4, 1.6), (1.7, 2.0)]


def test_how_many_were_out_of_order_is_told() -> None:
    words = [DecodedWord(t, t + 0.1, " w", 0.5) for t in (5.0, 4.0, 3.0, 2.0)]
    assert on_timeline(words, 0, 10 * SAMPLE_RATE)[1] == 3


@given(st.lists(st.tuples(st.floats(-3, 40), st.floats(-3, 40)), max_size=30), st.floats(1.0, 30.0))
def test_words_are_always_in_order_and_in_the_window(times: list[tuple[float, float]], length: float) -> None:
    end = START + round(length * SAMPLE_RATE)
    words, _ = on_timeline([DecodedWord(s, e, f" w{i}", 0.5) for i, (s, e) in enumerate(times)], START, end)
    assert [word.text for word in words] == [f" w{i}" for i in range(len(times))]
    assert all(START <= word.start < word.end <= end for word in words)
    assert all(before.end <= after.start for before, after in itertools.pairwise(words))
