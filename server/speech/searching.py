"""What somebody looks for in texts: words that must all be there, phrases in quotes, the word that is being typed."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from server.errors import InvalidRequest
from server.speech.tokens import LONGEST, OF_TOKENS, UNSPACED, WORD, composed, fold, folded, pairs, pieces

MOST = 16
"""Words and phrases of a search."""
LONGEST_SEARCH = 200
"""Characters of one."""

_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»「」『』＂", '"'))
_PART = re.compile(r'"([^"]*)("|$)|([^\s"]+)')


_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tokens that follow each other."""

    tokens: tuple[str, ...]
    prefix: bool = False
    """Whether the last one is the beginning of a token."""
    pattern: re.Pattern[str] = field(default=_NEVER, compare=False)
    """The same for folded text."""


Mark = tuple[int, int]
"""From where to where, in characters of `composed(text)`."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A text in which something was found."""

    place: int
    """Which text."""
    marks: tuple[Mark, ...]
    """In order; none touches another."""
    phrases: frozenset[int]
    """Which of the phrases."""


def parse(search: str) -> tuple[Phrase, ...]:
    """What is looked for, each once; nothing where there is no word in it.

    Words stand for themselves whatever signs are around them, and signs within them say that the parts follow each
    other: `e-mail` finds “e mail”. The last word may be a beginning, unless a space or a quotation mark comes after it.
    Raises InvalidRequest for more than `MOST` words.
    """
    text = composed(search).translate(_QUOTES)
    found: dict[Phrase, None] = {}
    for part in _PART.finditer(text):
        typing = part.end() == len(text) and (part[3] is not None or not part[2])
        phrase = _phrase(part[1] or part[3] or "", typing)
        if phrase is not None:
            found[phrase] = None
    if len(found) > MOST:
        raise InvalidRequest(f"search: at most {MOST} words and phrases at once.")
    return tuple(found)


def _phrase(text: str, typing: bool) -> Phrase | None:
    parts = pieces(text)
    if not parts:
        return None
    tokens: list[str] = []
    for part, unspaced in parts[:-1]:
        tokens.extend([*pairs(part), part[-1]] if unspaced else [part[:LONGEST]])
    last, unspaced = parts[-1]
    if unspaced and len(last) > 1:
        tokens, prefix = [*tokens, *pairs(last)], False
    else:  # wherever a character stands, a pair begins with it, or it ends its run
        tokens, prefix = [*tokens, last[:LONGEST]], typing or unspaced
    return Phrase(tuple(tokens), prefix, _pattern(parts, typing))


def _pattern(parts: Sequence[tuple[str, bool]], typing: bool) -> re.Pattern[str]:
    """The phrase in folded text."""
    found = []
    for number, (part, unspaced) in enumerate(parts, 1):
        if unspaced:
            found.append(re.escape(part) + ("" if number == len(parts) else f"(?!{UNSPACED})"))
            continue
        rest = f"{WORD}*" if (typing and number == len(parts)) or len(part) >= LONGEST else f"(?!{WORD})"
        word = re.escape(part[:LONGEST])
        found.append(f"{word}(?<!{WORD}{word}){rest}")  # letters first: those are looked for quickly
    return re.compile(f"(?:(?!{OF_TOKENS})[\\s\\S])*".join(found))


def find(phrases: Sequence[Phrase], texts: Sequence[str], most: int) -> list[Hit]:
    """The texts, `most` of them, in which most of the phrases are found, in their order; all are `composed`.

    Texts are lines that follow each other, and so may the words of a phrase: it is found where it begins.
    """
    whole = fold("\n".join(texts))
    begins = list(accumulate((len(text) + 1 for text in whole.split("\n")), initial=0))
    met: dict[int, set[int]] = {}
    for number, phrase in enumerate(phrases):
        for found in phrase.pattern.finditer(whole):
            met.setdefault(bisect_right(begins, found.start()) - 1, set()).add(number)
    best = sorted(sorted(met, key=lambda place: (-len(met[place]), place))[:most])
    return [
        Hit(place, _marks([phrases[number] for number in met[place]], texts[place : place + 2]), frozenset(met[place]))
        for place in best
    ]


def _marks(phrases: Sequence[Phrase], texts: Sequence[str]) -> tuple[Mark, ...]:
    """Where the phrases stand in the first of the texts; they may end in the other."""
    text = folded(texts[0])
    following = "\n".join([text.text, *map(fold, texts[1:])])
    last = len(text.text) - 1
    spans = [found.span() for phrase in phrases for found in phrase.pattern.finditer(following)]
    return _joined([(text.starts[start], text.ends[min(end - 1, last)]) for start, end in spans if start <= last])


def _joined(marks: list[Mark]) -> tuple[Mark, ...]:
    """Marks that overlap as one."""
    joined: list[Mark] = []
    for start, end in sorted(marks):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def in_utf16(text: str, marks: Sequence[Mark]) -> list[Mark]:
    """The same marks counted in UTF-16, as JavaScript does."""
    if text.isascii():
        return list(marks)
    wide = [place for place, letter in enumerate(text) if ord(letter) > 0xFFFF]
    return [(start + sum(at < start for at in wide), end + sum(at < end for at in wide)) for start, end in marks]
