"""`clearcast bench process`: its bars are those of the whole way, whatever a stage takes."""

from __future__ import annotations

from server.bench import process


def test_the_whole_way_decides() -> None:
    found = process.figures(60.0, 10.0, {"upload": 2.0, "finish": 8.0})
    assert (found["speed"], found["speed_by_stage"], found["holds"]) == (6.0, {"upload": 30.0, "finish": 7.5}, True)
    assert not process.figures(60.0, 15.0, {"upload": 1.0})["holds"]
