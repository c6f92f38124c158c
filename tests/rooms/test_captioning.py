"""What is said in a live stream is told as captions, whatever becomes of whoever hears it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.clock import SAMPLE_RATE
from server.errors import InvalidRequest, NotFound, Unavailable
from server.inference.caption_lane import Ear, LanguageHeard, Refused
from server.rooms import caption_state, captioning
from server.rooms.caption_feed import PIECE
from server.rooms.messages import (
    CaptionsStateTold,
    CaptionTold,
    DenoiseMode,
    SpeakerRename,
    SpeakersTold,
    SpeakingTold,
)
from server.speech.processor import Watermark, Word
from server.speech.transcriber import Gap
from tests.rooms.hearing import READY, TALK, Line, ScriptedCaptions, ended_log, finals, log_lines, texts, told, voice
from tests.rooms.sound import tone
from tests.rooms.studio import Studio, heard

S = SAMPLE_RATE


@pytest.fixture
def service() -> ScriptedCaptions:
    return ScriptedCaptions(list(TALK))


@pytest.fixture
async def studio(tmp_path: Path, service: ScriptedCaptions) -> AsyncIterator[Studio]:
    studio = Studio(tmp_path, captions=service)
    await studio.host.start()
    yield studio
    await studio.host.close()


async def test_what_is_said_is_told_with_who_says_it(studio: Studio) -> None:
    await studio.publish()
    await studio.run(8, voice(TALK))
    said = [(["S1"], "Good morning everybody."), (["S2"], "And to you."), (["S1"], "Let us begin now.")]
    assert texts(studio) == said
    assert [speaker.label for speaker in told(studio, SpeakersTold)[-1].speakers] == ["S1", "S2"]
    assert [speaker.number for speaker in told(studio, SpeakersTold)[-1].speakers] == [1, 2]
    events = told(studio, CaptionTold)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    first = [event for event in events if event.caption.id == 1]
    assert [event.kind for event in first][-1] == "final"
    assert {event.kind for event in first[:-1]} == {"interim"}
    shown = next(event for event in first if event.caption.committed < len(event.caption.words))
    assert shown.seq < first[-1].seq
    words = finals(studio)[0].words
    assert [word.start for word in words] == [word.start for word in TALK[0].words]
    snapshot = studio.host.caption_snapshot("stream-1")
    assert [caption.text for caption in snapshot.captions] == [text for _, text in said]
    assert snapshot.cursor == events[-1].seq
    assert snapshot.state == studio.live().captions
    assert (snapshot.state.state, snapshot.state.detail) == ("ok", "")


async def test_who_speaks_is_told_before_the_text_is_final(studio: Studio) -> None:
    await studio.publish()
    await studio.run(2.5, voice(TALK))
    kinds = [item for item in studio.said if isinstance(item, SpeakingTold | CaptionTold)]
    assert isinstance(kinds[0], SpeakingTold | CaptionTold)
    first_final = next(i for i, item in enumerate(kinds) if isinstance(item, CaptionTold) and item.kind == "final")
    before = [item.speakers for item in kinds[:first_final] if isinstance(item, SpeakingTold)]
    assert before[:2] == [["?"], ["S1"]]
    assert told(studio, SpeakingTold)[-1].speakers == []


async def test_a_lane_hears_everything_once_in_pieces(tmp_path: Path) -> None:
    service = ScriptedCaptions()
    studio = Studio(tmp_path, captions=service, captions_ear="raw")
    await studio.publish(language="en", vocabulary="Clearcast", speakers=2)
    await studio.run(2, tone)
    (lane,) = service.lanes
    assert (lane.options.language, lane.options.vocabulary, lane.options.speakers) == ("en", "Clearcast", 2)
    assert set(lane.pieces) == {PIECE}
    assert len(lane.heard[Ear.WORDS]) == len(lane.heard[Ear.SPEAKERS]) >= 1.8 * S
    middle = lane.heard[Ear.WORDS][S : S + 4800]
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.02)  # as it came: the scripted denoiser halves it
    await studio.host.close()


async def test_each_ear_hears_what_the_settings_say(tmp_path: Path) -> None:
    service = ScriptedCaptions()
    studio = Studio(tmp_path, captions=service, captions_ear="clean", captions_language="de")
    await studio.publish()
    await studio.run(2, tone)
    (lane,) = service.lanes
    loudest = {ear: float(np.abs(lane.heard[ear][S : S + 4800]).max()) for ear in Ear}
    assert loudest[Ear.WORDS] == pytest.approx(0.25, abs=0.02)
    assert loudest[Ear.SPEAKERS] == pytest.approx(0.5, abs=0.02)
    clean, raw = (lane.heard[ear][S : S + 48] for ear in Ear)
    assert np.abs(raw - 2 * clean).max() < 0.01  # sample for sample the same moment
    assert studio.live().captions.language == "de"
    await studio.host.close()


async def test_listeners_hear_the_same_whatever_the_captions_do(tmp_path: Path) -> None:
    received = []
    for service in (None, ScriptedCaptions(deaf=True), ScriptedCaptions(refuses=Unavailable("No room."))):
        studio = Studio(tmp_path, captions=service)
        _, listener = await studio.listen()
        await studio.publish()
        await studio.run(1)
        received.append(list(listener.packets))
        await studio.host.end("stream-1", "error")
        await studio.host.close()
    assert len(received[0]) >= 45
    assert received[0] == received[1] == received[2]


@pytest.mark.parametrize(
    ("grant", "words"),
    [
        ({"denoise": DenoiseMode.MUSIC}, caption_state.MUSIC),
        ({"captions": False}, caption_state.NOT_WANTED),
    ],
)
async def test_a_stream_without_captions_says_why(
    studio: Studio, service: ScriptedCaptions, grant: dict[str, object], words: str
) -> None:
    await studio.publish(**grant)
    assert (studio.live().captions.state, studio.live().captions.detail) == ("off", words)
    assert service.lanes == []
    assert studio.host.caption_snapshot("stream-1").captions == []
    with pytest.raises(NotFound):
        await studio.host.change_captions("stream-1", SpeakerRename("S1", "Ann"))


async def test_options_that_the_model_cannot_follow_are_refused(studio: Studio, service: ScriptedCaptions) -> None:
    service.refuses = InvalidRequest("This model cannot translate.")
    with pytest.raises(InvalidRequest, match="translate"):
        await studio.publish(translate=True)
    await studio.host.settle()
    assert studio.host.streams() == []
    assert studio.peers.publishers[0].closed
    service.refuses = None
    await studio.publish()
    assert len(studio.host.streams()) == 1


async def test_captions_that_cannot_be_had_yet_begin_when_they_can(studio: Studio, service: ScriptedCaptions) -> None:
    service.status = replace(READY, state="starting", detail="The model is being fetched.")
    service.refuses = Unavailable("The model is being fetched.")
    await studio.publish()
    await studio.run(2, voice(TALK))
    assert studio.live().captions.state == "starting"
    service.tell(replace(READY, state="starting", detail="The model is being loaded."))
    assert service.lanes == []
    service.refuses = None
    service.tell(READY)
    await studio.run(6, voice(TALK))
    assert studio.live().captions.state == "ok"
    assert texts(studio) == [(["S2"], "And to you."), (["S1"], "Let us begin now.")]
    assert service.lanes[0].start == pytest.approx(2 * S, abs=4800)


async def test_a_lane_that_is_refused_later_is_told_in_words_and_opened_again_when_it_can_be(
    studio: Studio, service: ScriptedCaptions
) -> None:
    await studio.publish()
    await studio.run(1.5, voice(TALK))  # two words are said, and a third is in doubt
    service.lanes[0].say(Refused("The caption worker hears no more streams."))
    await studio.run(1, voice(TALK))
    assert (studio.live().captions.state, studio.live().captions.detail) == (
        ("degraded", "The caption worker hears no more streams.")
    )
    assert told(studio, CaptionsStateTold)[-1].detail == "The caption worker hears no more streams."
    assert texts(studio) == [(["S1"], "Good morning")]
    assert told(studio, SpeakingTold)[-1].speakers == []
    service.tell(replace(READY, state="starting"))
    service.tell(READY)
    assert studio.live().captions.state == "ok"
    await studio.run(5, voice(TALK))
    assert [text for _, text in texts(studio)] == ["Good morning", "And to you.", "Let us begin now."]
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()


async def test_a_worker_that_is_gone_is_told_once_and_so_is_its_return(
    studio: Studio, service: ScriptedCaptions
) -> None:
    await studio.publish()
    await studio.run(1, voice(TALK))
    service.tell(replace(READY, state="degraded", detail="The caption worker is being started again."))
    assert studio.live().captions.state == "degraded"
    service.tell(READY)
    assert studio.live().captions.state == "ok"
    states = [(item.state, item.detail) for item in told(studio, CaptionsStateTold)]
    assert states == [("degraded", "The caption worker is being started again."), ("ok", "")]
    machine = [(event.type, event.stage) for event in studio.events if event.stream is None]
    assert machine == [("degraded", "captions"), ("recovered", "captions")]


async def test_words_that_are_missing_are_told_for_a_while(
    studio: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_state, "GAP_TOLD", 3 * S)
    await studio.publish(record=True)
    await studio.run(1, voice(TALK))
    service.lanes[0].say(Gap(S // 2, 4 * S, "too much to do"))
    await studio.run(1, voice(TALK))
    state = studio.live().captions
    assert state.state == "degraded"
    assert "4 s of speech" in state.detail
    assert "too much to do" in state.detail
    service.tell(replace(READY, state="degraded", detail="Nobody says who speaks."))
    both = studio.live().captions.detail
    assert "4 s of speech" in both
    assert both.endswith("Nobody says who speaks.")
    service.tell(READY)
    await studio.run(3.2, source=None)
    assert studio.live().captions.state == "ok"
    (gap,) = [line for line in await ended_log(studio) if line["type"] == "captions_gap"]
    assert (gap["at"], gap["end"], gap["reason"]) == (S // 2, 4 * S, "too much to do")


async def test_the_language_that_was_heard_is_known(studio: Studio, service: ScriptedCaptions) -> None:
    await studio.publish()
    await studio.run(1, voice(TALK))
    assert studio.live().captions.language is None
    service.lanes[0].say(LanguageHeard("de"))
    await studio.run(0.1, source=None)
    assert studio.live().captions.language == "de"
    assert studio.told("stream_updated")[-1].stream is not None
    assert studio.told("stream_updated")[-1].stream.captions.language == "de"


async def test_without_a_diarizer_no_word_waits_for_a_speaker(studio: Studio, service: ScriptedCaptions) -> None:
    service.status = replace(READY, diarizer=None)
    await studio.publish()
    service.deaf = True  # and so nobody says who speaks
    await studio.run(0.5, voice([]))
    service.lanes[0].say(Word(0, 4800, " Hello.", 0.9), Watermark(S // 2))
    await studio.run(0.2, voice([]))
    assert texts(studio) == [([], "Hello.")]
    service.deaf = False


async def test_captions_that_fail_harm_nobody(
    studio: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, listener = await studio.listen()
    await studio.publish()
    await studio.publish("other")
    one, other = studio.peers.publishers
    await studio.run(1, voice(TALK), one, other)
    monkeypatch.setattr(service.lanes[0], "push", lambda ear, frame: 1 / 0)
    await studio.run(3, voice(TALK), one, other)
    broken, well = studio.host.streams()
    assert (broken.captions.state, broken.captions.detail) == ("degraded", caption_state.BROKEN)
    assert well.captions.state == "ok"
    assert service.lanes[0].closed
    heard(listener)  # asserts that there is no gap
    assert len(listener.packets) >= 190
    assert [item.stream_id for item in told(studio, CaptionTold) if item.kind == "final"] == ["stream-2"]


async def test_a_publisher_who_never_sends_leaves_no_lane_open(studio: Studio, service: ScriptedCaptions) -> None:
    answer = await studio.publish()
    assert len(service.lanes) == 1
    await studio.host.remove(answer.peer_id, "left")
    await studio.host.settle()
    assert service.lanes[0].closed


# ---- the end


async def test_a_stream_is_over_when_its_last_words_are_told(studio: Studio) -> None:
    await studio.publish(record=True)
    await studio.run(6.8, voice(TALK))  # its last word has just been said
    assert len(finals(studio)) == 2
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    assert texts(studio)[-1] == (["S1"], "Let us begin now.")
    logged = [line["caption"]["text"] for line in log_lines(studio.folder()) if line["type"] == "caption"]
    assert logged == [text for _, text in texts(studio)]
    assert studio.host.stream("stream-1") is None


async def test_a_lane_that_says_nothing_cannot_hold_a_stream_up(
    studio: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.stream.TAIL", 0.05)
    service.deaf = True
    await studio.publish(record=True)
    await studio.run(2, voice(TALK))
    position = studio.live().position
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()
    assert studio.told("stream_ended")
    assert service.lanes[0].closed
    (gap,) = [line for line in log_lines(studio.folder()) if line["type"] == "captions_gap"]
    assert gap["end"] >= position


async def test_a_server_that_is_stopped_waits_no_longer_for_a_stream_that_ends(
    studio: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.stream.TAIL", 3600.0)
    monkeypatch.setattr(captioning, "TAIL_AT_SHUTDOWN", 0.05)
    service.deaf = True
    await studio.publish(record=True)
    await studio.run(2, voice(TALK))
    await studio.host.end("stream-1", "ended")
    await asyncio.sleep(0.1)
    assert studio.told("stream_ended") == []
    await studio.host.close()
    assert studio.told("stream_ended")
    assert [line["reason"] for line in log_lines(studio.folder()) if line["type"] == "captions_gap"]


async def test_a_stream_that_fails_still_tells_what_it_knows(
    studio: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.publish()
    await studio.run(1.9, voice(TALK))
    monkeypatch.setattr(studio.denoise.lanes[0], "collect", lambda: 1 / 0)
    await studio.run(0.1, source=None)
    assert studio.host.streams() == []
    assert texts(studio) == [(["S1"], "Good morning everybody.")]
    assert service.lanes[0].closed


async def test_a_publisher_who_comes_back_keeps_lane_and_speakers(studio: Studio, service: ScriptedCaptions) -> None:
    await studio.publish()
    await studio.run(2.5, voice(TALK))
    await studio.host.change_captions("stream-1", SpeakerRename("S1", "Ann"))
    studio.peers.publishers[0].state("lost")
    await studio.run(1, source=None)
    service.lines[1:] = [Line(5.0, "Here I am again.")]
    await studio.publish()
    await studio.run(5, voice(service.lines, begun=3.5))
    assert len(service.lanes) == 1
    assert [text for _, text in texts(studio)] == ["Good morning everybody.", "Here I am again."]
    assert studio.host.caption_snapshot("stream-1").speakers[0].name == "Ann"
