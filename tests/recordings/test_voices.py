"""Saving a voice: from one speaker, heard for long enough, with a name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from server.errors import Conflict, NotFound
from server.recordings.caption_journal import CaptionJournal
from server.recordings.captions import CaptionDesk
from server.recordings.files import RecordingFolders
from server.recordings.voices import VoiceBook
from server.rooms.messages import CaptionAnswer, CaptionCommand, CaptionsSnapshot, StreamInfo, VoicesHeard
from server.speech.speakers import SpeakerName
from server.store.captions import CaptionBatch
from server.store.database import database_url
from server.store.records import CaptionVersion, StoredStream, VoicePrint
from server.store.store import Store
from tests.recordings.test_recover import HOME
from tests.recordings.writing import STARTED


class NothingLive:
    """A media host without streams."""

    def streams(self) -> list[StreamInfo]:
        return []

    def stream(self, stream_id: str) -> StreamInfo | None:
        return None

    def caption_snapshot(self, stream_id: str) -> CaptionsSnapshot:
        raise NotFound(stream_id)

    async def change_captions(self, stream_id: str, command: CaptionCommand) -> CaptionAnswer:
        raise NotFound(stream_id)

    def voices_heard(self, stream_id: str) -> VoicesHeard | None:
        raise NotFound(stream_id)


class Shelf:
    """A stream that has ended, whose speakers a test makes up."""

    def __init__(self, root: Path) -> None:
        self.store = Store(database_url(None, root))
        journal = CaptionJournal(self.store, RecordingFolders(root))
        media = NothingLive()
        self.book = VoiceBook(self.store, media, CaptionDesk(self.store, media, journal, lambda told: None))

    async def enter(self, names: list[SpeakerName], **prints: VoicePrint) -> None:
        await self.store.save_stream(StoredStream("abc", HOME.id, "local", "Anna", "Talk", "ended", STARTED, STARTED))
        await self.store.captions.save(CaptionBatch(speakers={"abc": names}, prints={"abc": prints}))

    async def refused(self, label: str = "S1") -> str:
        with pytest.raises(Conflict) as caught:
            await self.book.save("local", "abc", label, STARTED)
        assert (await self.store.voices.page("local")).total == 0
        return caught.value.code


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    made = Shelf(tmp_path)
    await made.store.open()
    await made.store.add_channel(HOME)
    yield made
    await made.store.close()


def heard(angle: float, seconds: float = 20.0, model: str = "model-a") -> VoicePrint:
    """What somebody sounds like, in degrees."""
    at = np.deg2rad(angle)
    return VoicePrint(model, np.array([np.cos(at), np.sin(at)], np.float32), seconds)


ADA, SPLIT = SpeakerName("S1", "Ada", "person"), SpeakerName("S2", merged_into="S1")


async def test_labels_of_one_person_make_one_voice(shelf: Shelf) -> None:
    await shelf.enter([ADA, SPLIT, SpeakerName("S3")], S1=heard(0), S2=heard(40, seconds=4.0), S3=heard(120))
    voice = await shelf.book.save("local", "abc", "S2", STARTED)
    assert (voice.name, voice.seconds, len(voice.centroids)) == ("Ada", 24.0, 2)
    (known,) = await shelf.book.known("local")
    assert known.centroid == pytest.approx([np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20))], abs=1e-6)
    linked = await shelf.store.captions.speakers("abc", CaptionVersion.LIVE)
    assert [entry.voice for entry in linked] == [voice.id, None, None]


async def test_two_people_are_not_one_voice(shelf: Shelf) -> None:
    await shelf.enter([ADA, SPLIT], S1=heard(0), S2=heard(120))
    assert await shelf.refused() == "voice-mixed"


async def test_silence_and_a_word_are_no_voice(shelf: Shelf) -> None:
    await shelf.enter([ADA, SpeakerName("S2", "Bob", "person")], S1=heard(0, seconds=1.5))
    assert await shelf.refused("S1") == "voice-too-short"
    assert await shelf.refused("S2") == "voice-too-short"


async def test_what_another_model_heard_is_left_out(shelf: Shelf) -> None:
    await shelf.enter([ADA, SPLIT], S1=heard(0, model="old"), S2=heard(0))
    voice = await shelf.book.save("local", "abc", "S1", STARTED)
    assert (voice.model, voice.seconds) == ("model-a", 20.0)


async def test_a_known_name_learns_a_voice_that_is_alike(shelf: Shelf) -> None:
    await shelf.store.voices.learn("local", "ADA", [heard(0)], STARTED)
    await shelf.enter([ADA], S1=heard(30))
    assert len((await shelf.book.save("local", "abc", "S1", STARTED)).centroids) == 2


@pytest.mark.parametrize(("existing", "angles", "seconds"), [("add", [0, 110], 40.0), ("replace", [110], 20.0)])
async def test_a_known_name_with_another_voice_is_asked_about(
    shelf: Shelf, existing: str, angles: list[float], seconds: float
) -> None:
    known = await shelf.store.voices.learn("local", "Ada", [heard(0)], STARTED)
    await shelf.enter([ADA], S1=heard(110))
    with pytest.raises(Conflict, match="known as Ada") as caught:
        await shelf.book.save("local", "abc", "S1", STARTED)
    assert caught.value.code == "voice-differs"
    assert len((await shelf.store.voices.get(known.id)).centroids) == 1
    voice = await shelf.book.save("local", "abc", "S1", STARTED, existing=existing)
    assert (voice.id, voice.seconds) == (known.id, seconds)
    assert voice.centroids == pytest.approx(np.stack([heard(angle).centroid for angle in angles]), abs=1e-6)


async def test_a_voice_of_another_model_is_not_compared(shelf: Shelf) -> None:
    await shelf.store.voices.learn("local", "Ada", [heard(0, model="old")], STARTED)
    await shelf.enter([ADA], S1=heard(110))
    assert (await shelf.book.save("local", "abc", "S1", STARTED)).model == "model-a"


async def test_voices_of_one_person_are_merged_and_their_speakers_with_them(shelf: Shelf) -> None:
    await shelf.enter([ADA], S1=heard(0))
    gone = await shelf.book.save("local", "abc", "S1", STARTED)
    kept = await shelf.store.voices.learn("local", "Ada Lovelace", [heard(20, 10.0)], STARTED)
    left = await shelf.book.merge(gone, kept)
    assert (left.id, left.name, left.seconds, len(left.centroids)) == (kept.id, "Ada Lovelace", 30.0, 2)
    assert [voice.id for voice in await shelf.store.voices.all("local")] == [kept.id]
    linked = await shelf.store.captions.speakers("abc", CaptionVersion.LIVE)
    assert [entry.voice for entry in linked] == [kept.id]
    with pytest.raises(Conflict, match="itself"):
        await shelf.book.merge(left, left)


async def test_a_voice_that_is_not_in_use_names_nobody(shelf: Shelf) -> None:
    voice = await shelf.store.voices.learn("local", "Ada", [heard(0)], STARTED)
    assert [known.name for known in await shelf.book.known("local")] == ["Ada"]
    await shelf.book.change(voice, {"active": False})
    assert await shelf.book.known("local") == []
    await shelf.enter([SpeakerName("S1")], S1=heard(0))
    assert await shelf.book.likely("local", "abc", "S1") == []


async def test_whose_voice_it_may_be_is_said_with_how_sure_that_is(shelf: Shelf) -> None:
    ada = await shelf.store.voices.learn("local", "Ada", [heard(20)], STARTED)
    await shelf.store.voices.learn("local", "Bob", [heard(100)], STARTED)
    await shelf.store.voices.learn("local", "Cyd", [heard(0, model="old")], STARTED)
    await shelf.enter([SpeakerName("S1")], S1=heard(0))
    found = await shelf.book.likely("local", "abc", "S1")
    assert [voice.name for voice, _ in found] == ["Ada", "Bob"], "what another model heard is not compared"
    assert found[0][1] > 0.5 > found[1][1]
    await shelf.book.assign(ada, "abc", "S1")
    named = (await shelf.store.captions.speakers("abc", CaptionVersion.LIVE))[0]
    assert (named.name, named.voice) == ("Ada", ada.id)


async def test_what_was_forgotten_is_not_guessed(shelf: Shelf) -> None:
    await shelf.enter([SpeakerName("S1")])
    with pytest.raises(Conflict, match="for a week only") as caught:
        await shelf.book.likely("local", "abc", "S1")
    assert caught.value.code == "voice-forgotten"


async def test_a_name_is_one_voice_however_it_comes_to_it(shelf: Shelf) -> None:
    await shelf.book.learn("local", "Ada", heard(0), STARTED, None)
    with pytest.raises(Conflict) as caught:
        await shelf.book.learn("local", "ada", heard(110), STARTED, None)
    assert caught.value.code == "voice-differs"
    with pytest.raises(Conflict, match="Only 2 s"):
        await shelf.book.learn("local", "Bob", heard(0, seconds=2.0), STARTED, None)
    bob = await shelf.book.learn("local", "Bob", heard(110), STARTED, None)
    with pytest.raises(Conflict) as caught:
        await shelf.book.change(bob, {"name": "ADA"})
    assert caught.value.code == "voice-name-taken"
