"""Keep the table of queues in docs/operations.md equal to the code.

Usage: python -m tools.queues_table --check | --write
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

from server.queues import QUEUES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "operations.md"
BEGIN = "<!-- queues: written by `make format` -->"
END = "<!-- end of queues -->"
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


def with_table(text: str) -> str:
    """`text` with the part between the two marks replaced. Raises ValueError when the marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main(arguments: list[str]) -> int:
    if arguments not in (["--check"], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    text = PAGE.read_text()
    wanted = with_table(text)
    if arguments == ["--write"]:
        PAGE.write_text(wanted)
    elif text != wanted:
        print("docs/operations.md: the table of queues is out of date; `make format` writes it.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
