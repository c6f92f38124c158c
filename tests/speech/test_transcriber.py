"""Streaming transcription against scripted models: what is said is committed once, in order and whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.speech.decoded import Decoded, DecodedSegment, DecodedWord
from server.speech.heard import Heard
from server.speech.listening import Listening
from server.speech.processor import Failure, Request, Watermark, Word
from server.speech.transcriber import (
    LONGEST_STEP,
    SHORTEST_STEP,
    Gap,
    Interim,
    Resume,
    Transcriber,
    TranscriberSettings,
)
from server.speech.vad import SpeechStart, Voicing
from tests.speech.scripted import LONG, PACKET, SENTENCE, Driver, Line, ScriptedTalk, play, sound, spoken


def test_everything_said_is_committed_once_and_in_order() -> None:
    lines = spoken(SENTENCE) + spoken("now a second sentence is said", 6.0)
    driver = play(ScriptedTalk(lines), 9.0)
    assert driver.text == f"{SENTENCE} now a second sentence is said"
    assert all(word.text.startswith(" ") for word in driver.words)
    for word, (start, end, _) in zip(driver.words, lines, strict=True):
        assert abs(word.start - start * SAMPLE_RATE) < 0.02 * SAMPLE_RATE
        assert abs(word.end - end * SAMPLE_RATE) < 0.05 * SAMPLE_RATE


def test_words_come_while_the_speaker_goes_on() -> None:
    lines = spoken(" ".join(LONG[:20]))
    listening = Listening()
    driver = Driver(listening, ScriptedTalk(lines))
    samples = sound(lines, 7.0)
    waited = []
    for begin in range(0, len(samples), PACKET):
        known = len(driver.words)
        driver.take(listening.push(AudioFrame(begin, samples[begin : begin + PACKET])))
        driver.answer(0)
        waited += [begin + PACKET - word.end for word in driver.words[known:]]
    assert len(waited) == len(lines)
    assert max(waited) < 1.3 * SAMPLE_RATE  # two steps and the frame that is not judged yet


def test_the_watermark_keeps_its_word() -> None:
    driver = play(ScriptedTalk(spoken(SENTENCE) + spoken("and again", 6.0)), 9.0)
    mark = 0
    for item in driver.out:
        if isinstance(item, Watermark):
            assert item.sample >= mark
            mark = item.sample
        elif isinstance(item, Word):
            assert item.start >= mark
    assert mark == 9 * SAMPLE_RATE


def test_silence_is_never_decoded() -> None:
    talk = ScriptedTalk([])
    driver = Driver(Listening(), talk).play(sound([], 600.0), range(0, 600 * SAMPLE_RATE, SAMPLE_RATE // 2))
    assert talk.windows == []
    assert driver.out[-1] == Watermark(600 * SAMPLE_RATE)


@pytest.mark.slow
@given(
    cuts=st.lists(st.integers(1, 30 * SAMPLE_RATE), max_size=12),
    late=st.integers(0, 3),
    gaps=st.lists(st.sampled_from([0.1, 0.3, 0.6, 2.0]), min_size=3, max_size=6),
    pace=st.sampled_from([0.2, 0.35, 0.5]),
)
@settings(max_examples=15, deadline=None)
def test_commits_are_the_same_however_audio_is_cut(cuts: list[int], late: int, gaps: list[float], pace: float) -> None:
    lines: list[Line] = []
    at = 0.2
    for position, gap in enumerate(gaps):
        lines += spoken(f"this is part number {position} of the talk", at, pace)
        at = lines[-1][1] + gap
    samples = sound(lines, at + 0.1)

    def unsure(words: list[DecodedWord], start: float, end: float) -> list[DecodedWord]:
        """Every third window hears its last words otherwise."""
        if round(end * 100) % 3 == 0 and len(words) > 2:
            return [*words[:-2], DecodedWord(words[-2].start, words[-1].end, " mumble", 0.3)]
        return words

    packets = Driver(Listening(), ScriptedTalk(lines, unsure)).play(samples, range(0, len(samples), PACKET))
    other = Driver(Listening(), ScriptedTalk(lines, unsure))
    other.late = late
    other.play(samples, cuts)
    assert other.words == packets.words
    assert len(packets.words) >= 8 * len(gaps) - 2 * len(gaps)


def test_a_spelling_that_wavers_does_not_hold_words_up() -> None:
    def shout(words: list[DecodedWord], start: float, end: float) -> list[DecodedWord]:
        if round(end * 2) % 2:
            return words
        return [DecodedWord(w.start, w.end, w.text.upper() + ",", w.probability) for w in words]

    lines = spoken(SENTENCE)
    driver = play(ScriptedTalk(lines, shout), 6.0)
    first = next(position for position, item in enumerate(driver.out) if isinstance(item, Word))
    assert any(isinstance(item, Interim) for item in driver.out[first:])
    assert [w.text.strip(" ,").lower() for w in driver.words] == SENTENCE.split()


def test_somebody_counts() -> None:
    """Regular text looks like a loop to the compressor; all the same it is not lost."""
    text = " ".join(f"number{n}" for n in range(70))
    assert play(ScriptedTalk(spoken(text)), 23.0).text == text


def test_the_same_sentence_again_after_a_pause_is_no_loop() -> None:
    lines = [line for n in range(8) for line in spoken("please stand up now", 1 + 3.0 * n)]
    assert len(play(ScriptedTalk(lines), 26.0).words) == 32


def test_a_word_that_goes_on_is_not_committed_by_halves() -> None:
    """A slow word is heard cut off in three windows, each time the same."""
    lines = [(0.5, 0.9, " a"), (1.0, 2.9, " supercalifragilistic"), (3.0, 3.4, " word")]
    assert play(ScriptedTalk(lines), 6.0).text == "a supercalifragilistic word"


def test_the_transcriber_alone_decodes_what_is_open_at_the_end() -> None:
    transcriber = Transcriber(iter([1, 2]))
    transcriber.push(Heard(0, np.zeros(8000, np.float32)))
    transcriber.push(SpeechStart(0, 6144))
    assert transcriber.push(Voicing(0, (1.0,) * 15)) == []
    (request,) = transcriber.flush()
    assert isinstance(request, Request)
    assert not request.droppable and len(request.arrays[0]) == 8000
    word = DecodedWord(0.1, 0.3, " yes", 0.9)
    out = transcriber.result(request.id, Decoded((DecodedSegment(0.0, 0.4, (word,)),), "en"))
    assert [item.text for item in out if isinstance(item, Word)] == [" yes"]
    assert out[-1] == Watermark(24_000)


def test_a_language_without_spaces_keeps_its_text_as_it_is() -> None:
    text = "今日は天気がいいですね"
    lines = [(0.5 + 0.2 * i, 0.68 + 0.2 * i, sign) for i, sign in enumerate(text)]

    def divided(words: list[DecodedWord], start: float, end: float) -> list[DecodedWord]:
        """Every other window joins two signs to a word."""
        if round(end * 2) % 2 or len(words) < 4:
            return words
        return [DecodedWord(words[0].start, words[1].end, words[0].text + words[1].text, 0.9), *words[2:]]

    driver = play(ScriptedTalk(lines, divided, language="ja"), 5.0)
    assert "".join(word.text for word in driver.words) == text
    assert driver.listening.transcriber.state.language == "ja"


def test_a_long_talk_without_a_pause_is_cut_and_nothing_lost() -> None:
    lines = spoken(" ".join(LONG))
    driver = play(ScriptedTalk(lines), 67.0)
    assert driver.text.split() == LONG
    windows = driver.transcribe.windows  # type: ignore[attr-defined]
    assert max(end - start for start, end in windows) < 16
    prompts = driver.transcribe.prompts  # type: ignore[attr-defined]
    assert 150 < max(len(prompt) for prompt in prompts) <= 200


def test_without_segments_and_agreement_the_window_is_cut_at_25_seconds() -> None:
    lines = spoken(" ".join(LONG))
    calls = 0

    def never_twice(words: list[DecodedWord], start: float, end: float) -> list[DecodedWord]:
        nonlocal calls
        calls += 1
        return [DecodedWord(w.start, w.end, f"{w.text}{'ab'[calls % 2]}", w.probability) for w in words]

    driver = play(ScriptedTalk(lines, never_twice, segment_every=1000), 67.0)
    windows = driver.transcribe.windows  # type: ignore[attr-defined]
    assert max(end - start for start, end in windows) <= 25.01
    assert [word[:-1] for word in driver.text.split()] == LONG


def test_the_language_is_heard_once_and_kept() -> None:
    lines = spoken(SENTENCE)
    languages = iter(["en"] * 6 + ["cy"] * 50)
    talk = ScriptedTalk(lines)
    asked = []

    def answer(request: Request) -> Decoded:
        asked.append(request.options["language"])
        decoded = talk(request)
        return Decoded(decoded.segments, request.options["language"] or next(languages))  # type: ignore[arg-type]

    samples = sound(lines, 6.0)
    Driver(Listening(), answer).play(samples)
    assert asked[0] is None and asked[-1] == "en"


def test_the_step_stretches_within_its_limits() -> None:
    lines = spoken(" ".join(LONG[:60]))
    asked = []
    for step in (0.1, 2.0, 9.0):
        listening = Listening()
        listening.transcriber.step = round(step * SAMPLE_RATE)
        driver = play(ScriptedTalk(lines), 20.0, listening)
        assert len(driver.words) == 60
        windows = driver.transcribe.windows  # type: ignore[attr-defined]
        asked.append(min(round((b[1] - a[1]) * SAMPLE_RATE) for a, b in itertools.pairwise(windows[:5])))
    assert asked == [SHORTEST_STEP, 2 * SAMPLE_RATE, LONGEST_STEP]


def test_a_successor_goes_on_without_saying_anything_twice() -> None:
    lines = spoken(SENTENCE + " and then the worker was killed but the talk went on as before")
    samples = sound(lines, 9.0)
    first = Driver(Listening(), ScriptedTalk(lines))
    half = 4 * SAMPLE_RATE
    for begin in range(0, half, PACKET):
        first.take(first.listening.push(AudioFrame(begin, samples[begin : begin + PACKET])))
        first.answer(0)
    state, reached = first.listening.transcriber.state, first.listening.transcriber.reached
    assert state.committed[-1].end == reached
    second = Driver(Listening(resume=state), ScriptedTalk(lines))
    second.play(samples[reached:], start=reached)
    assert f"{first.text} {second.text}".split() == [text.strip() for _, _, text in lines]
    assert second.transcribe.prompts[0].endswith(first.text[-20:])  # type: ignore[attr-defined]


def test_skipping_marks_a_gap_and_goes_on() -> None:
    lines = spoken(SENTENCE) + spoken("after the gap", 8.0)
    samples = sound(lines, 10.0)
    listening = Listening()
    driver = Driver(listening, ScriptedTalk(lines))
    driver.take(listening.push(AudioFrame(0, samples[: 6 * SAMPLE_RATE])))
    assert listening.backlog == 6 * SAMPLE_RATE
    driver.take(listening.skip("the machine is too busy"))
    driver.answer(0)
    driver.play(samples[6 * SAMPLE_RATE :], start=6 * SAMPLE_RATE)
    assert driver.text == "after the gap"
    (gap,) = [item for item in driver.out if isinstance(item, Gap)]
    assert gap.start == 0 and gap.end >= 5.9 * SAMPLE_RATE
    assert listening.done


def test_memory_stays_flat() -> None:
    """Ten minutes of talk leave as much behind as one."""
    lines = [line for n in range(100) for line in spoken("these are five more words", 1 + 6.0 * n)]
    samples = sound(lines, 601.0)
    listening = Listening()
    driver = Driver(listening, ScriptedTalk(lines))
    kept = []
    for begin in range(0, len(samples), SAMPLE_RATE):
        driver.take(listening.push(AudioFrame(begin, samples[begin : begin + SAMPLE_RATE])))
        driver.answer(0)
        transcriber = listening.transcriber
        kept.append(
            (
                len(transcriber._audio.between(0, 1 << 40)),
                len(transcriber._track.between(0, 1 << 40)),
                len(transcriber._committed),
                len(transcriber._events),
            )
        )
    assert len(driver.words) == 500
    assert np.max(kept[60:], axis=0).tolist() <= [8 * 16_000, 300, 100, 4]


def test_an_empty_stream_ends_at_once() -> None:
    listening = Listening()
    assert [item for item in listening.flush() if isinstance(item, Word | SpeechStart)] == []
    assert listening.done


def test_audio_out_of_order_is_refused() -> None:
    listening = Listening()
    listening.push(AudioFrame(0, np.zeros(960, np.float32)))
    with pytest.raises(ValueError):
        listening.push(AudioFrame(480, np.zeros(960, np.float32)))


def test_answers_nobody_asked_for_are_refused() -> None:
    with pytest.raises(KeyError):
        Transcriber(iter([1]), TranscriberSettings(), Resume()).result(3, Failure("x"))
