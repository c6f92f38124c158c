"""Keep the README's table of settings equal to the settings class.

Usage: python -m tools.settings_table --check | --write
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from server.config import PREFIX, Settings

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN = "<!-- settings: written by `make format` -->"
END = "<!-- end of settings -->"


def table() -> str:
    """A Markdown table with a row for each setting, in the order of the class."""
    rows = ["| variable | default | what it does |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{PREFIX}{name.upper()}` | {_default(field)} | {_description(field)} |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """`text` with the part between the two marks replaced. Raises ValueError when the marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is None or value == []:
        return ""
    return f"`{json.dumps(value)}`" if isinstance(value, bool | int | float) else f"`{value}`"


def _description(field: FieldInfo) -> str:
    if not field.description:
        raise ValueError("a setting has no description")
    choices = getattr(field.annotation, "__args__", ())
    words = [str(choice) for choice in choices if isinstance(choice, str)]
    text = field.description.replace("|", "\\|")
    return f"{text} One of {', '.join(f'`{word}`' for word in words)}." if words else text


def main(arguments: list[str]) -> int:
    if arguments not in (["--check"], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    text = README.read_text()
    wanted = with_table(text)
    if arguments == ["--write"]:
        README.write_text(wanted)
    elif text != wanted:
        print("README.md: the table of settings is out of date; `make format` writes it.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
