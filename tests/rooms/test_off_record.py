"""Off the record: listeners hear everything, and nothing of it is written or kept anywhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.frame import Samples
from server.audio.opus import packet_duration
from server.audio.toc import silence_packets
from server.clock import PACKET, SAMPLE_RATE
from server.inference.caption_lane import Ear
from server.rooms.messages import CaptionTold, DenoiseMode, OffRecordTold, StreamChange
from server.rooms.off_record import REMEMBERED, OffRecord
from server.speech.processor import Watermark, Word
from server.speech.transcriber import Gap, Interim
from tests.rooms.band import Band
from tests.rooms.hearing import Line, ScriptedCaptions, ended_log, log_lines, texts, told, voice
from tests.rooms.runs import Runs
from tests.rooms.sound import level, play, tone
from tests.rooms.studio import Studio, heard

S = SAMPLE_RATE
SECRET = 1500.0
"""Hertz."""
OFF, ON = StreamChange(off_record=True), StreamChange(off_record=False)


@pytest.fixture
def service() -> ScriptedCaptions:
    return ScriptedCaptions()


@pytest.fixture
async def studio(tmp_path: Path, service: ScriptedCaptions) -> AsyncIterator[Studio]:
    studio = Studio(tmp_path, captions=service, record_raw=True)
    await studio.host.start()
    yield studio
    await studio.host.close()


async def say(studio: Studio, change: StreamChange) -> None:
    info = await studio.host.update("stream-1", change)
    assert info.captions.off_record is change.off_record


def spoken(audio: Samples) -> list[bool]:
    """Whether something is said in the middle of each second."""
    return [level(audio[at + 9600 : at + 38_400]) > 0.05 for at in range(0, len(audio) - 40_000, S)]


async def end(studio: Studio) -> None:
    await studio.host.end("stream-1", "ended")
    await studio.host.settle()


async def test_what_is_off_the_record_is_heard_and_not_recorded(studio: Studio) -> None:
    _, listener = await studio.listen()
    await studio.publish(record=True)
    await studio.run(2)
    for _ in range(2):  # as often as one likes
        await say(studio, OFF)
        await studio.run(2)
        await say(studio, ON)
        await studio.run(2)
    await end(studio)
    _, audio = heard(listener)
    assert spoken(audio) == [True] * 10
    for name in ("clean.opus", "raw.opus"):
        kept = play(studio.folder() / name)
        assert spoken(kept) == [True] * 2 + [False] * 2 + [True] * 2 + [False] * 2 + [True] * 2
        assert abs(len(kept) - len(audio)) <= 2 * PACKET
        for switched in (2, 6):  # to the packet: from the moment it was wished, and well after it was taken back
            since = np.abs(kept[switched * S + PACKET : (switched + 2) * S])
            assert since.max() == 0
    assert [(item.on, round(item.at / S, 1)) for item in told(studio, OffRecordTold)] == [
        (True, 2.0),
        (False, 4.1),
        (True, 6.0),
        (False, 8.1),
    ]


@pytest.mark.parametrize("mode", [DenoiseMode.ABSENT, DenoiseMode.ACTIVE])
async def test_nothing_of_it_is_left_at_the_edges(tmp_path: Path, mode: DenoiseMode) -> None:
    """It has another pitch: what jitter buffer, denoiser or encoder still held when it began and ended would show."""
    studio = Studio(tmp_path, captions=ScriptedCaptions(), record_raw=True, opus_bitrate=32_000)
    await studio.publish(record=True, denoise=mode)
    await studio.run(1.07)
    await say(studio, OFF)
    await studio.run(1.07, lambda at: tone(at, hertz=SECRET))
    await say(studio, ON)
    await studio.run(1)
    await end(studio)
    lane = studio.host._around.captions.lanes[0]  # type: ignore[union-attr]
    for audio in (play(studio.folder() / "clean.opus"), *lane.heard.values()):
        assert loudest(audio, SECRET) < 0.03 < 0.2 < loudest(audio, 440)
    await studio.host.close()


def loudest(audio: Samples, hertz: float) -> float:
    """Amplitude of a pitch in the 20 ms in which it is loudest."""
    window = np.hanning(PACKET)
    wave = window * np.exp(-2j * np.pi * hertz * np.arange(PACKET) / S) * 2 / window.sum()
    return max(abs(audio[at : at + PACKET] @ wave) for at in range(0, len(audio) - PACKET, PACKET // 4))


async def test_the_event_log_says_when_and_nothing_else(studio: Studio, service: ScriptedCaptions) -> None:
    service.lines += [Line(0.5, "For everybody."), Line(2.5, "Between you and me."), Line(6.0, "For everybody again.")]
    await studio.publish(record=True)
    await studio.run(2, voice(service.lines))
    await say(studio, OFF)
    await studio.run(3, voice(service.lines))
    await say(studio, ON)
    await studio.run(4, voice(service.lines))
    await end(studio)
    assert [text for _, text in texts(studio)] == ["For everybody.", "For everybody again."]
    off, on = told(studio, OffRecordTold)
    for ear in Ear:
        assert not service.lanes[0].heard[ear][off.at : on.at].any()
    lines = log_lines(studio.folder())
    assert [line["on"] for line in lines if line["type"] == "off_record"] == [True, False]
    (gap,) = [line for line in lines if line["type"] == "gap"]
    assert (gap["at"], gap["end"], gap["kind"]) == (off.at, on.at, "off the record")
    everything = json.dumps(lines) + json.dumps([str(item) for item in studio.said])
    assert "you and me" not in everything
    updated = [event.stream.captions.off_record for event in studio.told("stream_updated") if event.stream]
    assert updated == [True, False]


async def test_not_even_a_word_that_only_begins_or_ends_in_it(studio: Studio, service: ScriptedCaptions) -> None:
    await studio.publish(record=True)
    await studio.run(2)
    await say(studio, OFF)
    await studio.run(1)
    await say(studio, ON)
    await studio.run(1)
    off, on = (item.at for item in told(studio, OffRecordTold))
    words = [
        Word(off - S, off - S // 2, " before", 1.0),
        Word(off - 4800, off + 1, " into", 1.0),
        Word(off + 4800, off + 9600, " within", 1.0),
        Word(on - 1, on + 4800, " out", 1.0),
        Word(on + 9600, on + 19_200, " after", 1.0),
    ]
    lane = service.lanes[0]
    lane.say(Interim(tuple(words)), *words, Gap(off, on, "too busy"), Watermark(on + 2 * S))
    await studio.run(1.5)
    said = {word.text.strip() for item in told(studio, CaptionTold) for word in item.caption.words}
    assert said == {"before", "after"}
    assert [line for line in await ended_log(studio) if line["type"] == "captions_gap"] == []


async def test_a_stream_may_begin_and_end_off_the_record(studio: Studio) -> None:
    await studio.publish(record=True)
    await say(studio, OFF)
    await say(studio, OFF)  # once more changes nothing
    await studio.run(2)
    await end(studio)
    kept = play(studio.folder() / "clean.opus")
    assert len(kept) > 1.8 * S
    assert not kept.any()
    assert len(told(studio, OffRecordTold)) == 1
    (gap,) = [line for line in log_lines(studio.folder()) if line["type"] == "gap"]
    ended = studio.told("stream_ended")[0].stream
    assert ended is not None
    assert (gap["at"], gap["end"]) == (0, ended.position)


async def test_levels_and_listeners_notice_nothing(studio: Studio) -> None:
    await studio.publish(record=True)
    await studio.run(1)
    await say(studio, OFF)
    _, listener = await studio.listen()
    await studio.run(1)
    assert level(heard(listener)[1][S // 2 :]) > 0.1


async def test_a_publisher_who_comes_back_is_still_off_the_record(studio: Studio, service: ScriptedCaptions) -> None:
    await studio.publish(record=True)
    await studio.run(2)
    await say(studio, OFF)
    studio.peers.publishers[0].state("lost")
    await studio.run(1, source=None)
    await studio.publish()
    await studio.run(2)
    assert studio.live().captions.off_record
    await say(studio, ON)
    await studio.run(2)
    await end(studio)
    assert spoken(play(studio.folder() / "clean.opus")) == [True] * 2 + [False] * 3 + [True] * 2


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_after_a_restart_it_is_still_off_the_record(runs: Runs, how: str) -> None:
    await runs.now.publish(record=True)
    await runs.run(2)
    await say(runs.now, OFF)
    await (runs.stop() if how == "stop" else runs.kill())
    (waiting,) = await runs.begin(2)
    assert waiting.captions.off_record
    await runs.now.publish()
    await runs.run(2)
    assert runs.now.live().captions.off_record
    await say(runs.now, ON)
    await runs.run(2)
    await end(runs.now)
    assert spoken(play(runs.now.folder() / "clean.opus")) == [True] * 2 + [False] * 4 + [True] * 2
    gaps = [line for line in log_lines(runs.now.folder()) if line.get("kind") == "off the record"]
    assert [(round(gap["at"] / S), round(gap["end"] / S)) for gap in gaps] == [(2, 6)]


async def test_who_goes_off_the_record_while_the_server_waits_for_them_stays_so(runs: Runs) -> None:
    await runs.now.publish(record=True)
    await runs.run(1)
    await runs.stop()
    await runs.begin(1)
    await say(runs.now, OFF)
    await runs.kill()
    (waiting,) = await runs.begin(1)
    assert waiting.captions.off_record


async def test_music_can_be_off_the_record_too(studio: Studio) -> None:
    _, listener = await studio.listen()
    await studio.publish(denoise=DenoiseMode.MUSIC, record=True)
    band = Band(studio)
    await band.play(2)
    await say(studio, OFF)
    await band.play(2)
    await say(studio, ON)
    await band.play(2)
    await end(studio)
    assert [packet for _, packet in listener.packets] == band.sent
    assert spoken(play(studio.folder() / "clean.opus")) == [True] * 2 + [False] * 2 + [True] * 2


def test_a_packet_becomes_silence_of_its_own_length() -> None:
    off = OffRecord()
    packet = silence_packets(PACKET, 2)[0] + b"sound"
    assert off.kept(0, packet) == [(0, packet)]
    assert off.begin(3 * PACKET + 100) == 3 * PACKET
    assert off.kept(2 * PACKET, packet) == [(2 * PACKET, packet)]
    three = b"\xff\x03" + b"sound of 60 ms"  # three frames of 20 ms, stereo
    silent: list[tuple[int, Any]] = off.kept(PACKET, three)
    assert [start for start, _ in silent] == [PACKET, 2 * PACKET, 3 * PACKET]
    assert sum(packet_duration(piece) for _, piece in silent) == 3 * PACKET
    assert all(len(piece) < 5 and piece[0] & 4 for _, piece in silent)
    start, until = off.end(5 * PACKET + 1)
    assert (start, until) == (3 * PACKET, 7 * PACKET)
    assert off.covers(until - 1, until + 1)
    assert off.holds(start, until)
    assert not off.holds(start, until + 1)
    assert not off.covers(until, until + PACKET)


def test_going_off_again_before_the_span_is_over_leaves_no_hole() -> None:
    off = OffRecord()
    off.begin(0)
    _, until = off.end(10 * PACKET)
    assert off.begin(8 * PACKET) == until
    assert all(off.covers(at, at + PACKET) for at in range(0, 50 * PACKET, PACKET))


def test_spans_are_bounded() -> None:
    off = OffRecord()
    for number in range(3 * REMEMBERED):
        off.begin(number * 100 * PACKET)
        off.end(number * 100 * PACKET + 10 * PACKET)
    assert len(off._spans) == REMEMBERED
    assert not off.covers(50 * PACKET, 51 * PACKET)
    last = (3 * REMEMBERED - 1) * 100 * PACKET
    assert off.covers(last, last + PACKET)
