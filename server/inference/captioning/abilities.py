"""What a Whisper model can be asked for, read from its folder without loading it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from server.errors import InvalidRequest
from server.inference.caption_lane import CaptionOptions
from server.inference.captioning.choice import known_of

_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_TRANSLATE = "<|translate|>"


@dataclass(frozen=True, slots=True)
class Abilities:
    """`languages` is empty where that is not known."""

    languages: frozenset[str] = frozenset()
    translates: bool = True

    def check(self, options: CaptionOptions) -> None:
        """Raises InvalidRequest for what the model cannot follow."""
        if options.translate and not self.translates:
            raise InvalidRequest("The Whisper model of this server does not translate.", code="captions-translate")
        if options.language is not None and self.languages and options.language not in self.languages:
            known = ", ".join(sorted(self.languages)) if len(self.languages) < 8 else f"{len(self.languages)} others"
            raise InvalidRequest(
                f"The Whisper model of this server does not know the language {options.language!r}; it knows {known}.",
                code="captions-language",
            )


def abilities(name: str, folder: Path) -> Abilities:
    """Of the model in `folder`; what is written of its family counts before its tokens. Reads the disk.

    Raises ModelCorrupt.
    """
    known = known_of(name, folder)
    try:
        tokens = (folder / "tokenizer.json").read_text()
    except (OSError, UnicodeDecodeError):
        tokens = ""
    languages = known["languages"] if "languages" in known else _LANGUAGE.findall(tokens)
    return Abilities(frozenset(languages), bool(known.get("translates", _TRANSLATE in tokens or not tokens)))
