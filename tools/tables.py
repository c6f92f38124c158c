"""A table in a page that is written from the code, between two marks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class WrittenTable:
    """The table called `name` in `page` (a path below the repository), as `rows` gives it in Markdown."""

    name: str
    page: str
    rows: Callable[[], str]

    @property
    def path(self) -> Path:
        return ROOT / self.page

    def within(self, text: str) -> str:
        """`text` with the part between the two marks replaced. Raises ValueError when the marks are missing."""
        first, last = f"<!-- {self.name}: written by `make format` -->", f"<!-- end of {self.name} -->"
        before, begin, rest = text.partition(first)
        _, end, after = rest.partition(last)
        if not begin or not end:
            raise ValueError(f"{self.page} lacks the lines {first} and {last}")
        return f"{before}{first}\n{self.rows()}\n{last}{after}"

    def main(self, usage: str | None) -> int:
        """The command: `--check` compares, `--write` writes; its exit status."""
        arguments = sys.argv[1:]
        if arguments not in (["--check"], ["--write"]):
            print(usage, file=sys.stderr)
            return 2
        text = self.path.read_text()
        wanted = self.within(text)
        if arguments == ["--write"]:
            self.path.write_text(wanted)
        elif text != wanted:
            print(f"{self.page}: the table of {self.name} is out of date; `make format` writes it.", file=sys.stderr)
            return 1
        return 0
