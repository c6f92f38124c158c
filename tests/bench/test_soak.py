"""The soak bench: its arithmetic, and one short run of the real thing."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from prometheus_client import generate_latest

from server.bench.soak import Usage, Watched, drops, missing, parse, quantile, slope
from server.queues import QUEUES, Policy, Queue
from tests.bench.test_live import once_in_six


def test_growth_is_the_slope_of_a_straight_line() -> None:
    readings = [Usage(1000.0 + second, 150.0 + 2.5 * second / 60, 30, 10) for second in range(120)]
    assert slope(readings) == pytest.approx(2.5)
    assert slope(readings[:2]) is None


def test_a_worker_that_was_started_again_is_followed() -> None:
    with subprocess.Popen(["sleep", "60"]) as first, subprocess.Popen(["sleep", "60"]) as second:
        watched = Watched(first.pid, lambda: second.pid)
        watched.look()
        first.kill()
        first.wait()
        watched.look()
        watched.look()
        second.kill()
    assert (watched.pid, watched.first, len(watched.seen)) == (second.pid, 1, 2)
    assert watched.figures("worker", 0.0)["worker_threads"] == [1, 1]
    with pytest.raises(FileNotFoundError):
        Watched(first.pid).look()


def test_quantiles_come_from_what_was_counted_in_between() -> None:
    text = """\
# HELP x_seconds nothing
x_seconds_bucket{le="0.001"} 100.0
x_seconds_bucket{le="0.002"} 200.0
x_seconds_bucket{le="+Inf"} 200.0
"""
    before = {name: value / 2 for name, value in parse(text).items()}
    assert quantile({}, parse(text), "x_seconds", 0.5) == pytest.approx(0.001)
    assert quantile(before, parse(text), "x_seconds", 0.99) == pytest.approx(0.00198)
    assert quantile(parse(text), parse(text), "x_seconds", 0.99) is None
    assert quantile({}, {'x_seconds_bucket{le="+Inf"}': 3.0, 'x_seconds_bucket{le="1"}': 0.0}, "x_seconds", 0.5) == 1.0


def test_what_queues_dropped_is_read_as_the_server_tells_it() -> None:
    queues = [Queue(f"test_{policy}", 1, policy, holds="", drop="") for policy in (Policy.OLDEST, Policy.FORGET)]
    try:
        before = parse(generate_latest().decode())
        for queue in queues:
            queue.dropped += 3
        assert drops(before, parse(generate_latest().decode())) == {"test_oldest": 3}
    finally:
        for queue in queues:
            del QUEUES[queue.name]


def test_packets_that_went_missing_are_counted() -> None:
    assert missing([[500, 10, 509], [498, 10, 509]], expected=500) == 2
    assert missing([[0, None, 0]], expected=500) == 400  # whoever heard nothing at all
    assert missing([[480, 30, 509]], expected=500) == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_short_soak_says_what_it_saw() -> None:
    once_in_six(has_let_go, has_missed_nothing, "soak", "--minutes", "0.1", "--listeners", "2")


def has_missed_nothing(result: dict[str, Any]) -> None:
    assert result["packets"] > 2 * 250
    assert result["packets_missing"] == 0
    assert result["hops_clean"] + result["hops_late"] > 500
    assert result["events"] > 10


def has_let_go(result: dict[str, Any]) -> None:
    assert result["idle_descriptors"][1] <= result["idle_descriptors"][0]
    assert set(result["holds"]) == {
        *("memory", "hops", "hops_in_time", "queues", "descriptors_and_threads", "packets", "let_go")
    }
