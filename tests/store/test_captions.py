"""What is kept of captions: newest version wins, a person's edit stays, pages follow each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, text

from server.errors import Conflict, InvalidRequest, NotFound, SpeakerNameTaken
from server.speech.captions import Caption
from server.speech.speakers import SpeakerName, SpeakerNames
from server.store.captions import CaptionBatch
from server.store.records import CaptionVersion, StoredStream, VoicePrint
from server.store.store import Store
from tests.store.rows import NOW, caption, recording, talk

LIVE, FINAL = CaptionVersion.LIVE, CaptionVersion.FINAL


@pytest.fixture
async def said(store: Store) -> StoredStream:
    return await talk(store)


async def keep(store: Store, said: StoredStream, *captions: Caption) -> None:
    assert await store.captions.save(CaptionBatch({said.id: captions})) == set()


async def test_captions_come_back_as_they_were(store: Store, said: StoredStream) -> None:
    odd = replace(
        caption(7, "Ça va 你好 <b>", ("S2", "S1"), rev=3), text="Edited & kept", hidden=True, speakers_fixed=True
    )
    await keep(store, said, caption(1), odd)
    page = await store.captions.page(said.id, LIVE)
    assert (page.items, page.total, page.next) == ([caption(1), odd], 2, None)
    assert page.items[1].shown == "Edited & kept"


async def test_the_newer_version_stays_whichever_comes_first(store: Store, said: StoredStream) -> None:
    newer = replace(caption(1, rev=4), text="by a person")
    await keep(store, said, newer, caption(1, rev=2))
    await keep(store, said, caption(1, "what a log says", rev=3))
    assert (await store.captions.page(said.id, LIVE)).items == [newer]
    await keep(store, said, caption(1, rev=5))
    assert (await store.captions.page(said.id, LIVE)).items == [caption(1, rev=5)]


async def test_streams_that_are_not_known_are_named_and_hold_nobody_up(store: Store, said: StoredStream) -> None:
    batch = CaptionBatch({"later": [caption(1)], said.id: [caption(1)]}, {"later": [SpeakerName("S1")]})
    assert await store.captions.save(batch) == {"later"}
    assert (await store.captions.page(said.id, LIVE)).total == 1
    assert (await store.captions.page("later", LIVE)).total == 0


async def test_pages_follow_each_other_without_a_gap(store: Store, said: StoredStream) -> None:
    await keep(store, said, *(caption(number) for number in range(1, 8)))
    seen: list[int] = []
    cursor = None
    while True:
        page = await store.captions.page(said.id, LIVE, limit=3, cursor=cursor)
        assert page.total == 7
        seen += [item.id for item in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert [item.id for item in await store.captions.last(said.id, LIVE, 2)] == [6, 7]
    streams = (await store.streams(limit=1)).next or "MjAyNi0xMS0wM3xh"
    for wrong in ("", "%%%", "Iw", "Iy0x", "IzEyMzQ1Njc4OTAx", streams):
        with pytest.raises(InvalidRequest):
            await store.captions.page(said.id, LIVE, cursor=wrong)


async def test_cues_go_by_time_and_leave_hidden_ones_out(store: Store, said: StoredStream) -> None:
    early = replace(caption(5), start=3, end=4)
    same = replace(caption(6), start=3, end=9)
    await keep(store, said, caption(1), replace(caption(2), hidden=True), replace(caption(3), text="said"), same, early)
    seen = []
    after = None
    while cues := await store.captions.cues(said.id, LIVE, after, limit=2):
        seen += [(cue.number, cue.text) for cue in cues]
        after = cues[-1]
    assert seen == [(5, "Hello there"), (6, "Hello there"), (1, "Hello there"), (3, "said")]


async def test_a_person_changes_one_caption(store: Store, said: StoredStream) -> None:
    await keep(store, said, caption(1, rev=2))
    edited = await store.captions.edit(said.id, LIVE, 1, lambda was: replace(was, text="Better"))
    assert (edited.rev, edited.shown) == (3, "Better")
    same = await store.captions.edit(said.id, LIVE, 1, lambda was: was)
    assert same == edited == (await store.captions.page(said.id, LIVE)).items[0]
    for version, number in ((LIVE, 2), (FINAL, 1)):
        with pytest.raises(NotFound):
            await store.captions.edit(said.id, version, number, lambda was: was)


async def test_names_change_in_one_go_or_not_at_all(store: Store, said: StoredStream) -> None:
    await store.captions.save(CaptionBatch(speakers={said.id: [SpeakerName("S1"), SpeakerName("S2")]}))
    changed = await store.captions.change_speakers(said.id, LIVE, lambda names: names.rename("S2", "Ada"))
    assert changed == [SpeakerName("S1"), SpeakerName("S2", "Ada", "person")]

    def twice(names: SpeakerNames) -> None:
        names.rename("S2", "Grace")
        names.rename("S1", "grace")

    with pytest.raises(SpeakerNameTaken):
        await store.captions.change_speakers(said.id, LIVE, twice)
    assert await store.captions.speakers(said.id, LIVE) == changed
    with pytest.raises(NotFound):
        await store.captions.change_speakers(said.id, LIVE, lambda names: names.rename("S3", "Eve"))


async def test_what_speakers_sound_like_goes_with_them(store: Store, said: StoredStream) -> None:
    heard = VoicePrint("model-a", np.array([0.6, 0.8], np.float32), 12.5)
    names = [SpeakerName("S1"), SpeakerName("S2")]
    await store.captions.save(CaptionBatch(speakers={said.id: names}, prints={said.id: {"S2": heard, "S9": heard}}))
    await store.captions.save(CaptionBatch(speakers={said.id: [replace(names[0], name="Ada"), names[1]]}))
    ((label, kept),) = (await store.captions.prints(said.id, LIVE)).items()
    assert (label, kept.model, kept.seconds, kept.centroid.tolist()) == ("S2", "model-a", 12.5, heard.centroid.tolist())
    await store.save_recording(recording(said))
    await store.captions.replace(said.id, FINAL, [caption(1)], names, {"S1": heard})
    await keep(store, said, caption(1))
    await store.forget_recording(said.id)
    for version in (LIVE, FINAL):
        assert (await store.captions.page(said.id, version)).total == 0
        assert await store.captions.speakers(said.id, version) == []
        assert await store.captions.prints(said.id, version) == {}


async def test_what_speakers_sound_like_is_kept_for_a_while_only(store: Store, said: StoredStream) -> None:
    heard = VoicePrint("model-a", np.array([0.6, 0.8], np.float32), 12.5)
    over = await talk(store, "bert")
    for stream_id in (said.id, over.id):
        await store.captions.save(
            CaptionBatch(speakers={stream_id: [SpeakerName("S1")]}, prints={stream_id: {"S1": heard}})
        )
    await store.save_stream(replace(over, state="ended", ended_at=NOW))
    await store.captions.forget_prints(NOW)
    assert await store.captions.prints(over.id, LIVE)
    await store.captions.forget_prints(NOW + timedelta(days=1))
    assert await store.captions.prints(over.id, LIVE) == {}
    assert await store.captions.speakers(over.id, LIVE) == [SpeakerName("S1")]
    assert await store.captions.prints(said.id, LIVE)  # it is not over


async def test_both_accounts_are_kept_and_the_better_one_is_known(store: Store, said: StoredStream) -> None:
    await keep(store, said, caption(1), caption(2))
    assert await store.captions.version(said.id) is LIVE
    stamp = await store.captions.stamp(said.id, LIVE)
    many = [caption(number, "again") for number in range(1, 451)]
    await store.captions.replace(said.id, FINAL, many, [SpeakerName("S1", "Ada", "person")], based_on={LIVE: stamp})
    assert await store.captions.version(said.id) is FINAL
    assert (await store.captions.page(said.id, FINAL)).total == 450
    assert (await store.captions.page(said.id, LIVE)).total == 2
    await store.captions.edit(said.id, LIVE, 1, lambda was: replace(was, hidden=True))
    with pytest.raises(Conflict) as refused:
        await store.captions.replace(said.id, FINAL, [], [], based_on={LIVE: stamp})
    assert refused.value.code == "captions-changed"
    assert (await store.captions.page(said.id, FINAL)).total == 450
    await store.captions.replace(said.id, FINAL, many[:3], [])
    assert (await store.captions.page(said.id, FINAL)).items == many[:3]
    assert await store.captions.speakers(said.id, FINAL) == []


@contextmanager
def listened(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    engine = store._database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def every_question(store: Store, stream_id: str) -> None:
    """Everything that is asked of the new tables."""
    heard = VoicePrint("m", np.ones(2, np.float32), 9.0)
    batch = CaptionBatch(
        {stream_id: [caption(3)]}, {stream_id: [SpeakerName("S1", voice="v")]}, {stream_id: {"S1": heard}}
    )
    await store.captions.save(batch)
    page = await store.captions.page(stream_id, LIVE, limit=1)
    await store.captions.page(stream_id, LIVE, cursor=page.next)
    await store.captions.last(stream_id, LIVE, 3)
    cues = await store.captions.cues(stream_id, LIVE)
    await store.captions.cues(stream_id, LIVE, cues[-1])
    await store.captions.version(stream_id)
    await store.captions.prints(stream_id, LIVE)
    await store.captions.change_speakers(stream_id, LIVE, lambda names: names.rename("S1", "Ada"))
    await store.captions.replace(stream_id, FINAL, [], [], based_on={LIVE: await store.captions.stamp(stream_id, LIVE)})
    for name in ("Ada", "Grace"):
        voice = await store.voices.learn("local", name, [heard], NOW)
    voices = await store.voices.page("local", limit=1)
    await store.voices.page("local", cursor=voices.next)
    await store.voices.forget(voice.id)
    jobs = await store.jobs.page("local", subject=stream_id)
    await store.jobs.page("local", cursor=jobs.next)
    await store.jobs.unfinished()
    await store.jobs.unfinished(stream_id)


async def test_no_question_reads_a_whole_table_or_sorts_it(store: Store, said: StoredStream) -> None:
    await keep(store, said, caption(1), caption(2))
    with listened(store) as asked:
        await every_question(store, said.id)
    plans = 0
    async with store._database.read() as session:
        connection = await session.connection()
        for statement, parameters in asked:
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(parameters))
                steps = [str(row[-1]) for row in found]
                wrong = [
                    step for step in steps if "TEMP B-TREE" in step or (step.startswith("SCAN ") and "anon" not in step)
                ]
                assert wrong == [], (statement, steps)
                plans += 1
    assert plans > 25


async def test_what_points_to_a_voice_is_found_by_an_index(store: Store) -> None:
    async with store._database.read() as session:
        query = "EXPLAIN QUERY PLAN UPDATE speakers SET voice_id = NULL WHERE voice_id = 'x'"  # what deleting one does
        assert "ix_speakers_voice_id" in str((await session.execute(text(query))).all())
