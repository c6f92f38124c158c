"""Captions: every word once, in order, with who says it; nothing waits long, and people have the last word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.errors import NotFound
from server.speech.captions import SNAPSHOT, Caption, CaptionEvent, Captions
from server.speech.listening import Listening
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcriber import Interim
from tests.speech.scripted import Driver, ScriptedTalk, sound, spoken

S = SAMPLE_RATE


def said(text: str, start: float, pace: float = 0.3) -> list[Word]:
    """Words one after another."""
    return [
        Word(round((start + i * pace) * S), round((start + (i + 0.9) * pace) * S), f" {text_of}", 0.9)
        for i, text_of in enumerate(text.split())
    ]


def turn(speaker: str, start: float, end: float) -> SpeakerTurn:
    return SpeakerTurn(round(start * S), round(end * S), speaker, 0.9)


def commit(captions: Captions, words: Sequence[Word], delay: float = 0.5) -> list[CaptionEvent]:
    """Each word `delay` seconds after its end, with its watermark."""
    events = []
    for word in words:
        now = word.end + round(delay * S)
        events += captions.hear(word, now)
        events += captions.hear(Watermark(word.end), now)
    return events


def silence(captions: Captions, until: float) -> list[CaptionEvent]:
    events = captions.hear(Watermark(round(until * S)), round(until * S))
    return [*events, *captions.turn(Watermark(round(until * S)), round(until * S))]


def finals(events: Sequence[CaptionEvent]) -> list[Caption]:
    return [event.caption for event in events if event.type == "final"]


def lines_of(events: Sequence[CaptionEvent]) -> list[tuple[tuple[str, ...], str]]:
    return [(caption.speakers, caption.shown) for caption in finals(events)]


def test_a_caption_for_each_sentence_and_speaker() -> None:
    captions = Captions()
    events = [event for who in (turn("A", 0, 4), turn("B", 4, 8)) for event in captions.turn(who, 0)]
    events += captions.turn(Watermark(8 * S), 0)
    events += commit(captions, said("Good morning to all of you. How are you today?", 0.5))
    events += commit(captions, said("I am well, thank you", 4.5))
    events += silence(captions, 9)
    assert lines_of(events) == [
        (("A",), "Good morning to all of you."),
        (("A",), "How are you today?"),
        (("B",), "I am well, thank you"),
    ]
    assert [caption.id for caption in finals(events)] == [1, 2, 3]


def test_words_show_at_once_and_count_what_is_committed() -> None:
    captions = Captions()
    words = said("this is what", 0.5)
    (first,) = captions.hear(Interim(tuple(words)), S)
    assert (first.type, first.caption.committed, first.caption.shown) == ("interim", 0, "this is what")
    (event,) = captions.hear(words[0], S)  # the word is not shown twice, as what it was taken for and as what it is
    assert captions.hear(Interim(tuple(words[1:])), S) == []
    assert (event.caption.committed, event.caption.shown, event.caption.final) == (1, "this is what", False)
    assert event.caption.id == first.caption.id and event.caption.rev > first.caption.rev


def test_the_same_again_is_not_told_again() -> None:
    captions = Captions()
    words = tuple(said("this is what", 0.5))
    assert len(captions.hear(Interim(words), S)) == 1
    assert captions.hear(Interim(words), 2 * S) == []
    assert captions.pass_time(3 * S) == []


def test_what_an_interim_withdraws_is_withdrawn() -> None:
    captions = Captions()
    words = tuple(said("This is a sentence that ends here. This is another", 0.5))
    assert [event.caption.id for event in captions.hear(Interim(words), 4 * S)] == [1, 2]
    (gone,) = captions.hear(Interim(words[:7]), 4 * S)
    assert (gone.type, gone.caption.id, gone.caption.words) == ("interim", 2, ())
    assert [caption.id for caption in captions.snapshot().captions] == [1]


def test_a_word_waits_for_its_speaker_but_not_longer_than_a_second() -> None:
    captions = Captions()
    words = said("Nobody knows yet whose words these are.", 0.5)
    commit(captions, words, delay=0.5)
    mark = Watermark(words[-1].end + S)
    committed = words[-1].end + S // 2
    assert finals(captions.hear(mark, committed + S - 480)) == []
    (final,) = finals(captions.pass_time(committed + S))
    assert final.speakers == ()
    (late,) = captions.turn(turn("A", 0, 4), committed + 2 * S)
    assert (late.type, late.caption.speakers, late.caption.rev) == ("revision", ("A",), final.rev + 1)
    assert late.caption.words == final.words


def test_who_is_known_in_time_costs_no_wait() -> None:
    captions = Captions()
    captions.turn(turn("A", 0, 4), 0)
    captions.turn(Watermark(4 * S), 0)
    words = said("everybody knows whose words these are.", 0.5)
    commit(captions, words, delay=0.1)
    now = words[-1].end + S // 10
    (final,) = finals(captions.hear(Watermark(words[-1].end + S // 3), now))
    assert final.speakers == ("A",)


def test_from_audio_to_captions() -> None:
    """Voice gate, transcriber and captions in one: what was said, each sentence with its speaker, soon after it."""
    lines = spoken("Good morning to everybody here.") + spoken("Good morning, I am Bob.", 2.6)
    samples = sound(lines, 6.0)
    driver, captions = Driver(Listening(), ScriptedTalk(lines)), Captions()
    captions.turn(turn("A", 0.4, 2.2), 0)
    captions.turn(turn("B", 2.5, 4.2), 0)
    captions.turn(Watermark(6 * S), 0)
    events, taken, final_at = [], 0, {}
    for begin in range(0, len(samples), 960):
        now = begin + 960
        driver.take(driver.listening.push(AudioFrame(begin, samples[begin:now])))
        driver.answer(0)
        for item in driver.out[taken:]:
            new = captions.hear(item, now) if isinstance(item, Word | Interim | Watermark) else []
            events += new
            final_at |= {event.caption.id: now - event.caption.end for event in new if event.type == "final"}
        taken = len(driver.out)
    assert lines_of(events) == [(("A",), "Good morning to everybody here."), (("B",), "Good morning, I am Bob.")]
    assert max(final_at.values()) < 1.6 * S


def test_without_a_diarizer_nothing_waits() -> None:
    captions = Captions()
    captions.diarized = False
    words = said("Nobody will ever know whose words these are.", 0.5)
    commit(captions, words)
    assert len(finals(captions.hear(Watermark(words[-1].end + S // 2), words[-1].end + S // 2))) == 1


def test_a_late_turn_divides_what_is_not_final_yet() -> None:
    captions = Captions()
    words = said("are you there yes I am", 0.5)
    events = commit(captions, words, delay=0.1)
    assert finals(events) == []
    captions.turn(turn("A", 0, 1.4), words[-1].end)
    captions.turn(turn("B", 1.4, 3), words[-1].end)
    events = silence(captions, 4)
    assert lines_of(events) == [(("A",), "are you there"), (("B",), "yes I am")]


def test_two_at_once_are_both_named() -> None:
    captions = Captions()
    captions.turn(turn("A", 0, 4), 0)
    captions.turn(turn("B", 1, 3), 0)
    events = commit(captions, said("we both talk at the same time", 0.5)) + silence(captions, 6)
    assert lines_of(events) == [(("A", "B"), "we both talk at the same time")]


def test_a_better_account_of_who_spoke_changes_speakers_and_nothing_else() -> None:
    captions = Captions()
    captions.turn(turn("A", 0, 4), 0)
    (final,) = finals(commit(captions, said("this was not said by her.", 0.5)) + silence(captions, 6))
    (event,) = captions.revise(0, 5 * S, [turn("B", 0, 4)], 7 * S)
    assert (event.type, event.caption.speakers) == ("revision", ("B",))
    assert (event.caption.words, event.caption.id) == (final.words, final.id)
    assert captions.revise(0, 5 * S, [turn("B", 0, 4)], 7 * S) == []


def test_what_a_person_said_no_machine_changes() -> None:
    captions = Captions()
    captions.turn(turn("A", 0, 4), 0)
    (final,) = finals(commit(captions, said("this was miss heard.", 0.5)) + silence(captions, 6))
    (edited,) = captions.edit(final.id, text="This was misheard.", speakers=("C",))
    assert edited.type == "revision"
    assert captions.revise(0, 5 * S, [turn("B", 0, 4)], 7 * S) == []
    (shown,) = captions.snapshot().captions
    assert (shown.shown, shown.speakers, shown.words) == ("This was misheard.", ("C",), final.words)
    (hidden,) = captions.edit(final.id, hidden=True)
    assert hidden.caption.hidden and hidden.caption.shown == "This was misheard."
    assert captions.edit(final.id, hidden=True) == []


def test_an_edit_of_the_text_leaves_the_speaker_to_the_machine() -> None:
    captions = Captions()
    captions.turn(turn("A", 0, 4), 0)
    (final,) = finals(commit(captions, said("this was miss heard.", 0.5)) + silence(captions, 6))
    captions.edit(final.id, text="This was misheard.")
    (event,) = captions.revise(0, 5 * S, [turn("B", 0, 4)], 7 * S)
    assert (event.caption.speakers, event.caption.shown) == (("B",), "This was misheard.")


def test_only_final_captions_can_be_edited() -> None:
    captions = Captions()
    (event,) = captions.hear(Interim(tuple(said("still being said", 0.5))), S)
    with pytest.raises(NotFound):
        captions.edit(event.caption.id, text="x")


def test_whoever_joins_late_gets_the_last_captions_and_where_to_go_on() -> None:
    captions = Captions()
    captions.diarized = False
    events: list[CaptionEvent] = []
    for n in range(70):
        events += commit(captions, said(f"this is sentence number {n}.", 3.0 * n))
    events += captions.hear(Interim(tuple(said("and now", 210))), 211 * S)
    snapshot = captions.snapshot()
    assert len(snapshot.captions) == SNAPSHOT
    assert snapshot.cursor == events[-1].seq
    assert snapshot.captions[-1].shown == "and now" and not snapshot.captions[-1].final
    assert [caption.id for caption in snapshot.captions] == list(range(22, 72))


def test_a_long_sentence_is_divided() -> None:
    captions = Captions()
    captions.diarized = False
    text = " ".join(["and so on it goes,"] * 12)
    events = commit(captions, said(text, 0.5)) + silence(captions, 30)
    assert all(len(caption.shown) <= 90 for caption in finals(events))
    assert " ".join(caption.shown for caption in finals(events)) == text
    assert all(caption.shown.endswith(",") for caption in finals(events))


def test_a_language_without_spaces_is_divided_at_its_own_marks() -> None:
    captions = Captions()
    captions.diarized = False
    text = "今日はとても天気がいいですね。明日はどうなるでしょうか。"
    words = [Word(i * 9600, i * 9600 + 9000, sign, 0.9) for i, sign in enumerate(text * 2)]
    events = commit(captions, words) + silence(captions, 30)
    assert "".join(caption.shown for caption in finals(events)) == text * 2
    assert all(caption.shown.endswith("。") for caption in finals(events))


def test_the_end_of_the_stream_makes_everything_final() -> None:
    captions = Captions()
    words = said("these were the last words", 0.5)
    commit(captions, words)
    captions.hear(Interim(tuple(said("phantom", 3))), 3 * S)
    events = captions.finish()
    assert [caption.shown for caption in finals(events)] == ["these were the last words"]
    assert [caption.shown for caption in captions.snapshot().captions] == ["these were the last words"]


@st.composite
def streams(draw: st.DrawFn) -> list[Any]:
    """Words, interims, turns and watermarks in some order that a stream could have."""
    items: list[Any] = []
    at, reached = 0.0, 0.0
    vocabulary = ["yes", "no.", "perhaps,", "what?", "here", "there"]
    for _ in range(draw(st.integers(1, 40))):
        match draw(st.sampled_from(["word", "word", "word", "interim", "turn", "marks", "revise"])):
            case "word":
                at += draw(st.sampled_from([0.02, 0.1, 0.5, 1.5]))
                (word,) = said(draw(st.sampled_from(vocabulary)), at)
                items += [word, Watermark(word.end)]
                at = word.end / S
            case "interim":
                guess = draw(st.lists(st.sampled_from(vocabulary), max_size=5))
                items.append(Interim(tuple(said(" ".join(guess), at + 0.1))))
            case "turn":
                reached += draw(st.sampled_from([0.5, 2.0]))
                items.append(turn(draw(st.sampled_from("ABC")), reached - 1, reached))
            case "marks":
                items.append(("turns", Watermark(round(reached * S))))
            case "revise":
                items.append(("revise", turn(draw(st.sampled_from("AB")), max(0, reached - 3), reached)))
    return items


@given(items=streams(), delay=st.sampled_from([0.0, 0.4, 2.0]))
@settings(max_examples=60, deadline=None)
def test_every_committed_word_is_in_one_final_caption_and_stays(items: list[Any], delay: float) -> None:
    captions = Captions()
    events: list[CaptionEvent] = []
    now = 0
    for item in items:
        now = max(now, getattr(item, "end", now) + round(delay * S))
        match item:
            case Word() | Interim() | Watermark():
                events += captions.hear(item, now)
            case SpeakerTurn():
                events += captions.turn(item, now)
            case ("turns", mark):
                events += captions.turn(mark, now)
            case ("revise", better):
                events += captions.revise(better.start, better.end, [better], now)
    events += captions.finish()
    words = [item for item in items if isinstance(item, Word)]
    assert [word for caption in finals(events) for word in caption.words] == words
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    last: dict[int, Caption] = {}
    for event in events:
        caption = event.caption
        known = last.get(caption.id)
        assert caption.rev == (known.rev + 1 if known else 1)
        if known is not None and known.final:
            assert event.type == "revision" and caption.final and caption.words == known.words
        assert (event.type == "interim") == (not caption.final)
        last[caption.id] = caption
    assert all(caption.final or not caption.words for caption in last.values())
