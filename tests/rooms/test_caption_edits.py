"""People name speakers and correct captions of a live stream, and have the last word."""

from __future__ import annotations

import pytest

from server.clock import SAMPLE_RATE
from server.errors import Conflict, InvalidRequest, NotFound, SpeakerNameTaken
from server.inference.caption_lane import TurnRevision, Turns
from server.rooms.messages import (
    CaptionEdit,
    CaptionTold,
    SpeakerMerge,
    SpeakerRename,
    SpeakersTold,
    SpeakerUnmerge,
)
from server.speech.processor import SpeakerTurn, Watermark, Word
from tests.rooms.hearing import TALK, ScriptedCaptions, ended_log, finals, told, voice
from tests.rooms.studio import Studio

S = SAMPLE_RATE


async def test_a_name_is_everywhere_at_once(captioned: Studio) -> None:
    await captioned.publish(record=True)
    await captioned.run(8, voice(TALK))
    before = captioned.host.caption_snapshot("stream-1").captions
    answer = await captioned.host.change_captions("stream-1", SpeakerRename("S1", " Ann  B. "))
    assert [(speaker.label, speaker.name, speaker.source) for speaker in answer.speakers] == [
        ("S1", "Ann B.", "person"),
        ("S2", None, None),
    ]
    assert told(captioned, SpeakersTold)[-1].speakers == answer.speakers
    snapshot = captioned.host.caption_snapshot("stream-1")
    assert snapshot.speakers == answer.speakers
    assert snapshot.captions == before  # captions have labels: nothing was rewritten
    noted = [line for line in await ended_log(captioned) if line["type"] == "speakers"]
    assert noted[-1]["speakers"][0]["name"] == "Ann B."


async def test_two_who_are_one_are_merged_and_parted_again(captioned: Studio) -> None:
    await captioned.publish()
    await captioned.run(8, voice(TALK))
    change = captioned.host.change_captions
    await change("stream-1", SpeakerRename("S1", "Ann"))
    with pytest.raises(SpeakerNameTaken):
        await change("stream-1", SpeakerRename("S2", "ann"))
    for name in ("", " \n ", "x" * 10_000, "a\0b"):
        with pytest.raises(InvalidRequest):
            await change("stream-1", SpeakerRename("S2", name))
    merged = await change("stream-1", SpeakerMerge("S2", "S1"))
    assert [speaker.merged_into for speaker in merged.speakers] == [None, "S1"]
    with pytest.raises(Conflict):
        await change("stream-1", SpeakerMerge("S1", "S2"))
    parted = await change("stream-1", SpeakerUnmerge("S2"))
    assert [speaker.merged_into for speaker in parted.speakers] == [None, None]
    forgotten = await change("stream-1", SpeakerRename("S1", None))
    assert forgotten.speakers[0].name is None
    with pytest.raises(NotFound):
        await change("stream-1", SpeakerRename("S9", "Nobody"))
    with pytest.raises(NotFound):
        await change("another", SpeakerRename("S1", "Ann"))


async def test_what_a_person_wrote_no_machine_changes(captioned: Studio, service: ScriptedCaptions) -> None:
    await captioned.publish(record=True)
    await captioned.run(8, voice(TALK))
    await captioned.host.change_captions("stream-1", CaptionEdit(1, text=" Good\nevening  all. "))
    answer = await captioned.host.change_captions("stream-1", CaptionEdit(2, speakers=["S1", "S1"], hidden=True))
    assert answer.caption is not None
    assert (answer.caption.speakers, answer.caption.hidden, answer.caption.edited) == (["S1"], True, True)
    assert (answer.caption.public().text, answer.caption.public().words) == ("", [])
    service.lanes[0].say(TurnRevision(0, 4 * S, (SpeakerTurn(0, 4 * S, "S2", 1.0),)))
    await captioned.run(0.1, source=None)
    kept = {caption.id: caption for caption in captioned.host.caption_snapshot("stream-1").captions}
    assert (kept[1].text, kept[1].speakers, kept[1].edited) == ("Good evening all.", ["S2"], True)
    assert (kept[2].text, kept[2].speakers, kept[2].hidden) == ("And to you.", ["S1"], True)
    assert [word.text for word in kept[1].words] == [" Good", " morning", " everybody."]
    revisions = [item for item in told(captioned, CaptionTold) if item.kind == "revision"]
    assert [(item.caption.id, item.caption.rev > 1) for item in revisions] == [(1, True), (2, True), (1, True)]
    noted = [line for line in await ended_log(captioned) if line["type"] == "caption" and line["kind"] == "revision"]
    assert [(line["caption"]["id"], line["caption"]["text"]) for line in noted] == [
        (1, "Good evening all."),
        (2, "And to you."),
        (1, "Good evening all."),
    ]


async def test_an_edit_that_means_nothing_changes_nothing(captioned: Studio) -> None:
    await captioned.publish()
    await captioned.run(8, voice(TALK))
    for edit in (CaptionEdit(1, text=" "), CaptionEdit(1, text="x" * 10_000), CaptionEdit(1, text="\x00")):
        with pytest.raises(InvalidRequest):
            await captioned.host.change_captions("stream-1", edit)
    for edit in (CaptionEdit(1, speakers=["S9"]), CaptionEdit(99, text="Hello.")):
        with pytest.raises(NotFound):
            await captioned.host.change_captions("stream-1", edit)
    same = await captioned.host.change_captions("stream-1", CaptionEdit(1, hidden=False))
    assert same.caption == finals(captioned)[0]
    assert [item.kind for item in told(captioned, CaptionTold)].count("revision") == 0


async def test_a_caption_of_long_ago_can_be_changed_by_whoever_still_knows_it(
    captioned: Studio, service: ScriptedCaptions
) -> None:
    await captioned.publish()
    await captioned.run(8, voice(TALK))
    old = finals(captioned)[0]
    lane = service.lanes[0]
    for number in range(250):
        at = (10 + 2 * number) * S
        lane.say(Word(at, at + 4800, f" Word {number}.", 1.0), Turns((), at + S), Watermark(at + S))
    await captioned.run(0.1, source=None)
    with pytest.raises(NotFound):
        await captioned.host.change_captions("stream-1", CaptionEdit(1, text="Good evening."))
    answer = await captioned.host.change_captions("stream-1", CaptionEdit(1, text="Good evening.", known=old))
    assert answer.caption is not None
    assert (answer.caption.text, answer.caption.rev) == ("Good evening.", old.rev + 1)
    again = await captioned.host.change_captions("stream-1", CaptionEdit(1, hidden=True, known=answer.caption))
    assert again.caption is not None
    assert (again.caption.text, again.caption.hidden, again.caption.rev) == ("Good evening.", True, old.rev + 2)
    assert len(captioned.host.caption_snapshot("stream-1").captions) == 50
