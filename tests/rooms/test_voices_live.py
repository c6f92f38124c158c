"""Known voices name the speakers of a live stream, and people have the last word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from server.inference.caption_lane import VoicePrints
from server.rooms.messages import (
    KnownVoice,
    SpeakerInfo,
    SpeakerMerge,
    SpeakerRename,
    SpeakersTold,
    SpeakerVoice,
    VoicesHeard,
    VoicesKnown,
)
from tests.rooms.hearing import Line, ScriptedCaptions, told, voice
from tests.rooms.studio import Studio

TALK = [Line(0.5, "Good morning everybody."), Line(2.5, "And to you.", "S2")]
ANN = KnownVoice("ann", "Ann", "m", [1.0, 0.0, 0.0])
BOB = KnownVoice("bob", "Bob", "m", [0.0, 1.0, 0.0])


@pytest.fixture
async def studio(tmp_path: Path, service: ScriptedCaptions) -> AsyncIterator[Studio]:
    studio = Studio(tmp_path, captions=service, reconnect_s=5)
    await studio.publish(voices=[ANN, BOB])
    await studio.run(4.5, voice(TALK))
    yield studio
    await studio.host.close()


async def sounds(studio: Studio, service: ScriptedCaptions, **centroids: list[float]) -> list[SpeakerInfo]:
    """The diarizer says twice what the speakers sound like; who they are then."""
    for _ in range(2):
        heard = {label: np.array(centroid) for label, centroid in centroids.items()}
        service.lanes[-1].say(VoicePrints("m", heard, dict.fromkeys(centroids, 20.0)))
        await studio.run(0.1, voice([]))
    return studio.host.caption_snapshot("stream-1").speakers


def names(speakers: list[SpeakerInfo]) -> list[tuple[str | None, str | None, str | None]]:
    return [(speaker.name, speaker.source, speaker.voice) for speaker in speakers]


async def test_a_known_voice_is_named_and_a_stranger_is_not(studio: Studio, service: ScriptedCaptions) -> None:
    speakers = await sounds(studio, service, S1=[0.9, 0.1, 0.1], S2=[0.0, 0.1, 1.0])
    assert names(speakers) == [("Ann", "voice", "ann"), (None, None, None)]
    assert told(studio, SpeakersTold)[-1].speakers == speakers
    heard = studio.host.voices_heard("stream-1")
    assert heard is not None
    assert heard == told(studio, VoicesHeard)[-1]
    assert (heard.model, heard.centroids["S1"], heard.seconds["S1"]) == ("m", [0.9, 0.1, 0.1], 20.0)


async def test_a_voice_never_overrides_a_person(studio: Studio, service: ScriptedCaptions) -> None:
    await studio.host.change_captions("stream-1", SpeakerRename("S1", "Carol"))
    assert names(await sounds(studio, service, S1=[1.0, 0.0, 0.0]))[0] == ("Carol", "person", None)
    await studio.host.change_captions("stream-1", SpeakerRename("S1", None))
    assert names(await sounds(studio, service, S1=[1.0, 0.0, 0.0]))[0] == (None, "person", None)


async def test_a_name_that_a_person_has_given_is_not_given_twice(studio: Studio, service: ScriptedCaptions) -> None:
    await studio.host.change_captions("stream-1", SpeakerRename("S2", "Ann"))
    assert names(await sounds(studio, service, S1=[1.0, 0.0, 0.0])) == [(None, None, None), ("Ann", "person", None)]


async def test_a_voice_that_is_saved_renamed_and_deleted(studio: Studio, service: ScriptedCaptions) -> None:
    change = studio.host.change_captions
    await change("stream-1", SpeakerRename("S2", "Dora"))
    saved = await change("stream-1", SpeakerVoice("S2", "dora"))
    assert names(saved.speakers)[1] == ("Dora", "person", "dora")
    dora = KnownVoice("dora", "Dora", "m", [0.0, 0.0, 1.0])
    await change("stream-1", VoicesKnown([ANN, BOB, dora]))
    speakers = await sounds(studio, service, S1=[1.0, 0.0, 0.0], S2=[0.0, 0.0, 1.0])
    assert names(speakers) == [("Ann", "voice", "ann"), ("Dora", "person", "dora")]
    renamed = await change("stream-1", VoicesKnown([KnownVoice("ann", "Anna", "m", [1.0, 0.0, 0.0]), dora]))
    assert names(renamed.speakers)[0] == ("Anna", "voice", "ann")
    forgotten = await change("stream-1", VoicesKnown([]))
    assert names(forgotten.speakers) == [(None, None, None), ("Dora", "person", None)]


async def test_who_is_merged_with_another_is_not_named_beside_it(studio: Studio, service: ScriptedCaptions) -> None:
    await studio.host.change_captions("stream-1", SpeakerMerge("S2", "S1"))
    speakers = await sounds(studio, service, S1=[1.0, 0.0, 0.0], S2=[0.0, 1.0, 0.0])
    assert names(speakers) == [("Ann", "voice", "ann"), (None, None, None)]


async def test_voices_come_with_a_publisher_who_is_back(studio: Studio, service: ScriptedCaptions) -> None:
    await sounds(studio, service, S1=[1.0, 0.0, 0.0])
    studio.peers.publishers[0].state("lost")
    await studio.publish(voices=[ANN, KnownVoice("eve", "Eve", "m", [0.0, 0.0, 1.0])])
    speakers = await sounds(studio, service, S1=[1.0, 0.0, 0.0], S2=[0.0, 0.0, 1.0])
    assert [speaker.name for speaker in speakers] == ["Ann", "Eve"]
