"""What speakers are called."""

from __future__ import annotations

import pytest

from server.errors import Conflict, InvalidRequest, NotFound, SpeakerNameTaken
from server.speech.speakers import SpeakerName, SpeakerNames


@pytest.fixture
def names() -> SpeakerNames:
    names = SpeakerNames()
    for label in ("speaker-1", "speaker-2", "speaker-3"):
        names.meet(label)
    return names


def test_a_person_names_a_speaker(names: SpeakerNames) -> None:
    assert names.rename("speaker-1", "  Ada \n Lovelace ") == SpeakerName("speaker-1", "Ada Lovelace", "person")
    names.meet("speaker-1")
    assert names.resolve("speaker-1").name == "Ada Lovelace"
    assert [entry.label for entry in names.all()] == ["speaker-1", "speaker-2", "speaker-3"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 10_000, "a\x00b", "half \ud800", "\u200f\u200e"])
def test_names_that_are_none_are_refused(names: SpeakerNames, name: str) -> None:
    with pytest.raises(InvalidRequest):
        names.rename("speaker-1", name)


def test_a_name_that_somebody_has_offers_a_merge(names: SpeakerNames) -> None:
    names.rename("speaker-1", "Ada")
    with pytest.raises(SpeakerNameTaken) as refused:
        names.rename("speaker-2", "ada")
    assert refused.value.label == "speaker-1"
    names.merge("speaker-2", "speaker-1")
    assert names.resolve("speaker-2").name == "Ada"
    names.rename("speaker-2", "Ada L.")
    assert names.resolve("speaker-1").name == "Ada L."
    names.unmerge("speaker-2")
    assert names.resolve("speaker-2") == SpeakerName("speaker-2")


def test_a_merge_keeps_the_name_there_is_and_is_undone(names: SpeakerNames) -> None:
    names.rename("speaker-2", "Bob")
    names.merge("speaker-2", "speaker-1")
    assert names.resolve("speaker-1").name == "Bob"
    names.merge("speaker-1", "speaker-3")
    assert names.resolve("speaker-2").label == "speaker-3"
    with pytest.raises(Conflict):
        names.merge("speaker-2", "speaker-3")
    names.unmerge("speaker-1")
    assert names.resolve("speaker-2").label == "speaker-1"
    with pytest.raises(Conflict):
        names.unmerge("speaker-1")


def test_people_know_better_than_voices(names: SpeakerNames) -> None:
    assert names.recognise("speaker-1", "Ada") == SpeakerName("speaker-1", "Ada", "voice")
    assert names.recognise("speaker-2", "Ada") is None
    names.rename("speaker-1", "Grace")
    assert names.recognise("speaker-1", "Ada") is None
    assert names.resolve("speaker-1").name == "Grace"
    names.forget("speaker-1")
    assert names.recognise("speaker-1", "Ada") is None
    assert names.resolve("speaker-1").name is None
    names.recognise("speaker-2", "Ada")
    names.unrecognise("speaker-2")
    assert names.recognise("speaker-2", "Ada") is not None


def test_nobody_is_made_up(names: SpeakerNames) -> None:
    with pytest.raises(NotFound):
        names.rename("speaker-9", "Eve")


def test_names_go_with_the_voice_that_gave_them(names: SpeakerNames) -> None:
    names.recognise("speaker-1", "Ada", "v1")
    names.rename("speaker-2", "Grace")
    names.saved_as("speaker-2", "v2")
    assert [entry.voice for entry in names.all()] == ["v1", "v2", None]
    assert names.forget_voice("v1") and names.forget_voice("v2")
    assert [(entry.name, entry.voice) for entry in names.all()] == [(None, None), ("Grace", None), (None, None)]
    assert not names.forget_voice("v1")


def test_names_are_gone_on_with_from_what_was_kept(names: SpeakerNames) -> None:
    names.rename("speaker-1", "\u200fעדה")
    names.merge("speaker-2", "speaker-1")
    again = SpeakerNames(names.all())
    assert again.resolve("speaker-2").name == "\u200fעדה"
    assert again.unmerge("speaker-2") == SpeakerName("speaker-2")
    assert names.resolve("speaker-2").label == "speaker-1"
