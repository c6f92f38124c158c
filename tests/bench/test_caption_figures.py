"""The figures of captions, on events made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from server.bench import caption_figures as figures
from server.bench.caption_figures import Told
from server.bench.references import Segment, said
from server.bench.wording import align, normalised, percentile
from server.clock import SAMPLE_RATE
from server.errors import InvalidRequest, NotFound
from server.speech.captions import Caption
from server.speech.processor import Word


def words(text: str, start: float = 1.0) -> tuple[Word, ...]:
    """One every half second."""
    return tuple(
        Word(round((start + k / 2) * SAMPLE_RATE), round((start + k / 2 + 0.4) * SAMPLE_RATE), f" {word}", 0.9)
        for k, word in enumerate(text.split())
    )


def told(
    at: float, text: str, committed: int = 0, *, number: int = 1, speakers: tuple[str, ...] = (), start: float = 1.0
) -> Told:
    """An interim caption, final where all is committed and the text ends with a full stop."""
    said_words = words(text, start)
    final = text.endswith(".") and committed == len(said_words)
    caption = Caption(number, 1, 0, 0, speakers, said_words, committed, final)
    return Told(at, "final" if final else "interim", caption)


TALK = [
    told(1.5, "the"),
    told(2.0, "the wet"),
    told(2.5, "the red house", 1),
    told(3.0, "the red house is", 3),
    told(4.0, "the red house is here.", 5),
]


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert normalised("Don’t, SAY “Grüße” — 42!") == ["dont", "say", "grüsse", "42"]
    found = align(["a", "b", "c", "d"], ["a", "x", "c", "d", "e"])
    assert found.errors == 2
    assert found.pairs == ((0, 0), (1, 1), (2, 2), (3, 3), (None, 4))
    assert align(["a", "b", "c", "d", "e", "f"], ["b"], open_end=True).errors == 1
    assert align([], []).errors == 0


def test_an_infinite_percentile_is_no_number() -> None:
    assert percentile([3.0, 1.0, 2.0, math.inf], 0.5) == 2.0
    assert percentile([1.0, math.inf], 0.95) is None
    assert percentile([], 0.5) is None


def test_a_word_comes_when_it_is_first_shown_and_when_it_is_committed() -> None:
    reference = ["the", "red", "house", "is", "here"]
    found = align(reference, [entry.text for entry in figures.committed(TALK)])
    ends = {position: word.end / SAMPLE_RATE for position, word in enumerate(words(" ".join(reference)))}
    result = figures.latencies(TALK, found, ends)
    # "wet" was not the word; "red" came later.
    assert result.interim == pytest.approx([1.5 - 1.4, 2.5 - 1.9, 2.5 - 2.4, 3.0 - 2.9, 4.0 - 3.4])
    assert result.final == pytest.approx([2.5 - 1.4, 3.0 - 1.9, 3.0 - 2.4, 4.0 - 2.9, 4.0 - 3.4])


def test_a_word_that_never_comes_is_infinitely_late_and_a_wrong_one_is_not() -> None:
    reference = ["the", "red", "horse", "is", "over", "here"]
    found = align(reference, [entry.text for entry in figures.committed(TALK)])
    result = figures.latencies(TALK, found, dict.fromkeys(range(6), 1.0))
    assert [math.isinf(value) for value in result.final] == [False, False, False, False, True, False]


def test_what_is_taken_back_counts() -> None:
    assert figures.erasure(TALK) == pytest.approx(1 / 5)  # wet
    assert figures.erasure([]) is None


def test_a_caption_that_changes_hands_counts_with_all_its_words() -> None:
    events = [
        told(2.0, "yes we can.", 3, speakers=("S1",)),
        told(3.0, "no.", 1, number=2, speakers=("S2",), start=4.0),
        told(4.0, "yes we can.", 3, speakers=("S2",)),
        told(4.5, "yes we can.", 3, speakers=("S2", "S1")),
    ]
    assert figures.revision_rate(events) == pytest.approx(3 / 4)
    assert [caption.speakers for caption in figures.finals(events)] == [("S2", "S1"), ("S2",)]


def test_only_what_the_stream_lost_is_missing() -> None:
    reference = ["one", "two", "three", "four", "five", "six"]
    streamed, offline = align(reference, ["three", "four", "five", "six"]), align(reference, ["two", "three", "four"])
    segment = Segment(0.0, 1.0, "A", ("one", "two", "three"))
    assert figures.lost_at(segment, 0, streamed, offline) == 1  # "one" was lost by both
    assert figures.lost_at(Segment(2.0, 3.0, "A", ("six",)), 5, streamed, offline) == 0


def test_words_in_silence_are_invented_unless_they_were_said() -> None:
    segments = [Segment(1.0, 4.0, "A", ("the", "red", "house", "is", "here"))]
    events = [*TALK, told(40.0, "thanks for watching.", 3, number=2, start=30.0)]
    written = figures.committed(events)
    found = align(segments[0].words, [entry.text for entry in written])
    assert figures.invented(written, found, segments, 61.0) == pytest.approx(3 * 60 / 58)
    assert figures.invented(written, found, [], 60.0) == pytest.approx(3.0)  # here the others are matched
    assert figures.invented(written, found, [Segment(0.0, 9.0, "A", ())], 9.0) is None


def test_references_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    stm = tmp_path / "x.stm"
    stm.write_text(";; a comment\nx 1 B 5.0 6.0 <o> And you?\nx 1 A 1.0 2.5 <o> Hello, there.\n")
    ctm = tmp_path / "x.ctm"
    ctm.write_text("x 1 1.0 0.5 Hello,\nx 1 1.5 0.5 there\nx 1 5.5 0.25 you 0.9\n")
    both = said(stm, ctm)
    assert both is not None
    assert (both.words, both.ends) == (("hello", "there", "and", "you"), {0: 1.5, 1: 2.0, 3: 5.75})
    by_segment, by_word = said(stm, None), said(None, ctm)
    assert by_segment is not None and by_segment.ends == {1: 2.5, 3: 6.0}
    assert by_word is not None and (len(by_word.words), by_word.segments) == (3, None)
    assert said(None, None) is None
    stm.write_text("x 1 A 1.0\n")
    with pytest.raises(InvalidRequest, match="line 1: 4 fields"):
        said(stm, None)
    stm.write_text("x 1 A one 2.0 Hello\n")
    with pytest.raises(InvalidRequest, match="'one' is no time"):
        said(stm, None)
    with pytest.raises(NotFound):
        said(tmp_path / "missing.stm", None)
