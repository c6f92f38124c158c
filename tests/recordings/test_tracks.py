"""Speakers' tracks: silent where somebody else speaks, and together the recording again."""

from __future__ import annotations

import numpy as np
import pytest

from server.clock import SAMPLE_RATE
from server.errors import NotFound
from server.recordings.tracks import FADE, JOIN, LEAD, ROOM, TAIL, Tracks, common, total, united, without
from server.speech.captions import Caption
from server.speech.final import Account
from server.speech.processor import SpeakerTurn, Word
from server.speech.speakers import SpeakerName

S = SAMPLE_RATE
ADA, BOB, CLEO = (SpeakerName(label, name) for label, name in (("S1", "Ada"), ("S2", "Bob"), ("S3", None)))


def said(number: int, start: float, end: float, *speakers: str, fixed: bool = False) -> Caption:
    first, last = round(start * S), round(end * S)
    words = (Word(first, first + 4_800, " Well,", 0.9), Word(last - 4_800, last, " well", 0.9))
    return Caption(number, 1, first, last, speakers, words, 2, final=True, speakers_fixed=fixed)


def tracks(*captions: Caption, speakers: tuple[SpeakerName, ...] = (ADA, BOB, CLEO), **values: object) -> Tracks:
    end = values.pop("end", 60 * S)
    return Tracks(Account(captions, speakers), int(values.pop("start", 0)), end, **values)  # type: ignore[arg-type, call-overload]


def test_speakers_and_room_are_the_recording_again_outside_of_overlaps_and_fades() -> None:
    made = tracks(
        said(1, 1, 4, "S1"),
        said(2, 4.2, 7, "S2"),
        said(3, 7, 9, "S1"),
        said(4, 20, 25, "S1", "S2"),
        said(5, 26, 30, "S3"),
    )
    labels = [track.label for track in made.listed()]
    assert labels == ["S1", "S2", "S3"]
    gains = {label: made.mask(label).gains(0, 60 * S) for label in [*labels, ROOM]}
    together = sum(gains.values())
    apart = np.ones(60 * S, bool)
    for spans in made.spans.values():
        for start, end in spans:
            apart[max(0, start - FADE) : start] = apart[end : end + FADE] = False
    twice = sum((gains[label] == 1).astype(int) for label in labels) > 1
    assert np.array_equal(together[apart & ~twice], np.ones(np.count_nonzero(apart & ~twice), np.float32))
    assert 4.9 * S < np.count_nonzero(twice) < 6 * S
    assert gains["S1"][round(5.5 * S)] == gains["S2"][2 * S] == gains[ROOM][2 * S] == 0
    assert gains[ROOM][40 * S] == 1
    assert np.abs(np.diff(gains["S1"])).max() < 1.01 / FADE  # nothing clicks


def test_a_mask_is_the_same_in_whatever_pieces_it_is_asked_for() -> None:
    mask = tracks(said(1, 1, 4, "S1"), said(2, 4.1, 7, "S2"), said(3, 7.3, 9, "S1")).mask("S1")
    whole = mask.gains(0, 12 * S)
    parts = [mask.gains(start, 7_777) for start in range(0, 12 * S, 7_777)]
    assert np.array_equal(np.concatenate(parts)[: 12 * S], whole)


def test_a_turn_takes_the_sound_around_its_words_and_nothing_of_others() -> None:
    made = tracks(said(1, 10, 12, "S1"), said(2, 12.1, 14, "S2"), said(3, 14.3, 15, "S2"), said(4, 20, 21, "S1"))
    assert made.spans["S1"][0] == (10 * S - LEAD, round(12.05 * S))
    assert made.spans["S2"] == [(round(12.05 * S), 15 * S + TAIL)]  # a short pause of one's own belongs to the turn
    assert made.spans["S1"][1] == (20 * S - LEAD, 21 * S + TAIL)
    apart = tracks(said(1, 10, 12, "S1"), said(2, 12 + (JOIN + LEAD + TAIL) / S, 14, "S1"))
    assert len(apart.spans["S1"]) == 2


def test_where_two_speak_at_once_each_has_the_mixture_and_the_list_says_so() -> None:
    made = tracks(said(1, 1, 4, "S1", "S2"), said(2, 5, 9, "S2"))
    ada, bob = made.listed()
    assert (ada.name, ada.overlap_s, ada.words, bob.words) == ("Ada", pytest.approx(ada.seconds), 2, 2)
    assert bob.overlap_s == pytest.approx(ada.overlap_s)
    assert made.room_s == pytest.approx(60 - bob.seconds)


def test_merged_speakers_have_one_track_and_numbers_stay() -> None:
    merged = SpeakerName("S3", None, "person", merged_into="S1")
    made = tracks(said(1, 1, 2, "S1"), said(2, 5, 6, "S3"), said(3, 8, 9, "S9"), speakers=(ADA, BOB, merged))
    assert [(track.label, track.name) for track in made.listed()] == [("S1", "Ada")]
    assert len(made.spans["S1"]) == 2
    assert made.resolved("S3") == "S1"
    for unknown in ("S2", "S9", "../../etc/passwd", ""):
        with pytest.raises(NotFound):
            made.mask(unknown)
    assert tracks(said(1, 1, 2, "S3")).listed()[0].name == "Speaker 3"


def test_turns_of_the_whole_recording_go_before_captions_but_not_before_people() -> None:
    turns = [
        SpeakerTurn(0, 5 * S, "S1", 1.0),
        SpeakerTurn(4 * S, 9 * S, "S2", 1.0),
        SpeakerTurn(30 * S, 31 * S, "S9", 1.0),
    ]
    made = tracks(said(1, 1, 4, "S1", "S2"), said(2, 6, 8, "S1", fixed=True), turns=turns)
    assert made.spans["S1"][0][0] == 0
    assert not common(made.spans["S2"], [(0, round(3.8 * S))])  # the turns know better than the caption
    assert not common(made.spans["S2"], [(round(6.2 * S), round(7.8 * S))])  # and a person better than they
    assert common(made.spans["S1"], [(6 * S, 8 * S)]) == [(6 * S, 8 * S)]


def test_only_what_is_left_of_a_recording_counts() -> None:
    made = tracks(said(1, 1, 4, "S1"), said(2, 10, 12, "S2"), said(3, 19, 30, "S3"), start=11 * S, end=20 * S)
    assert [track.label for track in made.listed()] == ["S2", "S3"]
    assert [start for start, _, _ in made.turns()] == [11 * S, 19 * S - LEAD]
    with pytest.raises(NotFound):
        made.mask("S1")


def test_a_sample_holds_one_person_for_five_seconds() -> None:
    made = tracks(said(1, 1, 3, "S1"), said(2, 2, 20, "S2"), said(3, 30, 34, "S1"), said(4, 40, 43, "S1"))
    assert made.alone("S2") == [(made.spans["S1"][0][1], made.spans["S1"][0][1] + 5 * S)]
    ada = made.alone("S1")
    assert total(ada) == 5 * S
    assert ada[0] == made.spans["S1"][1]
    assert not common(united(ada), made.spans["S2"])
    together = tracks(said(1, 1, 9, "S1", "S2")).alone("S1")  # never alone: better than nothing
    assert total(together) == 5 * S


def test_sets_of_samples() -> None:
    assert united([(5, 7), (1, 3), (3, 4), (6, 9), (8, 8)]) == [(1, 4), (5, 9)]
    assert common([(0, 10), (20, 30)], [(5, 22), (25, 26), (29, 40)]) == [(5, 10), (20, 22), (25, 26), (29, 30)]
    assert without([(0, 10), (20, 30)], [(5, 22), (25, 26), (29, 40)]) == [(0, 5), (22, 25), (26, 29)]
    assert without([(0, 10)], []) == [(0, 10)]
    rng = np.random.default_rng(7)
    for _ in range(200):
        some, others = (united(tuple(sorted(pair)) for pair in rng.integers(0, 50, (6, 2)).tolist()) for _ in "ab")
        inside = [{at for start, end in spans for at in range(start, end)} for spans in (some, others)]
        for made, expected in (
            (common(some, others), inside[0] & inside[1]),
            (without(some, others), inside[0] - inside[1]),
        ):
            assert {at for start, end in made for at in range(start, end)} == expected
            assert total(made) == len(expected)
