"""Terms, questions and action items are found by rules, in several languages."""

from __future__ import annotations

import pytest

from server.speech.summary import ACTIONS, Line, actions, questions, terms, transcript


def lines(*texts: str) -> list[Line]:
    return [Line(number * 48_000, f"Speaker {number}", text) for number, text in enumerate(texts)]


TERMS = {
    "english": (["The budget is big and the Budget grows", "I think the budget's fine", "weather, weather"], "en",
                [("budget", 3), ("weather", 2)]),
    "german": (["Das Budget ist über alles", "Und das Budget wächst", "Größe und GRÖSSE"], "de",
               [("Budget", 2), ("Größe", 2)]),
    "unknown": (["das Budget und the Budget", "le budget"], None, [("Budget", 3)]),
    "chinese": (["我们讨论了预算", "预算很大", "明年的预算"], "zh", [("预算", 3)]),
    "japanese": (["来年の予算について", "予算を確認します", "予算です"], "ja", [("予算", 3)]),
    "thai": (["งบประมาณ", "งบประมาณ", "งบประมาณ"], "th", None),
    "nothing": (["and then it was so", "2026 2026"], "en", []),
}  # fmt: skip


@pytest.mark.parametrize(("said", "language", "expected"), TERMS.values(), ids=TERMS)
def test_frequent_terms(said: list[str], language: str, expected: list[tuple[str, int]] | None) -> None:
    found = terms(lines(*said), language)
    if expected is None:
        assert found
        assert all(text in "งบประมาณ" and count == 3 for text, count in found)
    else:
        assert found == expected


def test_questions_are_sentences_that_end_in_a_question_mark() -> None:
    said = lines("We met. Who was there? I was!", "真的吗？是的。", "هل هذا صحيح؟", "Nothing asked here")
    assert [(item.text, item.speaker) for item in questions(said)] == [
        ("Who was there?", "Speaker 0"),
        ("真的吗？", "Speaker 1"),
        ("هل هذا صحيح؟", "Speaker 2"),
    ]


ACTS = {
    "I'll send the figures.": "promise",
    "We need to call Ben.": "obligation",
    "Could you look at it?": "request",
    "Let's meet again.": "proposal",
    "An action item for Anna: the hall.": "named as a task",
    "It is due by Friday.": "deadline",
    "Ich schicke dir das morgen.": "promise",
    "Wir müssen noch die Halle mieten.": "obligation",
    "我们需要讨论。": "obligation",
    "確認しましょう。": "proposal",
    "Do we need to go?": None,
    "Let's see.": None,
    "That was a nice day.": None,
    "I will be there.": None,
}


def test_action_items_say_which_rule_they_fit() -> None:
    for text, rule in ACTS.items():
        assert [item.rule for item in actions(lines(text))] == ([rule] if rule is not None else []), text
    assert len(actions(lines(*["I'll do it."] * (ACTIONS + 9)))) == ACTIONS


def test_of_a_long_talk_the_model_hears_the_beginning_and_the_end() -> None:
    said = lines(*[f"sentence {number}" for number in range(1_000)])
    whole = transcript(said, 10**6)
    assert whole.splitlines()[7] == "Speaker 7: sentence 7"
    short = transcript(said, 1_000)
    assert 1_000 <= len(short) <= 1_010
    assert short.startswith("Speaker 0: sentence 0\n")
    assert short.endswith("Speaker 999: sentence 999")
