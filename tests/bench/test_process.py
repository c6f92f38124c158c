"""`clearcast bench process`: its bars are those of the whole way, whatever a stage takes."""

from __future__ import annotations

from server.bench import process
from server.bench.memory import memory_ratio


def test_the_whole_way_decides() -> None:
    found = process.figures(60.0, 10.0, {"upload": 2.0, "finish": 8.0})
    assert (found["speed"], found["speed_by_stage"], found["holds"]) == (6.0, {"upload": 30.0, "finish": 7.5}, True)
    assert not process.figures(60.0, 15.0, {"upload": 1.0})["holds"]


def test_memory_does_not_grow_with_the_length() -> None:
    assert memory_ratio(20.0, 200.0)["memory_ratio"] < process.MEMORY_BAR
