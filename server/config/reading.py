"""Reading the settings from the environment, and telling mistakes in words."""

from __future__ import annotations

import difflib
import os
from typing import Any

from pydantic import ValidationError

from server.config.network import PREFIX
from server.config.settings import Settings
from server.errors import SettingsError

WORDS = {
    "int_parsing": "must be a whole number",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "less_than_equal": "must be at most {le}",
    "greater_than_equal": "must be at least {ge}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "missing": "is missing",
    "extra_forbidden": "means nothing here",
}
"""How mistakes are told, by pydantic's name of them."""
SECRET = {"summary_key", "database_url", "ice_servers", "tls_key", "webhook_secret", "webhook_urls"}
"""Settings whose value may hold a password and is never repeated."""


def load_settings(**overrides: Any) -> Settings:
    """The settings in the environment; `overrides` (by field name) win over it.

    Raises SettingsError with one line per mistake, each naming its variable.
    """
    mistakes = _misspelt()
    settings = None
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        mistakes += [_line(item) for item in error.errors()]
    if settings is not None and settings.models_dir is not None and not settings.models_dir.is_dir():
        mistakes.append(f"{PREFIX}MODELS_DIR: there is no folder {settings.models_dir}")
    if settings is None or mistakes:
        raise SettingsError("\n".join(mistakes)) from None
    return settings


def _misspelt() -> list[str]:
    """A line for each variable that looks like a setting and is close to one, but is none."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    lines = []
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            meant = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.85)
            lines += [f"{name}: there is no such setting; {meant[0]} is near"] if meant else []
    return lines


def _line(item: Any) -> str:
    """One mistake in words. Only plain values are shown: parts of a list may be credentials."""
    location = [str(part) for part in item["loc"]]
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] in WORDS:
        message = WORDS[item["type"]].format(**item.get("ctx", {}))
    if not location:
        return str(message)
    name = PREFIX + location[0].upper()
    plain = len(location) == 1 and isinstance(item["input"], str) and location[0] not in SECRET
    shown = f" ({item['input']!r})" if plain else ""
    # "0.user" of a list is the first entry's: people count from one.
    entry = f" entry {int(location[1]) + 1}" if location[1:] and location[1].isdigit() else ""
    inside = entry + "".join(f", {part}" for part in location[2:])
    return f"{name}{shown}:{inside + ':' if inside else ''} {message[0].lower()}{message[1:]}"
