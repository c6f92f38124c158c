"""Streaming transcription against models that fail as real ones do: loops, phantoms, crashes, wrong times."""

from __future__ import annotations

import numpy as np
import pytest

from server.clock import SAMPLE_RATE
from server.speech.decoded import Decoded, DecodedSegment, DecodedWord
from server.speech.listening import Listening
from server.speech.processor import Failure, Request, Watermark
from server.speech.transcriber import Gap, TranscriberSettings
from server.speech.vad import VadSettings
from tests.speech.scripted import LONG, PACKET, SENTENCE, Driver, ScriptedTalk, play, sound, spoken


@pytest.mark.parametrize("phrase", ["no", "thank you", "and so it goes", "the end of the story is near us"])
def test_a_loop_is_not_committed_and_not_fed_back(phrase: str) -> None:
    lines = spoken("we begin with some words that are fine", 0.5) + spoken("and we end with others", 4.0)

    def loops(words: list[DecodedWord], start: float, end: float) -> list[DecodedWord]:
        if not 2.0 < end < 3.6:
            return words
        said = f" {phrase}".split(" ")[1:] * 30
        step = max(0.02, (end - start) / len(said) / 2)
        return [
            *words[:3],
            *(DecodedWord(1.4 + i * step, 1.4 + (i + 1) * step, f" {w}", 0.99) for i, w in enumerate(said)),
        ]

    driver = play(ScriptedTalk(lines, loops), 7.0)
    assert driver.text.split()[-5:] == ["and", "we", "end", "with", "others"]
    assert driver.text.count(phrase) <= 1 + "we begin and we end".count(phrase)
    assert driver.listening.transcriber.trips > 0
    assert not any(phrase * 2 in prompt for prompt in driver.transcribe.prompts)  # type: ignore[attr-defined]
    gaps = [item for item in driver.out if isinstance(item, Gap)]
    assert all(gap.end > gap.start for gap in gaps)


def test_people_may_repeat_themselves() -> None:
    lines = spoken("no no no no yes yes yes I said it again and again and again")
    assert play(ScriptedTalk(lines), 7.0).text == "no no no no yes yes yes I said it again and again and again"


@pytest.mark.parametrize("text", ["Thanks for watching!", "♪", "Subtitles by the Amara.org community", "you"])
def test_phrases_where_nobody_speaks_are_not_committed(text: str) -> None:
    """The voice detector opens for a door; the model writes what it always writes in silence."""
    lines = spoken("this was said")

    def phantom(words: list[DecodedWord], start: float, end: float) -> list[DecodedWord]:
        made_up = [DecodedWord(0.1 * i, 0.1 * i + 0.1, f" {w}", 0.6) for i, w in enumerate(text.split())]
        return words if words else made_up

    talk = ScriptedTalk([*lines, (6.0, 6.1, " ")], phantom)

    def answer(request: Request) -> Decoded:
        decoded = talk(request)
        if talk.windows[-1][0] < 5:
            return decoded
        silent = [DecodedSegment(s.start, s.end, s.words, -1.3, 0.8) for s in decoded.segments]
        return Decoded(tuple(silent), "en")

    driver = Driver(Listening(), answer)
    samples = sound(talk.lines, 8.0)
    driver.play(samples, range(0, len(samples), PACKET))
    assert talk.windows[-1][0] > 5
    assert driver.text == "this was said"


def test_a_prompt_that_silences_the_model_costs_no_words() -> None:
    """Some models fall silent when they are told too much."""
    lines = spoken("the first sentence is fine") + spoken("the second one vanished with the prompt", 4.0)
    talk = ScriptedTalk(lines)

    def answer(request: Request) -> Decoded:
        return Decoded((), "en") if request.options["prompt"] else talk(request)

    samples = sound(lines, 8.0)
    driver = Driver(Listening(), answer).play(samples, range(0, len(samples), PACKET))
    assert driver.text == "the first sentence is fine the second one vanished with the prompt"
    assert driver.listening.transcriber.trips > 0


def test_words_in_a_pause_are_not_committed_however_sure_the_model_is() -> None:
    def phantom(words: list[DecodedWord], start: float, end: float) -> list[DecodedWord]:
        late = [DecodedWord(3.0 - start, 3.3 - start, " phantom", 0.99)] if start < 2.5 and end > 3.4 else []
        return sorted([*words, *late], key=lambda word: word.start)

    lines = spoken("some words here", 1.0) + spoken("and more after a pause", 4.0)
    listening = Listening(VadSettings(minimum_silence=3 * SAMPLE_RATE))
    driver = play(ScriptedTalk(lines, phantom), 8.0, listening)
    assert driver.text == "some words here and more after a pause"


def test_a_model_that_crashes_on_steps_loses_nothing() -> None:
    lines = spoken(SENTENCE)
    talk = ScriptedTalk(lines)

    def answer(request: Request) -> Decoded | Failure:
        return Failure("busy", dropped=True) if request.droppable else talk(request)

    samples = sound(lines, 6.0)
    driver = Driver(Listening(), answer).play(samples)
    assert driver.text == SENTENCE


def test_what_a_model_cannot_decode_in_three_tries_is_a_gap() -> None:
    lines = spoken("these words crash it") + spoken("these do not", 5.0)
    talk = ScriptedTalk(lines)
    tries = 0

    def answer(request: Request) -> Decoded | Failure:
        nonlocal tries
        decoded = talk(request)
        if talk.windows[-1][0] < 3:
            tries += not request.droppable
            return Failure("CUDA out of memory")
        return decoded

    samples = sound(lines, 7.0)
    driver = Driver(Listening(), answer).play(samples, range(0, len(samples), PACKET))
    assert tries == 3
    assert driver.text == "these do not"
    (gap,) = [item for item in driver.out if isinstance(item, Gap)]
    assert gap.start <= 0.5 * SAMPLE_RATE and gap.end >= 1.6 * SAMPLE_RATE and gap.reason == "CUDA out of memory"


def test_a_full_window_that_cannot_be_decoded_is_a_gap_and_the_talk_goes_on() -> None:
    lines = spoken(" ".join(LONG[:150]))
    talk = ScriptedTalk(lines)

    def answer(request: Request) -> Decoded | Failure:
        decoded = talk(request)
        return Failure("out of memory") if talk.windows[-1][0] < 10 else decoded

    samples = sound(lines, 47.0)
    driver = Driver(Listening(), answer).play(samples, range(0, len(samples), PACKET))
    (gap,) = [item for item in driver.out if isinstance(item, Gap)]
    assert gap.start < SAMPLE_RATE and 20 * SAMPLE_RATE < gap.end < 26 * SAMPLE_RATE
    after = [text.strip() for start, _, text in lines if start * SAMPLE_RATE > gap.end]
    assert driver.text.split()[-len(after) :] == after


def test_music_that_passes_for_speech_is_listened_to_and_forgotten() -> None:
    """A minute in which the voice detector is wrong and the model hears no words."""
    talk = ScriptedTalk([(0.5, 60.0, " la")], lambda words, start, end: [])
    driver = play(talk, 62.0)
    assert driver.words == []
    assert max(end - start for start, end in talk.windows) <= 25.01
    assert not any(isinstance(item, Gap) for item in driver.out)
    assert driver.out[-1] == Watermark(62 * SAMPLE_RATE)


def test_after_a_long_silence_the_model_is_not_reminded() -> None:
    lines = spoken("this was long ago") + spoken("this is now", 5.0) + spoken("and this is later", 40.0)
    driver = play(ScriptedTalk(lines), 43.0)
    by_window = dict(zip(driver.transcribe.windows, driver.transcribe.prompts, strict=True))  # type: ignore[attr-defined]
    assert {prompt for (start, _), prompt in by_window.items() if 4 < start < 10} == {"this was long ago"}
    assert {prompt for (start, _), prompt in by_window.items() if start > 30} == {""}


def test_a_crash_at_the_end_keeps_what_was_seen_before() -> None:
    lines = spoken(SENTENCE)
    talk = ScriptedTalk(lines)

    def answer(request: Request) -> Decoded | Failure:
        return talk(request) if request.droppable else Failure("out of memory")

    samples = sound(lines, 6.0)
    text = Driver(Listening(), answer).play(samples, range(0, len(samples), PACKET)).text
    assert SENTENCE.startswith(text) and len(text.split()) >= 10


def test_alignment_that_runs_backwards_still_gives_words_in_order() -> None:
    def backwards(words: list[DecodedWord], start: float, end: float) -> list[DecodedWord]:
        return [
            DecodedWord(w.start - 1.5, w.end - 1.5, w.text, w.probability) if i % 4 == 2 else w
            for i, w in enumerate(words)
        ]

    driver = play(ScriptedTalk(spoken(SENTENCE), backwards), 6.0)
    assert driver.text == SENTENCE
    for before, after in zip(driver.words, driver.words[1:], strict=False):
        assert before.start < before.end <= after.start


def test_a_broken_microphone_is_heard_as_silence() -> None:
    samples = np.full(3 * SAMPLE_RATE, np.nan, np.float32)
    driver = Driver(Listening(), ScriptedTalk([])).play(samples, range(0, len(samples), PACKET))
    assert driver.words == []


def test_a_vocabulary_that_is_only_read_aloud_is_not_committed() -> None:
    """The model was shown names, and writes them where somebody only hums."""
    names = "Mira Okafor, Klangfarbe, SDP"
    lines = spoken("we heard of Klangfarbe today") + spoken("hm hm hm hm hm hm", 5.0)
    talk = ScriptedTalk(lines)

    def answer(request: Request) -> Decoded:
        decoded = talk(request)
        if talk.windows[-1][0] < 4 or not request.options["vocabulary"]:
            return decoded
        step = (talk.windows[-1][1] - talk.windows[-1][0]) / 4
        read = tuple(
            DecodedWord(i * step, (i + 1) * step, f" {w}", 0.9) for i, w in enumerate(names.replace(",", "").split())
        )
        return Decoded((DecodedSegment(0.0, 4 * step, read, -0.2, 0.01),), "en")

    listening = Listening(transcriber=TranscriberSettings(vocabulary=names))
    samples = sound(lines, 8.0)
    driver = Driver(listening, answer).play(samples, range(0, len(samples), PACKET))
    assert driver.text == "we heard of Klangfarbe today hm hm hm hm hm hm"
    assert set(talk.vocabularies) == {names, ""}
