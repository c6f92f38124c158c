"""Keep the table of queues in docs/operations.md equal to the code.

Usage: python -m tools.queues_table --check | --write
"""

from __future__ import annotations

import importlib
import re
import sys

from server.queues import QUEUES
from tools.tables import ROOT, WrittenTable

DECLARES = re.compile(r"^from server\.queues import .*\bQueue\b", re.MULTILINE)


def declaring() -> list[str]:
    """The modules of the server in which queues are declared; importing them is enough to know all queues."""
    paths = [path for path in sorted((ROOT / "server").rglob("*.py")) if DECLARES.search(path.read_text())]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]


def table() -> str:
    """A Markdown table with a row for each queue, by name."""
    for name in declaring():
        importlib.import_module(name)
    rows = ["| queue | what waits | at most | policy | what a drop means |", "| --- | --- | --- | --- | --- |"]
    for name, queue in sorted(QUEUES.items()):
        limit = f"{queue.declared:,}" if isinstance(queue.declared, int) else queue.declared
        rows.append(f"| `{name}` | {queue.holds} | {_code(limit)} | {queue.policy} | {queue.drop} |")
    return "\n".join(rows)


def _code(text: str) -> str:
    return re.sub(r"\bCLEARCAST_\w+", r"`\g<0>`", text)


TABLE = WrittenTable("queues", "docs/operations.md", table)

if __name__ == "__main__":
    sys.exit(TABLE.main(__doc__))
