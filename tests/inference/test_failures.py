"""What Whisper is known to do wrong, replayed at the seam of CTranslate2: the captions stay true."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.frame import Samples
from server.bench import caption_figures as figures
from server.bench.references import said
from server.bench.simulated import Hearing, SimulatedStream, Simulation, as_measured
from server.bench.wording import align
from server.clock import SAMPLE_RATE
from server.inference import random_whisper
from server.inference.recogniser import Recogniser
from server.inference.voice import SileroVad
from server.speech.transcriber import TranscriberSettings
from tests.talks import NANO, TALK_SOLO, TALK_TWO, read_talk

PHANTOM, LOOP, NOTES, BACKWARDS = "phantom", "loop", "notes", "backwards"
LENGTH = 12.3
"""Seconds of the talk: four sentences."""


class Failing:
    """The real model, of whose answers every third is spoiled in one way."""

    is_multilingual = False
    device = "cpu"

    def __init__(self, model: Any, recogniser: Recogniser, way: str) -> None:
        self._model = model
        self._way = way
        self._encode = recogniser._model.hf_tokenizer.encode
        self._turn: Iterator[bool] = itertools.cycle((False, False, True))
        self._spoil = False
        self.spoiled = 0

    def encode(self, features: Any, to_cpu: bool = False) -> Any:
        return self._model.encode(features, to_cpu=to_cpu)

    def generate(self, *arguments: Any, **options: Any) -> Any:
        (answer,) = self._model.generate(*arguments, **options)  # on a processor windows come one at a time
        self._spoil = next(self._turn)
        self.spoiled += self._spoil
        if not self._spoil or self._way == BACKWARDS:
            return [answer]
        texts = {PHANTOM: " Thanks for watching!", LOOP: " the table and" * 20, NOTES: " ♪♪♪ ♪♪♪"}
        spoiled = type("Result", (), {})()
        own = self._encode(texts[self._way], add_special_tokens=False).ids
        spoiled.sequences_ids = [[*answer.sequences_ids[0], *own] if self._way == PHANTOM else own]
        spoiled.scores, spoiled.no_speech_prob = answer.scores, answer.no_speech_prob
        return [spoiled]

    def align(self, *arguments: Any, **options: Any) -> Any:
        (answer,) = self._model.align(*arguments, **options)
        if not (self._spoil and self._way == BACKWARDS):
            return [answer]
        last = max((time for _, time in answer.alignments), default=0)
        spoiled = type("Result", (), {})()
        spoiled.alignments = [(token, last - time) for token, time in answer.alignments]
        spoiled.text_token_probs = answer.text_token_probs
        return [spoiled]


def play(recogniser: Recogniser, audio: Samples) -> SimulatedStream:
    stream = SimulatedStream(audio, Hearing(settings=TranscriberSettings(prompt=0, step=SAMPLE_RATE)))
    Simulation({"vad": SileroVad().answer, "transcribe": recogniser.answer}).run([stream])
    return stream


@pytest.mark.parametrize("way", [PHANTOM, LOOP, NOTES, BACKWARDS])
def test_what_a_model_makes_up_is_not_told_as_said(way: str) -> None:
    recogniser = Recogniser.load(NANO)
    failing: list[Failing] = []
    recogniser.replace_model(lambda model: failing.append(Failing(model, recogniser, way)) or failing[0])
    audio = read_talk(TALK_SOLO)[: round(LENGTH * SAMPLE_RATE)]
    reference = said(TALK_SOLO.with_suffix(".stm"), TALK_SOLO.with_suffix(".ctm"))
    assert reference is not None and reference.segments is not None
    stream = play(recogniser, audio)
    written = figures.committed(stream.told)
    alignment = align(reference.until(LENGTH).words, [entry.text for entry in written])
    assert failing[0].spoiled >= 4
    invented = figures.invented(written, alignment, reference.until(LENGTH).segments or (), LENGTH)
    assert invented is not None and invented <= 1
    assert not {"thanks", "watching"} & {entry.text for entry in written}
    assert len(written) <= 1.2 * len(reference.until(LENGTH).words)
    assert alignment.errors <= 0.2 * len(reference.until(LENGTH).words)


def music(seconds: float) -> Samples:
    """Chords of plucked strings, one every 0.6 s."""
    time = np.arange(round(0.6 * SAMPLE_RATE)) / SAMPLE_RATE
    random = np.random.default_rng(3)
    chords = []
    for _ in range(round(seconds / 0.6)):
        notes = 110 * 2 ** (random.choice([0, 3, 5, 7, 10, 12, 15], 3) / 12)
        chord = sum(np.sin(2 * np.pi * note * k * time) / k for note in notes for k in (1, 2, 3, 4))
        chords.append(0.1 * chord * np.exp(-3 * time))
    return np.concatenate(chords).astype(np.float32)


def test_music_noise_a_hum_and_a_long_silence_say_nothing() -> None:
    """Also of a model that would write down anything: one word a minute is the most."""
    recogniser = Recogniser.load(NANO)
    failing: list[Failing] = []
    recogniser.replace_model(lambda model: failing.append(Failing(model, recogniser, PHANTOM)) or failing[0])
    time = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    noise = np.random.default_rng(1).normal(0, 0.1, len(time)).astype(np.float32)
    hum = (0.3 * np.sin(2 * np.pi * 50 * time)).astype(np.float32)
    audio = np.concatenate([music(20), noise, hum, np.zeros(120 * SAMPLE_RATE, np.float32)])
    written = figures.committed(play(recogniser, audio).told)
    assert len(written) <= len(audio) / SAMPLE_RATE / 60


def test_random_weights_of_tinys_shape_keep_real_time_on_one_core(tmp_path: Path) -> None:
    """Three tokens a second, whatever is said; all models share the one core of a simulated machine as fast as this."""
    recogniser = random_whisper.load(random_whisper.write(tmp_path, random_whisper.SHAPES["tiny"]))
    audio = read_talk(TALK_TWO)[: 9 * SAMPLE_RATE]
    stream = SimulatedStream(audio)
    simulation = Simulation(
        {"vad": SileroVad().answer, "transcribe": recogniser.answer}, as_measured, one_processor=True
    )
    simulation.run([stream])
    assert simulation.compute < 9
    assert stream.done_at is not None and stream.done_at < 12 * SAMPLE_RATE
    assert all(gap.reason != "too slow" for gap in stream.gaps)


@pytest.mark.parametrize("name", ["tiny", "tiny.en", "large-v3", "large-v3-turbo"])
def test_models_of_every_shape_are_read_from_their_folder(name: str, tmp_path: Path) -> None:
    """Mel bins, tokens and alignment heads; two layers of narrow ones are enough for that."""
    shape = random_whisper.SHAPES[name]
    small = random_whisper.Shape(64, 2, 1, 2, mels=shape.mels, languages=shape.languages)
    recogniser = random_whisper.load(random_whisper.write(tmp_path, small))
    audio = np.random.default_rng(0).normal(0, 0.1, 4 * 16_000).astype(np.float32)
    decoded = recogniser.transcribe(audio)
    words = decoded.words()
    assert words and all(0 <= word.start <= word.end <= 4.1 for word in words)
    assert recogniser._model.feature_extractor.mel_filters.shape[0] == shape.mels
