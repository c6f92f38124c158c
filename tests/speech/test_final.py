"""The second account of a stream: what was heard with hindsight, and what people said of it."""

from __future__ import annotations

from dataclasses import replace

from server.clock import SAMPLE_RATE
from server.speech.captions import Caption
from server.speech.changes import compare
from server.speech.final import Account, final_account, live_turns
from server.speech.processor import SpeakerTurn, Word
from server.speech.speakers import SpeakerName


def said(text: str, start: float, pace: float = 0.5) -> list[Word]:
    return [
        Word(round((start + i * pace) * SAMPLE_RATE), round((start + (i + 0.9) * pace) * SAMPLE_RATE), f" {word}", 0.9)
        for i, word in enumerate(text.split())
    ]


def turn(start: float, end: float, speaker: str) -> SpeakerTurn:
    return SpeakerTurn(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE), speaker, 1.0)


def caption(number: int, text: str, start: float, speaker: str | None, **person: object) -> Caption:
    words = tuple(said(text, start))
    speakers = (speaker,) if speaker else ()
    made = Caption(number, 1, words[0].start, words[-1].end, speakers, words, len(words), True)
    return replace(made, **person)  # type: ignore[arg-type]


def lines(account: Account) -> list[tuple[str, str]]:
    return [(item.speakers[0] if item.speakers else "?", item.shown) for item in account.captions]


LIVE = Account(
    (
        caption(1, "The first talks here now.", 0, "S1"),
        caption(2, "And the second answer him.", 4, "S2"),
        caption(3, "A third one came in.", 8, "S3"),
    ),
    (SpeakerName("S1", "Anna", "person"), SpeakerName("S2"), SpeakerName("S3", "Ben", "voice", voice="v1")),
)
HEARD = [
    *said("The first talks here now.", 0),
    *said("And the second answers him.", 4),
    *said("The third one came in.", 8),
]


def test_words_and_speakers_are_new_and_labels_stay_those_of_the_stream() -> None:
    turns = [turn(0, 3, "b"), turn(4, 7, "a"), turn(8, 11, "c")]
    account = final_account(HEARD, turns, LIVE, {"b": "S1", "a": "S2"})
    assert lines(account) == [
        ("S1", "The first talks here now."),
        ("S2", "And the second answers him."),
        ("S4", "The third one came in."),
    ]
    assert [item.id for item in account.captions] == [1, 2, 3]
    assert all(item.final and item.committed == len(item.words) for item in account.captions)


def test_whoever_is_heard_no_more_turned_out_to_be_somebody_else_and_gives_the_name() -> None:
    turns = [turn(0, 3, "b"), turn(4, 11, "a")]
    account = final_account(HEARD, turns, LIVE, {"b": "S1", "a": "S2"})
    assert account.speakers == (
        SpeakerName("S1", "Anna", "person"),
        SpeakerName("S2", "Ben", "voice", voice="v1"),
        SpeakerName("S3", "Ben", "voice", "S2", voice="v1"),
    )
    person = replace(
        LIVE, speakers=(LIVE.speakers[0], SpeakerName("S2", "Karl", "voice"), SpeakerName("S3", "Ben", "person"))
    )
    account = final_account(HEARD, turns, person, {"b": "S1", "a": "S2"})
    assert account.speakers[1] == SpeakerName("S2", "Ben", "person")


def test_two_whom_people_named_are_never_made_one() -> None:
    live = replace(
        LIVE, speakers=(LIVE.speakers[0], SpeakerName("S2", "Karl", "person"), SpeakerName("S3", "Ben", "person"))
    )
    account = final_account(HEARD, [turn(0, 3, "b"), turn(4, 11, "a")], live, {"b": "S1", "a": "S2"})
    assert account.speakers == live.speakers


def test_what_people_made_of_captions_stays_and_nothing_is_said_twice() -> None:
    live = replace(
        LIVE,
        captions=(
            replace(LIVE.captions[0], text="The first speaks here."),
            replace(LIVE.captions[1], hidden=True),
            replace(LIVE.captions[2], speakers=("S1",), speakers_fixed=True),
        ),
    )
    more = [*HEARD, *said("And somebody whom nobody heard.", 14)]
    account = final_account(more, [turn(0, 3, "b"), turn(14, 17, "b")], live, {"b": "S1"})
    assert lines(account) == [
        ("S1", "The first speaks here."),
        ("S2", "And the second answer him."),
        ("S1", "A third one came in."),
        ("S1", "And somebody whom nobody heard."),
    ]
    assert account.captions[1].hidden and account.captions[2].speakers_fixed


def test_where_the_recording_could_not_be_transcribed_the_live_words_stay() -> None:
    gap = (round(3.5 * SAMPLE_RATE), round(7.5 * SAMPLE_RATE))
    account = final_account([*HEARD[:5], *HEARD[10:]], [turn(0, 11, "a")], LIVE, {"a": "S1"}, [gap])
    assert [text for _, text in lines(account)][1] == "And the second answer him."


def test_changes_are_counted() -> None:
    turns = [turn(0, 3, "b"), turn(4, 7, "a"), turn(8, 11, "b"), turn(14, 17, "b")]
    words = [*HEARD, *said("And somebody whom nobody heard.", 14)]
    live = replace(LIVE, captions=(replace(LIVE.captions[0], text="Mine."), *LIVE.captions[1:]))
    account = final_account(words, turns, live, {"b": "S1", "a": "S2"})
    changes = compare(live, account)
    assert (changes.words_changed, changes.words_added, changes.words_removed) == (2, 5, 0)
    assert changes.speakers_changed == 4
    assert (changes.captions_added, changes.captions_kept) == (1, 1)
    assert (changes.speakers_before, changes.speakers) == (3, 2)


def test_nothing_changes_when_all_was_well() -> None:
    words = [word for item in LIVE.captions for word in item.words]
    account = final_account(words, live_turns(LIVE.captions), LIVE, {"S1": "S1", "S2": "S2", "S3": "S3"})
    assert account == LIVE
    changes = compare(LIVE, account)
    assert changes.words == 15
    assert not (changes.words_changed or changes.words_added or changes.words_removed or changes.speakers_changed)


def test_turns_are_found_however_far_into_a_long_recording() -> None:
    """An hour: each sentence has the speaker of its own moment."""
    words = [word for i in range(720) for word in said(f"and so number {i} goes on for a while.", 5.0 * i)]
    turns = [turn(5.0 * i, 5.0 * i + 4.5, f"S{1 + i % 3}") for i in range(720)]
    account = final_account(words, turns, Account((), ()), {})
    assert [item.speakers for item in account.captions] == [(f"S{1 + i % 3}",) for i in range(720)]
    assert compare(account, account).words == len(words)
