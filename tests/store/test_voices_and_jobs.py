"""Known voices and jobs."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from server.errors import Conflict, NotFound
from server.speech.speakers import SpeakerName
from server.store import voices
from server.store.captions import CaptionBatch
from server.store.ids import new_id
from server.store.records import CaptionVersion, Job, VoicePrint
from server.store.store import Store
from tests.store.rows import NOW, recording, talk


def heard(*values: float, model: str = "model-a", seconds: float = 10.0) -> VoicePrint:
    return VoicePrint(model, np.array(values, np.float32), seconds)


async def test_a_voice_is_learned_better_under_the_same_name(store: Store) -> None:
    first = await store.voices.learn("local", "Ada", [heard(1, 0)], NOW)
    later = NOW + timedelta(days=1)
    again = await store.voices.learn("local", "ada", [heard(0, 1), heard(0.6, 0.8)], later)
    assert (again.id, again.name, again.seconds, again.consent_at) == (first.id, "Ada", 30.0, later)
    assert (await store.voices.get(first.id)).centroids.tolist() == [[1, 0], [0, 1], pytest.approx([0.6, 0.8])]
    other = await store.voices.learn("local", "Ada", [heard(1, 0, 0, model="model-b")], later)
    assert (other.id, other.model, other.centroids.shape, other.seconds) == (first.id, "model-b", (1, 3), 10.0)
    for _ in range(9):
        other = await store.voices.learn("local", "Ada", [heard(0, 0, 1, model="model-b")], later)
    assert other.centroids.tolist() == [[0, 0, 1]] * voices.MAX_CENTROIDS


async def test_voices_belong_to_somebody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = [await store.voices.learn("local", name, [heard(1, 0)], NOW) for name in ("Ada", "Grace", "Émile")]
    theirs = await store.voices.learn("ben", "Ada", [heard(1, 0)], NOW)
    page = await store.voices.page("local", limit=2)
    rest = await store.voices.page("local", limit=2, cursor=page.next)
    assert {voice.id for voice in [*page.items, *rest.items]} == {voice.id for voice in mine}
    assert (page.total, rest.next) == (3, None)
    with pytest.raises(Conflict) as taken:
        await store.voices.change(mine[0].id, name="émile")
    assert taken.value.code == "voice-name-taken"
    assert (await store.voices.change(mine[2].id, name="ÉMILE")).name == "ÉMILE"
    monkeypatch.setattr(voices, "MAX_VOICES", 3)
    with pytest.raises(Conflict) as full:
        await store.voices.learn("local", "Mary", [heard(1, 0)], NOW)
    assert full.value.code == "too-many-voices"
    await store.voices.forget(theirs.id)
    with pytest.raises(NotFound):
        await store.voices.change(theirs.id, name="Ben")


async def test_a_deleted_voice_leaves_names_and_no_link(store: Store) -> None:
    said = await talk(store)
    voice = await store.voices.learn("local", "Ada", [heard(1, 0)], NOW)
    named = SpeakerName("S1", "Ada", "voice", voice=voice.id)
    await store.captions.save(CaptionBatch(speakers={said.id: [named]}))
    assert await store.captions.speakers(said.id, CaptionVersion.LIVE) == [named]
    await store.voices.forget(voice.id)
    unlinked = SpeakerName("S1", "Ada", "voice")
    assert await store.captions.speakers(said.id, CaptionVersion.LIVE) == [unlinked]
    await store.captions.save(CaptionBatch(speakers={said.id: [named]}))  # was on its way
    assert await store.captions.speakers(said.id, CaptionVersion.LIVE) == [unlinked]


def job(subject: str, minutes: int = 0, **values: object) -> Job:
    return Job(new_id(), "final-pass", subject, "local", NOW + timedelta(minutes=minutes), **values)  # type: ignore[arg-type]


async def test_a_job_is_begun_once_and_over_when_it_is(store: Store) -> None:
    wanted = job("abc")
    await store.jobs.add(wanted)
    assert await store.jobs.get(wanted.id) == wanted
    begun = await store.jobs.claim(wanted.id, NOW)
    assert begun is not None
    assert (begun.state, begun.attempts, begun.started_at) == ("running", 1, NOW)
    assert await store.jobs.claim(wanted.id, NOW) is None
    half = await store.jobs.change(wanted.id, progress=0.5, step="Listening again")
    assert (half.progress, half.step) == (0.5, "Listening again")
    await store.jobs.change(wanted.id, state="queued")
    again = await store.jobs.claim(wanted.id, NOW)
    assert again is not None and again.attempts == 2
    await store.jobs.change(wanted.id, state="cancelled", ended_at=NOW)
    late = await store.jobs.change(wanted.id, state="done", result={"changed": 3})
    assert (late.state, late.result) == ("cancelled", None)
    with pytest.raises(NotFound):
        await store.jobs.claim("nothing", NOW)


async def test_jobs_are_listed_newest_first_and_go_with_their_recording(store: Store) -> None:
    said = await talk(store)
    await store.save_recording(recording(said))
    mine = [job(said.id, minutes) for minutes in range(3)]
    over = job("another", 5, state="done", result={"words": 7})
    for item in (*mine, over):
        await store.jobs.add(item)
    page = await store.jobs.page("local", limit=2)
    assert [item.id for item in page.items] == [over.id, mine[2].id]
    assert page.items[0].result == {"words": 7}
    rest = await store.jobs.page("local", limit=2, cursor=page.next)
    assert ([item.id for item in rest.items], page.total) == ([mine[1].id, mine[0].id], 4)
    assert (await store.jobs.page("local", subject=said.id)).total == 3
    assert (await store.jobs.page("ben")).total == 0
    assert [item.id for item in await store.jobs.unfinished()] == [item.id for item in mine]
    assert await store.jobs.unfinished("another") == []
    await store.forget_recording(said.id)
    assert [item.id for item in (await store.jobs.page("local")).items] == [over.id]
