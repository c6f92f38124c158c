"""Keep the README's table of settings equal to the settings class.

Usage: python -m tools.settings_table --check | --write
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.fields import FieldInfo

from server.config import PREFIX, Settings
from tools.tables import WrittenTable


def table() -> str:
    """A Markdown table with a row for each setting, in the order of the class."""
    rows = ["| variable | default | what it does |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{PREFIX}{name.upper()}` | {_default(field)} | {_description(field)} |")
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is None or value == [] or isinstance(value, dict):
        return ""
    return f"`{json.dumps(value)}`" if isinstance(value, bool | int | float) else f"`{value}`"


def _description(field: FieldInfo) -> str:
    if not field.description:
        raise ValueError("a setting has no description")
    choices = getattr(field.annotation, "__args__", ())
    words = [str(choice) for choice in choices if isinstance(choice, str)]
    text = field.description.replace("|", "\\|")
    return f"{text} One of {', '.join(f'`{word}`' for word in words)}." if words else text


TABLE = WrittenTable("settings", "README.md", table)

if __name__ == "__main__":
    sys.exit(TABLE.main(__doc__))
