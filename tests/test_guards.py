"""The suite's own watch dogs bark at what they should, and only then."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests import costs, guards


def _server_code(source: str) -> dict[str, Any]:
    """Names defined by `source`, as though it stood in a file of server/ (one that exists: coverage looks it up)."""
    names: dict[str, Any] = {}
    exec(compile(source, guards.SERVER + "__init__.py", "exec"), names)
    return names


SLEEP = "import time\ndef work():\n    time.sleep(0)\n"
WRITE = "def work(path):\n    with open(path, 'w') as file:\n        file.write('x')\n"
SYNC = "import os\ndef work(number):\n    os.fsync(number)\n"
COMPUTE = "def work(until):\n    while not until():\n        sum(range(10000))\n"


@pytest.mark.allow_blocking("to see it noticed")
async def test_waiting_in_server_code_on_the_loop_is_noticed(tmp_path: Path) -> None:
    _server_code(SLEEP)["work"]()
    _server_code(WRITE)["work"](tmp_path / "file")
    with (tmp_path / "file").open() as file:
        _server_code(SYNC)["work"](file.fileno())
    _server_code("def work(path):\n    path.exists()\n")["work"](tmp_path)
    assert [call.split("()")[0] for call in guards.watch.calls] == ["sleep", "open", "fsync", "stat"]
    assert "server/__init__.py:3 (work)" in guards.watch.calls[0]


async def test_waiting_in_a_thread_is_fine(tmp_path: Path) -> None:
    await asyncio.to_thread(_server_code(WRITE)["work"], tmp_path / "file")
    assert guards.watch.calls == []


async def test_waiting_in_test_code_is_fine(tmp_path: Path) -> None:
    time.sleep(0.001)
    with (tmp_path / "file").open("w") as file:
        os.fsync(file.fileno())
    assert guards.watch.calls == []


@pytest.mark.allow_blocking("to see it noticed")
async def test_computing_in_server_code_on_the_loop_is_noticed() -> None:
    give_up = time.monotonic() + 60
    _server_code(COMPUTE)["work"](lambda: guards.watch.busy or time.monotonic() > give_up)
    assert "server/__init__.py" in guards.watch.busy[0]


async def test_short_computations_are_fine_however_many() -> None:
    work = _server_code(COMPUTE)["work"]
    for _ in range(12):
        end = time.thread_time() + guards.BUSY_S / 8
        work(lambda end=end: time.thread_time() > end)
    await asyncio.sleep(0.12)
    assert guards.watch.busy == []


class Faltering:
    """A thread's processor clock on a machine that stands still now and then: each look finds a second gone by."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self, _clock: int) -> float:
        self.now += 1.0
        return self.now


async def test_a_machine_that_stands_still_for_a_moment_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    work, looks = _server_code(COMPUTE)["work"], Faltering()
    monkeypatch.setattr(guards, "clock_gettime", looks)
    work(lambda: looks.now > 3)
    monkeypatch.undo()
    assert looks.now > 3
    assert guards.watch.busy == []


async def test_tasks_that_stay_are_named_and_cancelled() -> None:
    known = asyncio.all_tasks()
    stays = asyncio.create_task(asyncio.Event().wait(), name="stays")
    ends = asyncio.create_task(asyncio.sleep(0.05), name="ends")
    left = await guards.leftover_tasks(known, patience=0.3)
    assert [line.split(":")[0] for line in left] == ["stays"]
    assert stays.cancelled()
    assert ends.done()
    assert not ends.cancelled()


def test_a_test_that_fails_is_told_once(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> None:
    tests = pytester.mkpydir("tests")
    for name in ("conftest.py", "costs.py", "guards.py", "machine.py"):
        (tests / name).write_text((request.config.rootpath / "tests" / name).read_text())
    (tests / "test_sample.py").write_text(
        "import asyncio\n"
        "async def test_fails():\n"
        "    asyncio.get_running_loop().kept = asyncio.create_task(asyncio.sleep(99))\n"
        "    assert False\n"
        "async def test_goes_well(): pass\n"
    )
    (pytester.path / "pyproject.toml").write_text((request.config.rootpath / "pyproject.toml").read_text())
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1, failed=1)


def test_skips_that_may_not_happen_fail(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    tests = pytester.mkpydir("tests")
    for name in ("conftest.py", "costs.py", "guards.py", "machine.py"):
        (tests / name).write_text((request.config.rootpath / "tests" / name).read_text())
    (tests / "test_sample.py").write_text(
        "import pytest\n"
        "from tests.machine import skip_as_root_only\n"
        "def test_models(models_dir): pass\n"
        "@pytest.mark.browser\n"
        "def test_browser(): pytest.skip('no browser')\n"
        "@pytest.mark.browser\n"
        "def test_disk(): skip_as_root_only('only root may mount a disk')\n"
        "def test_other(): pytest.skip('not today')\n"
    )
    (pytester.path / "pyproject.toml").write_text((request.config.rootpath / "pyproject.toml").read_text())
    for name in ("CLEARCAST_MODELS_DIR", "CLEARCAST_REQUIRE"):
        monkeypatch.delenv(name, raising=False)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(skipped=4)
    monkeypatch.setenv("CLEARCAST_REQUIRE", "models,browser")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(skipped=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*CLEARCAST_REQUIRE names models*CLEARCAST_MODELS_DIR is not set*"])


def test_a_dear_test_without_the_mark_is_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nmarkers =\n    slow")
    work = "while time.process_time() < end:\n        pass"
    dear = "def test_{}() -> None:\n    end = time.process_time() + 0.3\n    {}\n"
    cheap = "def test_cheap() -> None:\n    time.sleep(0.3)\n"
    marked = "@pytest.mark.slow\n" + dear.format("marked", work)
    pytester.makepyfile(test_it="\n\n".join(["import time\nimport pytest", dear.format("dear", work), cheap, marked]))
    with monkeypatch.context() as patched:
        patched.setattr(costs, "DEAR_S", 0.1)
        result = pytester.runpytest_inprocess(plugins=[costs])
    result.assert_outcomes(passed=3)
    named = [line for line in result.outlines if "of processor time" in line]
    assert len(named) == 1 and named[0].startswith("test_it.py::test_dear took 0.")
