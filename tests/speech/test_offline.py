"""Transcription of whole recordings: everything once, in order, and a second chance for what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.speech.decoded import Decoded, DecodedSegment, DecodedWord
from server.speech.listening import FileListening
from server.speech.offline import OfflineSettings
from server.speech.processor import Failure, Request, Watermark, Word
from server.speech.transcriber import Gap
from server.speech.windows import WindowSettings
from tests.speech.scripted import Driver, Line, ScriptedTalk, scripted_vad, sound, spoken

ENGLISH = OfflineSettings(language="en")
TALK = "the letter and the mountain are heavy every summer but the city is small "


def sentences(count: int) -> list[Line]:
    """The talk so many times, a breath after each: 4.2 s and 0.8 s."""
    return [line for number in range(count) for line in spoken(TALK, start=0.5 + 5.0 * number)]


def play(
    lines: list[Line],
    length: float,
    transcribe: Callable[[Request], Any],
    settings: OfflineSettings = ENGLISH,
    late: int = 0,
) -> Driver:
    driver = Driver(FileListening(transcriber=settings), transcribe)
    driver.late = late
    samples = sound(lines, length)
    return driver.play(samples, range(0, len(samples), SAMPLE_RATE))


def text(lines: list[Line]) -> str:
    return "".join(line[2] for line in lines).strip()


def transcriptions(driver: Driver) -> list[Request]:
    return [request for request in driver.requests if request.model == "transcribe"]


def nonsense(request: Request, words: str, logprob: float = -0.2, no_speech: float = 0.0) -> Decoded:
    length = len(request.arrays[0]) / 16_000
    pieces = words.split()
    step = length / max(1, len(pieces))
    found = tuple(DecodedWord(i * step, (i + 1) * step, f" {word}", 0.5) for i, word in enumerate(pieces))
    return Decoded((DecodedSegment(0.0, length, found, logprob, no_speech),), "en")


@pytest.mark.parametrize("late", [0, 3])
def test_every_word_comes_once_in_order_and_in_its_place(late: int) -> None:
    lines = sentences(12)
    driver = play(lines, 60, ScriptedTalk(lines), late=late)
    assert driver.text == text(lines)
    assert all(before.end <= after.start for before, after in pairwise(driver.words))
    for word, (start, _, _) in zip(driver.words, lines, strict=True):
        assert abs(word.start / SAMPLE_RATE - start) < 0.15
    assert not any(isinstance(item, Gap) for item in driver.out)


def test_watermarks_never_pass_a_word_that_is_still_to_come() -> None:
    lines = sentences(6)
    driver = play(lines, 40, ScriptedTalk(lines), late=2)
    mark = 0
    for item in driver.out:
        if isinstance(item, Watermark):
            assert item.sample > mark
            mark = item.sample
        elif isinstance(item, Word):
            assert item.start >= mark
    assert mark >= 39 * SAMPLE_RATE


def test_answers_in_any_order_make_the_same_text() -> None:
    lines = sentences(12)
    listening = FileListening(transcriber=ENGLISH)
    talk = ScriptedTalk(lines)
    waiting: list[Request] = []
    words: list[Word] = []

    def take(items: list[Any]) -> None:
        for item in items:
            if isinstance(item, Request) and item.model == "vad":
                take(listening.result(item.id, scripted_vad(item)))
            elif isinstance(item, Request):
                waiting.append(item)
            elif isinstance(item, Word):
                words.append(item)

    samples = sound(lines, 60)
    take(listening.push(AudioFrame(0, samples)))
    take(listening.flush())
    most = 0
    while waiting:
        most = max(most, len(waiting))
        request = waiting.pop()  # the newest first
        take(listening.result(request.id, talk(request)))
    assert 1 < most <= ENGLISH.at_once
    assert "".join(word.text for word in words).strip() == text(lines)
    assert listening.done


def test_a_loop_is_asked_about_again_with_more_chance() -> None:
    lines = spoken(TALK)
    talk = ScriptedTalk(lines)

    def loops(request: Request) -> Decoded:
        if float(request.options["temperature"] or 0) < 0.4:
            return nonsense(request, "and so on " * 20)
        return talk(request)

    driver = play(lines, 8, loops)
    assert driver.text == text(lines)
    assert [request.options["temperature"] for request in transcriptions(driver)] == [0.0, 0.2, 0.4]


def test_a_vocabulary_biases_and_is_not_written_down_by_itself() -> None:
    """The model hears a name right when it was shown it, and reads the whole list aloud where somebody only hums."""
    lines = [*spoken("this is Clearkast speaking"), *spoken("hm hm hm hm", start=5.0)]
    names = "Clearcast, Mira Okafor, Klangfarbe"
    talk = ScriptedTalk(lines)

    def biased(request: Request) -> Decoded:
        shown = request.options["vocabulary"] == names
        if int(request.options["start"] or 0) > 3 * SAMPLE_RATE:
            return nonsense(request, names.replace(",", "")) if shown else nonsense(request, "Hm.")
        heard = talk(request)
        right = [
            DecodedWord(word.start, word.end, word.text.replace("Clearkast", "Clearcast") if shown else word.text, 0.9)
            for word in heard.words()
        ]
        return Decoded((DecodedSegment(right[0].start, right[-1].end, tuple(right), -0.2, 0.01),), "en")

    driver = play(lines, 9, biased, replace(ENGLISH, vocabulary=names, windows=WindowSettings(longest=4 * SAMPLE_RATE)))
    assert driver.text == "this is Clearcast speaking Hm."
    assert not any(isinstance(item, Gap) for item in driver.out)


def test_of_answers_that_nobody_believes_the_likeliest_is_taken() -> None:
    lines = spoken("one two three four")

    def unsure(request: Request) -> Decoded:
        temperature = float(request.options["temperature"] or 0)
        return nonsense(request, f"try {temperature}", logprob=-1.2 if temperature == 0.6 else -2.0)

    driver = play(lines, 4, unsure)
    assert driver.text == "try 0.6"
    assert len(transcriptions(driver)) == len(ENGLISH.temperatures)


def test_a_model_that_hears_nothing_in_noise_is_believed_at_once() -> None:
    lines = spoken("one two three four")
    driver = play(lines, 4, lambda request: nonsense(request, "thanks for watching", logprob=-1.5, no_speech=0.9))
    assert driver.text == ""
    assert len(transcriptions(driver)) == 1


def test_what_the_model_leaves_out_is_asked_about_by_itself() -> None:
    lines = spoken(TALK)
    talk = ScriptedTalk(lines)
    forgets = replace(talk, mishear=lambda words, start, end: words[:3] + words[9:] if end - start > 4 else words)
    driver = play(lines, 8, forgets)
    assert driver.text == text(lines)
    assert len(transcriptions(driver)) == 2
    assert all(before.end <= after.start for before, after in pairwise(driver.words))


def test_a_window_that_crashes_the_model_is_a_gap_and_the_rest_goes_on() -> None:
    lines = [*spoken("one two three four five"), *spoken("six seven eight nine ten", start=6.0)]
    talk = ScriptedTalk(lines)

    def crashes(request: Request) -> Any:
        return Failure("out of memory") if int(request.options["start"] or 0) < 3 * SAMPLE_RATE else talk(request)

    driver = play(lines, 9, crashes)
    assert driver.text == "six seven eight nine ten"
    (gap,) = [item for item in driver.out if isinstance(item, Gap)]
    assert gap.reason == "out of memory" and gap.start < SAMPLE_RATE and gap.end < 3 * SAMPLE_RATE


def test_the_language_is_found_in_one_window_and_kept_for_the_others() -> None:
    lines = sentences(12)
    driver = play(lines, 60, replace(ScriptedTalk(lines), language="de"), OfflineSettings())
    asked = [request.options["language"] for request in transcriptions(driver)]
    assert asked[0] is None and set(asked[1:]) == {"de"}


def test_silence_and_an_empty_recording_say_nothing() -> None:
    talk = ScriptedTalk([])
    assert play([], 20, talk).text == ""
    assert play([], 0, talk).text == ""
    assert talk.windows == []


def test_memory_does_not_grow_with_the_recording() -> None:
    """Eight minutes of talk, decoded as it comes: no more audio is kept than a few windows."""
    block = sound(spoken(TALK, start=0.0), 6)
    listening = FileListening(transcriber=ENGLISH)
    most = 0

    def take(items: list[Any]) -> None:
        for item in items:
            if isinstance(item, Request):
                value = scripted_vad(item) if item.model == "vad" else Decoded((), "en")
                take(listening.result(item.id, value))

    for index in range(80):
        take(listening.push(AudioFrame(index * len(block), block)))
        most = max(most, listening.backlog)
    take(listening.flush())
    assert most < 40 * SAMPLE_RATE
    assert listening.transcriber._audio.end - listening.transcriber._audio.start < 40 * SAMPLE_RATE
    assert listening.done and listening.backlog == 0
