"""Captions outlive the server: ids and numbers go on, speakers keep their names, late readers see what was said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.clock import SAMPLE_RATE
from server.inference.caption_lane import LaneMemory, TurnRevision, VoicePrints
from server.rooms import saved
from server.rooms.caption_saved import TOLD_SINCE
from server.rooms.captioning import SAVE_AFTER
from server.rooms.messages import CaptionEdit, CaptionTold, CaptionWishes, KnownVoice, SpeakerMerge, SpeakerRename
from server.speech.processor import SpeakerTurn
from server.speech.voices import LOOKS
from tests.rooms.hearing import Hearing, Line, ScriptedCaptions, finals, log_lines, texts, told, voice
from tests.rooms.runs import Runs, end, settled

S = SAMPLE_RATE
BEFORE = [Line(0.5, "Good morning everybody."), Line(3.0, "And to you.", "S2")]
AFTER = [Line(10.0, "Let us go on."), Line(12.0, "Yes please do.", "S2")]


class Hearings(Runs):
    """Runs whose caption service is another one each time, as its process would be."""

    def __init__(self, folder: Path) -> None:
        self.service = ScriptedCaptions([*BEFORE, *AFTER])
        super().__init__(folder, captions=self.service)

    async def again(self, after: float) -> None:
        self.service = ScriptedCaptions([*BEFORE, *AFTER])
        await self.begin(after, captions=self.service)

    @property
    def lane(self) -> Hearing:
        return self.service.lanes[-1]


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncIterator[Hearings]:
    runs = Hearings(tmp_path)
    yield runs
    await runs.close()


def shelved(runs: Hearings) -> dict[str, Any]:
    return json.loads((runs.now.settings.streams_dir / "stream-1.json").read_text())["captions"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_captions_go_on_where_they_were(runs: Hearings, how: str) -> None:
    await runs.now.publish(record=True, language="en", vocabulary="Clearcast", speakers=2)
    await runs.run(5, voice(BEFORE))
    runs.lane.memory = LaneMemory({"centroids": [0.25, 0.5]})
    await runs.now.host.change_captions("stream-1", SpeakerRename("S1", "Ann"))
    first = runs.now
    shown = [caption for caption in first.host.caption_snapshot("stream-1").captions if caption.final]
    assert len(shown) == 2
    await (runs.stop() if how == "stop" else runs.kill())
    last = told(first, CaptionTold)[-1]

    await runs.again(3)
    snapshot = runs.now.host.caption_snapshot("stream-1")
    assert snapshot.captions == shown
    assert [speaker.name for speaker in snapshot.speakers] == ["Ann", None]
    assert snapshot.cursor >= last.seq
    await runs.now.publish()
    await runs.run(6, voice(AFTER, begun=8))
    assert runs.lane.restored.values["centroids"] == [0.25, 0.5]
    assert (runs.lane.options.language, runs.lane.options.vocabulary, runs.lane.options.speakers) == (
        ("en", "Clearcast", 2)
    )
    assert runs.now.live().wishes == CaptionWishes("Clearcast", False, 2, 2)
    assert runs.lane.start == pytest.approx(8 * S, abs=9600)
    assert texts(runs.now) == [(["S1"], "Let us go on."), (["S2"], "Yes please do.")]
    ids = [caption.id for caption in finals(runs.now)]
    assert ids[0] > shown[-1].id
    assert told(runs.now, CaptionTold)[0].seq > last.seq
    if how == "stop":
        assert ids[0] == shown[-1].id + 1
        assert told(runs.now, CaptionTold)[0].seq == last.seq + 1
    await end(runs.now)
    logged = [line["caption"] for line in log_lines(runs.now.folder()) if line["type"] == "caption"]
    assert [caption["text"] for caption in logged] == [
        *("Good morning everybody.", "And to you.", "Let us go on.", "Yes please do.")
    ]
    assert len({caption["id"] for caption in logged}) == 4


async def test_what_an_earlier_run_told_only_people_change(runs: Hearings) -> None:
    await runs.now.publish(record=True)
    await runs.run(5, voice(BEFORE))
    await runs.stop()
    await runs.again(1)
    await runs.now.publish()
    await runs.run(1, voice([]))
    runs.lane.say(TurnRevision(0, 4 * S, (SpeakerTurn(0, 4 * S, "S3", 1.0),)))
    await runs.run(0.1, voice([]))
    before = runs.now.host.caption_snapshot("stream-1").captions
    assert [caption.speakers for caption in before] == [["S1"], ["S2"]]
    answer = await runs.now.host.change_captions("stream-1", CaptionEdit(1, text="Good evening."))
    assert answer.caption is not None
    assert (answer.caption.text, answer.caption.rev) == ("Good evening.", before[0].rev + 1)


async def test_names_given_while_the_server_waits_last(runs: Hearings) -> None:
    await runs.now.publish(record=True)
    await runs.run(5, voice(BEFORE))
    await runs.kill()
    await runs.again(1)
    await runs.now.host.change_captions("stream-1", SpeakerRename("S2", "Bob"))
    await runs.now.host.change_captions("stream-1", SpeakerMerge("S1", "S2"))
    await runs.kill()
    await runs.again(1)
    speakers = runs.now.host.caption_snapshot("stream-1").speakers
    assert [(speaker.name, speaker.merged_into) for speaker in speakers] == [(None, "S2"), ("Bob", None)]


async def test_the_last_words_before_a_stop_are_told(runs: Hearings) -> None:
    await runs.now.publish(record=True)
    await runs.run(3.9, voice(BEFORE))
    first = runs.now
    assert len(finals(first)) == 1
    await runs.stop()
    assert texts(first)[-1] == (["S2"], "And to you.")
    assert shelved(runs)["next_id"] == 3
    assert [line["caption"]["id"] for line in log_lines(first.folder()) if line["type"] == "caption"] == [1, 2]


async def test_a_stop_does_not_wait_for_a_lane_that_says_nothing(
    runs: Hearings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.stream.TAIL_AT_SHUTDOWN", 0.05)
    await runs.now.publish(record=True)
    await runs.run(2.5, voice(BEFORE))
    runs.service.deaf = True
    lane = runs.lane
    lane.memory = LaneMemory({"committed": 1})
    await runs.stop()
    assert lane.closed
    assert shelved(runs)["lane"] == {"committed": 1}
    assert runs.now.told("stream_ended") == []


async def test_captions_that_were_told_after_the_last_look_are_not_counted_twice(runs: Hearings) -> None:
    await runs.now.publish(record=False)
    await runs.run(2.5, voice(BEFORE))
    await settled(runs.now)
    known = shelved(runs)
    await runs.run(2.5, voice(BEFORE))
    last = told(runs.now, CaptionTold)[-1]
    assert (known["next_id"], known["next_seq"]) <= (last.caption.id, last.seq)
    path = runs.now.settings.streams_dir / "stream-1.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "captions": known}))  # it has seen nothing since
    await runs.again(1)
    assert runs.now.host.caption_snapshot("stream-1").cursor > last.seq
    await runs.now.publish()
    await runs.run(6, voice(AFTER, begun=6))
    assert finals(runs.now)[0].id > last.caption.id
    assert SAVE_AFTER < TOLD_SINCE


async def test_a_file_has_a_limit(runs: Hearings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "MAX_BYTES", 4096)
    await runs.now.publish(record=True)
    await runs.run(5, voice(BEFORE))
    await runs.now.host.change_captions("stream-1", SpeakerRename("S1", "Ann"))
    runs.lane.memory = LaneMemory({"centroids": [0.5] * 100_000})
    await runs.stop()
    assert (runs.now.settings.streams_dir / "stream-1.json").stat().st_size < 4096
    await runs.again(1)
    snapshot = runs.now.host.caption_snapshot("stream-1")
    assert snapshot.captions == []
    assert snapshot.speakers[0].name == "Ann"
    await runs.now.publish()
    await runs.run(0.5, voice([]))
    assert runs.lane.restored.values == {}


async def test_a_stream_of_a_server_that_knew_no_captions_goes_on(runs: Hearings) -> None:
    await runs.now.publish(record=True)
    await runs.run(2, voice([]))
    await runs.stop()
    path = runs.now.settings.streams_dir / "stream-1.json"
    left = json.loads(path.read_text())
    del left["captions"], left["off_record_since"]
    path.write_text(json.dumps(left))
    await runs.again(1)
    assert runs.now.live().captions.state == "ok"
    assert not runs.now.live().captions.off_record


async def test_a_name_that_a_person_took_away_no_voice_gives_after_a_restart(runs: Hearings) -> None:
    """The next run has the owner's voices again, and hears the same speaker."""
    ann = KnownVoice("ann", "Ann", "m", [1.0, 0.0])
    prints = VoicePrints("m", {"S1": np.array([1.0, 0.0], np.float32)}, {"S1": 20.0})
    await runs.now.publish(record=True, voices=[ann])
    await runs.run(5, voice(BEFORE))
    for _ in range(LOOKS):
        runs.lane.say(prints)
    await runs.run(0.1)
    assert runs.now.host.caption_snapshot("stream-1").speakers[0].name == "Ann"
    await runs.now.host.change_captions("stream-1", SpeakerRename("S1", None))
    await runs.kill()
    await runs.again(3)
    await runs.now.publish(voices=[ann])
    await runs.run(1, voice(AFTER, begun=8))
    for _ in range(2 * LOOKS):
        runs.lane.say(prints)
    await runs.run(0.1)
    met = runs.now.host.caption_snapshot("stream-1").speakers[0]
    assert (met.name, met.source, met.voice) == (None, "person", None)
