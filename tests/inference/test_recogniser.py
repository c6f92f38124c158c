"""Whisper behind the seam of the policies: text, times and evidence, from one encoding of each window."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.frame import AudioFrame, Samples
from server.audio.resample import resample
from server.clock import SAMPLE_RATE
from server.errors import InvalidRequest, ModelCorrupt, ModelMissing
from server.inference.recogniser import Recogniser, RecogniserSettings
from server.inference.voice import SileroVad
from server.speech.listening import Listening
from server.speech.processor import Request
from server.speech.transcriber import TranscriberSettings
from tests.speech.scripted import Driver
from tests.talks import NANO, TALK_TWO, read_talk

FIRST = "The number is twelve six six twenty."


@pytest.fixture
def recogniser() -> Recogniser:
    return Recogniser.load(NANO)


@pytest.fixture(scope="module")
def talk() -> Samples:
    """`talk-two` at 48 kHz."""
    return read_talk(TALK_TWO)


def heard(talk: Samples, start: float, end: float) -> Samples:
    return resample(talk[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)], SAMPLE_RATE, 16_000)


@dataclass
class ScriptedWhisper:
    """CTranslate2's Whisper as far as the recogniser uses it; everything else is the real model's."""

    real: Any
    tokens: list[int]
    score: float = -0.2
    no_speech: float = 0.0
    alignments: list[tuple[int, int]] | None = None
    encoded: int = 0
    asked: list[list[int]] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    searched: list[dict[str, Any]] = field(default_factory=list)
    aligned_with: list[Any] = field(default_factory=list)
    generated_with: list[Any] = field(default_factory=list)

    is_multilingual = False
    device = "cpu"

    def encode(self, features: Any, to_cpu: bool = False) -> Any:
        self.encoded += 1
        return self.real.encode(features, to_cpu=to_cpu)

    def generate(self, encoded: Any, prompts: list[list[int]], **options: Any) -> list[Any]:
        self.generated_with.append(encoded)
        self.asked.append(prompts[0])
        self.limits.append(options["max_length"])
        self.searched.append({name: options[name] for name in ("beam_size", "sampling_temperature") if name in options})
        answer = type("Result", (), {})()
        answer.sequences_ids, answer.scores, answer.no_speech_prob = [self.tokens], [self.score], self.no_speech
        return [answer]

    def align(self, encoded: Any, start: list[int], texts: list[list[int]], *rest: Any, **options: Any) -> list[Any]:
        self.aligned_with.append(encoded)
        answer = type("Result", (), {})()
        answer.alignments = self.alignments or [(i, 10 * i) for i in range(len(texts[0]) + 1)]
        answer.text_token_probs = [0.5] * len(texts[0])
        return [answer]


def script(recogniser: Recogniser, text: str, **options: Any) -> ScriptedWhisper:
    """Make the model answer a text, without time stamps."""
    model = recogniser._model
    fake = ScriptedWhisper(model.model, model.hf_tokenizer.encode(text, add_special_tokens=False).ids, **options)
    model.model = fake
    return fake


def test_words_come_with_their_times_and_spaces(recogniser: Recogniser, talk: Samples) -> None:
    decoded = recogniser.transcribe(heard(talk, 0.3, 3.3))
    words = decoded.words()
    assert "".join(word.text for word in words) == f" {FIRST}"
    truth = [0.617, 0.820, 1.200, 1.348, 1.675, 1.981, 2.343]
    off = [abs(word.start + 0.3 - start) for word, start in zip(words, truth, strict=True)]
    assert np.median(off) < 0.1 and max(off) < 0.4  # alignment lets the first word start with the window
    assert all(0 < word.probability <= 1 for word in words)
    assert decoded.segments[0].no_speech < 0.5 and decoded.segments[0].average_logprob > -1


def test_the_window_is_encoded_once_for_text_and_times(recogniser: Recogniser, talk: Samples) -> None:
    fake = script(recogniser, " The number is twelve")
    recogniser.transcribe(heard(talk, 0.3, 3.3))
    assert fake.encoded == 1
    assert fake.aligned_with[0] is fake.generated_with[0]


def test_a_loop_cannot_hold_the_others_up(recogniser: Recogniser, talk: Samples) -> None:
    fake = script(recogniser, " The")
    recogniser.transcribe(heard(talk, 0.3, 1.3))
    assert fake.limits[0] - len(fake.asked[0]) == 28


def test_an_answer_is_drawn_by_chance_only_where_that_is_asked_for(recogniser: Recogniser, talk: Samples) -> None:
    fake = script(recogniser, " The")
    for temperature in (0.0, 0.4):
        options = {"thorough": True, "temperature": temperature}
        recogniser.answer(Request(1, "transcribe", (heard(talk, 0.3, 1.3),), 0, False, options))
    assert fake.searched == [{"beam_size": 5}, {"beam_size": 1, "sampling_temperature": 0.4}]


def test_the_prompt_is_bounded_and_ends_with_what_was_said_last(recogniser: Recogniser, talk: Samples) -> None:
    fake = script(recogniser, " The")
    recogniser.settings = RecogniserSettings(prompt_tokens=10)
    recogniser.transcribe(heard(talk, 0.3, 1.3), prompt="the table and the river " * 20, vocabulary="Emma " * 50)
    recogniser.transcribe(heard(talk, 0.3, 1.3))
    long, bare = fake.asked
    assert len(long) == len(bare) + 1 + 10
    tokenizer = recogniser._model.hf_tokenizer
    said = tokenizer.encode(" the river", add_special_tokens=False).ids
    assert long[: -len(bare)][-len(said) :] == said


@pytest.mark.parametrize("alignments", [[(0, 50), (1, 40), (2, 30), (3, 20), (4, 10), (5, 5)], [(0, 0)] * 6])
def test_alignment_may_run_backwards(recogniser: Recogniser, talk: Samples, alignments: list[tuple[int, int]]) -> None:
    script(recogniser, " The table is green", alignments=[(i, t) for i, (_, t) in enumerate(alignments)] + [(6, 5)] * 9)
    decoded = recogniser.transcribe(heard(talk, 0.3, 3.3))
    assert "".join(word.text for word in decoded.words()) == " The table is green"


def test_nothing_said_is_nothing_written(recogniser: Recogniser) -> None:
    script(recogniser, "")
    assert recogniser.transcribe(np.zeros(16_000, np.float32)).words() == []


def test_translation_is_refused_where_the_model_cannot(recogniser: Recogniser) -> None:
    with pytest.raises(InvalidRequest, match="translate"):
        recogniser.transcribe(np.zeros(16_000, np.float32), task="translate")


def test_models_that_are_not_there_or_broken_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        Recogniser.load(tmp_path)
    shutil.copytree(NANO, tmp_path / "broken")
    (tmp_path / "broken" / "model.bin").chmod(0o600)
    (tmp_path / "broken" / "model.bin").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelCorrupt):
        Recogniser.load(tmp_path / "broken")
    (tmp_path / "silero.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelCorrupt):
        SileroVad(tmp_path / "silero.onnx")


def test_a_talk_is_written_down_as_it_goes(recogniser: Recogniser, talk: Samples) -> None:
    """Twelve seconds through voice detector, policy and model; the model's own whole-file text is the same."""
    vad = SileroVad()
    listening = Listening(transcriber=TranscriberSettings(prompt=0, step=SAMPLE_RATE))
    driver = Driver(listening, recogniser.answer, vad.answer)
    samples = talk[: round(8.7 * SAMPLE_RATE)]
    driver.play(samples, range(0, len(samples), 4800))
    assert driver.text == (
        "The number is twelve six six twenty. I will repair the red music with Carol. "
        "The city is small but the table is green."
    )
    assert driver.words[0].start == pytest.approx(0.617 * SAMPLE_RATE, abs=0.2 * SAMPLE_RATE)


def test_silence_hum_and_noise_say_nothing(recogniser: Recogniser) -> None:
    time = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    noise = np.random.default_rng(1).normal(0, 0.05, len(time))
    hum = 0.3 * np.sin(2 * np.pi * 50 * time)
    samples = np.concatenate([np.zeros(len(time)), hum, noise]).astype(np.float32)
    driver = Driver(Listening(), recogniser.answer, SileroVad().answer)
    driver.play(samples, range(0, len(samples), 4800))
    assert driver.text == ""


def test_clipped_audio_with_an_offset_is_still_heard(recogniser: Recogniser, talk: Samples) -> None:
    """Clipped and with a DC offset."""
    samples = np.clip(talk[: 3 * SAMPLE_RATE] * 4 + 0.1, -1, 1).astype(np.float32)
    listening = Listening(transcriber=TranscriberSettings(prompt=0, step=SAMPLE_RATE))
    driver = Driver(listening, recogniser.answer, SileroVad().answer)
    for begin in range(0, len(samples), 4800):
        driver.take(listening.push(AudioFrame(begin, samples[begin : begin + 4800])))
        driver.answer(0)
    driver.take(listening.flush())
    driver.answer(0)
    assert "number is twelve six" in driver.text


def asking(audio: Samples, **options: Any) -> Request:
    return Request(1, "transcribe", (audio,), 0, droppable=False, options=options)


def test_windows_heard_together_say_what_they_say_alone(talk: Samples) -> None:
    recogniser = Recogniser.load(NANO, RecogniserSettings(batch=4))
    spans = [(0.3, 3.3), (3.2, 6.0), (0.0, 0.3), (6.0, 9.0)]
    requests = [asking(heard(talk, *span)) for span in spans]
    requests[2] = asking(np.zeros(8_000, np.float32))
    assert len({recogniser.alike(request) for request in requests}) == 1
    together = recogniser.answer_all(requests)
    for request, found in zip(requests, together, strict=True):
        alone = recogniser.answer(request)
        assert [word.text for word in found.words()] == [word.text for word in alone.words()]
        assert [word.start for word in found.words()] == pytest.approx([word.start for word in alone.words()], abs=0.1)
    assert "twelve" in "".join(word.text for word in together[0].words())


def test_prompts_of_one_length_share_a_batch() -> None:
    recogniser = Recogniser.load(NANO, RecogniserSettings(batch=4, prompt_tokens=8))
    audio = np.zeros(16_000, np.float32)
    said = "the table and the river and the garden and the mountain"
    lengths = [recogniser.alike(asking(audio, prompt=said[:count])) for count in range(0, len(said), 3)]
    assert len(set(lengths)) == 3, "nothing, half or all"
    assert recogniser.alike(asking(audio)) != recogniser.alike(asking(audio, thorough=True))
    assert recogniser.alike(asking(audio)) != recogniser.alike(asking(audio, language="en"))
