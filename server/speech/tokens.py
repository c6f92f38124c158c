"""Text as it is searched and counted: in any script, however it is written.

A **token** is a word in small letters without diacritics, or, in scripts that put no spaces between words (Han, kana,
Hangul, Thai, Lao, Khmer, Burmese), two characters that follow each other: of “日本語” 日本 and 本語, and 語 because the
run ends there. So what is looked for is found within a run by the pairs it consists of, and a single character as the
beginning of a pair. Symbols like 🎙 are tokens too. What is indexed and what is asked for go the same way: no database
has to know any script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

VERSION = 2
"""Of what is made of a text: what was indexed by another one is indexed anew."""

_DROPPED = re.compile(
    "[\u0300-\u036f"  # accents of Latin, Greek and Cyrillic
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew points
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"  # Arabic vowels, tatweel
    "\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]"  # nothing that is seen
)
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ى": "ي"})
"""Letters that no decomposition takes apart and that people without them write so."""
_HALFWIDTH = re.compile("[\uff66-\uff9f]+")

_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0ebd\u0ec0-\u0ece\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1050-\u109f\uaa60-\uaa7f\ua9e0-\ua9fe"  # Burmese
    "\u1780-\u17d3\u17d7\u17dc\u17dd"  # Khmer
    "\u3005-\u3007\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\uac00-\ud7a3"  # Hangul
)
_MARKED = "\u0900-\u0963\u0966-\u0df3\u0f18\u0f19\u0f35\u0f37\u0f39\u0f3e-\u0fbc\u1712-\u1714\u1732-\u1734\u1b00-\u1b44"
"""Letters and vowel signs of the scripts of India and around it: the signs are part of words."""
_SYMBOL = "\u2190-\u21ff\u2300-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
_ASCII = re.compile("[a-z0-9]+")
_HANGUL = re.compile("[\uac00-\ud7a3]+")
LONGEST = 40
"""Characters of a token; of a longer word the beginning."""


WORD = f"(?:(?![{_UNSPACED}])(?:[^\\W_]|[{_MARKED}]))"
"""One character of a word, as a pattern; after it of a run without spaces, and of whatever is part of a token."""
UNSPACED = f"[{_UNSPACED}]"
OF_TOKENS = f"(?:[^\\W_]|[{_MARKED}{_UNSPACED}{_SYMBOL}])"
_PIECE = re.compile(f"(?P<run>{UNSPACED}+)|{WORD}+|[{_SYMBOL}]")


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text, and where in `composed` text each of its characters comes from."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def composed(text: str) -> str:
    """The same text as one line with each character as one, by which positions in it are counted."""
    if text.isascii():
        return text.replace("\n", " ")
    whole = _HALFWIDTH.sub(lambda found: unicodedata.normalize("NFKC", found[0]), unicodedata.normalize("NFC", text))
    return unicodedata.normalize("NFC", whole).replace("\n", " ")


def fold(text: str) -> str:
    """In small letters and without diacritics, where they make no other word of it."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", _DROPPED.sub("", apart)).translate(_PLAIN)


def tokens(text: str) -> list[str]:
    """What a text is found by, in order."""
    if text.isascii():  # most of what there is to index, and ten times as fast
        return [word[:LONGEST] for word in _ASCII.findall(text.lower())]
    found: list[str] = []
    for match in _PIECE.finditer(fold(text)):
        run = match["run"]
        if run is None:
            found.append(match[0][:LONGEST])
        else:
            found.extend(pairs(run))
            found.append(run[-1])
    return found


def pairs(run: str) -> list[str]:
    """Every two characters that follow each other."""
    return [run[place : place + 2] for place in range(len(run) - 1)]


def pieces(text: str) -> list[tuple[str, bool]]:
    """Words, symbols and runs without spaces, folded; True for a run."""
    return [(match[0], match["run"] is not None) for match in _PIECE.finditer(fold(text))]


def folded(text: str) -> Folded:
    """What `fold` makes of a text that is composed, letter by letter."""
    if text.isascii():
        return Folded(text.lower(), range(len(text)), range(1, len(text) + 1))
    letters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for place, letter in enumerate(text):
        plain = fold(letter)
        letters.append(plain)
        starts.extend([place] * len(plain))
        ends.extend([place + 1] * len(plain))
        if not plain and ends and ends[-1] == place:  # an accent of its own belongs to the letter before it
            ends[-1] = place + 1
    return Folded("".join(letters), starts, ends)


def count_words(text: str) -> int:
    """Words as a person counts them; of scripts without spaces each character that is no vowel or tone sign."""
    number = 0
    for match in _PIECE.finditer(fold(text)):
        run = match["run"]
        if run is None:
            number += 1
        else:  # Korean has spaces, and is looked for as if it had none
            unspaced = _HANGUL.sub("", run)
            number += len(_HANGUL.findall(run)) + sum(unicodedata.category(letter)[0] == "L" for letter in unspaced)
    return number
