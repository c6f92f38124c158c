"""Pieces in any order, read without holes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.gaps import GaplessReader

RATE = 48_000
FADE = 240


def ramp(start: int, count: int) -> np.ndarray:
    """Samples that say where they belong."""
    return (np.arange(start, start + count) / 100_000).astype(np.float32)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 600)), max_size=60), st.integers(1, 700))
def test_every_sample_that_came_is_read_once_in_its_place(pieces: list[tuple[int, int]], block: int) -> None:
    reader = GaplessReader(RATE, 5000)
    came = np.zeros(4000, bool)
    stored = 0
    for start, count in pieces:
        new, refused = reader.put(start, ramp(start, count))
        assert refused == 0
        assert new == count - int(came[start : start + count].sum())
        came[start : start + count] = True
        stored += new
    assert stored == came.sum()
    heard = np.concatenate([reader.read(block) for _ in range(4000 // block + 1)])[:4000]
    made_up = np.zeros(8000, bool)
    for begin, end in reader.made_up:
        made_up[begin:end] = True
    np.testing.assert_array_equal(made_up[:4000], ~came)
    settled = came & ~np.array([made_up[max(0, i - 2 * FADE) : i].any() for i in range(4000)])
    settled[:FADE] = False
    np.testing.assert_array_equal(heard[settled], ramp(0, 4000)[settled])


def test_a_hole_is_the_past_played_backwards_and_faded() -> None:
    reader = GaplessReader(RATE, 50_000)
    reader.put(0, np.full(2000, 0.5, np.float32))
    reader.put(3000, np.full(2000, 0.5, np.float32))
    heard = reader.read(5000)
    hole = heard[2000:3000]
    assert np.all(np.diff(hole[:FADE]) < 0) and hole[0] > 0.49 and hole[FADE - 1] < 0.001
    assert np.all(hole[FADE:] == 0)
    assert np.all(np.diff(heard[3000 : 3000 + FADE]) > 0)
    assert np.all(heard[3000 + FADE :] == np.float32(0.5))


def test_a_hole_shorter_than_its_fades_does_not_click() -> None:
    reader = GaplessReader(RATE, 50_000)
    reader.put(0, np.full(2000, 0.5, np.float32))
    reader.put(2010, np.full(2000, 0.5, np.float32))
    heard = reader.read(4000)[FADE:]
    assert float(np.abs(np.diff(heard)).max()) < 0.01
    assert float(heard.max()) < 0.52


def test_going_back_never_repeats_what_was_real() -> None:
    reader = GaplessReader(RATE, 50_000)
    reader.put(0, ramp(0, 1000))
    reader.read(1500)
    assert reader.missed(1000, 1100) and not reader.missed(0, 1000)
    reader.rewind(500)
    assert reader.position == 1000
    reader.put(900, ramp(900, 300))
    assert float(reader.read(200)[-1]) > 0
    assert reader.position == 1200


def test_room_is_bounded() -> None:
    reader = GaplessReader(RATE, 1000)
    assert reader.put(500, ramp(500, 800)) == (500, 300)
    assert reader.put(2000, ramp(2000, 10)) == (0, 10)
    assert reader.end == 1000


def test_quiet_is_what_is_missing_or_faint() -> None:
    reader = GaplessReader(RATE, 10_000)
    reader.put(1000, np.full(1000, 5e-4, np.float32))
    reader.put(2000, np.full(100, 0.1, np.float32))
    assert reader.quiet(2000) and not reader.quiet(2001)
    reader.skip(1500)
    assert reader.position == 1500 and reader.first == 1500


def test_inserted_samples_move_nothing() -> None:
    reader = GaplessReader(RATE, 10_000)
    reader.put(0, np.full(1000, 0.5, np.float32))
    reader.read(500)
    extra = reader.insert(480)
    assert len(extra) == 480 and reader.position == 500
    assert reader.made_up == [(500, 980)]
    assert reader.read(500)[-1] == np.float32(0.5)
