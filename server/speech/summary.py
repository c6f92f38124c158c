"""What a talk was about, by rules that anybody can check: frequent terms, questions, what may have been promised."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from server.speech.stopwords import EVERY, OF_RUNS, STOP_WORDS
from server.speech.tokens import UNSPACED, WORD, composed, fold

TERMS = 20
QUESTIONS = 50
ACTIONS = 50
SHORTEST = 3
"""Letters of a term, in scripts with spaces."""
OFTEN = 2
"""How often a term has to be said."""
OFTEN_IN_RUNS = 3
LENGTHS = (2, 3, 4, 5, 6)
"""Characters of a term, in scripts without spaces."""

_WORD = re.compile(f"{WORD}{{{SHORTEST},}}")
_RUN = re.compile(f"{UNSPACED}+")
_HIRAGANA = re.compile("[\u3041-\u309f]+")
_SENTENCE = re.compile(r"[^.!?。！？؟…]+[.!?。！？؟…]*")
_ASKS = ("?", "？", "؟")

RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        # Folded: small letters, no diacritics, typographic apostrophes as they come.
        ("promise", r"\b(i|we)([’']ll| will| am going to| are going to|[’'](m|re) going to)\b(?! (see|be)\b)"),
        ("promise", r"\b(ich (werde|mache|kummere|schicke|ubernehme)|wir (werden|machen|kummern))\b"),
        ("promise", r"\b(je vais|nous allons|on va)\b|\b(voy a|vamos a)\b|\b(faro|faremo)\b|\bik zal\b|\b(eu vou)\b"),
        ("promise", r"\b(я (сделаю|пришлю|напишу)|мы (сделаем|пришлем))\b|我(会|来)|我们会|しておきます|いたします"),
        ("obligation", r"\b(need|needs|have|has) to\b|\b(must|should)\b|\b(i|we)([’']ve| have) got to\b"),
        (
            "obligation",
            r"\b(muss|mussen|sollte|sollten)\b|\b(il faut|doit|devons|devez)\b|\b(hay que|tenemos que|debe)\b",
        ),
        ("obligation", r"\b(dobbiamo|bisogna)\b|\bmoeten\b|\b(temos que|precisamos)\b|\b(нужно|надо|должны)\b"),
        ("obligation", r"需要|必须|必要があ|なければ|해야|ต้อง"),
        ("request", r"\b(please|could you|can you|would you)\b|\bbitte\b|\bs[’']il (te|vous) plait\b|\bpor favor\b"),
        (
            "request",
            r"\bper favore\b|\balsjeblieft\b|\bпожалуйста\b|\b(could|can) (somebody|someone)\b|请|ください|주세요",
        ),
        ("proposal", r"\blet[’']s\b(?! (say|see)\b)|\blass(t)? uns\b|ましょう|吧[。！]?$"),
        ("named as a task", r"\b(action item|to-?do|next step|follow[- ]up|aufgabe|nachster schritt|tarea|tache)s?\b"),
        (
            "deadline",
            r"\b(by|until|before) (tomorrow|tonight|noon|(next )?(week|month|mon|tues|wednes|thurs|fri)\w*)\b",
        ),
        ("deadline", r"\bbis (morgen|montag|dienstag|mittwoch|donnerstag|freitag|nachste woche)\b|までに|之前"),
    )
)
"""What makes a sentence a candidate for an action item, by the name that is shown with it: the first that fits."""


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody said at a time: a caption. `speaker` None: nobody knows."""

    start: int
    speaker: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """Part of a line that a rule picked out."""

    start: int
    speaker: str | None
    text: str
    rule: str = ""


def terms(lines: Iterable[Line], language: str | None) -> list[tuple[str, int]]:
    """What was said most often, as it was written most often, with how often: words that are no stop words of the
    language (of no language where it is not known), and runs of characters where there are no spaces."""
    stop = STOP_WORDS.get((language or "").split("-")[0], EVERY)
    words: Counter[str] = Counter()
    written: dict[str, Counter[str]] = {}
    runs: Counter[str] = Counter()
    for line in lines:
        text = composed(line.text)
        for word in _WORD.findall(text):
            plain = fold(word)
            if plain not in stop and not plain.isdecimal():
                words[plain] += 1
                written.setdefault(plain, Counter())[word] += 1
        for run in _RUN.findall(text):
            runs.update(run[at : at + length] for length in LENGTHS for at in range(len(run) - length + 1))
    found = [(written[word].most_common(1)[0][0], count) for word, count in words.items() if count >= OFTEN]
    found += _whole(runs)
    return sorted(found, key=lambda item: (-item[1], item[0]))[:TERMS]


def _whole(runs: Counter[str]) -> list[tuple[str, int]]:
    """Those that are said often and are no part of a longer one that is said as often."""
    often = {text: count for text, count in runs.items() if count >= OFTEN_IN_RUNS and _means_something(text)}
    longer = {
        text[at : at + length]: count
        for text, count in sorted(often.items(), key=lambda item: item[1])
        for length in range(2, len(text))
        for at in range(len(text) - length + 1)
    }
    return [(text, count) for text, count in often.items() if 2 * longer.get(text, 0) <= count]


def _means_something(text: str) -> bool:
    if _HIRAGANA.fullmatch(text) or _HIRAGANA.match(text) or _HIRAGANA.match(text[-1]):
        return False  # particles and endings
    if any(letter in OF_RUNS for letter in text):
        return False
    marked = unicodedata.category(text[0])[0] == "M"  # a vowel sign begins no word
    return not marked and (ord(text[0]) >= 0x3000 or len(text) >= 4)


def questions(lines: Iterable[Line]) -> list[Sentence]:
    """Sentences that end in a question mark, the first `QUESTIONS`."""
    found = [sentence for sentence in sentences(lines) if sentence.text.endswith(_ASKS)]
    return found[:QUESTIONS]


def actions(lines: Iterable[Line]) -> list[Sentence]:
    """Sentences in which somebody may have taken something on, each with the rule that it fits; no questions but
    requests."""
    found: list[Sentence] = []
    for sentence in sentences(lines):
        plain = fold(sentence.text)
        rule = next((name for name, pattern in RULES if pattern.search(plain)), None)
        if rule is None or (rule != "request" and sentence.text.endswith(_ASKS)):
            continue
        found.append(Sentence(sentence.start, sentence.speaker, sentence.text, rule))
        if len(found) == ACTIONS:
            break
    return found


def sentences(lines: Iterable[Line]) -> Iterable[Sentence]:
    """What was said, sentence by sentence; one that goes on in another caption is two."""
    for line in lines:
        for part in _SENTENCE.findall(line.text):
            text = part.strip()
            if len(text) > 1:
                yield Sentence(line.start, line.speaker, text)


def transcript(lines: Sequence[Line], most: int) -> str:
    """All of it as text with names, at most so many characters: of a longer one the beginning and the end."""
    text = "\n".join(f"{line.speaker or '?'}: {line.text}" for line in lines)
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[…]\n{text[-half:]}"
