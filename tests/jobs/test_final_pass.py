"""The final pass over a recording that is there: what was missed is filled in, what people did stays, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.clock import SAMPLE_RATE
from server.errors import Conflict, NotFound, Unavailable
from server.inference.caption_lane import Ear, VoicePrints
from server.jobs import final_pass
from server.jobs.final_pass import FinalPass, closed_recording
from server.jobs.hearing import AHEAD, BLOCK
from server.jobs.runner import Progress
from server.recordings.files import RecordingFolders
from server.speech.captions import Caption
from server.speech.processor import SpeakerTurn, Word
from server.speech.speakers import SpeakerName
from server.speech.voices import VoiceLimits
from server.store.captions import CaptionBatch
from server.store.database import database_url
from server.store.records import CaptionVersion, Job, Recording, RecordingState, VoicePrint
from server.store.store import Store
from tests.jobs.recordings import write
from tests.jobs.scripted_lane import ScriptedFiles
from tests.speech.scripted import Line, sound, spoken
from tests.store.rows import recording, talk

LINES = [
    *spoken("the first one talks about the summer.", start=0.5),
    *spoken("and the second one answers him.", start=6.0),
    *spoken("nobody has heard this live.", start=12.0),
]
TURNS = [
    SpeakerTurn(0, 5 * SAMPLE_RATE, "b", 1.0),
    SpeakerTurn(5 * SAMPLE_RATE, 11 * SAMPLE_RATE, "a", 1.0),
    SpeakerTurn(11 * SAMPLE_RATE, 18 * SAMPLE_RATE, "b", 1.0),
]
LENGTH = 18.0


def limits(model: str) -> VoiceLimits:
    return VoiceLimits(0.4, 0.1)


def by_order(live: Sequence[SpeakerTurn], offline: Sequence[SpeakerTurn]) -> Mapping[str, str]:
    """Enough of a mapping for two speakers."""
    return {"b": "S1", "a": "S2"} if live else {}


def live_caption(number: int, lines: Sequence[Line], speaker: str, **person: Any) -> Caption:
    words = tuple(Word(round(s * SAMPLE_RATE), round(e * SAMPLE_RATE), text, 0.9) for s, e, text in lines)
    made = Caption(number, 1, words[0].start, words[-1].end, (speaker,), words, len(words), True)
    return replace(made, **person)


async def hear(final: FinalPass, recording: Recording, progress: Progress) -> dict[str, Any]:
    return await final.write(recording, await final.listen(recording, progress), progress)


class Scene:
    """A stream that is over: its recording, its live captions, its job."""

    def __init__(self, store: Store, root: Path, stream_id: str) -> None:
        self.store = store
        self.files = RecordingFolders(root)
        self.stream_id = stream_id
        self.job = Job("job", "final-pass", stream_id, "local", datetime.now(UTC))

    async def live(self, *captions: Caption, names: Sequence[SpeakerName] = ()) -> None:
        speakers = names or (SpeakerName("S1", "Anna", "person"), SpeakerName("S2"))
        await self.store.captions.save(CaptionBatch({self.stream_id: captions}, {self.stream_id: speakers}))

    async def run(self, files: ScriptedFiles, words: str = "raw", speakers: str = "clean") -> dict[str, Any]:
        versions = {Ear.WORDS: words, Ear.SPEAKERS: speakers}
        final = FinalPass(self.store, self.files, files, by_order, versions, limits)
        progress = Progress(self.store, self.job.id)
        return await hear(final, await closed_recording(self.store, self.stream_id, progress), progress)

    async def final(self) -> list[Caption]:
        return (await self.store.captions.page(self.stream_id, CaptionVersion.FINAL)).items


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    store = Store(database_url(None, tmp_path))
    await store.open()
    stream = await talk(store)
    await store.save_stream(replace(stream, language="en"))
    kept = recording(stream, state=RecordingState.READY.value, length=round(LENGTH * SAMPLE_RATE))
    await store.save_recording(kept)
    made = Scene(store, tmp_path / "recordings", stream.id)
    await store.jobs.add(made.job)
    await store.jobs.claim(made.job.id, datetime.now(UTC))
    write(tmp_path / "recordings" / stream.id, sound(LINES, LENGTH))
    yield made
    await store.close()


async def test_the_second_account_has_what_was_missed_and_the_speakers_names(scene: Scene) -> None:
    await scene.live(live_caption(1, LINES[:7], "S1"), live_caption(2, LINES[7:13], "S1"))
    changes = await scene.run(ScriptedFiles(LINES, TURNS))
    final = await scene.final()
    assert [(caption.speakers[0], caption.shown) for caption in final] == [
        ("S1", "the first one talks about the summer."),
        ("S2", "and the second one answers him."),
        ("S1", "nobody has heard this live."),
    ]
    assert [abs(caption.start / SAMPLE_RATE - start) < 0.1 for caption, start in zip(final, (0.5, 6, 12), strict=True)]
    names = await scene.store.captions.speakers(scene.stream_id, CaptionVersion.FINAL)
    assert [(entry.label, entry.name) for entry in names] == [("S1", "Anna"), ("S2", None)]
    assert (changes["words_added"], changes["speakers_changed"], changes["captions_added"]) == (5, 6, 1)
    live = (await scene.store.captions.page(scene.stream_id, CaptionVersion.LIVE)).items
    assert len(live) == 2


async def test_who_spoke_when_is_kept_with_the_labels_of_the_account(scene: Scene) -> None:
    await scene.live(live_caption(1, LINES[:7], "S1"), live_caption(2, LINES[7:13], "S1"))
    assert scene.files.turns(scene.stream_id).exists() is False
    await scene.run(ScriptedFiles(LINES, TURNS))
    kept = await asyncio.to_thread(scene.files.read_turns, scene.stream_id)
    assert kept is not None
    assert [(turn.start, turn.end, turn.speaker) for turn in kept] == [
        (turn.start, turn.end, {"a": "S2", "b": "S1"}[turn.speaker]) for turn in TURNS
    ]


async def test_done_twice_is_done_once_and_corrections_stay(scene: Scene) -> None:
    await scene.live(live_caption(1, LINES[:7], "S1", text="The first speaks of summer."))
    await scene.run(ScriptedFiles(LINES, TURNS))
    await scene.store.captions.edit(
        scene.stream_id, CaptionVersion.FINAL, 2, lambda caption: replace(caption, text="And he answers.")
    )
    await scene.run(ScriptedFiles(LINES, TURNS))
    assert [caption.shown for caption in await scene.final()] == [
        "The first speaks of summer.",
        "And he answers.",
        "nobody has heard this live.",
    ]


async def test_somebody_who_edits_in_that_moment_is_not_overwritten(scene: Scene) -> None:
    await scene.live(live_caption(1, LINES[:7], "S1"))
    files = ScriptedFiles(LINES, TURNS)
    final = FinalPass(scene.store, scene.files, files, by_order, {Ear.WORDS: "clean", Ear.SPEAKERS: "clean"}, limits)
    replace_all = scene.store.captions.replace
    tries = 0

    async def late(*arguments: Any, **options: Any) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await scene.store.captions.edit(
                scene.stream_id, CaptionVersion.LIVE, 1, lambda caption: replace(caption, hidden=True)
            )
        await replace_all(*arguments, **options)

    scene.store.captions.replace = late  # type: ignore[method-assign]
    progress = Progress(scene.store, scene.job.id)
    await hear(final, await closed_recording(scene.store, scene.stream_id, progress), progress)
    assert tries == 2 and (await scene.final())[0].hidden


async def test_the_lane_is_fed_no_faster_than_it_hears(scene: Scene) -> None:
    files = ScriptedFiles(LINES, TURNS)
    await scene.run(files)
    assert files.most_ahead <= AHEAD + BLOCK
    assert files.opened[0].language == "en" and files.opened[0].urgency == "file"


async def test_the_recording_is_heard_as_its_publisher_wanted_the_stream(scene: Scene) -> None:
    stream = await scene.store.stream(scene.stream_id)
    wishes = {"vocabulary": "Klangfarbe", "translated": True, "fewest_speakers": 2, "most_speakers": 2}
    await scene.store.save_stream(replace(stream, **wishes))
    await scene.live(live_caption(1, LINES[:7], "S1"))
    files = ScriptedFiles(LINES, TURNS)
    await scene.run(files)
    (wish,) = files.opened
    assert (wish.language, wish.vocabulary, wish.translate) == ("en", "Klangfarbe", True)
    assert (wish.min_speakers, wish.max_speakers) == (2, 2)
    assert files.talk.vocabularies and set(files.talk.vocabularies) == {"Klangfarbe"}


@pytest.mark.parametrize(
    ("has_raw", "words", "speakers"),
    [(True, "clean", "raw"), (True, "raw", "clean"), (True, "raw", "raw"), (False, "raw", "raw")],
)
async def test_each_ear_hears_the_version_that_the_settings_name(
    scene: Scene, has_raw: bool, words: str, speakers: str
) -> None:
    """Of a recording without the original, both hear what there is, and both hear the same moments."""
    folder = scene.files.audio(scene.stream_id).parent
    if has_raw:
        noise = np.random.default_rng(1).normal(0, 0.01, round(LENGTH * SAMPLE_RATE)).astype(np.float32)
        write(folder, sound(LINES, LENGTH) + noise, "raw")
    await scene.store.change_recording(scene.stream_id, has_raw=has_raw)
    files = ScriptedFiles(LINES, TURNS)
    await scene.run(files, words, speakers)
    heard = {ear: np.concatenate(pieces) for ear, pieces in files.heard.items()}
    assert len(heard[Ear.WORDS]) == len(heard[Ear.SPEAKERS])
    pause = slice(round(9.0 * SAMPLE_RATE), round(11.5 * SAMPLE_RATE))
    noisy = {ear: float(np.sqrt(np.mean(samples[pause] ** 2))) > 0.003 for ear, samples in heard.items()}
    wanted = {Ear.WORDS: words, Ear.SPEAKERS: speakers}
    assert noisy == {ear: has_raw and version == "raw" for ear, version in wanted.items()}
    assert [caption.shown for caption in await scene.final()][-1] == "nobody has heard this live."


async def test_named_people_are_that_many_at_least(scene: Scene) -> None:
    names = (SpeakerName("S1", "Anna", "person"), SpeakerName("S2", "Ben", "person"), SpeakerName("S3", "Eva", "voice"))
    await scene.live(live_caption(1, LINES[:7], "S1"), names=names)
    files = ScriptedFiles(LINES, TURNS)
    await scene.run(files)
    assert files.opened[0].min_speakers == 2


async def test_a_known_voice_names_who_is_met_only_in_hindsight(scene: Scene) -> None:
    def voice(*values: float) -> Any:
        return np.asarray(values, np.float32) / np.linalg.norm(values)

    learn = scene.store.voices.learn
    for name, heard in [("Eva", voice(1, 0, 0)), ("Ida", voice(0, 1, 0)), ("Ugo", voice(0, 0, 1))]:
        await learn("local", name, [VoicePrint("m-1", heard, 30.0)], datetime.now(UTC))
    await scene.live(live_caption(1, LINES[7:13], "S2"), names=[SpeakerName("S1"), SpeakerName("S2")])
    turns = [replace(turn, speaker={"b": "new", "a": "a"}[turn.speaker]) for turn in TURNS]
    heard = {"new": voice(0.95, 0.1, 0.05), "a": voice(0.05, 0.9, 0.1)}
    files = ScriptedFiles(LINES, turns, VoicePrints("m-1", heard, {"new": 11.0, "a": 6.0}))
    await scene.run(files)
    speakers = await scene.store.captions.speakers(scene.stream_id, CaptionVersion.FINAL)
    assert [(entry.label, entry.name, entry.source) for entry in speakers] == [
        ("S1", None, None),
        ("S2", None, None),
        ("S3", "Eva", "voice"),
    ]
    prints = await scene.store.captions.prints(scene.stream_id, CaptionVersion.FINAL)
    assert set(prints) == {"S2", "S3"} and prints["S3"].seconds == 11.0


async def test_a_lost_worker_is_told_and_nothing_half_is_written(scene: Scene) -> None:
    with pytest.raises(Unavailable, match="stopped"):
        await scene.run(ScriptedFiles(LINES, TURNS, lose_at=8))
    assert await scene.final() == []


async def test_recordings_that_are_not_there_are_told_apart(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final_pass, "FINISHING_S", 1.0)
    await scene.store.change_recording(scene.stream_id, state=RecordingState.FINISHING.value)
    with pytest.raises(Conflict):
        await scene.run(ScriptedFiles(LINES, TURNS))
    await scene.store.change_recording(scene.stream_id, state=RecordingState.READY.value)
    scene.files.audio(scene.stream_id).write_bytes(b"OggS and no more")
    with pytest.raises(NotFound):
        await scene.run(ScriptedFiles(LINES, TURNS))
    scene.files.audio(scene.stream_id).unlink()
    with pytest.raises(NotFound):
        await scene.run(ScriptedFiles(LINES, TURNS))
