"""Whoever finishes a recording is killed, at every point of every step: the next one makes it whole."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.jobs.finishing import HEARD

FILES_OF = {"measure", "seal", "hear", "seal-again"}
"""Steps that write files."""


async def test_a_job_that_is_killed_anywhere_is_done_once_and_leaves_no_orphan(tmp_path: Path) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.jobs.killing", str(tmp_path)),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await program.communicate()
    told = [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]
    assert program.returncode == 0
    points: dict[str, set[str]] = {}
    for item in told:
        points.setdefault(item["step"], set()).add(item["point"])
        what = f"killed in {item['step']}, {item['point']}"
        assert (item["state"], item["attempts"], item["jobs"]) == ("done", 2, 1), what
        assert item["files"] == HEARD, what
        assert item["captions"] == ["this was said aloud."], what
        assert item["facts"]["loudness"]["true_peak_dbtp"] < 0, what
        assert [model["stage"] for model in item["facts"]["models"]] == ["denoise", "final captions"], what
    assert list(points) == ["measure", "seal", "hear", "seal-again"]
    for step, found in points.items():
        assert {"begun", "done"} <= found
        assert ({"half a file", "before it is named"} <= found) == (step in FILES_OF), step
    assert "before captions are replaced" in points["hear"]
    halves = [item["left"] for item in told if item["point"] == "half a file"]
    assert all(any(name.endswith(".new") for name in left) for left in halves)  # there was something to clear away
