"""Names as they are looked for: in one spelling, from the beginning of each word."""

from __future__ import annotations

import re
import unicodedata

MAX_WORDS = 16
"""Beginnings kept of one person's names."""
MAX_WORD = 80
"""Characters of each."""
LAST = "\U0010ffff"
"""Sorts after everything that a name may go on with."""

_ACCENTS = re.compile("[\u0300-\u036f]")
# Han, Hiragana, Katakana: written without spaces, so that a given name may begin at any of them.
_BEGINNING = re.compile(r"(?<!\w)\w|[\u3040-\u30ff\u3400-\u9fff]")


def fold(text: str) -> str:
    """One spelling for all that look alike: width, case and accents do not count, spaces are single."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", " ".join(_ACCENTS.sub("", plain).split()))


def search_words(name: str, display_name: str) -> list[str]:
    """Where a search may begin: the name that one signs in with, and the other from each of its words to its end."""
    shown = fold(display_name)
    found = [fold(name), shown] + [shown[match.start() :] for match in _BEGINNING.finditer(shown)]
    return [word for word in dict.fromkeys(word[:MAX_WORD] for word in found) if word][:MAX_WORDS]
