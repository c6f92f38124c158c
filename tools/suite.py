"""Run the tests so that both processors have something to do: `make test`, and with everything `.ci/run`.

Tests that mostly compute run beside tests that mostly wait, each in a process of its own; browsers, chaos and benches
follow alone. Tests marked `slow` run with `--slow` only. What is not an option of this program is given to one
pytest, which then runs just what was asked for, slow or not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WAITING = ("audio", "client", "jobs", "rooms", "rtc", "web")
"""Folders of `tests/`; audio among them so that both take about as long."""
ALONE = ("bench", "chaos", "e2e")

ATTEMPTS = 3
FEW = 5
"""Tests in real time can be spoiled by a busy machine: with `--try-again` at most so many that failed are tried again,
twice, and named. Anything else that failed, a crash included, is final."""


@dataclass(frozen=True)
class Suite:
    """Groups of tests in `folder`, each with the paths that its process is given."""

    folder: Path
    groups: Mapping[str, Sequence[str]]
    options: Sequence[str] = ()
    coverage: bool = False
    failed: list[str] = field(default_factory=list)
    """Groups in which something failed, in the latest attempt."""

    def run(self, attempts: int = 1) -> int:
        """The exit status: 0 when everything passed, if need be in a later attempt."""
        shutil.rmtree(self.folder / ".pytest_cache", ignore_errors=True)
        (self.folder / ".pytest_cache").mkdir()
        *beside, alone = self.groups
        with self._in_the_background(beside[1:]) as running:
            self._note(beside[0], self._start(beside[0]).wait())
            for name, process in running.items():
                self._note(name, process.wait())
        self._note(alone, self._start(alone).wait())
        for attempt in range(1, attempts):
            if not self.failed:
                break
            names = self.failures()
            if names is None or len(names) > FEW:
                return 1
            print(f"tried again ({attempt}):", *names, sep="\n", file=sys.stderr, flush=True)
            again, self.failed[:] = self.failed[:], []
            for name in again:
                self._note(name, self._start(name, only_failed=True).wait())
        return 1 if self.failed else 0

    def failures(self) -> list[str] | None:
        """The tests that failed; None where nothing says so, as after a crash."""
        found: list[str] = []
        for name in self.failed:
            try:
                noted = json.loads((self._cache(name) / "v/cache/lastfailed").read_text())
            except FileNotFoundError:
                return None
            found += noted
        return found

    def _note(self, name: str, status: int) -> None:
        if status:
            self.failed.append(name)

    def _cache(self, name: str) -> Path:
        return self.folder / ".pytest_cache" / name

    @contextmanager
    def _in_the_background(self, names: Sequence[str]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
        """What they print comes when they are over."""
        outputs = {name: self.folder / ".pytest_cache" / f"{name}.out" for name in names}
        running = {}
        for name, output in outputs.items():
            with output.open("wb") as out:
                running[name] = self._start(name, out=out.fileno())
        try:
            yield running
        finally:
            for name, process in running.items():
                process.wait()
                sys.stdout.buffer.write(outputs[name].read_bytes())
                sys.stdout.flush()

    def _start(self, name: str, *, only_failed: bool = False, out: int | None = None) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={self._cache(name)}", *self.options]
        if self.coverage:
            command += ["--cov", "--cov-report="]
        if only_failed:
            command += ["--last-failed", "--last-failed-no-failures=none"]
            command += ["--cov-append"] if self.coverage else []
        environment = {**os.environ, "COVERAGE_FILE": str(self.folder / f".coverage.{name}")}
        command += self.groups[name]
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=out, stderr=out)


def groups(tests: Path) -> dict[str, list[str]]:
    """The paths of each group. Whatever is in no list computes: nothing is left out."""
    places = sorted(path.name for path in tests.iterdir() if path.is_dir() or path.match("test_*.py"))
    computing = [name for name in places if name not in (*WAITING, *ALONE) and not name.startswith(("_", "."))]
    found = {"waiting": WAITING, "computing": computing, "alone": ALONE}
    return {group: [f"{tests.name}/{name}" for name in names] for group, names in found.items()}


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="make test", allow_abbrev=False)
    parser.add_argument("--slow", action="store_true", help="run tests that are marked as slow, too")
    parser.add_argument("--coverage", action="store_true", help="write .coverage.* for `coverage combine`")
    parser.add_argument("--try-again", action="store_true", help=f"run what failed again, if it is {FEW} at most")
    chosen, others = parser.parse_known_args(arguments)
    if others:
        return subprocess.call([sys.executable, "-m", "pytest", *others], cwd=ROOT)
    options = () if chosen.slow else ("-m", "not slow")
    suite = Suite(ROOT, groups(ROOT / "tests"), options, chosen.coverage)
    return suite.run(ATTEMPTS if chosen.try_again else 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
