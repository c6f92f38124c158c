"""Keeps secrets out of what is handed to others."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from server.config import PREFIX, Settings
from server.masking import SECRET_NAME, Masker, secret_values, settings_shown

MOST_BYTES = 16_384


class Mask(Masker):
    """Replaces the secrets of these settings, of the environment and of the data folder, and what looks like one."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        named = os.environ if environment is None else environment
        found = {value for name, value in named.items() if SECRET_NAME.search(name)}
        found |= secret_values(settings) | set(_in_files(settings.data_dir))
        if settings.tls_key is not None:
            found |= set(_lines(settings.tls_key))
        found |= {json.dumps(value)[1:-1] for value in found}  # as it stands in JSON
        super().__init__(found)
        self._home = str(Path.home())

    def text(self, text: str) -> str:
        """The text without secrets, and without the name of the account where it is that of the home folder."""
        text = super().text(text)
        return text.replace(self._home, "~") if len(self._home) > 1 else text

    def settings(self, settings: Settings) -> dict[str, Any]:
        """Every setting; of secret ones only whether they are set, and where they lead."""
        masked: dict[str, Any] = self.tree(settings_shown(settings))
        return masked

    def environment(self, environment: Mapping[str, str] | None = None) -> list[str]:
        """Names of Clearcast's variables that are set; no values."""
        return sorted(name for name in (os.environ if environment is None else environment) if name.startswith(PREFIX))


def _in_files(folder: Path) -> Iterable[str]:
    """Lines of small files in the data folder that only their owner may read: what was generated there."""
    try:
        paths = [*folder.glob("*"), *folder.glob("secrets/*"), *folder.glob("tls/*")]
    except OSError:
        return
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        if path.is_file() and status.st_mode & 0o077 == 0 and status.st_size <= MOST_BYTES:
            yield from _lines(path)


def _lines(path: Path) -> Iterable[str]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        return
    # Numbers, a process id say, are no secrets, and neither are the words around a key.
    yield from (line.strip() for line in text.splitlines() if len(line.strip()) >= 8 and not line.startswith("-----"))
