"""Names tests that take long without being marked as `slow`.

Processor time counts, the test's own and that of the processes that it has waited for: others' use of the machine does
not change it. Nothing fails by it, since processors differ.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

DEAR_S = 60.0
DEAR = pytest.StashKey[dict[str, float]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    before = sum(os.times()[:4])
    try:
        return (yield)
    finally:
        spent = sum(os.times()[:4]) - before
        if spent > DEAR_S and not item.get_closest_marker("slow"):
            item.config.stash.setdefault(DEAR, {})[item.nodeid] = spent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, spent in config.stash.get(DEAR, {}).items():
        terminalreporter.write_line(f"{name} took {spent:.1f} s of processor time: cheaper or `slow`, please", red=True)
