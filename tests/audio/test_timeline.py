"""Drift read off arrivals."""

from __future__ import annotations

import numpy as np
import pytest

from server.audio.timeline import MAX_SKEW, ArrivalEstimator


def heard(offsets: list[float]) -> ArrivalEstimator:
    """An estimator that was shown 20 ms pieces whose offsets are given."""
    estimator = ArrivalEstimator()
    for k, offset in enumerate(offsets):
        end = (k + 1) * 960
        estimator.add(round(end + offset), end, 960)
    return estimator


def test_the_floor_is_the_best_of_two_seconds_and_the_need_the_worst_of_ten() -> None:
    offsets = [100.0] * 2000
    offsets[1000] = 40.0
    offsets[1400] = 5000.0
    early = heard(offsets[:1060])
    assert (early.floor, early.need) == (40.0, 1060.0)
    estimator = heard(offsets[:1800])
    assert (estimator.floor, estimator.need, estimator.longest) == (100.0, 5960.0, 960.0)
    assert heard(offsets).need == 1060.0


@pytest.mark.parametrize("ppm", [300, -300, 25, -25])
def test_the_slope_is_found_under_noise(ppm: int) -> None:
    rng = np.random.default_rng(ppm % 7)
    count = 5000
    noise = rng.exponential(60, count)
    noise[2000:2050] += 9000  # a second in which the network stood still
    estimator = heard([ppm * 1e-6 * 960 * k + float(noise[k]) for k in range(count)])
    assert estimator.skew * 1e6 == pytest.approx(ppm, abs=6)


def test_noise_alone_has_no_slope() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert heard([float(x) for x in rng.exponential(100, 3000)]).skew == 0.0


def test_a_slope_beyond_reason_is_bounded() -> None:
    assert heard([0.01 * 960 * k for k in range(2000)]).skew == MAX_SKEW


def test_it_starts_empty() -> None:
    estimator = ArrivalEstimator()
    assert estimator.empty and estimator.skew == 0.0
    estimator.add(10, 5, 5)
    assert not estimator.empty
