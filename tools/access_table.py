"""docs/access.md, written from the table that the walk of access compares with a real server.

python -m tools.access_table --write
python -m tools.access_table --check
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "tests" / "accounts" / "expected_access.toml"
PAGE = ROOT / "docs" / "access.md"

INTRODUCTION = """\
# Who may do what

Each channel, stream and recording has an access: `private`, `selected` people, a `group` of the owner's, `friends`,
`link` (friends, and whoever has the link) or `public`. Somebody who is blocked, blocks the owner or is banned from the
channel sees nothing of it, whatever the access.

The things in the columns belong to somebody else. They are public where it says so, for the friends of their owner for
those who have not signed in and for strangers, and otherwise for whom the column names. Owner, administrator and tokens
try what is private; the tokens are the owner's, and the API key may read, listen and write.

**yes**: it is done. **sign in**: 401. **no**: 403, one may know of it and may not do this, or the token is not for it.
**not there**: 404, in every letter what is answered where there is nothing. **empty**: a list, or a topic, without it.
Requests that are let in and then find a mistake, in a body say, count as done.

This page is written from `tests/accounts/expected_access.toml`, and every cell of it is tried on a real server by
`tests/accounts/test_access.py`.
"""
WORDS = {"yes": "yes", "401": "sign in", "403": "no", "404": "not there", "none": "empty"}


def markdown() -> str:
    """The whole page."""
    table = tomllib.loads(TABLE.read_text())
    columns = table["columns"]
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    rows = [(f"`{name}`", cells) for name, cells in table["routes"].items()]
    rows += [(f"topic `{name}{'…' if name.endswith(':') else ''}`", cells) for name, cells in table["topics"].items()]
    rows += [(f"topic {name}", cells) for name, cells in table["personal"].items()]
    lines += [f"| {name} | " + " | ".join(WORDS[cell] for cell in cells.split()) + " |" for name, cells in rows]
    return INTRODUCTION + "\n" + "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or say whether it is true."""
    parser = argparse.ArgumentParser(description=__doc__)
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--write", action="store_true")
    choice.add_argument("--check", action="store_true")
    if parser.parse_args().write:
        PAGE.write_text(markdown())
        return 0
    if PAGE.read_text() == markdown():
        return 0
    print("docs/access.md is not up to date: python -m tools.access_table --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
