"""What hypotheses agree on, and what gives a bad one away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.clock import SAMPLE_RATE
from server.speech.agreement import agreed, compression_ratio, letters, loop_start, recital_start, split_after, tail_of
from server.speech.processor import Word


def words(text: str, start: float = 0.0, separator: str = " ") -> list[Word]:
    return [
        Word(
            round((start + 0.3 * i) * SAMPLE_RATE),
            round((start + 0.3 * i + 0.25) * SAMPLE_RATE),
            f"{separator}{w}",
            0.9,
        )
        for i, w in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("before", "now", "count"),
    [
        ("one two three", "one two four", 2),
        ("one two", "one two three", 2),
        ("One, two.", "one two", 2),
        ("twenty five men", "twenty-five men", 2),
        ("twenty-five men", "twenty five men", 3),
        ("cat", "category", 0),
        ("category", "cat", 0),
        ("", "one", 0),
        ("ﬁne café", "fine cafe\u0301", 2),
        ("ॐ नमः", "ॐ नमः", 2),
    ],
)
def test_agreement_is_about_letters(before: str, now: str, count: int) -> None:
    assert agreed(words(before), words(now)) == count


@given(st.lists(st.sampled_from(["a", "b", "ab", "ba", "c."]), max_size=8), st.integers(0, 8))
def test_a_hypothesis_agrees_with_itself_and_its_beginning(said: list[str], cut: int) -> None:
    whole = words(" ".join(said))
    assert agreed(whole, whole) == len(whole)
    assert agreed(whole[:cut], whole) == min(cut, len(whole))


@pytest.mark.parametrize(
    ("committed", "hypothesis", "start", "count"),
    [
        ("one two three", "one two three four", 0.0, 3),
        ("one two three", "one too three four", 0.0, 3),
        ("one two three", "two three four", 0.3, 2),
        ("one two three", "four five", 1.0, 0),
        ("six six", "six six six twenty", 0.0, 2),
        ("twelve six", "twelve six six twenty", 0.0, 2),
        ("one two", "one to three", 0.0, 2),
        ("", "one", 0.0, 0),
    ],
)
def test_what_was_committed_is_found_again(committed: str, hypothesis: str, start: float, count: int) -> None:
    assert split_after(words(committed), words(hypothesis, start)) == count


def test_times_that_are_a_little_off_do_not_repeat_a_word() -> None:
    assert split_after(words("we need ten blue doors"), words("we need ten blue doors and more", 0.28)) == 5


@pytest.mark.parametrize(
    ("context", "text", "start"),
    [
        ("", "no no no no no", None),
        ("", "no no no no no no no no", 1),
        ("", "we said thank you thank you thank you thank you", 4),
        ("thank you thank you", "thank you thank you", 0),
        ("", "the table and the table and the chair", None),
        ("", "a b c d e a b c d e a b c d e", 5),
        ("", "", None),
    ],
)
def test_loops_are_found_where_they_start(context: str, text: str, start: int | None) -> None:
    assert loop_start(words(context), words(text)) == start


@pytest.mark.parametrize(
    ("text", "vocabulary", "start"),
    [
        ("so Mira Okafor, Klangfarbe.", "Mira Okafor, klangfarbe, SDP", 1),
        ("we heard of Klangfarbe and SDP", "Mira Okafor, klangfarbe, SDP", None),
        ("Mira Okafor speaks", "Mira Okafor, klangfarbe", None),
        ("a B C d", "b, c", None),
        ("Klangfarben SDPs", "Klangfarbe, SDP", None),
        ("anything", "", None),
    ],
)
def test_a_vocabulary_that_is_read_aloud_is_found(text: str, vocabulary: str, start: int | None) -> None:
    assert recital_start(words(text), vocabulary) == start


def test_loops_compress_and_speech_does_not() -> None:
    assert compression_ratio("ha" * 100) > 2.4
    assert compression_ratio("Four score and seven years ago our fathers brought forth on this continent") < 2.4
    assert compression_ratio("") == 0


def test_letters_of_any_script() -> None:
    assert letters(" “Straße,” ") == "strasse"
    assert letters(" ♪ …") == ""
    assert letters("ガ") == letters("ガ")


def test_the_prompt_is_of_whole_words() -> None:
    assert tail_of(words("alpha beta gamma"), 11) == "beta gamma"
    assert tail_of(words("alpha"), 3) == ""
    assert tail_of([], 100) == ""
