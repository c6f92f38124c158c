"""How the suite is run: no test is left out, and what fails again has failed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.source import ROOT
from tools.suite import ALONE, FEW, WAITING, Suite, groups, main

PASSES = "def test_it() -> None:\n    pass\n"
FAILS = "def test_it() -> None:\n    raise AssertionError\n"
FAILS_ONCE = """
from pathlib import Path

def test_it() -> None:
    mark = Path("mark")
    if not mark.exists():
        mark.touch()
        raise AssertionError
"""
CRASHES = "import os\n\ndef test_it() -> None:\n    os._exit(3)\n"
SLOW = "import pytest\n\n@pytest.mark.slow\ndef test_slow() -> None:\n    open('slow', 'w')\n\n" + PASSES


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest starts ten times as fast without plugins."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def suite(folder: Path, computing: str = PASSES, waiting: str = PASSES, alone: str = PASSES, **more: object) -> Suite:
    texts = {"waiting": waiting, "computing": computing, "alone": alone}
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    slow\naddopts = -q\n")
    for name, text in texts.items():
        (folder / f"test_{name}.py").write_text(text)
    return Suite(folder, {name: [f"test_{name}.py"] for name in texts}, **more)  # type: ignore[arg-type]


def test_every_test_is_in_one_group() -> None:
    found = groups(ROOT / "tests")
    named = [path for paths in found.values() for path in paths]
    assert len(named) == len(set(named))
    for path in [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("tests/**/*_test.py")]:
        within = [name for name in named if (ROOT / name) == path or (ROOT / name) in path.parents]
        assert len(within) == 1, path
    assert all((ROOT / "tests" / name).is_dir() for name in (*WAITING, *ALONE))


def test_what_passes_the_second_time_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert suite(tmp_path, computing=FAILS_ONCE).run(3) == 0
    printed = capfd.readouterr()
    assert "tried again (1):\ntest_computing.py::test_it\n" in printed.err
    assert "tried again (2)" not in printed.err
    assert printed.out.count("1 passed") == 3  # those of the other groups are not run again


def test_what_fails_again_and_again_has_failed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert suite(tmp_path, alone=FAILS, waiting=FAILS_ONCE).run(3) == 1
    printed = capfd.readouterr()
    assert "tried again (1):\ntest_waiting.py::test_it\ntest_alone.py::test_it\n" in printed.err
    assert "tried again (2):\ntest_alone.py::test_it\n" in printed.err


def test_nothing_is_tried_again_unasked(tmp_path: Path) -> None:
    assert suite(tmp_path, alone=FAILS_ONCE).run() == 1


@pytest.mark.parametrize(
    "text",
    [CRASHES, "\n".join(FAILS.replace("test_it", f"test_{number}") for number in range(FEW + 1))],
    ids=["crash", "many"],
)
def test_a_crash_and_many_failures_are_final(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert suite(tmp_path, computing=text).run(3) == 1
    assert "tried again" not in capfd.readouterr().err


def test_slow_tests_run_when_they_are_asked_for(tmp_path: Path) -> None:
    assert suite(tmp_path, alone=SLOW, options=("-m", "not slow")).run() == 0
    assert not (tmp_path / "slow").exists()
    assert suite(tmp_path, alone=SLOW).run() == 0
    assert (tmp_path / "slow").exists()


def test_what_is_chosen_runs_in_one_process_slow_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr("tools.suite.subprocess.call", lambda command, cwd: asked.append(command) or 5)
    assert main(["--slow", "-k", "ogg"]) == 5
    assert asked == [[sys.executable, "-m", "pytest", "-k", "ogg"]]
