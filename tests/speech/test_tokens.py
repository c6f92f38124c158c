"""Text as it is searched and counted, in several scripts."""

from __future__ import annotations

import pytest

from server.speech.tokens import composed, count_words, folded, tokens

WORDS = {
    "english": ("Don't e-mail ANNA!", ["don", "t", "e", "mail", "anna"], 5),
    "german": ("Größenwahn über Łódź", ["grossenwahn", "uber", "lodz"], 3),
    "turkish": ("İstanbul ılık", ["istanbul", "ilik"], 2),
    "apart": ("e\u0301te\u0301 ﬁne", ["ete", "fine"], 2),
    "greek": ("Καλημέρα ΚΌΣΜΟΣ", ["καλημερα", "κοσμοσ"], 2),
    "russian": ("Ёлка и снег", ["елка", "и", "снег"], 3),
    "hebrew": ("שָׁלוֹם עולם", ["שלום", "עולם"], 2),
    "arabic": ("السَّلامُ عليكم", ["السلام", "عليكم"], 2),
    "hindi": ("हिन्दी में।", ["हिन्दी", "में"], 2),
    "chinese": ("GPT模型第3回", ["gpt", "模型", "型第", "第", "3", "回"], 6),
    "japanese": ("ｶﾞイド", ["ガイ", "イド", "ド"], 3),
    "korean": ("회의는 내일", ["회의", "의는", "는", "내일", "일"], 2),
    "thai": ("ชา", ["ชา", "า"], 2),
    "signs": ("🎙 v2.0 <b>", ["🎙", "v2", "0", "b"], 4),
    "nothing": ("… — !!", [], 0),
}


@pytest.mark.parametrize(("text", "expected", "number"), WORDS.values(), ids=WORDS)
def test_a_text_is_found_by_its_words_or_pairs_of_characters(text: str, expected: list[str], number: int) -> None:
    assert tokens(text) == expected
    assert count_words(text) == number


def test_it_is_known_where_in_the_text_each_word_stands() -> None:
    text = composed("Se\u0301ance à l'Été: ｶﾞイド ﬁn")
    known = folded(text)
    found = {}
    for word in ("seance", "ete", "ガイド", "fin"):
        at = known.text.index(word)
        found[word] = text[known.starts[at] : known.ends[at + len(word) - 1]]
    assert found == {"seance": "Séance", "ete": "Été", "ガイド": "ガイド", "fin": "ﬁn"}
    accented = folded("x\u0338\u0338")  # no single character is made of these
    assert (accented.text, accented.starts[0], accented.ends[-1]) == ("x", 0, 3)


def test_endless_words_are_cut() -> None:
    assert tokens("a" * 10_000) == ["a" * 40]
    assert tokens("ü" * 10_000) == ["u" * 40]
