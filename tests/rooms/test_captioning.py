"""What is said in a live stream is told as captions, whatever becomes of whoever hears it."""

from __future__ import annotations

import asyncio
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


async def test_what_is_said_is_told_with_who_says_it(captioned: Studio) -> None:
    await captioned.publish()
    await captioned.run(8, voice(TALK))
    said = [(["S1"], "Good morning everybody."), (["S2"], "And to you."), (["S1"], "Let us begin now.")]
    assert texts(captioned) == said
    assert [speaker.label for speaker in told(captioned, SpeakersTold)[-1].speakers] == ["S1", "S2"]
    assert [speaker.number for speaker in told(captioned, SpeakersTold)[-1].speakers] == [1, 2]
    events = told(captioned, CaptionTold)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    first = [event for event in events if event.caption.id == 1]
    assert [event.kind for event in first][-1] == "final"
    assert {event.kind for event in first[:-1]} == {"interim"}
    shown = next(event for event in first if event.caption.committed < len(event.caption.words))
    assert shown.seq < first[-1].seq
    words = finals(captioned)[0].words
    assert [word.start for word in words] == [word.start for word in TALK[0].words]
    snapshot = captioned.host.caption_snapshot("stream-1")
    assert [caption.text for caption in snapshot.captions] == [text for _, text in said]
    assert snapshot.cursor == events[-1].seq
    assert snapshot.state == captioned.live().captions
    assert (snapshot.state.state, snapshot.state.detail) == ("ok", "")


async def test_who_speaks_is_told_before_the_text_is_final(captioned: Studio) -> None:
    await captioned.publish()
    await captioned.run(2.5, voice(TALK))
    kinds = [item for item in captioned.said if isinstance(item, SpeakingTold | CaptionTold)]
    assert isinstance(kinds[0], SpeakingTold | CaptionTold)
    first_final = next(i for i, item in enumerate(kinds) if isinstance(item, CaptionTold) and item.kind == "final")
    before = [item.speakers for item in kinds[:first_final] if isinstance(item, SpeakingTold)]
    assert before[:2] == [["?"], ["S1"]]
    assert told(captioned, SpeakingTold)[-1].speakers == []


async def test_a_lane_hears_everything_once_in_pieces(tmp_path: Path) -> None:
    service = ScriptedCaptions()
    captioned = Studio(tmp_path, captions=service, captions_ear="raw")
    await captioned.publish(language="en", vocabulary="Clearcast", speakers=2)
    await captioned.run(2, tone)
    (lane,) = service.lanes
    assert (lane.options.language, lane.options.vocabulary, lane.options.speakers) == ("en", "Clearcast", 2)
    assert set(lane.pieces) == {PIECE}
    assert len(lane.heard[Ear.WORDS]) == len(lane.heard[Ear.SPEAKERS]) >= 1.8 * S
    middle = lane.heard[Ear.WORDS][S : S + 4800]
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.02)  # as it came: the scripted denoiser halves it
    await captioned.host.close()


async def test_each_ear_hears_what_the_settings_say(tmp_path: Path) -> None:
    service = ScriptedCaptions()
    captioned = Studio(tmp_path, captions=service, captions_ear="clean", captions_language="de")
    await captioned.publish()
    await captioned.run(2, tone)
    (lane,) = service.lanes
    loudest = {ear: float(np.abs(lane.heard[ear][S : S + 4800]).max()) for ear in Ear}
    assert loudest[Ear.WORDS] == pytest.approx(0.25, abs=0.02)
    assert loudest[Ear.SPEAKERS] == pytest.approx(0.5, abs=0.02)
    clean, raw = (lane.heard[ear][S : S + 48] for ear in Ear)
    assert np.abs(raw - 2 * clean).max() < 0.01  # sample for sample the same moment
    assert captioned.live().captions.language == "de"
    await captioned.host.close()


async def test_listeners_hear_the_same_whatever_the_captions_do(tmp_path: Path) -> None:
    received = []
    for service in (None, ScriptedCaptions(deaf=True), ScriptedCaptions(refuses=Unavailable("No room."))):
        captioned = Studio(tmp_path, captions=service)
        _, listener = await captioned.listen()
        await captioned.publish()
        await captioned.run(1)
        received.append(list(listener.packets))
        await captioned.host.end("stream-1", "error")
        await captioned.host.close()
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
    captioned: Studio, service: ScriptedCaptions, grant: dict[str, object], words: str
) -> None:
    await captioned.publish(**grant)
    assert (captioned.live().captions.state, captioned.live().captions.detail) == ("off", words)
    assert service.lanes == []
    assert captioned.host.caption_snapshot("stream-1").captions == []
    with pytest.raises(NotFound):
        await captioned.host.change_captions("stream-1", SpeakerRename("S1", "Ann"))


async def test_options_that_the_model_cannot_follow_are_refused(captioned: Studio, service: ScriptedCaptions) -> None:
    service.refuses = InvalidRequest("This model cannot translate.")
    with pytest.raises(InvalidRequest, match="translate"):
        await captioned.publish(translate=True)
    await captioned.host.settle()
    assert captioned.host.streams() == []
    assert captioned.peers.publishers[0].closed
    service.refuses = None
    await captioned.publish()
    assert len(captioned.host.streams()) == 1


async def test_captions_that_cannot_be_had_yet_begin_when_they_can(
    captioned: Studio, service: ScriptedCaptions
) -> None:
    service.status = replace(READY, state="starting", detail="The model is being fetched.")
    service.refuses = Unavailable("The model is being fetched.")
    await captioned.publish()
    await captioned.run(2, voice(TALK))
    assert captioned.live().captions.state == "starting"
    service.tell(replace(READY, state="starting", detail="The model is being loaded."))
    assert service.lanes == []
    service.refuses = None
    service.tell(READY)
    await captioned.run(6, voice(TALK))
    assert captioned.live().captions.state == "ok"
    assert texts(captioned) == [(["S2"], "And to you."), (["S1"], "Let us begin now.")]
    assert service.lanes[0].start == pytest.approx(2 * S, abs=4800)


async def test_a_lane_that_is_refused_later_is_told_in_words_and_opened_again_when_it_can_be(
    captioned: Studio, service: ScriptedCaptions
) -> None:
    await captioned.publish()
    await captioned.run(1.5, voice(TALK))  # two words are said, and a third is in doubt
    service.lanes[0].say(Refused("The caption worker hears no more streams."))
    await captioned.run(1, voice(TALK))
    assert (captioned.live().captions.state, captioned.live().captions.detail) == (
        ("degraded", "The caption worker hears no more streams.")
    )
    assert told(captioned, CaptionsStateTold)[-1].detail == "The caption worker hears no more streams."
    assert texts(captioned) == [(["S1"], "Good morning")]
    assert told(captioned, SpeakingTold)[-1].speakers == []
    service.tell(replace(READY, state="starting"))
    service.tell(READY)
    assert captioned.live().captions.state == "ok"
    await captioned.run(5, voice(TALK))
    assert [text for _, text in texts(captioned)] == ["Good morning", "And to you.", "Let us begin now."]
    await captioned.host.end("stream-1", "ended")
    await captioned.host.settle()


async def test_a_worker_that_is_gone_is_told_once_and_so_is_its_return(
    captioned: Studio, service: ScriptedCaptions
) -> None:
    await captioned.publish()
    await captioned.run(1, voice(TALK))
    service.tell(replace(READY, state="degraded", detail="The caption worker is being started again."))
    assert captioned.live().captions.state == "degraded"
    service.tell(READY)
    assert captioned.live().captions.state == "ok"
    states = [(item.state, item.detail) for item in told(captioned, CaptionsStateTold)]
    assert states == [("degraded", "The caption worker is being started again."), ("ok", "")]
    machine = [(event.type, event.stage) for event in captioned.events if event.stream is None]
    assert machine == [("degraded", "captions"), ("recovered", "captions")]


async def test_words_that_are_missing_are_told_for_a_while(
    captioned: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_state, "GAP_TOLD", 3 * S)
    await captioned.publish(record=True)
    await captioned.run(1, voice(TALK))
    service.lanes[0].say(Gap(S // 2, 4 * S, "too much to do"))
    await captioned.run(1, voice(TALK))
    state = captioned.live().captions
    assert state.state == "degraded"
    assert "4 s of speech" in state.detail
    assert "too much to do" in state.detail
    service.tell(replace(READY, state="degraded", detail="Nobody says who speaks."))
    both = captioned.live().captions.detail
    assert "4 s of speech" in both
    assert both.endswith("Nobody says who speaks.")
    service.tell(READY)
    await captioned.run(3.2, source=None)
    assert captioned.live().captions.state == "ok"
    (gap,) = [line for line in await ended_log(captioned) if line["type"] == "captions_gap"]
    assert (gap["at"], gap["end"], gap["reason"]) == (S // 2, 4 * S, "too much to do")


async def test_the_language_that_was_heard_is_known(captioned: Studio, service: ScriptedCaptions) -> None:
    await captioned.publish()
    await captioned.run(1, voice(TALK))
    assert captioned.live().captions.language is None
    service.lanes[0].say(LanguageHeard("de"))
    await captioned.run(0.1, source=None)
    assert captioned.live().captions.language == "de"
    assert captioned.told("stream_updated")[-1].stream is not None
    assert captioned.told("stream_updated")[-1].stream.captions.language == "de"


async def test_without_a_diarizer_no_word_waits_for_a_speaker(captioned: Studio, service: ScriptedCaptions) -> None:
    service.status = replace(READY, diarizer=None)
    await captioned.publish()
    service.deaf = True  # and so nobody says who speaks
    await captioned.run(0.5, voice([]))
    service.lanes[0].say(Word(0, 4800, " Hello.", 0.9), Watermark(S // 2))
    await captioned.run(0.2, voice([]))
    assert texts(captioned) == [([], "Hello.")]
    service.deaf = False


async def test_captions_that_fail_harm_nobody(
    captioned: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, listener = await captioned.listen()
    await captioned.publish()
    await captioned.publish("other")
    one, other = captioned.peers.publishers
    await captioned.run(1, voice(TALK), one, other)
    monkeypatch.setattr(service.lanes[0], "push", lambda ear, frame: 1 / 0)
    await captioned.run(3, voice(TALK), one, other)
    broken, well = captioned.host.streams()
    assert (broken.captions.state, broken.captions.detail) == ("degraded", caption_state.BROKEN)
    assert well.captions.state == "ok"
    assert service.lanes[0].closed
    heard(listener)  # asserts that there is no gap
    assert len(listener.packets) >= 190
    assert [item.stream_id for item in told(captioned, CaptionTold) if item.kind == "final"] == ["stream-2"]


async def test_a_publisher_who_never_sends_leaves_no_lane_open(captioned: Studio, service: ScriptedCaptions) -> None:
    answer = await captioned.publish()
    assert len(service.lanes) == 1
    await captioned.host.remove(answer.peer_id, "left")
    await captioned.host.settle()
    assert service.lanes[0].closed


# ---- the end


async def test_a_stream_is_over_when_its_last_words_are_told(captioned: Studio) -> None:
    await captioned.publish(record=True)
    await captioned.run(6.8, voice(TALK))  # its last word has just been said
    assert len(finals(captioned)) == 2
    await captioned.host.end("stream-1", "ended")
    await captioned.host.settle()
    assert texts(captioned)[-1] == (["S1"], "Let us begin now.")
    logged = [line["caption"]["text"] for line in log_lines(captioned.folder()) if line["type"] == "caption"]
    assert logged == [text for _, text in texts(captioned)]
    assert captioned.host.stream("stream-1") is None


async def test_a_lane_that_says_nothing_cannot_hold_a_stream_up(
    captioned: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.stream.TAIL", 0.05)
    service.deaf = True
    await captioned.publish(record=True)
    await captioned.run(2, voice(TALK))
    position = captioned.live().position
    await captioned.host.end("stream-1", "ended")
    await captioned.host.settle()
    assert captioned.told("stream_ended")
    assert service.lanes[0].closed
    (gap,) = [line for line in log_lines(captioned.folder()) if line["type"] == "captions_gap"]
    assert gap["end"] >= position


async def test_a_server_that_is_stopped_waits_no_longer_for_a_stream_that_ends(
    captioned: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.stream.TAIL", 3600.0)
    monkeypatch.setattr(captioning, "TAIL_AT_SHUTDOWN", 0.05)
    service.deaf = True
    await captioned.publish(record=True)
    await captioned.run(2, voice(TALK))
    await captioned.host.end("stream-1", "ended")
    await asyncio.sleep(0.1)
    assert captioned.told("stream_ended") == []
    await captioned.host.close()
    assert captioned.told("stream_ended")
    assert [line["reason"] for line in log_lines(captioned.folder()) if line["type"] == "captions_gap"]


async def test_a_stream_that_fails_still_tells_what_it_knows(
    captioned: Studio, service: ScriptedCaptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await captioned.publish()
    await captioned.run(1.9, voice(TALK))
    monkeypatch.setattr(captioned.denoise.lanes[0], "collect", lambda: 1 / 0)
    await captioned.run(0.1, source=None)
    assert captioned.host.streams() == []
    assert texts(captioned) == [(["S1"], "Good morning everybody.")]
    assert service.lanes[0].closed


async def test_a_publisher_who_comes_back_keeps_lane_and_speakers(captioned: Studio, service: ScriptedCaptions) -> None:
    await captioned.publish()
    await captioned.run(2.5, voice(TALK))
    await captioned.host.change_captions("stream-1", SpeakerRename("S1", "Ann"))
    captioned.peers.publishers[0].state("lost")
    await captioned.run(1, source=None)
    service.lines[1:] = [Line(5.0, "Here I am again.")]
    await captioned.publish()
    await captioned.run(5, voice(service.lines, begun=3.5))
    assert len(service.lanes) == 1
    assert [text for _, text in texts(captioned)] == ["Good morning everybody.", "Here I am again."]
    assert captioned.host.caption_snapshot("stream-1").speakers[0].name == "Ann"
