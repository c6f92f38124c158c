"""`clearcast bench captions`: live transcription on a simulated clock, where it keeps up and where it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.bench import caption_figures as figures
from server.bench.caption_speakers import cpwer
from server.bench.captions import LATENCIES, judged, simulate, transcribe_offline
from server.bench.hindsight import RecordedStream, final_captions
from server.bench.references import Segment, said
from server.bench.simulated import Hearing
from server.bench.wording import align, normalised, percentile
from server.client.media import open_writer
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import CaptionOptions, Urgency
from server.speech.transcriber import LONGEST_STEP, SHORTEST_STEP
from tests.bench.caption_talks import Talks, heard, seconds
from tests.inference.captioning.scripted import ScriptedDiarizer
from tests.speech.scripted import spoken
from tests.talks import NANO, TALK_SOLO, TALK_TWO, read_talk

TEXT = "every word of this long talk has to come out soon and none of them may be lost on the way. "
PART = round(25.4 * SAMPLE_RATE)
"""Of the longer talk, to the end of a segment: all of it takes half a minute of processor time."""


def latency(talks: Talks, share: float) -> float:
    """Of all streams' final words."""
    found: list[float] = []
    for stream in talks.streams:
        written = figures.committed(stream.told)
        alignment = align(normalised(" ".join(talks.said)), [entry.text for entry in written])
        found += figures.latencies(stream.told, alignment, {k: line[1] for k, line in enumerate(talks.lines)}).final
    value = percentile(found, share)
    assert value is not None
    return value


def test_what_is_heard_comes_out_within_the_policys_own_delay() -> None:
    talks = Talks(spoken(TEXT), 8.0)
    simulation = talks.run()
    (stream,) = talks.streams
    assert heard(stream) == talks.said
    assert latency(talks, 0.95) < 1.5
    assert simulation.busy == 0 and simulation.dropped == 0 and stream.gaps == []
    assert stream.done_at is not None and stream.done_at < 8.5 * SAMPLE_RATE


def test_four_streams_that_leave_the_model_time_are_as_soon_as_one() -> None:
    lines = spoken(TEXT * 4)
    one, four = Talks(lines, 26.0), Talks(lines, 26.0, count=4)
    one.run(seconds(0.08))
    simulation = four.run(seconds(0.08))
    assert simulation.busy / 26 < 0.7
    assert latency(four, 0.95) <= 1.5 * latency(one, 0.95)
    assert all(heard(stream) == four.said and not stream.gaps for stream in four.streams)
    assert all(max(stream.steps) == SHORTEST_STEP for stream in four.streams)


def test_a_model_that_is_too_slow_for_four_stretches_the_step_and_loses_nothing() -> None:
    talks = Talks(spoken(TEXT * 4), 26.0, count=4)
    simulation = talks.run(seconds(0.3))
    assert all(heard(stream) == talks.said and not stream.gaps for stream in talks.streams)
    assert all(SHORTEST_STEP < max(stream.steps) <= LONGEST_STEP for stream in talks.streams)
    assert simulation.busy / 26 < 0.95  # it does not run behind itself
    assert all(stream.done_at is not None and stream.done_at < 29 * SAMPLE_RATE for stream in talks.streams)


def test_a_long_stream_keeps_no_more_than_a_short_one() -> None:
    """What is kept after eight minutes of a talk with pauses is what is kept after one."""
    held = []
    for minutes in (1, 8):
        lines = [line for k in range(minutes) for line in spoken(TEXT, 60.0 * k + 0.5)]
        talks = Talks(lines, 60.0 * minutes)
        talks.run()
        (stream,) = talks.streams
        assert heard(stream) == talks.said
        assert stream.backlog < 12 * SAMPLE_RATE
        transcriber = stream.heard._listening.transcriber
        held.append((len(transcriber._committed), len(transcriber._audio.between(0, transcriber._audio.end))))
    assert held[1][0] <= held[0][0] + 64 and held[1][1] <= held[0][1] + SAMPLE_RATE


def test_the_final_pass_is_joined_with_what_was_told_live() -> None:
    """The recording's speakers have the labels that they had live."""
    lines = spoken(TEXT)
    talks = Talks(lines, 8.0, hearing=Hearing(diarizer=ScriptedDiarizer(["S1", "S2"])))
    simulation = talks.run()
    file = Hearing(CaptionOptions(urgency=Urgency.FILE), diarizer=ScriptedDiarizer(["one", "other"]))
    (stream,) = talks.streams
    recorded = RecordedStream(stream.samples, file)
    simulation.run([recorded])
    captions = final_captions(stream.told, recorded.account)
    assert [word.text.strip() for caption in captions for word in caption.words] == talks.said
    assert [caption.speakers[0] for caption in captions] == ["S1", "S2", "S1", "S2"][: len(captions)]
    assert {turn.speaker for turn in recorded.account.turns} == {"one", "other"}
    truth = [Segment(0.0, 8.0, caption.speakers[0], tuple(normalised(caption.heard))) for caption in captions]
    assert cpwer(truth, captions) == 0
    by_one = [replace(segment, speaker="A") for segment in truth]
    assert cpwer(by_one, captions) == pytest.approx(1.0, abs=0.2)  # half is missing here and too much there
    assert cpwer(None, captions) is None


@pytest.fixture(scope="module")
def nano_talks() -> dict[str, dict[str, Any]]:
    """Figures of both talks, of the longer one its beginning."""
    result = {}
    for path, length in ((TALK_SOLO, None), (TALK_TWO, PART)):
        audio = read_talk(path)[:length]
        reference = said(path.with_suffix(".stm"), path.with_suffix(".ctm"))
        assert reference is not None
        reference = reference.until(len(audio) / SAMPLE_RATE)
        stream, simulation = simulate(NANO, audio)
        offline = transcribe_offline(NANO, audio, reference)
        figures_of_it = judged(stream.told, reference, offline, len(audio) / SAMPLE_RATE)
        result[path.stem] = figures_of_it | {
            "errors_offline": offline.alignment.errors,
            "words": len(reference.words),
            "gaps": stream.gaps,
            "compute": simulation.compute,
        }
    return result


@pytest.mark.slow
def test_both_talks_are_written_down_as_well_as_afterwards(nano_talks: dict[str, dict[str, Any]]) -> None:
    words = sum(talk["words"] for talk in nano_talks.values())
    streamed = sum(talk["errors_streamed"] for talk in nano_talks.values())
    offline = sum(talk["errors_offline"] for talk in nano_talks.values())
    assert streamed / words <= offline / words + 0.01
    for talk in nano_talks.values():
        assert talk["wer_streamed"] <= 0.05
        assert (talk["missing_start"], talk["missing_end"], talk["gaps"]) == (0, 0, [])
        assert talk["invented"] <= 1
        assert talk["final_p50_s"] <= 1.0 and talk["final_p95_s"] <= 2.0 and talk["interim_p50_s"] <= 0.6
        assert talk["erasure"] < 0.2


def test_the_bench_prints_one_object_with_every_name(tmp_path: Path) -> None:
    """Without references their figures are null."""
    audio = tmp_path / "start.wav"
    writer = open_writer(audio)
    writer.write(read_talk(TALK_TWO)[: 3 * SAMPLE_RATE])
    writer.close()
    done = subprocess.run(
        [sys.executable, "-m", "server", "bench", "captions", "--audio", str(audio), "--simulated", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    wanted = "wer_offline wer_streamed missing_start missing_end invented rtf busy peak_rss_mb erasure revision_rate"
    referred = ["der", "der_revised", "der_final", "der_diart", "cpwer", "cpwer_final", "wer_streamed"]
    assert {*wanted.split(), *LATENCIES, *(f"{name}_algorithmic" for name in LATENCIES), *referred} <= result.keys()
    assert all(result[name] is None for name in (*referred, "final_p50_s_algorithmic"))
    assert result["rtf"] > 0 and result["peak_rss_mb"] > 10
